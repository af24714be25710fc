//! WebSockets and TCP: clients whose messages a worker sends back, each compared with what was sent.
//!
//! One thread has all of them, and a few messages of each on their way at any time.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use bulkhead_test_support::http::Connection;
use bulkhead_test_support::{Runtime, Setup, process};
use bulkhead_websocket::extension::{self, Deflate};
use bulkhead_websocket::{Event, Kind, Receiver, Role, Sender};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::measure::{Better, Measure};
use crate::workloads::{Target, lines};

/// One row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Echo {
    pub(crate) name: &'static str,
    /// Of the WebSocket's messages; none where bytes are sent as they are.
    kind: Option<Kind>,
    /// Of a message, in bytes.
    length: usize,
    /// Whether the client offers compression.
    is_compressed: bool,
    connections: usize,
    /// Messages of a connection that are on their way at once.
    at_once: usize,
    target: Option<Target>,
}

/// All rows, in the order in which they are printed.
pub(crate) const ECHOES: &[Echo] = &[
    row("WebSocket echo of 100 bytes", TEXT, 100, Some(1.5)),
    Echo { connections: 1, ..row("WebSocket echo of 100 bytes, 1 connection", TEXT, 100, None) },
    Echo { at_once: 16, ..row("WebSocket echo of 100 bytes, 16 at once", TEXT, 100, None) },
    row("WebSocket echo of 64 KiB", Some(Kind::Binary), 64 << 10, Some(1.5)),
    Echo { is_compressed: true, ..row("WebSocket echo of 1 KiB, compressed", TEXT, 1 << 10, Some(1.0)) },
    Echo { is_compressed: true, ..row("WebSocket echo of 64 KiB, compressed", TEXT, 64 << 10, Some(1.0)) },
    row("TCP echo of 100 bytes", None, 100, Some(1.5)),
    row("TCP echo of 64 KiB", None, 64 << 10, Some(1.5)),
];

const TEXT: Option<Kind> = Some(Kind::Text);

const fn row(name: &'static str, kind: Option<Kind>, length: usize, target: Option<f64>) -> Echo {
    let target = match target {
        Some(least) => Some(Target::AtLeast(least)),
        None => None,
    };
    Echo { name, kind, length, is_compressed: false, connections: 64, at_once: 1, target }
}

const WORKER: &str = "
    export default {
      fetch() {
        const [client, server] = Object.values(new WebSocketPair());
        server.accept();
        server.binaryType = 'arraybuffer';
        server.addEventListener('message', ({ data }) => server.send(data));
        return new Response(null, { status: 101, webSocket: client });
      },
    };";

const TCP: &str = "export default { connect: (socket) => socket.readable.pipeTo(socket.writable) };";

const TCP_CONFIG: &str = r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .main)],
  sockets = [(name = "http", address = "127.0.0.1:0", tcp = (), service = "main")],
);
const main :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "worker.js")],
  compatibilityDate = "2026-08-01",
);
"#;

/// Measures a row; a wrong answer is no measurement.
pub(crate) fn echo(runtime: &Runtime, echo: &Echo, length: Duration) -> Vec<Measure> {
    let measured = measure(runtime, echo, length);
    let rate = measured.clone().map(|run| count(run.messages) / run.elapsed.as_secs_f64());
    let each = measured.map(|run| run.used.as_secs_f64() * 1e6 / count(run.messages));
    let measure = |what, unit, value, better, target| Measure {
        what: format!("{}: {what}", echo.name),
        unit,
        value,
        better,
        target,
    };
    vec![
        measure("messages per second", "1/s", rate, Better::Higher, echo.target),
        measure("CPU per message", "µs", each, Better::Lower, None),
    ]
}

/// What a run found.
#[derive(Clone, Debug)]
struct Run {
    messages: u64,
    elapsed: Duration,
    /// Processor time of the runtime.
    used: Duration,
}

fn measure(runtime: &Runtime, echo: &Echo, length: Duration) -> Result<Run, String> {
    let server = runtime.serve(match echo.kind {
        Some(_) => Setup::module(WORKER),
        None => Setup::config(TCP_CONFIG).file("worker.js", TCP).argument("--experimental"),
    });
    let told = |error: io::Error| format!("{error}: {}", server.stderr());
    let mut clients = Clients::connect(server.port(), echo).map_err(told)?;
    // What a runtime still does after it has come up is not part of the row.
    std::thread::sleep(Duration::from_millis(300));
    clients.run(length / 4).map_err(told)?;
    let before = process::tree_cpu(server.pid());
    let (messages, elapsed) = clients.run(length).map_err(told)?;
    Ok(Run { messages, elapsed, used: process::tree_cpu(server.pid()).saturating_sub(before) })
}

struct Clients {
    epoll: Epoll,
    clients: Vec<Client>,
    message: Message,
}

struct Message {
    kind: Option<Kind>,
    payload: Vec<u8>,
    /// As it is sent, where that is the same each time.
    frame: Option<Vec<u8>>,
}

impl Clients {
    fn connect(port: u16, echo: &Echo) -> io::Result<Clients> {
        let payload = lines(echo.length);
        let frame = (!echo.is_compressed).then(|| {
            let Some(kind) = echo.kind else { return payload.clone() };
            let mut frame = Vec::new();
            sender(None).message(&mut frame, kind, &payload);
            frame
        });
        let message = Message { kind: echo.kind, payload, frame };
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let mut clients = Vec::new();
        for number in 0..echo.connections {
            let mut client = match echo.kind {
                Some(_) => Client::connect(port, echo.is_compressed)?,
                None => Client::new(TcpStream::connect(("127.0.0.1", port))?, None)?,
            };
            epoll.add(&client.stream, EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLRDHUP, number as u64))?;
            (0..echo.at_once).for_each(|_| client.queue(&message));
            clients.push(client);
        }
        Ok(Clients { epoll, clients, message })
    }

    /// Has messages go to and fro for a time. Gives how many have come back, and after how long.
    fn run(&mut self, length: Duration) -> io::Result<(u64, Duration)> {
        let mut events = vec![EpollEvent::empty(); 256];
        let mut scratch = vec![0; 256 << 10];
        let begin = Instant::now();
        let mut messages = 0;
        for (number, client) in self.clients.iter_mut().enumerate() {
            client.write(&self.epoll, number as u64)?;
        }
        loop {
            let ready = match self.epoll.wait(&mut events, EpollTimeout::from(10_u8)) {
                Ok(ready) => ready,
                Err(nix::errno::Errno::EINTR) => 0,
                Err(errno) => return Err(errno.into()),
            };
            for event in &events[..ready] {
                let client = &mut self.clients[usize::try_from(event.data()).expect("a number of a client")];
                messages += client.receive(&mut scratch, &self.message)?;
                client.write(&self.epoll, event.data())?;
            }
            if begin.elapsed() >= length {
                return Ok((messages, begin.elapsed()));
            }
        }
    }
}

struct Client {
    stream: TcpStream,
    receiver: Receiver,
    sender: Sender,
    /// How much of a message without frames has come.
    come: usize,
    /// What is to be sent, and how much of it was.
    out: Vec<u8>,
    written: usize,
    waits_for_room: bool,
}

impl Client {
    fn connect(port: u16, is_compressed: bool) -> io::Result<Client> {
        const OFFER: &str = "permessage-deflate";
        let mut connection = Connection::open(port);
        let extensions = if is_compressed { format!("Sec-WebSocket-Extensions: {OFFER}\r\n") } else { String::new() };
        connection.send(format!(
            "GET / HTTP/1.1\r\nHost: worker\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: \
             13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{extensions}\r\n"
        ))?;
        let head = connection.head()?;
        if head.status != 101 {
            return Err(io::Error::other(format!("status {}", head.status)));
        }
        let offer = if is_compressed { OFFER } else { "" };
        let agreed = extension::agreed(offer, head.header("sec-websocket-extensions").unwrap_or_default());
        let agreed = agreed.map_err(|refused| io::Error::other(refused.to_string()))?;
        if agreed.is_some() != is_compressed {
            return Err(io::Error::other("no compression was agreed on"));
        }
        Client::new(connection.stream().try_clone()?, agreed.as_ref())
    }

    fn new(stream: TcpStream, agreed: Option<&Deflate>) -> io::Result<Client> {
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Client {
            stream,
            receiver: Receiver::new(Role::Client, 1 << 20, agreed),
            sender: sender(agreed),
            come: 0,
            out: Vec::new(),
            written: 0,
            waits_for_room: false,
        })
    }

    fn queue(&mut self, message: &Message) {
        match (&message.frame, message.kind) {
            (Some(frame), _) => self.out.extend_from_slice(frame),
            (None, Some(kind)) => self.sender.message(&mut self.out, kind, &message.payload),
            (None, None) => unreachable!("bytes without frames are the same each time"),
        }
    }

    /// Takes what has come, and queues as many messages. Gives how many that are.
    fn receive(&mut self, scratch: &mut [u8], message: &Message) -> io::Result<u64> {
        let mut messages = 0;
        loop {
            let mut bytes = match self.stream.read(scratch) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(length) => &scratch[..length],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(messages),
                Err(error) => return Err(error),
            };
            let is_all = bytes.len() < scratch.len();
            let Some(kind) = message.kind else {
                messages += self.receive_bytes(bytes, message)?;
                if is_all {
                    return Ok(messages);
                }
                continue;
            };
            while let Some(event) =
                self.receiver.receive(&mut bytes).map_err(|violation| io::Error::other(violation.to_string()))?
            {
                match event {
                    Event::Message(got, payload) if got == kind && payload == message.payload => {}
                    other => return Err(io::Error::other(format!("{:.100}", format!("wrong answer: {other:?}")))),
                }
                messages += 1;
                self.queue(message);
            }
            if is_all {
                return Ok(messages);
            }
        }
    }

    /// Takes a part of messages that come one behind the other, and queues one for each that is whole.
    fn receive_bytes(&mut self, mut bytes: &[u8], message: &Message) -> io::Result<u64> {
        let mut messages = 0;
        while !bytes.is_empty() {
            let expected = &message.payload[self.come..];
            let (part, rest) = bytes.split_at(bytes.len().min(expected.len()));
            if !expected.starts_with(part) {
                return Err(io::Error::other("wrong answer"));
            }
            bytes = rest;
            self.come += part.len();
            if self.come == message.payload.len() {
                self.come = 0;
                messages += 1;
                self.queue(message);
            }
        }
        Ok(messages)
    }

    /// Writes as much as the socket takes.
    fn write(&mut self, epoll: &Epoll, number: u64) -> io::Result<()> {
        while self.written < self.out.len() {
            match self.stream.write(&self.out[self.written..]) {
                Ok(length) => self.written += length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        if self.written == self.out.len() {
            self.out.clear();
            self.written = 0;
        }
        let waits = !self.out.is_empty();
        if waits != self.waits_for_room {
            self.waits_for_room = waits;
            let mut interest = EpollFlags::EPOLLIN | EpollFlags::EPOLLRDHUP;
            interest.set(EpollFlags::EPOLLOUT, waits);
            epoll.modify(&self.stream, &mut EpollEvent::new(interest, number))?;
        }
        Ok(())
    }
}

/// Nobody is to be kept from foretelling the keys: they are the same each time.
fn sender(deflate: Option<&Deflate>) -> Sender {
    Sender::client(deflate, Box::new(|| [0x37, 0xfa, 0x21, 0x3d]))
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn count(value: u64) -> f64 {
    value as f64
}
