//! Frames as a peer may send them, case by case, received as the server and as the client, and however they are split. The topics are those of
//! the Autobahn test suite.

mod support;

use bulkhead_websocket::{
    Event, HEAD_ROOM, Kind, Receiver, Role, Sender, Violation, close,
    extension::{Deflate, accept},
};
use support::{Frame, Seen, binary, broken, bytes, closed, closing, frame, ping, pong, seen, text};

/// The limit of most cases, in bytes.
const LIMIT: usize = 70_000;

/// One case.
struct Case {
    name: String,
    frames: Vec<Frame>,
    deflate: Option<Deflate>,
    limit: usize,
    expected: Vec<Seen>,
}

fn case(name: impl Into<String>, frames: impl Into<Vec<Frame>>, expected: impl Into<Vec<Seen>>) -> Case {
    Case { name: name.into(), frames: frames.into(), deflate: None, limit: LIMIT, expected: expected.into() }
}

impl Case {
    fn limit(self, limit: usize) -> Self {
        Case { limit, ..self }
    }

    fn deflate(self) -> Self {
        Case { deflate: Some(Deflate::default()), ..self }
    }

    fn agreed(self, deflate: Deflate) -> Self {
        Case { deflate: Some(deflate), ..self }
    }
}

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;
const FIRST_TEXT: u8 = 0x01;
const FIRST_BINARY: u8 = 0x02;
const MIDDLE: u8 = 0x00;
const LAST: u8 = 0x80;
const COMPRESSED: u8 = 0x40;

fn framing() -> Vec<Case> {
    let mut cases = Vec::new();
    // Each way in which a length is encoded, and both sides of where it changes.
    for length in [0, 1, 2, 124, 125, 126, 127, 128, 254, 65_534, 65_535, 65_536, 65_537] {
        let letters = "*".repeat(length);
        cases.push(case(format!("text of {length}"), [frame(TEXT, &letters)], [text(&letters)]));
        let all: Vec<u8> = (0..length).map(|at| (at * 31) as u8).collect();
        cases.push(case(format!("binary of {length}"), [frame(BINARY, &all)], [binary(&all)]));
    }
    let hello = || frame(TEXT, "Hello");
    cases.extend([
        case("nothing", [], []),
        case("two messages", [hello(), frame(BINARY, [0, 255])], [text("Hello"), binary([0, 255])]),
        case("a head of one byte", [hello().cut(1)], []),
        case("a head without its payload", [hello().cut(2)], []),
        case("a payload that is not all there", [frame(BINARY, [7; 1000]).cut(900)], []),
        case(
            "a length in more bytes than are needed, 16 bits",
            [hello().length_in(2)],
            [broken(Violation::LengthEncoding)],
        ),
        case("125 in 16 bits", [frame(TEXT, "*".repeat(125)).length_in(2)], [broken(Violation::LengthEncoding)]),
        case(
            "a length in more bytes than are needed, 64 bits",
            [hello().length_in(8)],
            [broken(Violation::LengthEncoding)],
        ),
        case("65,535 in 64 bits", [frame(BINARY, [1; 65_535]).length_in(8)], [broken(Violation::LengthEncoding)]),
        case("none in 16 bits", [frame(TEXT, "").length_in(2)], [broken(Violation::LengthEncoding)]),
        case("the other side's masking", [hello().masked_wrongly()], [seen::masking()]),
        case("the other side's masking of a ping", [frame(PING, "").masked_wrongly()], [seen::masking()]),
        case("the other side's masking, later", [hello(), hello().masked_wrongly()], [text("Hello"), seen::masking()]),
        case("a mask of zeros", [hello().key([0; 4])], [text("Hello")]),
        case("a mask of ones", [frame(BINARY, [0xaa; 37]).key([0xff; 4])], [binary([0xaa; 37])]),
    ]);
    cases
}

fn pings() -> Vec<Case> {
    let long = [0xfe; 125];
    vec![
        case("a ping without a payload", [frame(PING, "")], [ping("")]),
        case("a ping", [frame(PING, "Hello")], [ping("Hello")]),
        case("a ping of bytes", [frame(PING, [0, 255, 254, 253, 0])], [ping([0, 255, 254, 253, 0])]),
        case("a ping of 125", [frame(PING, long)], [ping(long)]),
        case("a ping of 126", [frame(PING, [1; 126])], [broken(Violation::LongControl)]),
        case(
            "a ping of 126 of which only the head has come",
            [frame(PING, [1; 126]).cut(2)],
            [broken(Violation::LongControl)],
        ),
        case("a ping of 70,000", [frame(PING, vec![1; 70_000])], [broken(Violation::LongControl)]),
        case("a ping with a long length of a few", [frame(PING, "x").length_in(2)], [broken(Violation::LongControl)]),
        case(
            "ten pings",
            (0..10).map(|at| frame(PING, [at])).collect::<Vec<_>>(),
            (0..10).map(|at| ping([at])).collect::<Vec<_>>(),
        ),
        case("a pong that nobody asked for", [frame(PONG, "")], [pong("")]),
        case("a pong with a payload", [frame(PONG, "unasked")], [pong("unasked")]),
        case("a pong of 126", [frame(PONG, [1; 126])], [broken(Violation::LongControl)]),
        case("a pong, then a ping", [frame(PONG, "a"), frame(PING, "b")], [pong("a"), ping("b")]),
        case(
            "a ping between messages",
            [frame(TEXT, "a"), frame(PING, "p"), frame(TEXT, "b")],
            [text("a"), ping("p"), text("b")],
        ),
        case("a ping in two frames", [frame(0x09, "a"), frame(LAST, "b")], [broken(Violation::FragmentedControl)]),
        case("a pong in two frames", [frame(0x0a, "a"), frame(LAST, "b")], [broken(Violation::FragmentedControl)]),
        case("a close in two frames", [frame(0x08, [3]), frame(LAST, [232])], [broken(Violation::FragmentedControl)]),
    ]
}

fn reserved() -> Vec<Case> {
    let mut cases = Vec::new();
    for bits in 1..8_u8 {
        let violation = if bits & 3 != 0 { Violation::ReservedBits } else { Violation::NotNegotiated };
        for (name, first) in [("text", TEXT), ("binary", BINARY), ("ping", PING), ("close", CLOSE)] {
            let name = format!("reserved bits {bits:03b} of a {name}");
            cases.push(case(name, [frame(first | bits << 4, "")], [broken(violation)]));
        }
        let name = format!("reserved bits {bits:03b} after a message, with one behind");
        let frames = [frame(TEXT, "a"), frame(TEXT | bits << 4, "b"), frame(PING, "")];
        cases.push(case(name, frames, [text("a"), broken(violation)]));
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        let violation = broken(Violation::Opcode(opcode));
        cases.push(case(format!("opcode {opcode}"), [frame(0x80 | opcode, "")], [violation.clone()]));
        let frames = [frame(TEXT, "a"), frame(0x80 | opcode, "payload"), frame(PING, "")];
        cases.push(case(format!("opcode {opcode} after a message"), frames, [text("a"), violation.clone()]));
        let frames = [frame(FIRST_TEXT, "a"), frame(opcode, "")];
        cases.push(case(format!("opcode {opcode} within a message"), frames, [violation]));
    }
    cases
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn fragmentation() -> Vec<Case> {
    let hello = "Hello".chars();
    let mut letters: Vec<_> = hello.map(|letter| frame(MIDDLE, letter.to_string())).collect();
    letters[0].first = FIRST_TEXT;
    letters[4].first = LAST;
    vec![
        case("a text in two frames", [frame(FIRST_TEXT, "a"), frame(LAST, "b")], [text("ab")]),
        case("a text in three frames", [frame(FIRST_TEXT, "a"), frame(MIDDLE, "b"), frame(LAST, "c")], [text("abc")]),
        case(
            "bytes in three frames",
            [frame(FIRST_BINARY, [0]), frame(MIDDLE, [1]), frame(LAST, [2])],
            [binary([0, 1, 2])],
        ),
        case("a letter a frame", letters, [text("Hello")]),
        case("empty frames", [frame(FIRST_TEXT, ""), frame(MIDDLE, ""), frame(LAST, "")], [text("")]),
        case("an empty frame among others", [frame(FIRST_TEXT, ""), frame(MIDDLE, "x"), frame(LAST, "")], [text("x")]),
        case("a ping within", [frame(FIRST_TEXT, "a"), frame(PING, "p"), frame(LAST, "b")], [ping("p"), text("ab")]),
        case(
            "a pong within",
            [frame(FIRST_BINARY, "a"), frame(PONG, "p"), frame(LAST, "b")],
            [pong("p"), binary("ab")],
        ),
        case(
            "pings everywhere",
            [
                frame(PING, "1"),
                frame(FIRST_TEXT, "a"),
                frame(PING, "2"),
                frame(MIDDLE, "b"),
                frame(PING, "3"),
                frame(LAST, "c"),
                frame(PING, "4"),
            ],
            [ping("1"), ping("2"), ping("3"), text("abc"), ping("4")],
        ),
        case("a close within", [frame(FIRST_TEXT, "a"), closing(1000, ""), frame(LAST, "b")], [closed(1000, "")]),
        case("a continuation of nothing", [frame(LAST, "a"), frame(TEXT, "b")], [broken(Violation::Continuation)]),
        case(
            "a first continuation of nothing",
            [frame(MIDDLE, "a"), frame(LAST, "b")],
            [broken(Violation::Continuation)],
        ),
        case("an empty continuation of nothing", [frame(LAST, "")], [broken(Violation::Continuation)]),
        case(
            "a continuation after the last frame",
            [frame(FIRST_TEXT, "a"), frame(LAST, "b"), frame(LAST, "c")],
            [text("ab"), broken(Violation::Continuation)],
        ),
        case(
            "a message within a message",
            [frame(FIRST_TEXT, "a"), frame(TEXT, "b")],
            [broken(Violation::MissingContinuation)],
        ),
        case(
            "a message begins within another",
            [frame(FIRST_TEXT, "a"), frame(FIRST_BINARY, "b")],
            [broken(Violation::MissingContinuation)],
        ),
        case(
            "the same, with a ping between",
            [frame(FIRST_BINARY, "a"), frame(PING, "p"), frame(BINARY, "b")],
            [ping("p"), broken(Violation::MissingContinuation)],
        ),
        case("a message that never ends", [frame(FIRST_TEXT, "a"), frame(MIDDLE, "b")], []),
        case(
            "two messages in frames",
            [frame(FIRST_TEXT, "a"), frame(LAST, "b"), frame(FIRST_BINARY, "c"), frame(LAST, "d")],
            [text("ab"), binary("cd")],
        ),
        case(
            "a thousand frames",
            (0..1000)
                .map(|at| {
                    frame(
                        if at == 0 {
                            FIRST_BINARY
                        } else if at == 999 {
                            LAST
                        } else {
                            MIDDLE
                        },
                        [at as u8],
                    )
                })
                .collect::<Vec<_>>(),
            [binary((0..1000).map(|at| at as u8).collect::<Vec<_>>())],
        ),
    ]
}

/// Texts, and whether they are UTF-8 (Unicode Standard, table 3-7).
#[rustfmt::skip]
const UTF8: &[(&[u8], bool)] = &[
    (b"\0", true), (b"\x7f", true), (b"\xc2\x80", true), (b"\xdf\xbf", true), (b"\xe0\xa0\x80", true), (b"\xed\x9f\xbf", true),
    (b"\xee\x80\x80", true), (b"\xef\xbf\xbd", true), (b"\xef\xbf\xbe", true), (b"\xef\xbf\xbf", true), (b"\xf0\x90\x80\x80", true),
    (b"\xf4\x8f\xbf\xbf", true), (b"\xf0\x9f\xbf\xbf", true), (b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5", true),
    (b"Hello-\xc2\xb5@\xc3\x9f\xc3\xb6\xc3\xa4\xc3\xbc\xc3\xa0\xc3\xa1-UTF-8!!", true), (b"\xf0\x9f\x98\x80 \xf0\x9f\x98\x81", true),
    // Longer than needed.
    (b"\xc0\x80", false), (b"\xc0\xaf", false), (b"\xc1\xbf", false), (b"\xe0\x80\xaf", false), (b"\xe0\x9f\xbf", false),
    (b"\xf0\x80\x80\xaf", false), (b"\xf0\x8f\xbf\xbf", false), (b"\xf8\x88\x80\x80\x80", false), (b"\xfc\x84\x80\x80\x80\x80", false),
    // Surrogates.
    (b"\xed\xa0\x80", false), (b"\xed\xaf\xbf", false), (b"\xed\xb0\x80", false), (b"\xed\xbf\xbf", false), (b"\xed\xa0\x80\xed\xb0\x80", false),
    // Beyond U+10FFFF.
    (b"\xf4\x90\x80\x80", false), (b"\xf5\x80\x80\x80", false), (b"\xf7\xbf\xbf\xbf", false), (b"\xfe", false), (b"\xff", false),
    (b"\xfe\xfe\xff\xff", false),
    // Continuations alone, too many, and too few.
    (b"\x80", false), (b"\xbf", false), (b"\x80\xbf\x80", false), (b"\xce\xba\x80", false), (b"\xc3\x28", false), (b"\xe2\x28\xa1", false),
    (b"\xe2\x82\x28", false), (b"\xf0\x28\x8c\xbc", false), (b"\xf0\x90\x28\xbc", false), (b"\xf0\x90\x8c\x28", false),
    (b"\xc3", false), (b"\xe2\x82", false), (b"\xf0\x9f\x98", false), (b"\xce\xba\xe1", false), (b"\xce\xba\xe1\xbd", false),
    (b"\xe2\x82\xe2\x82\xac", false),
];

fn utf8() -> Vec<Case> {
    let mut cases = Vec::new();
    for (bytes, valid) in UTF8 {
        let outcome = |bytes: &[u8]| if *valid { text(bytes) } else { broken(Violation::Utf8) };
        cases.push(case(format!("text {bytes:02x?}"), [frame(TEXT, bytes)], [outcome(bytes)]));
        let within = [b"before ", *bytes, b" after"].concat();
        cases.push(case(format!("text with {bytes:02x?} within"), [frame(TEXT, &within)], [outcome(&within)]));
        let mut frames: Vec<_> = bytes.iter().map(|byte| frame(MIDDLE, [*byte])).collect();
        frames[0].first = FIRST_TEXT;
        frames.push(frame(LAST, ""));
        cases.push(case(format!("text {bytes:02x?}, a byte a frame"), frames, [outcome(bytes)]));
        cases.push(case(format!("bytes {bytes:02x?}"), [frame(BINARY, bytes)], [binary(bytes)]));
    }
    cases.extend([
        // It is not waited for the rest.
        case(
            "a text that is none, of which not all has come",
            [frame(TEXT, b"\xce\xba\xff and more").cut(9)],
            [broken(Violation::Utf8)],
        ),
        case("a first frame that is no text", [frame(FIRST_TEXT, b"\xf4\x90")], [broken(Violation::Utf8)]),
        case("a frame that may still become one", [frame(FIRST_TEXT, b"\xf4\x8f")], []),
        case(
            "a ping between the bytes of a letter",
            [frame(FIRST_TEXT, b"\xe2\x82"), frame(PING, ""), frame(LAST, b"\xac")],
            [ping(""), text("€")],
        ),
        case(
            "bytes that are no text, in frames",
            [frame(FIRST_BINARY, [0xff]), frame(LAST, [0xfe])],
            [binary([0xff, 0xfe])],
        ),
    ]);
    cases
}

fn closes() -> Vec<Case> {
    let mut cases = vec![
        case("a close", [frame(CLOSE, "")], [seen::closed_without_code()]),
        case("a close of one byte", [frame(CLOSE, [3])], [broken(Violation::ShortClose)]),
        case("a close with a code", [closing(1000, "")], [closed(1000, "")]),
        case("a close with a reason", [closing(1000, "done ✓")], [closed(1000, "done ✓")]),
        case("the longest reason", [closing(1000, "*".repeat(123))], [closed(1000, "*".repeat(123))]),
        case("a reason that is too long", [closing(1000, "*".repeat(124))], [broken(Violation::LongControl)]),
        case("a reason that is no text", [closing(1000, b"\xce\xba\xff")], [broken(Violation::CloseReason)]),
        case("a reason that is cut within a letter", [closing(1000, b"\xe2\x82")], [broken(Violation::CloseReason)]),
        case("a close twice", [closing(1000, ""), closing(1001, "")], [closed(1000, "")]),
        case("a message after the close", [closing(1000, ""), frame(TEXT, "late")], [closed(1000, "")]),
        case("a ping after the close", [frame(CLOSE, ""), frame(PING, "late")], [seen::closed_without_code()]),
        case("nonsense after the close", [closing(1000, ""), frame(0xff, "late")], [closed(1000, "")]),
        case("a message, then the close", [frame(TEXT, "a"), closing(1001, "gone")], [text("a"), closed(1001, "gone")]),
    ];
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999] {
        cases.push(case(format!("code {code}"), [closing(code, "why")], [closed(code, "why")]));
    }
    for code in [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        cases.push(case(format!("code {code}"), [closing(code, "")], [broken(Violation::CloseCode(code))]));
    }
    cases
}

fn limits() -> Vec<Case> {
    let large = |total| broken(Violation::TooLarge(total, 100));
    let all = [5; 100];
    [
        case("as much as is allowed", [frame(BINARY, all)], [binary(all)]),
        case("one more", [frame(BINARY, [5; 101])], [large(101)]),
        case("one more, of which only the head has come", [frame(BINARY, [5; 101]).cut(2)], [large(101)]),
        case("a text of one more", [frame(TEXT, "*".repeat(101))], [large(101)]),
        case("as much in two frames", [frame(FIRST_BINARY, [5; 50]), frame(LAST, [5; 50])], [binary(all)]),
        case("one more in two frames", [frame(FIRST_BINARY, [5; 50]), frame(LAST, [5; 51])], [large(101)]),
        case("one more in the frame after", [frame(FIRST_BINARY, all), frame(LAST, [5])], [large(101)]),
        case("an empty frame after as much", [frame(FIRST_BINARY, all), frame(LAST, "")], [binary(all)]),
        case(
            "pings do not count",
            [frame(FIRST_BINARY, all), frame(PING, [1; 125]), frame(LAST, "")],
            [ping([1; 125]), binary(all)],
        ),
        case("each message begins anew", [frame(BINARY, all), frame(BINARY, all)], [binary(all), binary(all)]),
        case("the longest frame that there is", [frame(BINARY, "").announced((1 << 63) - 1)], [large((1 << 63) - 1)]),
        case("a length whose highest bit is set", [frame(BINARY, "").announced(1 << 63)], [large(1 << 63)]),
        case("a length of ones", [frame(BINARY, "").announced(u64::MAX)], [large(u64::MAX)]),
        case(
            "lengths whose sum is too long for a number",
            [frame(FIRST_BINARY, all), frame(LAST, "").announced(u64::MAX)],
            [large(u64::MAX)],
        ),
    ]
    .map(|case| case.limit(100))
    .into()
}

/// The examples of RFC 7692, section 7.2.3, and others.
#[expect(clippy::too_many_lines, reason = "a table")]
fn compression() -> Vec<Case> {
    const HELLO: &[u8] = &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    let hello = || frame(TEXT | COMPRESSED, HELLO);
    let forgets = Deflate { client_no_context_takeover: true, server_no_context_takeover: true, ..Deflate::default() };
    // What follows names a distance that is not there.
    let again = || frame(TEXT | COMPRESSED, [0xf2, 0x00, 0x11, 0x00, 0x00]);
    let in_the_end = broken(Violation::Compression);
    vec![
        case("a message", [hello()], [text("Hello")]).deflate(),
        case("bytes", [frame(BINARY | COMPRESSED, HELLO)], [binary("Hello")]).deflate(),
        case("in two frames", [frame(FIRST_TEXT | COMPRESSED, &HELLO[..3]), frame(LAST, &HELLO[3..])], [text("Hello")])
            .deflate(),
        case(
            "in two frames, with a ping between",
            [frame(FIRST_TEXT | COMPRESSED, &HELLO[..3]), frame(PING, "p"), frame(LAST, &HELLO[3..])],
            [ping("p"), text("Hello")],
        )
        .deflate(),
        case(
            "empty frames between",
            [frame(FIRST_TEXT | COMPRESSED, ""), frame(MIDDLE, HELLO), frame(MIDDLE, ""), frame(LAST, "")],
            [text("Hello")],
        )
        .deflate(),
        case("again", [hello(), hello()], [text("Hello"), text("Hello")]).deflate(),
        case("by what came before", [hello(), again()], [text("Hello"), text("Hello")]).deflate(),
        case("by what was forgotten", [hello(), again()], [text("Hello"), in_the_end.clone()]).agreed(forgets),
        case("again, with nothing kept", [hello(), hello()], [text("Hello"), text("Hello")]).agreed(forgets),
        case(
            "a block that is not compressed",
            [frame(TEXT | COMPRESSED, b"\x00\x05\x00\xfa\xffHello\x00")],
            [text("Hello")],
        )
        .deflate(),
        case("a last block", [frame(TEXT | COMPRESSED, b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00")], [text("Hello")])
            .deflate(),
        case(
            "a last block, and another message",
            [frame(TEXT | COMPRESSED, b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), hello()],
            [text("Hello"), text("Hello")],
        )
        .deflate(),
        case(
            "a last block with nothing behind, and another message",
            [frame(TEXT | COMPRESSED, b"\xf3\x48\xcd\xc9\xc9\x07\x00"), hello()],
            [text("Hello"), text("Hello")],
        )
        .deflate(),
        case(
            "two blocks",
            [frame(TEXT | COMPRESSED, b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00")],
            [text("Hello")],
        )
        .deflate(),
        case("nothing, compressed", [frame(TEXT | COMPRESSED, [0])], [text("")]).deflate(),
        case(
            "nothing twice, compressed",
            [frame(BINARY | COMPRESSED, [0]), frame(TEXT | COMPRESSED, [0]), hello()],
            [binary(""), text(""), text("Hello")],
        )
        .deflate(),
        case("a message that is not compressed", [frame(TEXT, "plain"), hello()], [text("plain"), text("Hello")])
            .deflate(),
        case(
            "a message that is not compressed, in frames",
            [frame(FIRST_TEXT, "pl"), frame(LAST, "ain")],
            [text("plain")],
        )
        .deflate(),
        case(
            "a later frame that is marked",
            [frame(FIRST_TEXT | COMPRESSED, &HELLO[..3]), frame(LAST | COMPRESSED, &HELLO[3..])],
            [broken(Violation::CompressedLater)],
        )
        .deflate(),
        case(
            "a frame after one that was not marked",
            [frame(FIRST_TEXT, "a"), frame(LAST | COMPRESSED, HELLO)],
            [broken(Violation::CompressedLater)],
        )
        .deflate(),
        case("a ping that is marked", [frame(PING | COMPRESSED, "")], [broken(Violation::CompressedLater)]).deflate(),
        case("a pong that is marked", [frame(PONG | COMPRESSED, "")], [broken(Violation::CompressedLater)]).deflate(),
        case("a close that is marked", [frame(CLOSE | COMPRESSED, "")], [broken(Violation::CompressedLater)]).deflate(),
        case("the second reserved bit", [frame(TEXT | 0x60, HELLO)], [broken(Violation::ReservedBits)]).deflate(),
        case("the third reserved bit", [frame(TEXT | 0x50, HELLO)], [broken(Violation::ReservedBits)]).deflate(),
        case("not what it says", [frame(TEXT | COMPRESSED, [0xff; 9])], [in_the_end.clone()]).deflate(),
        case("a block of a kind that does not exist", [frame(TEXT | COMPRESSED, [0x06, 0x00])], [in_the_end.clone()])
            .deflate(),
        case(
            "a length that is not its own complement",
            [frame(TEXT | COMPRESSED, b"\x00\x05\x00\xfb\xffHello\x00")],
            [in_the_end],
        )
        .deflate(),
        case(
            "a text that is none",
            [frame(TEXT | COMPRESSED, b"\x00\x02\x00\xfd\xff\xce\xff\x00")],
            [broken(Violation::Utf8)],
        )
        .deflate(),
        case(
            "a text that ends within a letter",
            [frame(TEXT | COMPRESSED, b"\x00\x02\x00\xfd\xff\xe2\x82\x00")],
            [broken(Violation::Utf8)],
        )
        .deflate(),
        case(
            "compressed bytes that are no text",
            [frame(BINARY | COMPRESSED, b"\x00\x02\x00\xfd\xff\xce\xff\x00")],
            [binary([0xce, 0xff])],
        )
        .deflate(),
        case("nothing was agreed on", [hello()], [broken(Violation::NotNegotiated)]),
        case("as long as is allowed", [hello()], [text("Hello")]).deflate().limit(5),
        case("longer than is allowed", [hello()], [broken(Violation::TooLargeInflated(4))]).deflate().limit(4),
        case(
            "a compressed message that announces too much",
            [frame(BINARY | COMPRESSED, "").announced(1 << 40)],
            [broken(Violation::TooLarge(1 << 40, 1000))],
        )
        .deflate()
        .limit(1000),
    ]
}

fn cases() -> Vec<Case> {
    let groups = [framing(), pings(), reserved(), fragmentation(), utf8(), closes(), limits(), compression()];
    groups.into_iter().flatten().collect()
}

/// What a receiver makes of bytes that come in pieces of these lengths, the last one again and again.
fn receive(case: &Case, role: Role, all: &[u8], lengths: &[usize]) -> Vec<Seen> {
    let mut receiver = Receiver::new(role, case.limit, case.deflate.as_ref());
    let mut lengths = lengths.iter().copied();
    let (mut length, mut left) = (1, all);
    let mut got = Vec::new();
    while !left.is_empty() {
        length = lengths.next().unwrap_or(length);
        let (mut piece, rest) = left.split_at(length.clamp(1, left.len()));
        left = rest;
        loop {
            match receiver.receive(&mut piece) {
                Ok(Some(event)) => got.push(Seen::Event(event)),
                Ok(None) => break,
                Err(violation) => got.push(Seen::Broken(violation)),
            }
        }
        assert!(piece.is_empty(), "bytes were left without an event");
    }
    let is_over = matches!(got.last(), Some(Seen::Broken(_) | Seen::Event(Event::Close(_))));
    assert_eq!(receiver.is_ended(), is_over);
    got
}

#[test]
fn each_case_has_its_outcome_however_it_is_split() {
    let cases = cases();
    assert!(cases.len() >= 300, "{} cases", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        for role in [Role::Server, Role::Client] {
            let all = bytes(&case.frames, role);
            let expected: Vec<_> = case.expected.iter().map(|seen| seen.by(role)).collect();
            // Of long ones what matters is at the front.
            let steps = if all.len() > 20_000 { &[1000][..] } else { &[1, 2, 3, 5, 7, 64] };
            let mut splits = vec![vec![all.len().max(1)]];
            splits.extend(steps.iter().map(|step| vec![*step]));
            splits.extend((1..all.len().min(24)).map(|first| vec![first, all.len()]));
            for split in splits {
                let got = receive(case, role, &all, &split);
                if got != expected {
                    wrong.push(format!("{} as {role:?}, split {split:?}: {got:?}, expected {expected:?}", case.name));
                    break;
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn names_are_not_used_twice() {
    let mut names: Vec<_> = cases().into_iter().map(|case| case.name).collect();
    names.sort();
    let twice: Vec<_> = names.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| &pair[0]).collect();
    // A code is listed once, and so is a sequence of bytes.
    assert!(twice.is_empty(), "{twice:?}");
}

#[test]
fn violations_have_codes() {
    for (violation, code) in [
        (Violation::ReservedBits, close::PROTOCOL_ERROR),
        (Violation::Opcode(3), 1002),
        (Violation::Unmasked, 1002),
        (Violation::CloseCode(0), 1002),
        (Violation::TooLarge(2, 1), 1009),
        (Violation::TooLargeInflated(1), 1009),
        (Violation::Utf8, 1007),
        (Violation::CloseReason, 1007),
        (Violation::Compression, 1007),
    ] {
        assert_eq!(violation.code(), code, "{violation}");
        assert!(close::fitting(&violation.to_string()).len() <= close::MAX_REASON);
    }
}

#[test]
fn a_bomb_ends_at_the_limit() {
    let (deflate, _) = accept("permessage-deflate", None).expect("an offer");
    let zeros = vec![0; 64 << 20];
    let mut packed = Vec::new();
    Sender::server(Some(&deflate)).message(&mut packed, Kind::Binary, &zeros);
    drop(zeros);
    assert!(packed.len() < 100 << 10, "{} bytes", packed.len());
    let mut receiver = Receiver::new(Role::Client, 1 << 20, Some(&deflate));
    let mut left = &packed[..];
    let mut taken = 0;
    let outcome = loop {
        let (mut piece, rest) = left.split_at(left.len().min(100));
        left = rest;
        taken += piece.len();
        match receiver.receive(&mut piece) {
            Ok(None) => assert!(!left.is_empty(), "all of it was taken"),
            other => break other,
        }
    };
    assert_eq!(outcome, Err(Violation::TooLargeInflated(1 << 20)));
    // The rest was never looked at.
    assert!(taken < 2000, "{taken} of {} bytes", packed.len());
}

#[test]
fn a_frame_in_place_is_the_frame() {
    for length in [0, 1, 125, 126, 4_000, 65_535, 65_536, 70_001] {
        let payload: Vec<u8> = (0..length).map(|at| (at * 31) as u8).collect();
        let ways: [fn(Option<&Deflate>) -> Sender; 2] =
            [Sender::server, |deflate| Sender::client(deflate, Box::new(|| [0x37, 0xfa, 0x21, 0x3d]))];
        for make in ways {
            let mut expected = Vec::new();
            make(None).message(&mut expected, Kind::Binary, &payload);
            let mut bytes = [&[0; HEAD_ROOM][..], &payload].concat();
            let begin = make(None).message_in_place(Kind::Binary, &mut bytes).expect("it is not compressed");
            assert!(bytes[begin..] == expected, "{length} bytes");
            let before = bytes.clone();
            assert_eq!(make(Some(&Deflate::default())).message_in_place(Kind::Binary, &mut bytes), None);
            assert!(bytes == before, "nothing was changed");
        }
    }
}
