//! A server behind the workers, one thread for each connection, whose every byte a test says.

use std::{
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// A connection to it, after the head of a request was read.
pub(super) struct Exchange<'a> {
    pub(super) stream: &'a mut TcpStream,
    /// The request's path with its query.
    pub(super) path: String,
}

impl Exchange<'_> {
    pub(super) fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// Answers 200 with this body.
    pub(super) fn answer(&mut self, body: &str) -> io::Result<()> {
        self.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
    }

    /// Sends the same again and again, until nobody takes it any more.
    pub(super) fn send_for_ever(&mut self, bytes: &[u8]) -> io::Result<()> {
        let many = bytes.repeat((64 << 10) / bytes.len() + 1);
        loop {
            self.stream.write_all(&many)?;
        }
    }

    /// Sends a byte now and then, until nobody takes it any more.
    pub(super) fn drip(&mut self, byte: u8) -> io::Result<()> {
        loop {
            self.stream.write_all(&[byte])?;
            thread::sleep(Duration::from_millis(500));
        }
    }

    /// Reads and says nothing until the other side has closed the connection.
    pub(super) fn wait(&mut self) -> io::Result<()> {
        while self.stream.read(&mut [0; 4096])? > 0 {}
        Ok(())
    }
}

/// Listens until the test ends.
pub(super) struct Backend {
    port: u16,
    open: Arc<AtomicUsize>,
}

impl Backend {
    /// Has `answer` answer each request; an error ends the connection.
    pub(super) fn start(answer: impl Fn(&mut Exchange<'_>) -> io::Result<()> + Send + Sync + 'static) -> Backend {
        Backend::start_at((Ipv4Addr::LOCALHOST, 0).into(), answer)
    }

    /// The same at this address.
    pub(super) fn start_at(
        address: SocketAddr,
        answer: impl Fn(&mut Exchange<'_>) -> io::Result<()> + Send + Sync + 'static,
    ) -> Backend {
        let listener = TcpListener::bind(address).expect("listen");
        let backend = Backend { port: listener.local_addr().expect("an address").port(), open: Arc::default() };
        let (open, answer) = (backend.open.clone(), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { continue };
                let (open, answer) = (open.clone(), answer.clone());
                open.fetch_add(1, Ordering::SeqCst);
                thread::spawn(move || {
                    let _ = serve(stream, &*answer);
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        backend
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Connections that are open, those included that are kept and not used.
    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }
}

fn serve(mut stream: TcpStream, answer: &dyn Fn(&mut Exchange<'_>) -> io::Result<()>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::new();
    loop {
        let end = loop {
            if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            let mut bytes = [0; 4096];
            match stream.read(&mut bytes)? {
                0 => return Ok(()),
                count => buffer.extend_from_slice(&bytes[..count]),
            }
        };
        // A body that came with it is nobody's concern.
        let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
        buffer.clear();
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        answer(&mut Exchange { stream: &mut stream, path })?;
    }
}
