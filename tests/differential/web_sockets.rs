//! WebSockets on the wire: frames as a client may send them, what it gets back, and what the worker saw.

use std::io::Write as _;

use bulkhead_test_support::{
    Runtime, Server, Setup,
    expectations::{Observation, check},
    http::{self, Connection},
    runtime,
};

/// Echoes what comes, and keeps what it saw by the name of the case.
const WORKER: &str = r#"
const all = {};
export default {
  fetch(request) {
    const url = new URL(request.url);
    const name = url.pathname.slice(1);
    if (url.searchParams.has("log")) return Response.json(all[name] ?? []);
    const log = (all[name] = []);
    const [client, server] = Object.values(new WebSocketPair());
    server.accept();
    server.binaryType = "arraybuffer";
    server.addEventListener("message", ({ data }) => {
      log.push(typeof data === "string" ? data.slice(0, 100) : [data.byteLength, ...new Uint8Array(data.slice(0, 10))]);
      server.send(data);
    });
    server.addEventListener("close", (e) => {
      log.push(["close", e.code, e.reason, e.wasClean]);
      try { server.close(e.code === 1005 ? undefined : e.code, e.reason || undefined); } catch {}
    });
    // The reference tells of a lost connection after it was closed.
    server.addEventListener("error", (e) => log.at(-1)?.[0] === "close" || log.push(["error", e.message]));
    const own = url.searchParams.get("extensions");
    const headers = own === null ? {} : { "Sec-WebSocket-Extensions": own };
    if (url.searchParams.has("protocol")) headers["Sec-WebSocket-Protocol"] = url.searchParams.get("protocol");
    return new Response(null, { status: 101, webSocket: client, headers });
  },
};
"#;

/// A frame of a client, masked.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        short @ 0..126 => bytes.push(0x80 | short as u8),
        middle @ 126..0x1_0000 => {
            bytes.push(0xfe);
            bytes.extend((middle as u16).to_be_bytes());
        }
        long => {
            bytes.push(0xff);
            bytes.extend((long as u64).to_be_bytes());
        }
    }
    let key = [0x37, 0xfa, 0x21, 0x3d];
    bytes.extend(key);
    bytes.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ key[at % 4]));
    bytes
}

fn closing(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(0x88, &[&code.to_be_bytes(), reason].concat())
}

/// A conversation: its name, what the request has beside the handshake, and the frames that are sent before the client closes.
struct Case {
    name: String,
    query: &'static str,
    headers: &'static str,
    frames: Vec<u8>,
}

fn case(name: impl Into<String>, frames: impl IntoIterator<Item = Vec<u8>>) -> Case {
    let frames = frames.into_iter().flatten().collect();
    Case { name: name.into(), query: "", headers: "", frames }
}

fn offering(name: &str, query: &'static str, headers: &'static str) -> Case {
    Case { query, headers, ..case(name, [frame(0x81, b"Hello"), frame(0x81, b"Hello")]) }
}

fn cases() -> Vec<Case> {
    const HELLO: &[u8] = &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    let hello = || frame(0x81, b"Hello");
    let mut cases = vec![
        case("nothing", []),
        case("text", [hello()]),
        case("empty", [frame(0x81, b""), frame(0x82, b"")]),
        case("binary", [frame(0x82, &[0, 1, 254, 255])]),
        case("utf8", [frame(0x81, "κόσμε 😀".as_bytes())]),
        case("fragments", [frame(0x01, b"He"), frame(0x00, b"l"), frame(0x80, b"lo")]),
        case("ping", [frame(0x89, b"p"), hello()]),
        case("ping-within", [frame(0x01, b"He"), frame(0x89, b"p"), frame(0x80, b"llo")]),
        case("pong", [frame(0x8a, b"unasked"), hello()]),
        case("continuation", [frame(0x80, b"x")]),
        case("missing-continuation", [frame(0x01, b"x"), frame(0x81, b"y")]),
        case("fragmented-ping", [frame(0x09, b"x")]),
        case("compressed-without-agreement", [frame(0xc1, HELLO)]),
        case("ping-of-126", [frame(0x89, &[1; 126])]),
        case("unmasked", [vec![0x81, 2, b'h', b'i']]),
        case("no-text", [frame(0x81, &[0xff, 0xfe, b'A'])]),
        case("long-length", [vec![0x81, 0xfe, 0, 2, 0, 0, 0, 0, b'h', b'i']]),
        case("too-large", [vec![0x82, 0xff, 0, 0, 0, 0, 2, 0, 0, 1, 0, 0, 0, 0]]),
        case("highest-bit-of-a-length", [vec![0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]]),
        case("close-of-one-byte", [frame(0x88, &[3])]),
        case("close-without-code", [frame(0x88, b"")]),
        case("close-reason", [closing(1000, "bye ✓".as_bytes())]),
        case("close-reason-no-text", [closing(1000, &[0xff])]),
        case("message-after-close", [closing(1000, b""), hello()]),
        offering("protocol", "?protocol=b", "Sec-WebSocket-Protocol: a, b\r\n"),
        offering("deflate", "", OFFER),
        offering("deflate-window", "", "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10\r\n"),
        offering(
            "deflate-client-window",
            "",
            "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n",
        ),
        offering("deflate-unknown", "", "Sec-WebSocket-Extensions: permessage-deflate; x, permessage-deflate\r\n"),
        offering("deflate-other", "", "Sec-WebSocket-Extensions: x-other\r\n"),
        offering(
            "deflate-forgetful",
            "",
            "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n",
        ),
        offering("deflate-by-header", "?extensions=permessage-deflate;client_no_context_takeover", OFFER),
        offering("deflate-refused-by-header", "?extensions=x", OFFER),
        offering("deflate-by-header-unasked", "?extensions=permessage-deflate", ""),
    ];
    for (name, frames) in [
        ("compressed", vec![frame(0xc1, HELLO), frame(0xc1, &[0xf2, 0x00, 0x11, 0x00, 0x00])]),
        ("compressed-fragments", vec![frame(0x41, &HELLO[..3]), frame(0x80, &HELLO[3..])]),
        ("not-compressed", vec![hello()]),
    ] {
        cases.push(Case { headers: OFFER, ..case(name, frames) });
    }
    for opcode in [3, 7, 11, 15] {
        cases.push(case(format!("opcode-{opcode}"), [frame(0x80 | opcode, b"x")]));
    }
    for bits in [0x10, 0x20, 0x40, 0x70] {
        cases.push(case(format!("reserved-{bits:x}"), [frame(0x81 | bits, b"x")]));
    }
    for length in [125, 126, 65_535, 65_536, 1 << 20, (1 << 20) + 1] {
        cases.push(case(format!("length-{length}"), [frame(0x82, &vec![7; length])]));
    }
    for code in [999, 1001, 1004, 1007, 1015, 1016, 3000, 4999, 5000] {
        cases.push(case(format!("code-{code}"), [closing(code, b"x")]));
    }
    cases
}

/// What the client gets, and what the worker saw.
fn converse(server: &Server, case: &Case) -> String {
    converse_by_way_of(server.port(), server.port(), case)
}

/// The same by way of who listens at this port, and passes on what it gets; the worker itself listens at the other.
fn converse_by_way_of(port: u16, worker: u16, case: &Case) -> String {
    let Case { name, query, headers, frames } = case;
    let mut client = Connection::open(port);
    let request = format!(
        "GET /{name}{query} HTTP/1.1\r\nHost: worker\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: \
         13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
    );
    client.send(request).expect("the handshake");
    let head = client.head().expect("a head");
    // The connection may be closed before all of it is sent.
    let _ = client.stream().write_all(&[frames, &*closing(1000, b"end")].concat());
    let bytes = client.to_end().expect("the connection is closed");
    let log = || http::get(worker, &format!("/{name}?log")).expect("the log").text();
    runtime::wait_until("the worker to have seen the end", || log().contains("close") || log().contains("error"));
    let mut shown = String::from_utf8_lossy(&bytes[..bytes.len().min(300)]).escape_debug().to_string();
    shown += &format!(" ({} bytes)", bytes.len());
    let of = |name: &str| head.header(name).map(str::to_owned);
    let handshake = ["sec-websocket-accept", "sec-websocket-extensions", "sec-websocket-protocol"].map(of);
    format!("{} {handshake:?}\n{shown}\n{}", head.status, log())
}

fn setup(flags: &str) -> Setup {
    let worker = format!(
        "modules = [(name = \"worker\", esModule = embed \"worker.js\")], compatibilityDate = \"2026-08-01\", \
         compatibilityFlags = [{flags}]"
    );
    Setup::worker(&worker).file("worker.js", WORKER).argument("--experimental")
}

fn compare(list: &str, flags: &str, cases: &[Case]) -> Vec<Observation> {
    let servers = [Runtime::workerd().serve(setup(flags)), bulkhead_test_support::supervisor!().serve(setup(flags))];
    let observe = |case: &Case| {
        let [reference, ours] = [&servers[0], &servers[1]].map(|server| converse(server, case));
        Observation { key: format!("{list}/{}", case.name), reference, ours }
    };
    cases.iter().map(observe).collect()
}

#[test]
fn frames_of_a_client() {
    let list = "web_sockets_on_the_wire";
    check(list, &compare(list, "", &cases()));
}

/// `web_socket_compression` switched off.
#[test]
fn compression_that_is_switched_off() {
    let cases: Vec<_> = cases().into_iter().filter(|case| case.headers.contains("Extensions")).collect();
    let list = "web_sockets_without_compression";
    let observations = compare(list, "\"no_web_socket_compression\"", &cases);
    assert!(observations.iter().all(|observation| observation.reference.contains(", None, None]")));
    check(list, &observations);
}

/// `increase_websocket_message_size`.
#[test]
fn longer_messages() {
    let announced =
        |name: &str, length: u64| case(name, [[&[0x82, 0xff][..], &length.to_be_bytes(), &[0; 4]].concat()]);
    let cases = [announced("above", (128 << 20) + 1), announced("far-above", 1 << 40)];
    let list = "web_sockets_with_longer_messages";
    let observations = compare(list, "\"increase_websocket_message_size\"", &cases);
    assert!(observations.iter().all(|observation| observation.reference.contains("> 134217728")));
    check(list, &observations);
}

/// Workers that hand an upgrade on as it came: to another worker, over two, to a server, and to what the global `fetch()` goes to.
const PASSING: &str = r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = (modules = [(name = "worker", esModule = embed "worker.js")], compatibilityDate = "2026-08-01")),
    (name = "once", worker = (modules = .next, compatibilityDate = "2026-08-01", bindings = [(name = "NEXT", service = "main")])),
    (name = "twice", worker = (modules = .next, compatibilityDate = "2026-08-01", bindings = [(name = "NEXT", service = "once")])),
    (name = "outside", worker = (modules = .next, compatibilityDate = "2026-08-01", bindings = [(name = "NEXT", service = "server")])),
    (name = "global", worker = (
      modules = [(name = "worker", esModule = "export default { fetch: (request) => fetch(request) };")],
      compatibilityDate = "2026-08-01", globalOutbound = "server",
    )),
    (name = "server", external = (address = "127.0.0.1:SERVER", http = ())),
  ],
  sockets = [
    (name = "http", address = "127.0.0.1:0", http = (), service = "main"),
    (name = "once", address = "127.0.0.1:0", http = (), service = "once"),
    (name = "twice", address = "127.0.0.1:0", http = (), service = "twice"),
    (name = "outside", address = "127.0.0.1:0", http = (), service = "outside"),
    (name = "global", address = "127.0.0.1:0", http = (), service = "global"),
  ],
);
const next :List(Workerd.Worker.Module) = [
  (name = "worker", esModule = "export default { fetch: (request, env) => env.NEXT.fetch(request) };"),
];
"#;

/// What passes through workers without entering them.
#[test]
fn what_is_passed_on() {
    let server = Runtime::workerd().serve(setup(""));
    let config = PASSING.replace("SERVER", &server.port().to_string());
    let [reference, ours] = [Runtime::workerd(), bulkhead_test_support::supervisor!()]
        .map(|runtime| runtime.serve(Setup::config(&config).file("worker.js", WORKER).sockets(5)));
    let cases = cases();
    let chosen = |name: &str| !name.starts_with("length-1048") && !name.starts_with("highest");
    let mut observations = Vec::new();
    for way in ["once", "twice", "outside", "global"] {
        for (at, case) in cases.iter().enumerate().filter(|(_, case)| chosen(&case.name)) {
            // All of them one way, and each some other.
            if way != "outside" && at % 3 != 0 {
                continue;
            }
            let is_here = matches!(way, "once" | "twice");
            let case = &Case { name: format!("{}-{way}", case.name), frames: case.frames.clone(), ..*case };
            let see = |runtime: &Server| {
                converse_by_way_of(runtime.port_of(way), if is_here { runtime.port() } else { server.port() }, case)
            };
            let (reference, ours) = (see(&reference), see(&ours));
            observations.push(Observation { key: format!("web_sockets_passed_on/{}", case.name), reference, ours });
        }
    }
    check("web_sockets_passed_on", &observations);
}
