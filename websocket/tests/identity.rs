//! What one side sends is what the other side receives, however the bytes are split.

use bulkhead_websocket::{
    Close, Event, Kind, Receiver, Role, Sender, close,
    extension::{Deflate, accept, agreed},
};
use proptest::{collection::vec, option, prelude::*};

#[derive(Debug, Clone)]
enum Sent {
    Message(Kind, Vec<u8>, Option<usize>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
}

fn sent() -> impl Strategy<Value = Sent> {
    let frame = || option::of(1_usize..300);
    // Text and bytes that repeat, and such as do not.
    let repeated = ("[a-é]{0,8}", 0_usize..2000).prop_map(|(part, times)| part.repeat(times));
    let text = prop_oneof![".{0,200}", repeated].prop_map(String::into_bytes);
    let bytes = prop_oneof![vec(any::<u8>(), 0..300), vec(0_u8..2, 0..20_000), vec(any::<u8>(), 65_000..66_000)];
    prop_oneof![
        (text, frame()).prop_map(|(text, frame)| Sent::Message(Kind::Text, text, frame)),
        (bytes, frame()).prop_map(|(bytes, frame)| Sent::Message(Kind::Binary, bytes, frame)),
        vec(any::<u8>(), 0..=125).prop_map(Sent::Ping),
        vec(any::<u8>(), 0..=125).prop_map(Sent::Pong),
    ]
}

fn deflate() -> impl Strategy<Value = Option<Deflate>> {
    let one = (any::<bool>(), any::<bool>(), 8..=15_u8, 8..=15_u8).prop_map(
        |(server_no_context_takeover, client_no_context_takeover, server_max_window_bits, client_max_window_bits)| {
            Deflate {
                server_no_context_takeover,
                client_no_context_takeover,
                server_max_window_bits,
                client_max_window_bits,
            }
        },
    );
    option::of(one)
}

fn expected(sent: &Sent) -> Event {
    match sent.clone() {
        Sent::Message(kind, payload, _) => Event::Message(kind, payload),
        Sent::Ping(payload) => Event::Ping(payload),
        Sent::Pong(payload) => Event::Pong(payload),
    }
}

/// Keys that differ from frame to frame.
fn keys() -> bulkhead_websocket::Keys {
    let mut last = 0x9e37_79b9_u32;
    Box::new(move || {
        last = last.wrapping_mul(0x0019_660d).wrapping_add(0x3c6e_f35f);
        last.to_be_bytes()
    })
}

fn run(role: Role, all: &[Sent], deflate: Option<Deflate>, lengths: &[usize]) {
    let mut sender = match role {
        Role::Client => Sender::client(deflate.as_ref(), keys()),
        Role::Server => Sender::server(deflate.as_ref()),
    };
    let mut bytes = Vec::new();
    for sent in all {
        match sent {
            Sent::Message(kind, payload, None) => sender.message(&mut bytes, *kind, payload),
            Sent::Message(kind, payload, Some(frame)) => sender.fragments(&mut bytes, *kind, payload, *frame),
            Sent::Ping(payload) => sender.ping(&mut bytes, payload),
            Sent::Pong(payload) => sender.pong(&mut bytes, payload),
        }
    }
    let closing = Close { code: 4000, reason: "the end".into() };
    sender.close(&mut bytes, Some(&closing));
    let mut receiver = Receiver::new(role.peer(), 1 << 20, deflate.as_ref());
    let mut got = Vec::new();
    let mut lengths = lengths.iter().copied().cycle();
    let mut left = &bytes[..];
    while !left.is_empty() {
        let (mut piece, rest) = left.split_at(lengths.next().unwrap_or(left.len()).min(left.len()));
        left = rest;
        while let Some(event) = receiver.receive(&mut piece).expect("nothing is wrong with it") {
            got.push(event);
        }
    }
    let mut wanted: Vec<_> = all.iter().map(expected).collect();
    wanted.push(Event::Close(Some(closing)));
    assert!(got == wanted, "{} events of {}", got.len(), wanted.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn what_is_sent_is_received(
        all in vec(sent(), 0..6),
        deflate in deflate(),
        lengths in vec(1_usize..5000, 1..6),
        client in any::<bool>(),
    ) {
        run(if client { Role::Client } else { Role::Server }, &all, deflate, &lengths);
    }

    #[test]
    fn any_bytes_have_an_outcome(
        bytes in vec(any::<u8>(), 0..400),
        deflate in deflate(),
        server in any::<bool>(),
        length in 1_usize..50,
    ) {
        let role = if server { Role::Server } else { Role::Client };
        let run = |length: usize| {
            let mut receiver = Receiver::new(role, 1000, deflate.as_ref());
            let mut got = Vec::new();
            for mut piece in bytes.chunks(length) {
                loop {
                    match receiver.receive(&mut piece) {
                        Ok(Some(event)) => got.push(Ok(event)),
                        Ok(None) => break,
                        Err(violation) => got.push(Err(violation)),
                    }
                }
            }
            got
        };
        prop_assert_eq!(run(length), run(1000));
    }

    #[test]
    fn both_sides_agree(
        offer in vec((any::<bool>(), any::<bool>(), option::of(8..=15_u8), option::of(option::of(8..=15_u8))), 1..3),
        terms in option::of((any::<bool>(), any::<bool>(), option::of(8..=15_u8), option::of(8..=15_u8))),
    ) {
        let element = |(server, client, server_bits, client_bits): &(bool, bool, Option<u8>, Option<Option<u8>>)| {
            let mut text = "permessage-deflate".to_owned();
            if *server { text += "; server_no_context_takeover"; }
            if *client { text += "; client_no_context_takeover"; }
            if let Some(bits) = server_bits { text += &format!("; server_max_window_bits={bits}"); }
            match client_bits {
                Some(Some(bits)) => text += &format!("; client_max_window_bits={bits}"),
                Some(None) => text += "; client_max_window_bits",
                None => {}
            }
            text
        };
        let offers = offer.iter().map(element).collect::<Vec<_>>().join(", ");
        let terms = terms.map(|(server, client, server_bits, client_bits)| element(&(server, client, server_bits, client_bits.map(Some))));
        if let Some((server, answer)) = accept(&offers, terms.as_deref()) {
            let client = agreed(&offers, &answer).expect("an answer to these offers").expect("compression");
            // Each side keeps to at least what the other one counts on.
            prop_assert!(client.server_no_context_takeover == server.server_no_context_takeover);
            prop_assert!(client.client_no_context_takeover >= server.client_no_context_takeover);
            prop_assert!(client.server_max_window_bits == server.server_max_window_bits);
            prop_assert!(client.client_max_window_bits <= server.client_max_window_bits);
        } else {
            prop_assert!(terms.is_some(), "{} is refused", offers);
        }
    }
}

#[test]
fn a_reason_is_cut_to_what_fits() {
    let mut sender = Sender::server(None);
    let mut bytes = Vec::new();
    // The 62nd letter would end at byte 124.
    sender.close(&mut bytes, Some(&Close { code: 1000, reason: "é".repeat(100) }));
    let event = Receiver::new(Role::Client, 0, None).receive(&mut &bytes[..]);
    assert_eq!(event, Ok(Some(Event::Close(Some(Close { code: 1000, reason: "é".repeat(61) })))));
    assert_eq!(close::fitting("short"), "short");
}

#[test]
fn text_that_repeats_gets_shorter_by_what_came_before() {
    let text = "a sentence that comes again and again, with a few words more each time".as_bytes();
    let lengths = |deflate: Deflate| {
        let mut sender = Sender::server(Some(&deflate));
        [(), ()].map(|()| {
            let mut bytes = Vec::new();
            sender.message(&mut bytes, Kind::Text, text);
            bytes.len()
        })
    };
    let [first, second] = lengths(Deflate::default());
    assert!(second < first / 2, "{first}, then {second}");
    let [first, second] = lengths(Deflate { server_no_context_takeover: true, ..Deflate::default() });
    assert_eq!(first, second);
}

/// More connections than a thread keeps states of, which speak in turn: each refers to what it has said before, or could.
#[test]
fn contexts_outlive_the_states_that_are_kept() {
    let deflate = Deflate::default();
    let window = "0123456789abcdef".repeat(2100);
    let mut connections: Vec<(Sender, Receiver)> = (0..150)
        .map(|_| (Sender::server(Some(&deflate)), Receiver::new(Role::Client, 1 << 20, Some(&deflate))))
        .collect();
    // As any peer has it, which knows nothing of states that are kept.
    let mut peer = flate2::Decompress::new_with_window_bits(false, 15);
    let mut theirs = Receiver::new(Role::Client, 1 << 20, Some(&deflate));
    let mut own = flate2::Compress::new_with_window_bits(flate2::Compression::new(6), false, 15);
    for round in 0..6 {
        for (at, (sender, receiver)) in connections.iter_mut().enumerate() {
            // Some speak more often than others, and one after the other.
            if at % 7 > 3 && round % 2 == 1 {
                continue;
            }
            let noise: String = (0..at * 40).map(|n| char::from(b'a' + (n * n % 23) as u8)).collect();
            let said = format!("{at} says {} {round} times, {noise} and {window}", round.min(3));
            for times in 0..2 {
                let mut out = Vec::new();
                sender.message(&mut out, Kind::Text, said.as_bytes());
                // What is said again is only referred to, while the state is there.
                assert!(times == 0 || out.len() < 1000, "{} bytes of {}", out.len(), said.len());
                let event = receiver.receive(&mut &out[..]).expect("no violation");
                assert_eq!(event, Some(Event::Message(Kind::Text, said.clone().into_bytes())), "{at} in round {round}");
                if at == 3 {
                    let head = if out[1] < 126 { 2 } else { 4 };
                    let mut inflated = Vec::with_capacity(1 << 20);
                    let input = [&out[head..], &[0, 0, 0xff, 0xff]].concat();
                    peer.decompress_vec(&input, &mut inflated, flate2::FlushDecompress::Sync)
                        .expect("it is compressed");
                    assert!(inflated == said.as_bytes(), "what another library makes of it in round {round}");
                }
                if at == 5 {
                    // What another library has compressed, with all its context.
                    let mut message = Vec::with_capacity(1 << 20);
                    own.compress_vec(said.as_bytes(), &mut message, flate2::FlushCompress::Sync)
                        .expect("it is in order");
                    message.truncate(message.len() - 4);
                    let length = u16::try_from(message.len()).expect("a short one").to_be_bytes();
                    let frame = [&[0xc1, 126, length[0], length[1]][..], &message].concat();
                    let event = theirs.receive(&mut &frame[..]).expect("no violation");
                    assert_eq!(
                        event,
                        Some(Event::Message(Kind::Text, said.clone().into_bytes())),
                        "of another library"
                    );
                }
            }
        }
    }
}
