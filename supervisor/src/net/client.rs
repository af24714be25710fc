//! HTTP/1.1 as a client: connections that are kept and used again, and one exchange on each at a time.
//!
//! A [`Client`] belongs to one service on one shard and shares no connection with another. Everything that a peer sends is bounded
//! or pulled: heads by the parser, bodies by whoever reads them. Dropping an exchange, or the body of its response, closes the
//! connection.

use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, VecDeque},
    future::poll_fn,
    io,
    pin::Pin,
    rc::{Rc, Weak},
    task::{Context, Poll},
    time::Duration,
};

use bulkhead_websocket::handshake::NotAccepted;
use bytes::{BufMut as _, Bytes, BytesMut};
use futures::FutureExt as _;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, header, request::Parts};
use http_body::{Body as _, Frame, SizeHint};
use hyper::{
    body::Incoming,
    client::conn::http1::{self, Builder, SendRequest},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite},
    sync::oneshot,
    task::AbortHandle,
    time::{Instant, timeout},
};

use super::{
    Outlet,
    address::Destination,
    budget::{Permit, Share, Spare},
    connect::{ConnectError, connect},
    peers::PeerFilter,
    pipe::{Pipe, Pipes},
    resolve::Resolver,
    secure::Secure,
    stream::{Wire, WireStream},
    tls::client::Inside,
};
use crate::{
    body::{Body, BodyError, PullSource, held::Chunk},
    duplex,
    upgrade::{Asking, Upgrade, is_of_hop},
};

/// Bytes of the head of a response: as many as a worker is handed.
const MAX_HEAD_BYTES: usize = 128 << 10;

/// Bytes that are read from a connection before they are asked for, and written before they are sent.
const BUFFER_BYTES: usize = MAX_HEAD_BYTES + (8 << 10);

/// Bytes of a piece of what is sent in place of HTTP, for each connection.
const EXCHANGE_CHUNK: usize = 64 << 10;

/// How long a peer may go on sending what nobody receives.
const LINGER_TIME: Duration = Duration::from_secs(10);

/// How long a connection is kept that nobody uses.
const IDLE_TIME: Duration = Duration::from_secs(5);

/// Connections of one client that are kept while nobody uses them.
const MAX_IDLE: usize = 128;

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// There is no connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The connection ended, or what came is no response.
    #[error("the connection to {0} was lost: {1}")]
    Lost(Destination, String),
    /// The request's body broke off.
    #[error("the request's body broke off")]
    BrokenRequest,
    /// The peer does not show that it is who it should be, or does not speak TLS.
    #[error("TLS with {0}: {1}")]
    Handshake(Destination, #[source] io::Error),
    /// TLS is asked for, and nothing says how it is spoken.
    #[error("this client has no TLS configuration")]
    NoTls,
    /// The peer wants to speak another protocol than it was asked for.
    #[error("{0} answered with 101 Switching Protocols: {1}")]
    Upgrade(Destination, String),
}

/// What stands for the answer of a server that did not answer what it was asked, as in the reference.
fn not_accepted(error: &NotAccepted) -> Response<Body> {
    let text = format!("Server failed WebSocket handshake: {error}.");
    let mut response = Response::new(Body::Bytes(text.into()));
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response
}

/// Speaks HTTP/1.1 for one service.
pub struct Client {
    /// For itself, in what lives longer than a call.
    this: Weak<Client>,
    builder: Builder,
    pub(super) share: Rc<Share>,
    pipes: Rc<Pipes>,
    pub(super) resolver: Rc<Resolver>,
    pub(super) filter: Option<PeerFilter>,
    pub(super) secure: Option<Rc<Secure>>,
    idle: RefCell<HashMap<Peer, Vec<Idle>>>,
    /// A task looks at the age of idle connections.
    is_sweeping: Cell<bool>,
}

/// Bytes to and from a peer.
pub(super) trait PeerIo: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> PeerIo for T {}

/// Where a connection goes that no longer speaks HTTP, with what was read of it.
type HandOver = oneshot::Sender<(Box<dyn PeerIo>, Bytes)>;

/// Whom a connection is with: where it goes, and whether it speaks TLS.
pub type Peer = (Destination, bool);

/// A connection between two exchanges.
struct Idle {
    connection: Connection,
    since: Instant,
}

/// A connection. Dropping it closes it.
struct Connection {
    sender: SendRequest<Upload>,
    wire: Rc<Wire>,
    /// Where nothing is between HTTP and the socket.
    driver: Option<Driver>,
    _task: Task,
    permit: Permit,
}

/// What speaks HTTP on a connection, unless somebody has taken it out.
type Driver = Rc<RefCell<Option<http1::Connection<TokioIo<WireStream>, Upload>>>>;

/// Ends with this.
struct Task(AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Speaks HTTP until that ends, or is taken out.
async fn drive(driver: Driver) {
    poll_fn(|cx| match &mut *driver.borrow_mut() {
        // What it ends with, the exchange hears.
        Some(connection) => Pin::new(connection).poll(cx).map(drop),
        None => Poll::Ready(()),
    })
    .await;
    let ended = driver.borrow_mut().take();
    drop(ended);
}

impl Client {
    /// A client that connects through `outlet`, for the user of that, to what `filter` permits, or to anything, and speaks TLS as `secure` says.
    pub fn new(outlet: &Outlet, filter: Option<PeerFilter>, secure: Option<Rc<Secure>>) -> Rc<Self> {
        let mut builder = Builder::new();
        builder
            // `Content-Type`, as the sockets write it.
            .title_case_headers(true)
            .max_header_size(MAX_HEAD_BYTES)
            .max_buf_size(BUFFER_BYTES);
        let share = outlet.share.clone();
        Rc::new_cyclic(|this: &Weak<Client>| {
            share.offer(this.clone() as Weak<dyn Spare>);
            Client {
                this: this.clone(),
                builder,
                share,
                pipes: outlet.pipes.clone(),
                resolver: outlet.resolver.clone(),
                filter,
                secure,
                idle: RefCell::default(),
                is_sweeping: Cell::new(false),
            }
        })
    }

    /// Sends a request to a peer and gives the head of the response with a body that is still to be read. The request's URI is sent as it
    /// is; `host` is what the header of that name says. Of the request's own headers those that speak about a connection are left out.
    ///
    /// A request that could not have been received is sent once more, over a new connection.
    ///
    /// # Errors
    ///
    /// There is no response.
    pub async fn send(
        &self,
        to: &Peer,
        host: &HeaderValue,
        request: Request<Body>,
    ) -> Result<Response<Body>, FetchError> {
        let (parts, body) = request.into_parts();
        if let Some(upgrade) = parts.extensions.get::<Upgrade>() {
            return self.upgrade(to, host, &parts, Asking::new(*upgrade), body).await;
        }
        // Nothing was left to the body's source, and asking twice is as asking once (RFC 9110, section 9.2.1).
        let is_repeatable = matches!(body, Body::Empty) && parts.method.is_safe();
        let is_sent = Rc::new(Cell::new(false));
        let mut upload = Upload { body, is_sent: is_sent.clone() };
        if let Some(connection) = self.take_idle(to).await {
            match self.exchange(to, connection, encode(&parts, host, None, upload)).await {
                Ok(response) => return Ok(response),
                Err(Failure { unsent: Some(unsent), .. }) => upload = unsent,
                Err(failure) if is_repeatable && !failure.has_heard => {
                    upload = Upload { body: Body::Empty, is_sent };
                }
                Err(failure) => return Err(failure.error),
            }
        }
        let connection = self.connect(to, None).await?;
        self.exchange(to, connection, encode(&parts, host, None, upload)).await.map_err(|failure| failure.error)
    }

    /// Sends a request that asks for an upgrade, over a connection of its own. Where it is answered with one, `body` is sent over that in
    /// place of HTTP, and the response's body is what comes.
    async fn upgrade(
        &self,
        to: &Peer,
        host: &HeaderValue,
        parts: &Parts,
        asking: Asking,
        body: Body,
    ) -> Result<Response<Body>, FetchError> {
        let (hand_over, handed_over) = oneshot::channel();
        let mut connection = self.connect(to, Some(hand_over)).await?;
        let upload = Upload { body: Body::Empty, is_sent: Rc::default() };
        let request = encode(parts, host, Some(&asking), upload);
        let is_sent = request.body().is_sent.clone();
        let lost = |text: String| FetchError::Lost(to.0.clone(), text);
        connection.wire.await_head();
        let answer = connection.sender.send_request(request).await;
        connection.wire.end_head();
        let response = answer.map_err(|error| lost(describe(&error)))?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Ok(self.respond(to, connection, response, is_sent));
        }
        if let Err(error) = asking.check(response.headers()) {
            return Ok(not_accepted(&error));
        }
        let (stream, first) = handed_over.await.map_err(|_| lost("the connection has ended".to_owned()))?;
        let (mut head, _) = response.into_parts();
        head.version = Version::HTTP_11;
        Ok(Response::from_parts(head, carry(connection, stream, first, body)))
    }

    /// Asks a peer that speaks HTTP for a connection to somewhere else (RFC 9110, section 9.3.6), over a connection of its own. The request's
    /// URI is where to; its body is sent if the peer agrees, and the response, of status 101 whichever the peer's was, has what comes.
    ///
    /// # Errors
    ///
    /// There is no connection, or the peer does not agree.
    pub async fn tunnel(&self, to: &Peer, request: Request<Body>) -> Result<Response<Body>, FetchError> {
        let (parts, body) = request.into_parts();
        let lost = |text: String| FetchError::Lost(to.0.clone(), text);
        let host = HeaderValue::from_str(&parts.uri.to_string()).map_err(|error| lost(error.to_string()))?;
        let (hand_over, handed_over) = oneshot::channel();
        let mut connection = self.connect(to, Some(hand_over)).await?;
        let mut request = Request::new(Upload { body: Body::Empty, is_sent: Rc::default() });
        *request.method_mut() = Method::CONNECT;
        *request.uri_mut() = parts.uri;
        request.headers_mut().insert(header::HOST, host);
        connection.wire.await_head();
        let answer = connection.sender.send_request(request).await;
        connection.wire.end_head();
        let response = answer.map_err(|error| lost(describe(&error)))?;
        if !response.status().is_success() {
            return Err(lost(format!("it answered CONNECT with {}", response.status())));
        }
        let (stream, first) = handed_over.await.map_err(|_| lost("the connection has ended".to_owned()))?;
        let mut response = Response::new(carry(connection, stream, first, body));
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        Ok(response)
    }

    /// Resolves when a request waits for a connection, and whoever asks is to give one up that nobody may be waiting for.
    pub async fn crowded(&self) {
        self.share.crowded().await;
    }

    async fn connect(&self, (to, is_secure): &Peer, hand_over: Option<HandOver>) -> Result<Connection, FetchError> {
        let secure = if *is_secure { Some(self.secure.as_ref().ok_or(FetchError::NoTls)?) } else { None };
        let permit = self.share.take().await;
        let wire = Wire::new(connect(to, self.filter.as_ref(), &self.resolver).await?);
        let lost = |error: hyper::Error| FetchError::Lost(to.clone(), error.to_string());
        let Some(secure) = secure else {
            return match hand_over {
                None => self.begin(wire, permit).await,
                hand_over => self.begin_inside(WireStream(wire.clone()), wire, permit, hand_over).await,
            }
            .map_err(lost);
        };
        let stream = secure.handshake(to, None, Inside::Http, WireStream(wire.clone())).await;
        let stream = stream.map_err(|error| FetchError::Handshake(to.clone(), error))?;
        self.begin_inside(stream, wire, permit, hand_over).await.map_err(lost)
    }

    /// Begins to speak HTTP inside of something; after a response that says to speak something else, the connection is handed over.
    async fn begin_inside(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
        wire: Rc<Wire>,
        permit: Permit,
        hand_over: Option<HandOver>,
    ) -> Result<Connection, hyper::Error> {
        let (sender, mut connection) = self.builder.handshake(TokioIo::new(stream)).await?;
        let task = tokio::task::spawn_local(async move {
            // What it ends with, the exchange hears.
            if (&mut connection).await.is_ok()
                && let Some(hand_over) = hand_over
            {
                let parts = connection.into_parts();
                let _ = hand_over.send((Box::new(parts.io.into_inner()), parts.read_buf));
            }
        });
        Ok(Connection { sender, wire, driver: None, _task: Task(task.abort_handle()), permit })
    }

    /// Begins to speak HTTP.
    async fn begin(&self, wire: Rc<Wire>, permit: Permit) -> Result<Connection, hyper::Error> {
        let (sender, connection) = self.builder.handshake(TokioIo::new(WireStream(wire.clone()))).await?;
        let driver = Rc::new(RefCell::new(Some(connection)));
        let task = tokio::task::spawn_local(drive(driver.clone()));
        Ok(Connection { sender, wire, driver: Some(driver), _task: Task(task.abort_handle()), permit })
    }

    async fn exchange(
        &self,
        to: &Peer,
        mut connection: Connection,
        request: Request<Upload>,
    ) -> Result<Response<Body>, Failure> {
        connection.wire.await_head();
        let is_sent = request.body().is_sent.clone();
        let answer = connection.sender.try_send_request(request).await;
        connection.wire.end_head();
        match answer {
            Ok(response) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                let error = FetchError::Upgrade(to.0.clone(), "the request did not ask for that".to_owned());
                Err(Failure { error, unsent: None, has_heard: true })
            }
            Ok(response) => Ok(self.respond(to, connection, response, is_sent)),
            Err(mut error) => {
                let unsent = error.take_message().map(Request::into_body);
                let error = match error.error() {
                    error if error.is_user() => FetchError::BrokenRequest,
                    error => FetchError::Lost(to.0.clone(), describe(error)),
                };
                Err(Failure { error, unsent, has_heard: connection.wire.has_heard() })
            }
        }
    }

    /// The response, with a body that is still to be read from its connection.
    fn respond(
        &self,
        to: &Peer,
        connection: Connection,
        response: Response<Incoming>,
        is_sent: Rc<Cell<bool>>,
    ) -> Response<Body> {
        let (mut head, incoming) = response.into_parts();
        let goes_on = head.version == Version::HTTP_11 && !says_close(&head.headers);
        // What the peer speaks is between us and it.
        head.version = Version::HTTP_11;
        if says_events(&head.headers) {
            connection.wire.ask_after_peer();
        }
        let in_use = InUse { connection, client: self.this.clone(), to: to.clone(), is_sent };
        if incoming.is_end_stream() {
            in_use.release();
            return Response::from_parts(head, Body::Empty);
        }
        let download = Download { incoming, in_use: Some(in_use), failure: None };
        let body: Pin<Box<dyn PullSource>> =
            if goes_on { Direct::instead_of(download, &self.pipes) } else { Box::pin(download) };
        Response::from_parts(head, Body::Pull(body))
    }

    /// A connection that was used before and still lives, as far as anybody can know.
    async fn take_idle(&self, to: &Peer) -> Option<Connection> {
        loop {
            let Idle { mut connection, .. } = {
                let mut all = self.idle.borrow_mut();
                let idle = all.get_mut(to)?;
                // The one used last: the others may become old.
                let Some(last) = idle.pop() else {
                    all.remove(to);
                    return None;
                };
                last
            };
            if !connection.sender.is_closed()
                && connection.wire.is_silent()
                && poll_fn(|cx| connection.sender.poll_ready(cx)).await.is_ok()
            {
                return Some(connection);
            }
        }
    }

    fn keep(&self, to: Peer, connection: Connection) {
        // Whoever waits for one may want it for somewhere else.
        if connection.sender.is_closed() || self.share.is_wanted() {
            return;
        }
        if self.idle.borrow().values().map(Vec::len).sum::<usize>() >= MAX_IDLE {
            self.close_one();
        }
        self.idle.borrow_mut().entry(to).or_default().push(Idle { connection, since: Instant::now() });
        if !self.is_sweeping.replace(true) {
            tokio::task::spawn_local(sweep(self.this.clone()));
        }
    }

    /// Closes the connections that have not been used for too long. `false`: none are left.
    fn close_old(&self) -> bool {
        let mut all = self.idle.borrow_mut();
        all.retain(|_, idle| {
            // A closed one is noticed here as well, so that no descriptor is kept for nothing.
            idle.retain(|one| one.since.elapsed() < IDLE_TIME && !one.connection.sender.is_closed());
            !idle.is_empty()
        });
        !all.is_empty()
    }
}

impl Spare for Client {
    fn close_one(&self) -> bool {
        let mut all = self.idle.borrow_mut();
        let oldest =
            all.iter().filter_map(|(to, idle)| Some((idle.first()?.since, to))).min_by_key(|(since, _)| *since);
        let Some(to) = oldest.map(|(_, to)| to.clone()) else { return false };
        let closed = all.get_mut(&to).map(|idle| idle.remove(0));
        drop(all);
        closed.is_some()
    }
}

/// Looks at idle connections as long as there are some.
async fn sweep(client: Weak<Client>) {
    loop {
        tokio::time::sleep(IDLE_TIME / 5).await;
        let Some(client) = client.upgrade() else { return };
        if !client.close_old() {
            client.is_sweeping.set(false);
            return;
        }
    }
}

/// What an exchange failed with, and what is needed to try again.
struct Failure {
    error: FetchError,
    /// The body, where nothing of the request was sent.
    unsent: Option<Upload>,
    /// Whether the peer had begun to answer.
    has_heard: bool,
}

/// Has a connection carry `body` in place of HTTP, and gives what comes, of which `first` is here.
fn carry(connection: Connection, stream: Box<dyn PeerIo>, first: Bytes, body: Body) -> Body {
    connection.wire.begin_exchange();
    let (receiver, sender) = duplex::split(stream, first);
    tokio::task::spawn_local(async move {
        if let Ok(stream) = sender.send(limited(body)).await {
            linger(stream).await;
        }
        // Its place among all is free when it is closed.
        drop(connection);
    });
    Body::Pull(Box::pin(receiver))
}

/// Has a body come in pieces that may wait for a peer.
pub(super) fn limited(mut body: Body) -> Body {
    if let Body::Pull(source) = &mut body {
        source.as_mut().limit_chunk(EXCHANGE_CHUNK);
    }
    body
}

/// Reads away what a peer still sends that nobody receives, until it closes its side: bytes that are not read would have what it was sent
/// be taken from it.
pub(super) async fn linger(mut stream: Box<dyn PeerIo>) {
    let read_away = async {
        let mut chunk = [0; 1024];
        while stream.read(&mut chunk).await.is_ok_and(|bytes| bytes > 0) {}
    };
    let _ = timeout(LINGER_TIME, read_away).await;
}

/// The request as it goes out: what says how long it is and whom it is for first, as the reference writes it.
fn encode(parts: &Parts, host: &HeaderValue, asking: Option<&Asking>, upload: Upload) -> Request<Upload> {
    let mut headers = HeaderMap::with_capacity(parts.headers.len() + 5);
    if let Some(asking) = asking {
        asking.write(&mut headers);
    }
    match upload.size_hint().exact() {
        // RFC 9110, section 8.6.
        Some(0) if matches!(parts.method, Method::GET | Method::HEAD) => {}
        Some(length) => drop(headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length))),
        None => drop(headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"))),
    }
    headers.insert(header::HOST, host.clone());
    for (name, value) in &parts.headers {
        let is_ours = *name == header::CONTENT_LENGTH
            || *name == header::HOST
            || bulkhead_ipc::head::is_hop_by_hop(name.as_str())
            || asking.is_some() && is_of_hop(name);
        if !is_ours {
            headers.append(name, value.clone());
        }
    }
    let mut request = Request::new(upload);
    *request.method_mut() = parts.method.clone();
    *request.uri_mut() = parts.uri.clone();
    *request.headers_mut() = headers;
    request
}

/// Whether a response is a stream of events, which may be silent for as long as its sender likes.
fn says_events(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|kind| bulkhead_ipc::head::is_event_stream(kind.as_bytes()))
}

/// Whether the peer says that the connection ends with this response (RFC 9112, section 9.6).
fn says_close(headers: &HeaderMap) -> bool {
    let mut options =
        headers.get_all(header::CONNECTION).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"))
}

/// An error with what it comes from.
fn describe(error: &hyper::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// A request's body on its way out.
struct Upload {
    body: Body,
    /// Set when it is over, however it ended.
    is_sent: Rc<Cell<bool>>,
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.is_sent.set(true);
    }
}

impl http_body::Body for Upload {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A connection whose response is being read.
struct InUse {
    connection: Connection,
    client: Weak<Client>,
    to: Peer,
    is_sent: Rc<Cell<bool>>,
}

impl InUse {
    /// Gives the connection back after the whole response was read.
    fn release(self) {
        let InUse { mut connection, client, to, is_sent } = self;
        let Some(here) = client.upgrade() else { return };
        if is_sent.get() {
            here.keep(to, connection);
            return;
        }
        // The response came before the request was over, which goes on.
        tokio::task::spawn_local(async move {
            if connection.sender.ready().await.is_ok()
                && let Some(client) = client.upgrade()
            {
                client.keep(to, connection);
            }
        });
    }
}

/// A response's body on its way in.
struct Download {
    incoming: Incoming,
    /// `None` at the end.
    in_use: Option<InUse>,
    /// What it broke off with, until it is said.
    failure: Option<BodyError>,
}

impl PullSource for Download {
    fn poll_pull(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        if self.in_use.is_none() {
            return Poll::Ready(self.failure.take().map(Err));
        }
        let next = loop {
            match std::task::ready!(Pin::new(&mut self.incoming).poll_frame(cx)) {
                None => break None,
                Some(Err(error)) => {
                    self.in_use = None;
                    // At the next question: whoever passes the body on sends first what came before.
                    self.failure = Some(BodyError(describe(&error)));
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if !data.is_empty() => break Some(Ok(data)),
                    // Trailers, or nothing.
                    _ => continue,
                },
            }
        };
        if (next.is_none() || self.incoming.is_end_stream())
            && let Some(in_use) = self.in_use.take()
        {
            in_use.release();
        }
        Poll::Ready(next)
    }

    fn remaining(&self) -> Option<u64> {
        self.incoming.size_hint().exact()
    }
}

/// A body of fewer bytes is left to hyper: taking the connection from it, and giving it back, costs as much as it saves.
const MIN_DIRECT: u64 = 64 << 10;

/// Memory for so many bytes is enough for a read.
const MIN_READ: usize = 16 << 10;

/// Most bytes that are read at once, and held.
const MAX_DIRECT: usize = 256 << 10;

/// A response's body of known length that is read from the socket itself, or that the kernel passes on: what speaks HTTP is taken out of
/// the connection, and new when the body is over.
struct Direct {
    /// What was read with the head.
    ready: VecDeque<Bytes>,
    /// Bytes that are still to be read.
    left: u64,
    /// `None` at the end.
    bare: Option<Bare>,
    pipes: Rc<Pipes>,
    pipe: Option<Rc<Pipe>>,
    buffer: BytesMut,
    /// Bytes to read at once.
    chunk: usize,
    /// What it broke off with, until it is said.
    failure: Option<BodyError>,
}

/// A connection on which nobody speaks HTTP.
struct Bare {
    wire: Rc<Wire>,
    permit: Permit,
    client: Weak<Client>,
    to: Peer,
}

impl Bare {
    /// Gives the connection back after the whole response was read.
    fn release(self) {
        let Bare { wire, permit, client, to } = self;
        if let Some(client) = client.upgrade()
            // It waits for nothing.
            && let Some(Ok(connection)) = client.begin(wire, permit).now_or_never()
        {
            client.keep(to, connection);
        }
    }
}

impl Direct {
    /// Takes over, where the request is sent and nothing is between HTTP and the socket.
    fn instead_of(mut download: Download, pipes: &Rc<Pipes>) -> Pin<Box<dyn PullSource>> {
        let Some(length) = download.remaining().filter(|length| *length >= MIN_DIRECT) else {
            return Box::pin(download);
        };
        let is_ours = |in_use: &mut InUse| in_use.is_sent.get() && in_use.connection.wire.is_flushed();
        let Some(in_use) = download.in_use.take_if(is_ours) else { return Box::pin(download) };
        let http = in_use.connection.driver.as_ref().and_then(|driver| driver.borrow_mut().take());
        let Some(http) = http else {
            download.in_use = Some(in_use);
            return Box::pin(download);
        };
        let mut ready = VecDeque::new();
        let mut left = length;
        let mut cx = Context::from_waker(std::task::Waker::noop());
        while let Poll::Ready(Some(Ok(frame))) = Pin::new(&mut download.incoming).poll_frame(&mut cx) {
            if let Ok(data) = frame.into_data()
                && !data.is_empty()
            {
                left = left.saturating_sub(data.len() as u64);
                ready.push_back(data);
            }
        }
        let mut read = http.into_parts().read_buf;
        let excess = (read.len() as u64).saturating_sub(left) as usize;
        read.truncate(read.len() - excess);
        left -= read.len() as u64;
        if !read.is_empty() {
            ready.push_back(read);
        }
        let InUse { connection: Connection { wire, permit, .. }, client, to, .. } = in_use;
        // What comes after the body was not asked for, and nobody knows what it is.
        let client = if excess > 0 { Weak::new() } else { client };
        let mut direct = Direct {
            ready,
            left,
            bare: Some(Bare { wire, permit, client, to }),
            pipes: pipes.clone(),
            pipe: None,
            buffer: BytesMut::new(),
            chunk: MAX_DIRECT,
            failure: None,
        };
        direct.note_end();
        Box::pin(direct)
    }

    /// Gives the connection back if all of the body was read from it.
    fn note_end(&mut self) {
        if self.left == 0
            && let Some(bare) = self.bare.take()
        {
            bare.release();
        }
    }

    /// Breaks off. It is said at the next question: whoever passes the body on sends first what came before.
    fn fail(&mut self, error: Option<io::Error>, cx: &Context<'_>) {
        let gone = || "the connection was closed before the end of the body".to_owned();
        self.bare = None;
        self.failure = Some(BodyError(error.map_or_else(gone, |error| error.to_string())));
        cx.waker().wake_by_ref();
    }
}

impl PullSource for Direct {
    fn poll_pull(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let this = &mut *self;
        if let Some(bytes) = this.ready.pop_front() {
            return Poll::Ready(Some(Ok(bytes)));
        }
        let Some(bare) = &this.bare else { return Poll::Ready(this.failure.take().map(Err)) };
        let most = this.chunk.min(usize::try_from(this.left).unwrap_or(usize::MAX));
        // What comes in small pieces shares its memory.
        if this.buffer.capacity() < most.min(MIN_READ) {
            this.buffer.reserve(most);
        }
        let mut stream = WireStream(bare.wire.clone());
        let mut room = (&mut this.buffer).limit(most);
        let read = std::task::ready!(std::pin::pin!(stream.read_buf(&mut room)).poll(cx));
        match read {
            Ok(read @ 1..) => {
                this.left -= read as u64;
                this.note_end();
                Poll::Ready(Some(Ok(this.buffer.split().freeze())))
            }
            ended => {
                this.fail(ended.err(), cx);
                Poll::Pending
            }
        }
    }

    fn poll_chunk(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Chunk, BodyError>>> {
        let this = &mut *self;
        if this.pipe.is_none() && this.ready.is_empty() && this.left >= MIN_DIRECT {
            this.pipe = this.pipes.take();
        }
        let (Some(pipe), Some(bare), true) = (&this.pipe, &this.bare, this.ready.is_empty()) else {
            return self.poll_pull(cx).map_ok(Chunk::Bytes);
        };
        std::task::ready!(pipe.poll_empty(cx));
        let most = usize::try_from(this.left).unwrap_or(usize::MAX);
        match std::task::ready!(bare.wire.poll_fill(cx, pipe, most)) {
            Ok(Some(held)) => {
                this.left -= held.length() as u64;
                this.note_end();
                Poll::Ready(Some(Ok(Chunk::Held(held))))
            }
            ended => {
                this.fail(ended.err(), cx);
                Poll::Pending
            }
        }
    }

    fn remaining(&self) -> Option<u64> {
        Some(self.left + self.ready.iter().map(|bytes| bytes.len() as u64).sum::<u64>())
    }

    fn limit_chunk(mut self: Pin<&mut Self>, bytes: usize) {
        self.chunk = bytes.clamp(BUFFER_BYTES, MAX_DIRECT);
    }
}
