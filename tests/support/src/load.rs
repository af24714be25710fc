//! A load generator: many keep-alive connections on one thread, one request in flight on each.
//!
//! It uses epoll directly and parses only what it has to, so that it takes little of the machine that it shares with the
//! runtime that it measures.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

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
}

impl Load {
    /// `GET /` on `connections` connections.
    pub fn get(port: u16, connections: usize, until: Until) -> Load {
        let request = crate::http::request("GET", "/", &[], b"");
        Load { port, connections, until, request, expect: None, reconnect: false }
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
            clients.push(Client::open(self.port, &epoll, index as u64)?);
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
                match sent.and_then(|()| clients[index].receive(&mut scratch)) {
                    Ok(None) => {}
                    Ok(Some(status)) => {
                        let client = &mut clients[index];
                        report.latencies.push(client.sent.elapsed());
                        *report.statuses.entry(status).or_default() += 1;
                        counted += 1;
                        if status == 200 && self.expect.as_ref().is_some_and(|expected| !client.body_is(expected)) {
                            report.wrong += 1;
                        }
                        // An answer that came before its request was all sent is the last one of its connection.
                        if client.close || client.written < self.request.len() {
                            *client = Client::open(self.port, &epoll, index as u64)?;
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
        *client = Client::open(self.port, epoll, index)?;
        client.send(&self.request, epoll)
    }
}

struct Client {
    stream: TcpStream,
    index: u64,
    /// How much of the request is sent.
    written: usize,
    /// Whether epoll tells when there is room for the rest of it.
    waits_for_room: bool,
    buffer: Vec<u8>,
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
    fn open(port: u16, epoll: &Epoll, index: u64) -> io::Result<Client> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        epoll.add(&stream, EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLRDHUP, index))?;
        Ok(Client {
            stream,
            index,
            written: 0,
            waits_for_room: false,
            buffer: Vec::new(),
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
        let waits = self.written < request.len();
        if waits != self.waits_for_room {
            self.waits_for_room = waits;
            let mut interest = EpollFlags::EPOLLIN | EpollFlags::EPOLLRDHUP;
            interest.set(EpollFlags::EPOLLOUT, waits);
            epoll.modify(&self.stream, &mut EpollEvent::new(interest, self.index))?;
        }
        Ok(())
    }

    fn next(&mut self, request: &[u8], epoll: &Epoll) -> io::Result<()> {
        self.buffer.clear();
        self.head = None;
        self.send(request, epoll)
    }

    /// The status when the response is complete.
    fn receive(&mut self, chunk: &mut [u8]) -> io::Result<Option<u16>> {
        loop {
            match self.stream.read(chunk) {
                Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "closed with a request in flight")),
                Ok(length) => {
                    self.buffer.extend_from_slice(&chunk[..length]);
                    if length < chunk.len() {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        if self.head.is_none() {
            self.parse_head()?;
        }
        let Some(head) = self.head else { return Ok(None) };
        let complete = match self.length {
            Framing::Length(length) => self.buffer.len() >= head + length,
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
        let Framing::Chunked = self.length else { return self.buffer[head..] == *expected };
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
