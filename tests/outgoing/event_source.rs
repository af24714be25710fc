//! Streams of events: what an `EventSource` asks for and is told, the same through both programs; and streams that go on for as long as
//! both sides like.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::fd::AsFd as _,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use nix::{
    libc,
    sys::socket::{setsockopt, sockopt},
};

use bulkhead_test_support::{
    Runtime, Server, Setup,
    expectations::{Observation, check},
    http, process,
    runtime::wait_until,
};

use super::origin::{Origin, Seen, Step};

const CONFIG: &str = r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "worker", worker = .worker),
    (name = "origin", external = (address = "127.0.0.1:PORT", http = ())),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "worker")],
);
const worker :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "worker.js")],
  compatibilityDate = "2026-08-01",
  globalOutbound = "origin",
  bindings = [(name = "ORIGIN", service = "origin")],
);
"#;

/// What the server answers to a path, and whether it ends the connection then.
fn answer(path: &str) -> (Vec<u8>, bool) {
    let events = |rest: &str| format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n{rest}").into_bytes();
    let short = |status: &str, kind: &str| {
        format!("HTTP/1.1 {status}\r\n{kind}Content-Length: 9\r\n\r\ndata: x\n\n").into_bytes()
    };
    let kind = "Content-Type: text/event-stream\r\n";
    match path {
        "one" => (events("Connection: close\r\n\r\nid: 7\ndata: one\n\n"), true),
        "retry" => (events("Connection: close\r\n\r\nretry: 50\nid: 9\ndata: r\n\n"), true),
        "redirect" => (b"HTTP/1.1 302 Found\r\nLocation: /one\r\nContent-Length: 0\r\n\r\n".to_vec(), false),
        "parameters" => (short("200 OK", "Content-Type: text/event-stream; charset=utf-8\r\n"), false),
        "capitals" => (short("200 OK", "Content-Type: Text/Event-Stream\r\n"), false),
        "gzip" => {
            let packed = b"\x1f\x8b\x08\0\0\0\0\0\0\x03KI,I\xb4RH\xaf\xe2\xe2\x02\0\xc7\xa9\xc8\xf4\x0a\0\0\0";
            let head = events(&format!("Content-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", packed.len()));
            ([&head[..], packed].concat(), false)
        }
        "s204" => (b"HTTP/1.1 204 No Content\r\nContent-Type: text/event-stream\r\n\r\n".to_vec(), false),
        "html" => (short("200 OK", "Content-Type: text/html\r\n"), false),
        "json" => (short("200 OK", "Content-Type: application/json; charset=utf-8\r\n"), false),
        "untyped" => (short("200 OK", ""), false),
        "empty" => (events("Content-Length: 0\r\n\r\n"), false),
        "close" => (Vec::new(), true),
        "garbage" => (b"garbage\r\n\r\n".to_vec(), true),
        "hang" => (events("Content-Length: 99\r\n\r\n:\n"), false),
        _ => (short(&format!("{} Odd", path.trim_start_matches('s')), kind), false),
    }
}

fn observe(runtime: &Runtime) -> Vec<(String, String)> {
    let origin = Origin::start(|seen: &Seen| {
        let path = seen.line.split(' ').nth(1).unwrap_or_default().trim_start_matches('/');
        let (bytes, ends) = answer(path.split('?').next().unwrap_or_default());
        let mut steps = vec![Step::Send(bytes)];
        steps.extend(ends.then_some(Step::Close));
        steps
    });
    let config = CONFIG.replace("PORT", &origin.port().to_string());
    let setup = Setup::config(&config).file("worker.js", include_str!("event_source.js"));
    let server = runtime.serve(setup.argument("--experimental"));
    let names: Vec<String> = serde_json::from_str(&get(&server, "/names")).expect("the names of all probes");
    let mut observed = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let told = get(&server, &format!("/{index}"));
        let mut seen: Vec<String> = origin.take_seen().iter().map(Seen::text).collect();
        // Those that are closed at once may not have gone out.
        if told.contains("hang") || name.contains("closed at once") || name.contains("connecting") || name == "left" {
            seen.clear();
        }
        // The reference asks again where a connection ends.
        if name == "close" {
            seen.dedup();
        }
        observed.push((format!("event_source/{name}"), format!("{told} {seen:#?}")));
    }
    assert_eq!(server.stop().code, Some(0));
    observed
}

fn get(server: &Server, path: &str) -> String {
    let response = http::Connection::open(server.port()).request("GET", path, &[], b"");
    response.map_or_else(|error| format!("no response: {error}"), |response| response.text())
}

#[test]
fn event_sources_ask_and_are_told() {
    let (reference, ours) = (observe(&Runtime::workerd()), observe(&bulkhead_test_support::supervisor!()));
    assert!(ours.len() >= 75, "{} probes", ours.len());
    let observations = ours.into_iter().zip(reference).map(|((key, ours), (other, reference))| {
        assert_eq!(key, other);
        Observation { key, reference, ours }
    });
    check("event_source", &observations.collect::<Vec<_>>());
}

/// Sends events of its own for as long as a client likes, and passes on those of an origin.
const STREAMS: &str = r#"
let active = 0, made = 0;
const type = { "Content-Type": "text/event-stream" };
export default {
  async fetch(incoming, env) {
    const url = new URL(incoming.url);
    switch (url.pathname) {
      case "/ticks": {
        active++;
        const size = Number(url.searchParams.get("size"));
        const wait = Number(url.searchParams.get("wait"));
        const body = new ReadableStream({
          async pull(c) { await scheduler.wait(wait); made++; c.enqueue(new TextEncoder().encode(`id: ${made}\ndata: ${"x".repeat(size)}\n\n`)); },
          cancel() { active--; },
        });
        return new Response(body, { headers: type });
      }
      case "/pass": return env.ORIGIN.fetch("http://example.com/");
      case "/state": return Response.json({ active, made });
      case "/relay": {
        const source = new EventSource("http://example.com/", { fetcher: env.ORIGIN });
        const { readable, writable } = new TransformStream();
        const writer = writable.getWriter();
        const write = (line) => writer.write(new TextEncoder().encode(`${line}\n`)).catch(() => source.close());
        source.onopen = () => write("open");
        source.onmessage = (e) => write(`message ${e.lastEventId} ${e.data}`);
        source.onerror = (e) => { write(`error ${source.readyState} ${e.error.message}`); if (source.readyState === 2) writer.close(); };
        return new Response(readable, { headers: type });
      }
    }
  },
};
"#;

fn state(server: &Server) -> (u64, u64) {
    let state: serde_json::Value = serde_json::from_str(&get(server, "/state")).expect("the state");
    (state["active"].as_u64().expect("a number"), state["made"].as_u64().expect("a number"))
}

fn serve(port: u16, policy: &str) -> Server {
    let config = CONFIG.replace("PORT", &port.to_string());
    let policy = format!(
        "using Bulkhead = import \"/bulkhead/policy.capnp\";\nconst policy :Bulkhead.Policy = (default = ({policy}));\n"
    );
    bulkhead_test_support::supervisor!().serve(Setup::config(&(config + &policy)).file("worker.js", STREAMS))
}

#[test]
fn clients_of_streams_of_events_may_be_slow_and_may_vanish() {
    let server = serve(1, "");
    let mut streams: Vec<_> = (0..8).map(|_| http::Connection::open(server.port())).collect();
    for stream in &mut streams {
        stream.send(http::request("GET", "/ticks?size=10&wait=1", &[], b"")).expect("sent");
        assert_eq!(stream.head().expect("a head").header("content-type"), Some("text/event-stream"));
    }
    assert_eq!(state(&server).0, 8);
    drop(streams);
    wait_until("the streams of clients that are gone are cancelled", || state(&server).0 == 0);
    // One that reads nothing: what is made for it has a bound.
    let mut slow = http::Connection::open(server.port());
    slow.send(http::request("GET", "/ticks?size=65536&wait=0", &[], b"")).expect("sent");
    slow.head().expect("a head");
    let mut before = u64::MAX;
    wait_until("nothing more is made for a client that does not read", || {
        std::thread::sleep(std::time::Duration::from_millis(200));
        let (_, made) = state(&server);
        std::mem::replace(&mut before, made) == made
    });
    drop(slow);
    wait_until("its stream is cancelled", || state(&server).0 == 0);
    assert_eq!(server.stop().code, Some(0));
}

#[test]
fn a_stream_of_events_outlasts_the_time_of_an_event() {
    let server = serve(1, "wallTimeMs = 300");
    let mut stream = http::Connection::open(server.port());
    stream.send(http::request("GET", "/ticks?size=1&wait=100", &[], b"")).expect("sent");
    stream.head().expect("a head");
    // The supervisor itself ends nothing before some seconds more have passed; the worker does it at once.
    wait_until("events go on to be made", || state(&server).1 >= 60);
    assert_eq!(state(&server).0, 1);
    drop(stream);
    wait_until("the stream is cancelled", || state(&server).0 == 0);
    assert_eq!(server.stop().code, Some(0));
}

/// The head of a request, up to its empty line: what is answered before it is there is no answer to it.
fn read_head(connection: &mut TcpStream) -> Vec<u8> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && connection.read(&mut byte).is_ok_and(|count| count > 0) {
        head.push(byte[0]);
    }
    head
}

/// Silent ends of streams that are silent too, whose networks might have gone.
#[test]
fn the_kernel_asks_after_both_ends_of_a_stream_of_events() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("listen");
    let server = serve(listener.local_addr().expect("an address").port(), "wallTimeMs = 300");
    let mut client = http::Connection::open(server.port());
    client.send(http::request("GET", "/pass", &[], b"")).expect("sent");
    let (mut origin, _) = listener.accept().expect("a connection");
    read_head(&mut origin);
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    origin.write_all(head.as_bytes()).expect("sent");
    client.head().expect("a head");
    for end in [client.stream(), &origin] {
        // What was sent last may have to be acknowledged first.
        wait_until("the kernel asks", || {
            process::asks_after(end).is_some_and(|hundredths| (1000..=6100).contains(&hundredths))
        });
    }
    // Either end's going is the other's, although not a byte is sent.
    let reset = libc::linger { l_onoff: 1, l_linger: 0 };
    setsockopt(&client.stream().as_fd(), sockopt::Linger, &reset).expect("set");
    drop(client);
    let mut rest = Vec::new();
    let _ = origin.read_to_end(&mut rest);
    let mut client = http::Connection::open(server.port());
    client.send(http::request("GET", "/pass", &[], b"")).expect("sent");
    let (mut origin, _) = listener.accept().expect("a connection");
    read_head(&mut origin);
    origin.write_all(head.as_bytes()).expect("sent");
    client.head().expect("a head");
    setsockopt(&origin.as_fd(), sockopt::Linger, &reset).expect("set");
    drop(origin);
    assert!(client.to_end().is_ok_and(|rest| rest.is_empty()), "it breaks off");
}

#[test]
fn an_origin_of_events_may_vanish_and_a_client_of_its_reader_too() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("listen");
    let port = listener.local_addr().expect("an address").port();
    let ended = Arc::new(AtomicUsize::new(0));
    let noted = ended.clone();
    let heads = std::thread::spawn(move || {
        let mut heads = Vec::new();
        // The first connection is cut in an event; the second stays, until whoever reads from it leaves.
        for number in 0..2 {
            let (mut connection, _) = listener.accept().expect("a connection");
            let head = read_head(&mut connection);
            heads.push(String::from_utf8_lossy(&head).to_ascii_lowercase());
            let events = format!("retry: 1\nid: {number}\ndata: {number}\n\ndata: unfinished");
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{events}\r\n",
                events.len()
            );
            connection.write_all(answer.as_bytes()).expect("sent");
            if number == 0 {
                // A chunk of no bytes: the end.
                connection.write_all(b"0\r\n\r\n").expect("sent");
                continue;
            }
            while connection.read(&mut [0]).is_ok_and(|count| count > 0) {}
            noted.fetch_add(1, Ordering::SeqCst);
        }
        heads
    });
    let server = serve(port, "");
    let mut client = http::Connection::open(server.port());
    client.send(http::request("GET", "/relay", &[], b"")).expect("sent");
    client.head().expect("a head");
    let mut text = String::new();
    let mut stream = client.stream();
    let mut buffer = [0; 4096];
    while !text.contains("message 1 1") {
        let count = stream.read(&mut buffer).expect("bytes");
        assert!(count > 0, "{text}");
        text += &String::from_utf8_lossy(&buffer[..count]);
    }
    let lines: Vec<&str> = text.lines().filter(|line| line.contains(' ') || *line == "open").collect();
    assert_eq!(lines, ["open", "message 0 0", "error 0 The server disconnected.", "open", "message 1 1"]);
    // While nothing is sent, one that only ends its side may still be there: a reset says that it is not.
    let reset = libc::linger { l_onoff: 1, l_linger: 0 };
    setsockopt(&client.stream().as_fd(), sockopt::Linger, &reset).expect("set");
    drop(client);
    wait_until("the origin is left", || ended.load(Ordering::SeqCst) == 1);
    let heads = heads.join().expect("no panic");
    assert!(!heads[0].contains("last-event-id"), "{}", heads[0]);
    assert!(heads[1].contains("last-event-id: 0\r\n"), "{}", heads[1]);
    assert_eq!(server.stop().code, Some(0));
}
