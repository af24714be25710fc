//! HTTP/1.1 clients that show every byte.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use crate::runtime::PATIENCE;

/// A response, as it came over the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status line without its line end.
    pub status_line: String,
    /// The status code.
    pub status: u16,
    /// Names as sent, in the order in which they came.
    pub headers: Vec<(String, String)>,
    /// The body without its framing.
    pub body: Vec<u8>,
    /// Whether the connection may be used for another request.
    pub keep_alive: bool,
}

impl Response {
    /// The first value of the header `name`.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A connection to a runtime on this machine.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects to `port` on the loopback interface.
    ///
    /// # Panics
    ///
    /// When nothing listens there.
    pub fn open(port: u16) -> Connection {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("connect");
        stream.set_nodelay(true).expect("set TCP_NODELAY");
        stream.set_read_timeout(Some(PATIENCE)).expect("set a timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("set a timeout");
        Connection { stream, buffer: Vec::new() }
    }

    /// The socket, for what this type does not offer.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Writes `bytes` as they are.
    ///
    /// # Errors
    ///
    /// When the other side has closed the connection.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// Sends a request whose head has no body headers yet, with a `Content-Length` where `body` is not empty.
    ///
    /// # Errors
    ///
    /// When the connection breaks or the answer is not HTTP.
    pub fn request(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Response> {
        self.send(request(method, target, headers, body))?;
        self.response(method)
    }

    /// Reads one response, without its framing; `method` decides whether a body follows. Informational responses are
    /// skipped.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::UnexpectedEof`] when the connection ends inside of the response, [`io::ErrorKind::InvalidData`]
    /// when it is not HTTP.
    pub fn response(&mut self, method: &str) -> io::Result<Response> {
        loop {
            let mut response = self.head()?;
            if (100..200).contains(&response.status) && response.status != 101 {
                continue;
            }
            let bodyless = method == "HEAD" || matches!(response.status, 101 | 204 | 304);
            let chunked = response
                .header("transfer-encoding")
                .is_some_and(|value| value.to_ascii_lowercase().ends_with("chunked"));
            let length = response.header("content-length").map(|value| value.parse::<usize>());
            if bodyless {
            } else if chunked {
                response.body = self.chunked()?;
            } else if let Some(length) = length {
                let length = length.map_err(|_| invalid("Content-Length is not a number"))?;
                response.body = self.take(length)?;
            } else {
                while self.fill()? {}
                response.body = std::mem::take(&mut self.buffer);
                response.keep_alive = false;
            }
            return Ok(response);
        }
    }

    /// Reads the head of the next response, whatever its status.
    ///
    /// # Errors
    ///
    /// As [`Connection::response`].
    pub fn head(&mut self) -> io::Result<Response> {
        let end = loop {
            if let Some(at) = find(&self.buffer, b"\r\n\r\n") {
                break at;
            }
            if !self.fill()? {
                return Err(eof("the connection ended before a response head"));
            }
        };
        let head = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
        self.buffer.drain(..end + 4);
        let mut lines = head.split("\r\n");
        let status_line = lines.next().unwrap_or_default().to_owned();
        let status = status_line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(|| invalid(&format!("not a status line: {status_line:?}")))?;
        let mut headers = Vec::new();
        for line in lines {
            let (name, value) = line.split_once(':').ok_or_else(|| invalid(&format!("not a header: {line:?}")))?;
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        let mut response = Response {
            keep_alive: status_line.starts_with("HTTP/1.1"),
            status_line,
            status,
            headers,
            body: Vec::new(),
        };
        if response.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
            response.keep_alive = false;
        }
        Ok(response)
    }

    /// What was received after the last head or response that was read, and is not read yet.
    pub fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer)
    }

    /// Everything until the other side closes, bytes of a broken response included.
    ///
    /// # Errors
    ///
    /// When it does not close within the patience of a test.
    pub fn to_end(&mut self) -> io::Result<Vec<u8>> {
        loop {
            match self.fill() {
                Ok(true) => {}
                Ok(false) => return Ok(std::mem::take(&mut self.buffer)),
                // A reset is an end too; what came before it counts.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                    return Ok(std::mem::take(&mut self.buffer));
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn chunked(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16).map_err(|_| invalid(&format!("not a chunk size: {line:?}")))?;
            if size == 0 {
                while !self.line()?.is_empty() {}
                return Ok(body);
            }
            body.extend(self.take(size)?);
            if !self.line()?.is_empty() {
                return Err(invalid("a chunk is longer than its size"));
            }
        }
    }

    fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n") {
                let line = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
                self.buffer.drain(..end + 2);
                return Ok(line);
            }
            if !self.fill()? {
                return Err(eof("the connection ended inside of a chunked body"));
            }
        }
    }

    fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < length {
            if !self.fill()? {
                return Err(eof("the connection ended inside of a body"));
            }
        }
        Ok(self.buffer.drain(..length).collect())
    }

    fn fill(&mut self) -> io::Result<bool> {
        let mut chunk = [0; 64 * 1024];
        let length = self.stream.read(&mut chunk)?;
        self.buffer.extend_from_slice(&chunk[..length]);
        Ok(length > 0)
    }
}

/// The bytes of a request with `Host: localhost` and, where there is a body, its `Content-Length`.
pub fn request(method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n").into_bytes();
    for (name, value) in headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    if !body.is_empty() {
        bytes.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}

/// One GET on a connection of its own.
///
/// # Errors
///
/// As [`Connection::response`].
pub fn get(port: u16, target: &str) -> io::Result<Response> {
    Connection::open(port).request("GET", target, &[], b"")
}

/// The median of the times that a hundred answers of a worker that says `hello` take, one after the other on one connection.
///
/// # Panics
///
/// When it does not answer so.
pub fn median_time(port: u16) -> Duration {
    let mut connection = Connection::open(port);
    let mut times: Vec<Duration> = (0..110)
        .map(|_| {
            let begin = Instant::now();
            let response = connection.request("GET", "/", &[], b"").expect("an answer");
            assert_eq!((response.status, response.text().as_str()), (200, "hello"));
            begin.elapsed()
        })
        .collect();
    let times = &mut times[10..];
    times.sort_unstable();
    times[times.len() / 2]
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn eof(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, message)
}

fn invalid(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}
