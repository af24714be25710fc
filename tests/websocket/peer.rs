//! Both ends of an upgraded connection, of which the tests see and say every byte.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::mpsc,
    time::Duration,
};

use bulkhead_websocket::handshake::accept_value;
use nix::sys::socket::{setsockopt, sockopt};

/// The key of the requests here, which RFC 6455 has as an example, and what it is answered with.
pub(super) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub(super) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// What ends a test that hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// One end of a connection, after the heads.
pub(super) struct Peer {
    pub(super) stream: TcpStream,
    /// The head that it got, with the names of headers in lower case.
    pub(super) head: String,
    /// Read with it.
    early: Vec<u8>,
}

impl Peer {
    pub(super) fn read_head(mut stream: TcpStream) -> Peer {
        stream.set_nodelay(true).expect("an option");
        stream.set_read_timeout(Some(PATIENCE)).expect("an option");
        stream.set_write_timeout(Some(PATIENCE)).expect("an option");
        let mut bytes = Vec::new();
        let mut piece = [0; 4096];
        let end = loop {
            if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            let read = stream.read(&mut piece).expect("a head");
            assert!(read > 0, "a head, and not {:?}", String::from_utf8_lossy(&bytes));
            bytes.extend_from_slice(&piece[..read]);
        };
        let early = bytes.split_off(end);
        let lines = String::from_utf8_lossy(&bytes).into_owned();
        let lines = lines.lines().map(|line| match line.split_once(": ") {
            Some((name, value)) => format!("{}: {value}\n", name.to_lowercase()),
            None => format!("{line}\n"),
        });
        Peer { stream, head: lines.collect(), early }
    }

    /// A client over this connection, which asks for so much and reads the head of the answer.
    pub(super) fn asking(mut stream: TcpStream, request: &str) -> Peer {
        stream.write_all(request.as_bytes()).expect("it is taken");
        Peer::read_head(stream)
    }

    /// The value of a header.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    pub(super) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("the other end takes it");
    }

    /// The next bytes, so many of them.
    pub(super) fn receive(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.early);
        self.early = bytes.split_off(length.min(bytes.len()));
        let rest = bytes.len();
        bytes.resize(length, 0);
        self.stream.read_exact(&mut bytes[rest..]).expect("the other end sends it");
        bytes
    }

    /// Whatever comes before the end, and whether that was one that the other side wanted.
    pub(super) fn rest(&mut self) -> (Vec<u8>, bool) {
        let mut bytes = std::mem::take(&mut self.early);
        let is_end = match self.stream.read_to_end(&mut bytes) {
            Ok(_) => true,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => false,
            Err(error) => panic!("the connection does not end: {error}"),
        };
        (bytes, is_end)
    }

    /// Sends no more.
    pub(super) fn finish(&self) {
        self.stream.shutdown(Shutdown::Write).expect("the connection lives");
    }

    /// Ends the connection by a reset.
    pub(super) fn reset(self) {
        let linger = nix::libc::linger { l_onoff: 1, l_linger: 0 };
        setsockopt(&self.stream, sockopt::Linger, &linger).expect("an option");
    }
}

/// A request that asks for a WebSocket, with further headers.
pub(super) fn request(path: &str, headers: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: {KEY}\r\n\
         Sec-WebSocket-Version: 13\r\n{headers}\r\n"
    )
}

/// A client that sends this and reads the head of the answer.
pub(super) fn client(port: u16, request: impl AsRef<[u8]>) -> Peer {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a connection");
    stream.write_all(request.as_ref()).expect("it is taken");
    Peer::read_head(stream)
}

/// A client whose connection has been upgraded.
pub(super) fn upgraded(port: u16, path: &str) -> Peer {
    let client = client(port, request(path, ""));
    assert!(client.head.starts_with("HTTP/1.1 101 "), "{}", client.head);
    client
}

/// A server that hands over its connections once it has read a request, and answers what asks for an upgrade with one. It listens
/// until the test ends.
pub(super) struct Backend {
    pub(super) address: SocketAddr,
    peers: mpsc::Receiver<Peer>,
}

impl Backend {
    pub(super) fn start() -> Backend {
        Backend::answering(|_| None)
    }

    /// The same, where `answer` may say something else to a head.
    pub(super) fn answering(answer: impl Fn(&Peer) -> Option<String> + Send + 'static) -> Backend {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("listen");
        let address = listener.local_addr().expect("an address");
        let (sender, peers) = mpsc::channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut peer = Peer::read_head(stream.expect("a connection"));
                let answer = answer(&peer).unwrap_or_else(|| accepting(&peer));
                peer.send(answer);
                if sender.send(peer).is_err() {
                    return;
                }
            }
        });
        Backend { address, peers }
    }

    /// The next connection.
    pub(super) fn next(&self) -> Peer {
        self.peers.recv_timeout(PATIENCE).expect("a connection")
    }
}

/// The answer that begins a connection, or one without.
pub(super) fn accepting(peer: &Peer) -> String {
    if peer.header("upgrade").is_none() {
        return "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_owned();
    }
    let accept = accept_value(peer.header("sec-websocket-key").expect("a key").as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Of-The-Backend: 1\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )
}

/// A frame as a client sends it, whose payload is short (RFC 6455, section 5.2).
pub(super) fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let key = [1, 2, 3, 4];
    let length = u8::try_from(payload.len()).ok().filter(|length| *length < 126).expect("a short payload");
    let masked = payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key);
    [0x80 | opcode, 0x80 | length].into_iter().chain(key).chain(masked).collect()
}

/// The same as a server sends it.
pub(super) fn plain(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).ok().filter(|length| *length < 126).expect("a short payload");
    [&[0x80 | opcode, length], payload].concat()
}

impl Peer {
    /// The next frame, of a payload that is not long: its opcode and the payload.
    pub(super) fn frame(&mut self) -> (u8, Vec<u8>) {
        let head = self.receive(2);
        assert!(head[0] & 0xf0 == 0x80 && head[1] & 0x7f < 127, "{head:?}");
        let length = match head[1] & 0x7f {
            126 => self.receive(2).iter().fold(0, |length, byte| length << 8 | usize::from(*byte)),
            length => length.into(),
        };
        let key = if head[1] & 0x80 == 0 { vec![0; 4] } else { self.receive(4) };
        let payload = self.receive(length);
        (head[0] & 0xf, payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect())
    }
}
