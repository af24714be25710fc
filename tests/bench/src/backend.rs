//! A server for runtimes to stand in front of: one thread that answers every request with the same bytes, as cheaply as a machine
//! lets it. Where there are many, the kernel sends them from a file in memory, as `nginx` with `sendfile` does.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use rustix::fs::{MemfdFlags, memfd_create, sendfile};

/// Bytes of a response up to which they are written in one call with its head.
const SHORT: usize = 16 << 10;

const LISTENER: u64 = u64::MAX;
const END: u64 = u64::MAX - 1;

/// The server. Dropping it ends it.
pub(crate) struct Backend {
    port: u16,
    thread: Option<JoinHandle<()>>,
    end: Option<UnixStream>,
}

impl Backend {
    /// Listens on the loopback interface and answers with 200 and `body`.
    pub(crate) fn start(body: &[u8]) -> io::Result<Backend> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let (end, ended) = UnixStream::pair()?;
        let mut response = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
        response.extend_from_slice(body);
        let mut file = File::from(memfd_create("response", MemfdFlags::CLOEXEC)?);
        file.write_all(&response)?;
        file.rewind()?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&listener, EpollEvent::new(EpollFlags::EPOLLIN, LISTENER))?;
        epoll.add(&ended, EpollEvent::new(EpollFlags::EPOLLIN, END))?;
        let thread = std::thread::spawn(move || {
            let mut server = Serving { listener, epoll, response, file, clients: Vec::new(), free: Vec::new() };
            if let Err(error) = server.run() {
                eprintln!("the backend has ended: {error}");
            }
            drop(ended);
        });
        Ok(Backend { port, thread: Some(thread), end: Some(end) })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Serving {
    listener: TcpListener,
    epoll: Epoll,
    /// Head and body.
    response: Vec<u8>,
    /// The same.
    file: File,
    clients: Vec<Option<Client>>,
    free: Vec<usize>,
}

struct Client {
    stream: TcpStream,
    /// What is here of the next request.
    request: Vec<u8>,
    /// Bytes of the response that were sent, while one is.
    sent: Option<usize>,
}

impl Serving {
    fn run(&mut self) -> io::Result<()> {
        let mut events = vec![EpollEvent::empty(); 256];
        loop {
            let ready = match self.epoll.wait(&mut events, EpollTimeout::NONE) {
                Ok(ready) => ready,
                Err(nix::errno::Errno::EINTR) => continue,
                Err(errno) => return Err(errno.into()),
            };
            for event in &events[..ready] {
                match event.data() {
                    END => return Ok(()),
                    LISTENER => self.accept()?,
                    number => {
                        let number = usize::try_from(number).expect("a number of a client");
                        let Some(client) = &mut self.clients[number] else { continue };
                        if client.go_on(&self.response, &self.file).is_err() {
                            self.clients[number] = None;
                            self.free.push(number);
                        }
                    }
                }
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let number = self.free.pop().unwrap_or_else(|| {
                self.clients.push(None);
                self.clients.len() - 1
            });
            // Told of changes only: nobody has to be asked to tell of room and to stop again.
            let interest = EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT | EpollFlags::EPOLLET;
            self.epoll.add(&stream, EpollEvent::new(interest, number as u64))?;
            self.clients[number] = Some(Client { stream, request: Vec::new(), sent: None });
        }
    }
}

impl Client {
    /// Reads and answers until there is nothing to be done. An error is its end.
    fn go_on(&mut self, response: &[u8], file: &File) -> io::Result<()> {
        let mut chunk = [0; 4096];
        loop {
            while let Some(sent) = self.sent {
                let result = if response.len() <= SHORT {
                    (&self.stream).write(&response[sent..])
                } else {
                    let mut from = sent as u64;
                    sendfile(&self.stream, file, Some(&mut from), response.len() - sent).map_err(io::Error::from)
                };
                match result {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(length) => self.sent = (sent + length < response.len()).then_some(sent + length),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                    Err(error) => return Err(error),
                }
            }
            // Requests have no bodies, and the next one comes after the response.
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(length) => {
                    self.request.extend_from_slice(&chunk[..length]);
                    if self.request.ends_with(b"\r\n\r\n") {
                        self.request.clear();
                        self.sent = Some(0);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}
