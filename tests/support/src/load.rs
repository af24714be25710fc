//! A load generator: many keep-alive connections on one thread, one request in flight on each.
//!
//! It uses epoll directly and parses only what it has to, so that it takes little of the machine that it shares with the
//! runtime that it measures.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, pki_types::ServerName};

/// When a run ends.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    /// After this many responses.
    Requests(u64),
    /// After this time.
    Elapsed(Duration),
}

/// What a run found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Responses by status code.
    pub statuses: BTreeMap<u16, u64>,
    /// Connections that broke with a request in flight.
    pub broken: u64,
    /// Responses whose body was not the expected one.
    pub wrong: u64,
    /// Responses that came over a connection whose TLS session had been made by another one.
    pub resumed: u64,
    /// From the first request to the last response.
    pub elapsed: Duration,
    /// From sending a request to the last byte of its response, of every response, ascending.
    pub latencies: Vec<Duration>,
}

impl Report {
    /// All responses.
    pub fn responses(&self) -> u64 {
        self.statuses.values().sum()
    }

    /// Responses per second.
    #[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^52")]
    pub fn rate(&self) -> f64 {
        self.responses() as f64 / self.elapsed.as_secs_f64()
    }

    /// The latency that `share` (0 to 1) of the responses did not exceed.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a length"
    )]
    pub fn percentile(&self, share: f64) -> Duration {
        let last = self.latencies.len().saturating_sub(1);
        let index = (share * self.latencies.len() as f64).ceil() as usize;
        self.latencies.get(index.saturating_sub(1).min(last)).copied().unwrap_or_default()
    }
}

/// One request, sent over and over.
#[derive(Clone, Debug)]
pub struct Load {
    /// Port on the loopback interface.
    pub port: u16,
    /// How many connections; each has one request in flight all the time.
    pub connections: usize,
    /// When to stop.
    pub until: Until,
    /// The bytes of the request.
    pub request: Vec<u8>,
    /// What the body of every 200 has to be.
    pub expect: Option<Vec<u8>>,
    /// Whether a broken connection is opened again (and counted) rather than being the end of the run.
    pub reconnect: bool,
    /// Whether each request has a new connection.
    pub fresh: bool,
    /// What a client speaks TLS with, if it does.
    pub tls: Option<Arc<ClientConfig>>,
}

impl Load {
    /// `GET /` on `connections` connections.
    pub fn get(port: u16, connections: usize, until: Until) -> Load {
        let request = crate::http::request("GET", "/", &[], b"");
        Load { port, connections, until, request, expect: None, reconnect: false, fresh: false, tls: None }
    }

    /// Runs it to its end.
    ///
    /// # Errors
    ///
    /// When a connection cannot be opened, or breaks while `reconnect` is off.
    pub fn run(&self) -> io::Result<Report> {
        self.run_while(|_| true)
    }

    /// As [`Load::run`], but ends also when `go_on`, asked about every 10 ms with the count of responses, says no.
    ///
    /// # Errors
    ///
    /// As [`Load::run`].
    pub fn run_while(&self, mut go_on: impl FnMut(u64) -> bool) -> io::Result<Report> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let mut report = Report::default();
        let mut clients = Vec::with_capacity(self.connections);
        for index in 0..self.connections {
            clients.push(self.open(&epoll, index as u64)?);
        }
        let begin = Instant::now();
        for client in &mut clients {
            client.send(&self.request, &epoll)?;
        }
        let mut events = vec![EpollEvent::empty(); 256];
        let mut scratch = vec![0; 256 * 1024];
        let mut counted = 0_u64;
        let mut asked = begin;
        loop {
            let ready = match epoll.wait(&mut events, EpollTimeout::from(10_u8)) {
                Ok(ready) => ready,
                Err(nix::errno::Errno::EINTR) => 0,
                Err(errno) => return Err(errno.into()),
            };
            for event in &events[..ready] {
                let index = usize::try_from(event.data()).expect("an index");
                let room = event.events().contains(EpollFlags::EPOLLOUT);
                let sent = if room { clients[index].write(&self.request, &epoll) } else { Ok(()) };
                match sent.and_then(|()| clients[index].receive(&mut scratch, self.expect.as_deref())) {
                    Ok(None) => {}
                    Ok(Some(status)) => {
                        let client = &mut clients[index];
                        report.latencies.push(client.sent.elapsed());
                        *report.statuses.entry(status).or_default() += 1;
                        counted += 1;
                        if status == 200 && self.expect.as_ref().is_some_and(|expected| !client.body_is(expected)) {
                            report.wrong += 1;
                        }
                        report.resumed += u64::from(client.stream.is_resumed());
                        // An answer that came before its request was all sent is the last one of its connection.
                        if self.fresh || client.close || client.written < self.request.len() {
                            *client = self.open(&epoll, index as u64)?;
                        }
                        if clients[index].next(&self.request, &epoll).is_err() {
                            self.reopen(&mut clients[index], &epoll, index as u64, &mut report)?;
                        }
                    }
                    Err(error) if self.reconnect => {
                        let _ = error;
                        self.reopen(&mut clients[index], &epoll, index as u64, &mut report)?;
                    }
                    Err(error) => return Err(error),
                }
            }
            let now = Instant::now();
            let over = match self.until {
                Until::Requests(count) => counted >= count,
                Until::Elapsed(limit) => now - begin >= limit,
            };
            let stopped = now - asked >= Duration::from_millis(10) && {
                asked = now;
                !go_on(counted)
            };
            if over || stopped {
                report.elapsed = now - begin;
                report.latencies.sort_unstable();
                return Ok(report);
            }
        }
    }

    fn reopen(&self, client: &mut Client, epoll: &Epoll, index: u64, report: &mut Report) -> io::Result<()> {
        report.broken += 1;
        *client = self.open(epoll, index)?;
        client.send(&self.request, epoll)
    }

    fn open(&self, epoll: &Epoll, index: u64) -> io::Result<Client> {
        Client::open(self.port, self.tls.clone(), epoll, index)
    }
}

/// A socket, and the TLS that is spoken there. What it takes of a request goes out when the handshake lets it.
struct Stream {
    socket: TcpStream,
    tls: Option<Box<ClientConnection>>,
}

impl Stream {
    fn is_resumed(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.handshake_kind() == Some(HandshakeKind::Resumed))
    }

    /// Whether something waits for room that was taken.
    fn is_full(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }

    /// Sends what was taken, as much as the socket takes.
    fn flush(&mut self) -> io::Result<()> {
        let Some(tls) = &mut self.tls else { return Ok(()) };
        while tls.wants_write() {
            match tls.write_tls(&mut self.socket) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.socket.write(bytes) };
        let taken = tls.writer().write(bytes)?;
        self.flush()?;
        if taken == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(taken) }
    }

    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(tls) = &mut self.tls else { return self.socket.read(bytes) };
            match tls.reader().read(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return result,
            }
            if tls.read_tls(&mut self.socket)? == 0 {
                return Ok(0);
            }
            tls.process_new_packets().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            self.flush()?;
        }
    }
}

struct Client {
    stream: Stream,
    index: u64,
    /// How much of the request is sent.
    written: usize,
    /// Whether epoll tells when there is room for the rest of it.
    waits_for_room: bool,
    /// What is here of the response, but not of a body that [`Client::matched`] counts.
    buffer: Vec<u8>,
    /// Bytes of a body of announced length that are here, and whether they are the expected ones. They are compared as they come, while
    /// they are in the processor's cache.
    matched: (usize, bool),
    /// Length of the head with its empty line, once it is complete.
    head: Option<usize>,
    length: Framing,
    status: u16,
    close: bool,
    sent: Instant,
}

#[derive(Clone, Copy)]
enum Framing {
    Length(usize),
    Chunked,
}

impl Client {
    fn open(port: u16, tls: Option<Arc<ClientConfig>>, epoll: &Epoll, index: u64) -> io::Result<Client> {
        let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        epoll.add(&socket, EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLRDHUP, index))?;
        let name = || ServerName::IpAddress(Ipv4Addr::LOCALHOST.into());
        let connect = |config| ClientConnection::new(config, name()).map(Box::new).map_err(io::Error::other);
        Ok(Client {
            stream: Stream { socket, tls: tls.map(connect).transpose()? },
            index,
            written: 0,
            waits_for_room: false,
            buffer: Vec::new(),
            matched: (0, true),
            head: None,
            length: Framing::Length(0),
            status: 0,
            close: false,
            sent: Instant::now(),
        })
    }

    fn send(&mut self, request: &[u8], epoll: &Epoll) -> io::Result<()> {
        self.sent = Instant::now();
        self.written = 0;
        self.write(request, epoll)
    }

    /// Writes as much of the rest of the request as the socket takes.
    fn write(&mut self, request: &[u8], epoll: &Epoll) -> io::Result<()> {
        while self.written < request.len() {
            match self.stream.write(&request[self.written..]) {
                Ok(length) => self.written += length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        self.stream.flush()?;
        let waits = self.written < request.len() || self.stream.is_full();
        if waits != self.waits_for_room {
            self.waits_for_room = waits;
            let mut interest = EpollFlags::EPOLLIN | EpollFlags::EPOLLRDHUP;
            interest.set(EpollFlags::EPOLLOUT, waits);
            epoll.modify(&self.stream.socket, &mut EpollEvent::new(interest, self.index))?;
        }
        Ok(())
    }

    fn next(&mut self, request: &[u8], epoll: &Epoll) -> io::Result<()> {
        self.buffer.clear();
        self.matched = (0, true);
        self.head = None;
        self.send(request, epoll)
    }

    /// Compares the next bytes of a body of announced length.
    fn compare(&mut self, chunk: &[u8], expected: Option<&[u8]>) {
        let (before, is_right) = self.matched;
        let as_expected = expected.is_none_or(|expected| expected.get(before..before + chunk.len()) == Some(chunk));
        self.matched = (before + chunk.len(), is_right && as_expected);
    }

    /// The status when the response is complete.
    fn receive(&mut self, chunk: &mut [u8], expected: Option<&[u8]>) -> io::Result<Option<u16>> {
        loop {
            match self.stream.read(chunk) {
                Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "closed with a request in flight")),
                Ok(length) => {
                    if self.head.is_some() && matches!(self.length, Framing::Length(_)) {
                        self.compare(&chunk[..length], expected);
                    } else {
                        self.buffer.extend_from_slice(&chunk[..length]);
                        if self.head.is_none() {
                            self.parse_head()?;
                        }
                        if let (Some(head), Framing::Length(_)) = (self.head, self.length) {
                            let begun = self.buffer.split_off(head);
                            self.compare(&begun, expected);
                        }
                    }
                    if length < chunk.len() {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        let Some(head) = self.head else { return Ok(None) };
        let complete = match self.length {
            Framing::Length(length) => self.matched.0 >= length,
            Framing::Chunked => self.buffer[head..].ends_with(b"0\r\n\r\n"),
        };
        Ok(complete.then_some(self.status))
    }

    fn parse_head(&mut self) -> io::Result<()> {
        let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(()) };
        let head = std::str::from_utf8(&self.buffer[..end]).map_err(|_| invalid("the head is not UTF-8"))?;
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
        self.status = status.ok_or_else(|| invalid("no status line"))?;
        self.length = Framing::Length(0);
        self.close = false;
        for line in lines {
            let (name, value) = line.split_once(':').ok_or_else(|| invalid("no header"))?;
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                self.length = Framing::Length(value.parse().map_err(|_| invalid("Content-Length"))?);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                self.length = Framing::Chunked;
            } else if name.eq_ignore_ascii_case("connection") {
                self.close = value.eq_ignore_ascii_case("close");
            }
        }
        self.head = Some(end + 4);
        Ok(())
    }

    /// Whether the body, without its framing, is `expected`.
    fn body_is(&self, expected: &[u8]) -> bool {
        let Some(head) = self.head else { return false };
        let Framing::Chunked = self.length else { return self.matched == (expected.len(), true) };
        let (mut rest, mut expected) = (&self.buffer[head..], expected);
        loop {
            let Some(line) = rest.windows(2).position(|window| window == b"\r\n") else { return false };
            let size = std::str::from_utf8(&rest[..line]).ok().and_then(|size| usize::from_str_radix(size, 16).ok());
            let chunk = size.and_then(|size| rest.get(line + 2..line + 2 + size));
            let Some((chunk, after)) = chunk.zip(size.and_then(|size| rest.get(line + 2 + size + 2..))) else {
                return false;
            };
            if chunk.is_empty() {
                return expected.is_empty();
            }
            let Some(remaining) = expected.strip_prefix(chunk) else { return false };
            (rest, expected) = (after, remaining);
        }
    }
}
