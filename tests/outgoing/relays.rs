//! What a worker pipes from one connection to another, or back, which the supervisor passes on by itself.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use bulkhead_test_support::{Server, Setup, http, process, runtime, runtime::wait_until, supervisor};
use nix::sys::signal::{Signal, kill};

const WORKER: &str = r#"
import { connect } from "cloudflare:sockets";
const prevented = { preventClose: true, preventAbort: true, preventCancel: true };
const enc = (text) => new TextEncoder().encode(text);
const read = async (reader) => {
  const { done, value } = await reader.read();
  return done ? "done" : new TextDecoder().decode(value);
};
const settled = (promise, name = "resolved") => promise.then(() => name, (error) => `${error.name}: ${error.message}`);
/** Two connections that echo, of which what comes by one goes to the other. */
const relay_of = async (env, options) => {
  const [from, to] = [connect(env.TO, { allowHalfOpen: true }), connect(env.TO, { allowHalfOpen: true })];
  for (const socket of [from, to]) await socket.opened;
  const piped = settled(from.readable.pipeTo(to.writable, options));
  const [writer, reader] = [from.writable.getWriter(), to.readable.getReader()];
  const pass = async (...texts) => {
    let seen = "";
    for (const text of texts) {
      await writer.write(enc(text));
      seen += await read(reader);
    }
    return seen;
  };
  return { from, to, piped, writer, reader, pass, seen: [await pass("a", "b", "c")] };
};
const probes = {
  stopped: async (env, { signal, stop }) => {
    const { from, to, piped, writer, reader, seen } = await relay_of(env, { ...prevented, signal });
    stop();
    seen.push(await piped);
    await writer.write(enc("d"));
    seen.push(await read(from.readable.getReader()));
    await to.writable.getWriter().write(enc("by hand"));
    return [...seen, await read(reader)];
  },
  resumed: async (env, { signal, stop }) => {
    const { from, to, piped, writer, reader, pass, seen } = await relay_of(env, { ...prevented, signal });
    stop();
    seen.push(await piped);
    const again = settled(from.readable.pipeTo(to.writable));
    seen.push(await pass("d", "e", "f"));
    await writer.close();
    return [...seen, await again, await read(reader)];
  },
  aborted: async (env, { signal, stop }) => {
    const { from, to, piped, seen } = await relay_of(env, { signal });
    stop();
    const closed = (end) => settled(end.closed, "closed");
    return [...seen, await piped, await closed(from.readable.getReader()), await closed(to.writable.getWriter())];
  },
  source_closed: async (env) => {
    const { from, piped, writer, seen } = await relay_of(env);
    writer.releaseLock();
    await from.close();
    return [...seen, await piped];
  },
  destination_closed: async (env) => {
    const { to, piped, reader, seen } = await relay_of(env);
    reader.releaseLock();
    await to.close();
    return [...seen, await piped];
  },
};
export default {
  async fetch(request, env) {
    const controller = new AbortController();
    const stop = { signal: controller.signal, stop: () => controller.abort(new RangeError("enough")) };
    return Response.json(await probes[new URL(request.url).pathname.slice(1)](env, stop));
  },
};
export const echo = {
  connect: (socket) => socket.readable.pipeTo(socket.writable),
};
export const relay = {
  async connect(socket, env) {
    const other = connect(env.TO);
    await Promise.all([socket.readable.pipeTo(other.writable), other.readable.pipeTo(socket.writable)]);
  },
};
/** Stops again and again, and sends some of what comes by hand. */
export const stops = {
  async connect({ readable, writable }) {
    for (let [turn, over] = [0, false]; !over; turn++) {
      const signal = AbortSignal.timeout(turn % 4);
      over = await readable.pipeTo(writable, { ...prevented, signal }).then(
        () => true,
        (error) => {
          if (!signal.aborted) throw error;
          return false;
        },
      );
      if (over || turn % 2) continue;
      const [reader, writer] = [readable.getReader(), writable.getWriter()];
      const { done, value } = await reader.read();
      if (!done) await writer.write(value);
      over = done;
      reader.releaseLock();
      writer.releaseLock();
    }
    await writable.close();
  },
};
"#;

/// A worker with its sockets, of which `relay` goes on to a server at this port.
fn serve(to: u16) -> Server {
    let socket = |name| {
        format!(
            "(name = \"{name}\", address = \"127.0.0.1:0\", tcp = (), service = (name = \"w\", entrypoint = \"{name}\"))"
        )
    };
    let config = format!(
        "using Workerd = import \"/workerd/workerd.capnp\";\nconst config :Workerd.Config = (\n\
         services = [(name = \"w\", worker = (modules = [(name = \"w\", esModule = embed \"w.js\")],\n\
           compatibilityDate = \"2026-08-01\", globalOutbound = \"here\", bindings = [(name = \"TO\", text = \"127.0.0.1:{to}\")])),\n\
           (name = \"here\", network = (allow = [\"local\"]))],\n\
         sockets = [(name = \"http\", address = \"127.0.0.1:0\", http = (), service = \"w\"), {}, {}, {}]);",
        socket("echo"),
        socket("relay"),
        socket("stops")
    );
    supervisor!().serve(Setup::config(&config).file("w.js", WORKER).sockets(4))
}

fn open(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("to connect");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a time-out");
    stream
}

/// A server that sends back what comes.
fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut other = stream.try_clone().expect("another handle");
                let _ = std::io::copy(&mut stream, &mut other);
                let _ = other.shutdown(Shutdown::Write);
            });
        }
    });
    port
}

/// Numbers that look like chance.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % most
    }
}

/// Sends many pieces, now and then after all before is back, and reads what comes.
fn converse(port: u16, seed: u64) {
    let mut chance = Chance(seed);
    let mut stream = open(port);
    let bytes: Vec<u8> = (0..256 << 10).map(|_| chance.below(256) as u8).collect();
    let (mut sent, mut back) = (0, vec![0; bytes.len()]);
    let mut read = 0;
    while sent < bytes.len() {
        let most = if chance.below(4) == 0 { 50_000 } else { 500 };
        let length = (1 + chance.below(most)).min(bytes.len() - sent);
        stream.write_all(&bytes[sent..sent + length]).expect("to send");
        sent += length;
        if chance.below(3) > 0 {
            stream.read_exact(&mut back[read..sent]).expect("what was sent");
            read = sent;
        }
    }
    stream.shutdown(Shutdown::Write).expect("to end");
    stream.read_exact(&mut back[read..]).expect("what was sent");
    assert!(back == bytes, "something else comes back than was sent");
    assert_eq!(stream.read(&mut [0]).expect("the end"), 0);
}

#[test]
fn what_is_piped_comes_in_order_however_often_that_stops() {
    let server = serve(echo());
    for name in ["echo", "relay", "stops"] {
        let port = server.port_of(name);
        let clients: Vec<_> = (0..6).map(|seed| thread::spawn(move || converse(port, seed))).collect();
        for client in clients {
            client.join().unwrap_or_else(|_| panic!("{name}: a client fails"));
        }
    }
    assert_eq!(server.stderr(), "", "no handler fails");
}

/// Whether a message comes back while no process of a worker runs.
fn goes_past(server: &Server, stream: &mut TcpStream) -> bool {
    let message = [7; 100];
    let mut back = [0; 100];
    let workers = process::workers(server.pid());
    let signal = |signal| workers.iter().for_each(|pid| kill(runtime::pid(*pid), signal).expect("it is there"));
    signal(Signal::SIGSTOP);
    stream.set_read_timeout(Some(Duration::from_millis(500))).expect("a time-out");
    stream.write_all(&message).expect("to send");
    let read = stream.read(&mut back);
    signal(Signal::SIGCONT);
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a time-out");
    let read = match read {
        Ok(0) => panic!("the connection has ended"),
        Ok(read) => read,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
            stream.read_exact(&mut back).expect("it goes by the worker");
            return false;
        }
    };
    stream.read_exact(&mut back[read..]).expect("the rest");
    assert_eq!(back, message);
    true
}

#[test]
fn what_is_piped_goes_past_the_worker() {
    let server = serve(echo());
    for name in ["echo", "relay"] {
        let mut stream = open(server.port_of(name));
        // As long as it goes on, and not once.
        for what in ["a message to go past the worker", "another to go past it"] {
            wait_until(what, || goes_past(&server, &mut stream));
        }
    }
}

#[test]
fn what_is_piped_ends_with_the_worker() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let server = serve(listener.local_addr().expect("an address").port());
    let mut client = open(server.port_of("relay"));
    let (mut peer, _) = listener.accept().expect("a connection");
    peer.set_read_timeout(Some(Duration::from_secs(60))).expect("a time-out");
    let (mut one, mut other) = (peer.try_clone().expect("another handle"), peer.try_clone().expect("another handle"));
    let echo = thread::spawn(move || std::io::copy(&mut one, &mut other));
    wait_until("messages to go past the worker", || goes_past(&server, &mut client));
    for pid in process::workers(server.pid()) {
        kill(runtime::pid(pid), Signal::SIGKILL).expect("it is there");
    }
    assert!(is_over(&mut client));
    drop(echo.join().expect("no panic"));
    assert!(is_over(&mut peer));
}

/// Waits for the end of a connection, whether it is told or reset.
fn is_over(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0]) {
        Ok(read) => read == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

#[test]
fn who_stops_a_pipe_has_both_ends_as_they_are() {
    let server = serve(echo());
    let enough = "RangeError: enough";
    for (name, seen) in [
        ("stopped", &["abc", enough, "d", "by hand"][..]),
        ("resumed", &["abc", enough, "def", "resolved", "done"]),
        ("aborted", &["abc", enough, "closed", enough]),
        ("source_closed", &["abc", "TypeError: This ReadableStream belongs to an object that is closing."]),
        ("destination_closed", &["abc", "TypeError: This WritableStream belongs to an object that is closing."]),
    ] {
        let answer = http::get(server.port_of("http"), &format!("/{name}")).expect("an answer").text();
        let answer: Vec<String> = serde_json::from_str(&answer).unwrap_or_else(|_| vec![answer]);
        assert_eq!(answer, seen, "{name}");
    }
}
