//! What an origin sends, to the client that has asked it for something.

use std::{
    cell::{Cell, RefCell},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bulkhead_supervisor::{
    body::{Body, BodyError, PullSource, next_chunk},
    net::{
        Outlet,
        address::Destination,
        client::{Client, Peer},
        resolve::ResolverSettings,
    },
};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body as _;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    sync::Notify,
    task::yield_now,
};

/// Bytes that an origin has sent at most before the client has had enough of what is no head, or has handed on a head and waits for
/// its body to be read: the client's bounds and the kernel's buffers together.
const MOST_AHEAD: usize = 1 << 20;

/// Bytes that an origin sends that does not come to an end, and how often it says the same: what is short, such as chunks of one
/// byte, takes long to read.
const ENDLESS: usize = 2 << 20;
const REPEATS: usize = 10_000;

/// Bytes of a head that may be handed on.
const MOST_HEAD: usize = 128 << 10;

/// How the origin behaves, and who asks it.
struct Script {
    method: Method,
    /// `None` for one whose length nobody knows.
    upload: Option<Bytes>,
    upload_breaks: bool,
    /// The origin waits for a request before it says anything.
    listens: bool,
    /// The origin closes when it has said all of it.
    closes: bool,
    /// The last piece comes again and again.
    repeats: bool,
    /// The body is not read for a while.
    stalls: bool,
    /// Only the first piece of the body is read.
    gives_up: bool,
    pieces: Vec<Bytes>,
}

impl Script {
    /// The first two bytes choose, the second one also how many bytes follow with the lengths of the first pieces. The last piece is
    /// what is left.
    fn read(bytes: &[u8]) -> Option<Self> {
        let &[choice, more, ref rest @ ..] = bytes else { return None };
        let (lengths, mut said) = rest.split_at_checked(usize::from(more & 7))?;
        let mut pieces = Vec::new();
        for length in lengths {
            let (piece, rest) = said.split_at(usize::from(*length).min(said.len()));
            pieces.push(Bytes::copy_from_slice(piece));
            said = rest;
        }
        pieces.push(Bytes::copy_from_slice(said));
        let (method, upload) = match choice & 3 {
            0 => (Method::GET, Some(Bytes::new())),
            1 => (Method::HEAD, Some(Bytes::new())),
            2 => (Method::POST, Some(Bytes::from_static(&[b'u'; 100]))),
            _ => (Method::PUT, None),
        };
        Some(Script {
            method,
            upload,
            upload_breaks: more & 8 != 0,
            listens: choice & 4 == 0,
            closes: choice & 8 != 0,
            repeats: choice & 16 != 0,
            stalls: choice & 32 != 0,
            gives_up: choice & 64 != 0,
            pieces,
        })
    }

    fn request(&self) -> Request<Body> {
        let body = match &self.upload {
            Some(bytes) if bytes.is_empty() => Body::Empty,
            Some(bytes) => Body::Bytes(bytes.clone()),
            None => Body::Pull(Box::pin(Upload { left: 3, breaks: self.upload_breaks })),
        };
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = "/first".parse().expect("a path");
        request
    }
}

/// A body in a few pieces.
struct Upload {
    left: usize,
    breaks: bool,
}

impl PullSource for Upload {
    fn poll_pull(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        self.left = self.left.saturating_sub(1);
        Poll::Ready(match (self.left, self.breaks) {
            (0, true) => Some(Err(BodyError("the sender is gone".to_owned()))),
            (0, false) => None,
            _ => Some(Ok(Bytes::from_static(b"piece"))),
        })
    }
}

/// What is known of the origin while it speaks.
#[derive(Default)]
struct Origin {
    sent: Cell<usize>,
    /// Its script is over.
    is_done: Cell<bool>,
    done: Notify,
    /// So is the first exchange.
    is_over: Cell<bool>,
    connections: RefCell<Vec<tokio::task::JoinHandle<()>>>,
}

/// The answer to the second request.
const SECOND: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond";

impl Origin {
    /// The first connection hears what the script says, all of them the second answer when they ask for it.
    async fn serve(self: Rc<Self>, listener: UnixListener, script: Rc<Script>) {
        let mut script = Some(script);
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            let connection = tokio::task::spawn_local(self.clone().speak(stream, script.take()));
            self.connections.borrow_mut().push(connection);
        }
    }

    async fn speak(self: Rc<Self>, mut stream: UnixStream, script: Option<Rc<Script>>) {
        let mut heard = Vec::new();
        if let Some(script) = script {
            if script.listens {
                while !heard.windows(4).any(|window| window == b"\r\n\r\n")
                    && stream.read_buf(&mut heard).await.is_ok_and(|read| read > 0)
                {}
                // A request whose body breaks off may be given up before any of it has left.
                let heard = String::from_utf8_lossy(&heard);
                assert!(
                    heard.is_empty() || heard.starts_with(&format!("{} /first HTTP/1.1\r\n", script.method)),
                    "{heard}"
                );
            }
            // Whether the client takes all of it or not.
            let _ = self.say(&mut stream, &script).await;
            self.is_done.set(true);
            self.done.notify_one();
            // Whoever waits for more is told in the end that nothing comes: the client itself has no limit on time.
            for _ in 0..100 {
                if script.closes || self.is_over.get() {
                    break;
                }
                yield_now().await;
            }
            if script.closes || !self.is_over.get() {
                return;
            }
        }
        loop {
            if heard.windows(13).any(|window| window == b"GET /second H") && heard.ends_with(b"\r\n\r\n") {
                heard.clear();
                let _ = stream.write_all(SECOND).await;
            }
            if !stream.read_buf(&mut heard).await.is_ok_and(|read| read > 0) {
                return;
            }
        }
    }

    async fn say(&self, stream: &mut UnixStream, script: &Script) -> std::io::Result<()> {
        for piece in &script.pieces {
            self.write(stream, piece).await?;
            // The client reads it before the next one comes.
            yield_now().await;
            yield_now().await;
        }
        let Some(last) = script.pieces.last().filter(|last| script.repeats && !last.is_empty()) else { return Ok(()) };
        let times = (4096 / last.len()).max(1);
        let again = last.repeat(times);
        for _ in 0..(ENDLESS / again.len()).min(REPEATS / times) {
            self.write(stream, &again).await?;
        }
        Ok(())
    }

    async fn write(&self, stream: &mut UnixStream, mut bytes: &[u8]) -> std::io::Result<()> {
        while !bytes.is_empty() {
            let written = stream.write(bytes).await?;
            self.sent.set(self.sent.get() + written);
            bytes = &bytes[written..];
        }
        Ok(())
    }
}

/// Bytes as what an origin sends, split and cut off as the first ones say. Then the same client asks again.
pub fn http_response(bytes: &[u8]) {
    let Some(script) = Script::read(bytes) else { return };
    super::run(async {
        let script = Rc::new(script);
        let (listener, name) = super::rig::raw::listen();
        let listener = UnixListener::from_std(listener).expect("an event loop");
        let origin = Rc::new(Origin::default());
        let serving = tokio::task::spawn_local(origin.clone().serve(listener, script.clone()));
        // One connection, so that one which is not given back is missed.
        let outlet = Outlet::new(&ResolverSettings::default(), 1, 1).expect("an event loop");
        let client = Client::new(&outlet, None, None);
        let to: Peer = (Destination::UnixAbstract(name), false);
        let host = HeaderValue::from_static("origin");
        match client.send(&to, &host, script.request()).await {
            Ok(response) => read(response, &script, &origin).await,
            Err(error) => assert!(!error.to_string().is_empty(), "refused without a word"),
        }
        origin.is_over.set(true);
        while !origin.is_done.get() {
            origin.done.notified().await;
        }
        second(&client, &to, &host).await;
        drop(client);
        serving.abort();
        // Each of them ends with the client's end of it.
        for connection in origin.connections.take() {
            connection.await.expect("an origin");
        }
    });
}

/// Looks at a response and reads its body.
async fn read(response: Response<Body>, script: &Script, origin: &Origin) {
    let (head, mut body) = response.into_parts();
    assert!(head.status != StatusCode::SWITCHING_PROTOCOLS && head.status.as_u16() >= 100);
    let length = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>();
    assert!(length <= MOST_HEAD, "a head of {length} bytes");
    if script.stalls {
        for _ in 0..100 {
            yield_now().await;
        }
    }
    let ahead = origin.sent.get();
    assert!(ahead <= MOST_AHEAD, "{ahead} bytes were taken before anybody read one of the body");
    let has_none = script.method == Method::HEAD
        || head.status.is_informational()
        || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let announced = match head.headers.get(header::CONTENT_LENGTH) {
        _ if has_none => Some(0),
        Some(length) if !head.headers.contains_key(header::TRANSFER_ENCODING) => Some(
            length.to_str().ok().and_then(|length| length.parse::<u64>().ok()).expect("a length that was understood"),
        ),
        _ => None,
    };
    let hint = body.size_hint().exact();
    assert!(announced.is_none() || hint.is_none() || hint == announced, "{hint:?} of {announced:?}");
    let mut length = 0;
    loop {
        match next_chunk(&mut body).await {
            None => break,
            Some(Err(error)) => {
                assert!(!error.0.is_empty(), "broken off without a word");
                // That is said once.
                assert!(next_chunk(&mut body).await.is_none());
                return;
            }
            Some(Ok(chunk)) => {
                length += chunk.len() as u64;
                assert!(announced.is_none_or(|announced| length <= announced), "more than {announced:?}");
                assert!(length <= origin.sent.get() as u64, "more than was sent");
                if script.gives_up {
                    return;
                }
            }
        }
    }
    assert!(announced.is_none_or(|announced| length == announced), "{length} of {announced:?}");
    assert!(hint.is_none_or(|hint| length == hint), "{length} of {hint:?}");
}

/// Whatever came of the first request: the second one gets its own answer.
async fn second(client: &Client, to: &Peer, host: &HeaderValue) {
    let mut request = Request::new(Body::Empty);
    *request.uri_mut() = "/second".parse().expect("a path");
    let response = client.send(to, host, request).await.expect("an answer");
    assert_eq!(response.status(), StatusCode::OK);
    let (mut body, mut text) = (response.into_body(), Vec::new());
    while let Some(chunk) = next_chunk(&mut body).await {
        text.extend_from_slice(&chunk.expect("a whole body"));
    }
    assert_eq!(text, b"second");
}
