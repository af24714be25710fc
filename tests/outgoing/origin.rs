//! A server of which the tests see and say every byte.

use std::{
    collections::BTreeMap,
    io::{self, Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bulkhead_test_support::Setup;

/// A response that is good.
pub(super) const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A configuration with one service, `s`, and a socket with these options that leads to it.
pub(super) fn setup(http: &str, service: &str) -> Setup {
    Setup::config(&format!(
        "using Workerd = import \"/workerd/workerd.capnp\";\nconst config :Workerd.Config = (\n\
         services = [(name = \"s\", {service})],\n\
         sockets = [(name = \"http\", address = \"127.0.0.1:0\", http = ({http}), service = \"s\")]);"
    ))
}

/// What an origin does when it has read a request.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Writes these bytes.
    Send(Vec<u8>),
    /// Ends the connection, with what it had to say before that.
    Close,
    /// Ends the connection by a reset.
    Reset,
}

/// A request as an origin read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// The number of the connection, from 0.
    pub(super) connection: usize,
    /// The request line.
    pub(super) line: String,
    /// Names in lower case, in the order of their names.
    pub(super) headers: Vec<(String, String)>,
    /// Without its framing.
    pub(super) body: Vec<u8>,
}

impl Seen {
    /// All of it but the connection, in a form that can be compared.
    pub(super) fn text(&self) -> String {
        let headers: Vec<String> = self.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        format!("{} [{}] {:?}", self.line, headers.join("; "), String::from_utf8_lossy(&self.body))
    }
}

type Script = dyn Fn(&Seen) -> Vec<Step> + Send + Sync;

/// A server on the loopback interface, one thread for each connection. It listens until the test ends.
pub(super) struct Origin {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<AtomicUsize>,
}

impl Origin {
    /// Answers each request with what `script` says.
    pub(super) fn start(script: impl Fn(&Seen) -> Vec<Step> + Send + Sync + 'static) -> Origin {
        Origin::start_at(Ipv4Addr::LOCALHOST.into(), 0, script)
    }

    /// The same at this address and port.
    pub(super) fn start_at(
        address: IpAddr,
        port: u16,
        script: impl Fn(&Seen) -> Vec<Step> + Send + Sync + 'static,
    ) -> Origin {
        let listener = TcpListener::bind((address, port)).expect("listen");
        let origin = Origin {
            address: listener.local_addr().expect("an address"),
            seen: Arc::default(),
            connections: Arc::default(),
        };
        let (seen, connections) = (origin.seen.clone(), origin.connections.clone());
        let script: Arc<Script> = Arc::new(script);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, number) = (stream.expect("a connection"), connections.fetch_add(1, Ordering::SeqCst));
                let (script, seen) = (script.clone(), seen.clone());
                std::thread::spawn(move || drop(serve(stream, number, &*script, &seen)));
            }
        });
        origin
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    /// How many connections there were.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// The requests so far; they are forgotten.
    pub(super) fn take_seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.seen.lock().expect("not poisoned"))
    }
}

fn serve(mut stream: TcpStream, connection: usize, script: &Script, seen: &Mutex<Vec<Seen>>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::new();
    loop {
        let Some(head) = read_until(&mut stream, &mut buffer, b"\r\n\r\n")? else { return Ok(()) };
        let head = String::from_utf8_lossy(&head).into_owned();
        let mut lines = head.trim_end().split("\r\n");
        let line = lines.next().unwrap_or_default().to_owned();
        let mut headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        headers.sort();
        let map: BTreeMap<&str, &str> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let mut body = Vec::new();
        if map.contains_key("transfer-encoding") {
            loop {
                let Some(size) = read_until(&mut stream, &mut buffer, b"\r\n")? else { return Ok(()) };
                let size = usize::from_str_radix(String::from_utf8_lossy(&size).trim(), 16).expect("a chunk's size");
                let Some(chunk) = read_exactly(&mut stream, &mut buffer, size + 2)? else { return Ok(()) };
                body.extend_from_slice(&chunk[..size]);
                if size == 0 {
                    break;
                }
            }
        } else if let Some(length) = map.get("content-length") {
            let length = length.parse().expect("a length");
            let Some(all) = read_exactly(&mut stream, &mut buffer, length)? else { return Ok(()) };
            body = all;
        }
        let request = Seen { connection, line, headers, body };
        let steps = script(&request);
        seen.lock().expect("not poisoned").push(request);
        for step in steps {
            match step {
                Step::Send(bytes) => stream.write_all(&bytes)?,
                Step::Close => {
                    stream.shutdown(Shutdown::Write)?;
                    // Until the other side has read all.
                    let _ = io::copy(&mut stream, &mut io::sink());
                    return Ok(());
                }
                Step::Reset => {
                    socket2::SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO))?;
                    return Ok(());
                }
            }
        }
    }
}

/// Bytes up to and with `end`, or `None` at the end of the connection.
fn read_until(stream: &mut TcpStream, buffer: &mut Vec<u8>, end: &[u8]) -> io::Result<Option<Vec<u8>>> {
    loop {
        if let Some(at) = buffer.windows(end.len()).position(|window| window == end) {
            return Ok(Some(buffer.drain(..at + end.len()).collect()));
        }
        if !fill(stream, buffer)? {
            return Ok(None);
        }
    }
}

fn read_exactly(stream: &mut TcpStream, buffer: &mut Vec<u8>, length: usize) -> io::Result<Option<Vec<u8>>> {
    while buffer.len() < length {
        if !fill(stream, buffer)? {
            return Ok(None);
        }
    }
    Ok(Some(buffer.drain(..length).collect()))
}

fn fill(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<bool> {
    let mut bytes = [0; 65536];
    let count = stream.read(&mut bytes)?;
    buffer.extend_from_slice(&bytes[..count]);
    Ok(count > 0)
}
