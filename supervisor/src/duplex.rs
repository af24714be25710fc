//! A connection that carries two streams of bytes and no messages: each direction is a body.
//!
//! A body's end is the end of that direction, and the other one goes on. A body that breaks breaks the connection. Nothing is read before
//! it is asked for, and nothing is asked for before what came before it is sent: what a connection holds is a piece in each direction.
//!
//! A connection that can go on inside of TLS is two pairs of bodies, one after the other: nothing that was read before the handshake can
//! be taken for what came after it.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    os::fd::AsFd,
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::{Buf, Bytes, BytesMut};
use futures::future::LocalBoxFuture;
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite},
    sync::oneshot,
};

use crate::body::{Body, BodyError, PullSource, StartTls};

/// Bytes that are read at once: a message of 64 KiB comes in one piece with its head.
pub const READ_BYTES: usize = 68 << 10;

/// So many bytes stay where they were read: at least half of that memory, of which no more is kept for them.
const KEPT_BYTES: usize = READ_BYTES / 2;

thread_local! {
    /// What all connections of a thread read into: most of them have nothing to read most of the time.
    static SCRATCH: RefCell<BytesMut> = RefCell::default();
}

/// How long such a connection lies silent before the kernel asks whether the other side still knows it: nothing else says that it does not
/// if that has lost its power, or its network.
pub const SILENCE: Duration = Duration::from_secs(60);

/// How long each question waits for its answer, and how many in a row remain without one.
const ANSWER: Duration = Duration::from_secs(5);
const QUESTIONS: u32 = 3;

/// Has the kernel ask so after this much silence. A socket that cannot be asked after is left as it is.
pub fn ask_after_peer(socket: &impl AsFd, silence: Duration) {
    let keepalive = TcpKeepalive::new().with_time(silence).with_interval(ANSWER).with_retries(QUESTIONS);
    let _ = SockRef::from(socket).set_tcp_keepalive(&keepalive);
}

/// Why a direction ends that neither side has ended.
const BROKEN: &str = "the connection has ended";

/// A body of which nobody knows yet where its bytes come from. Dropped before it is said, there are none.
pub struct Later(Rc<Awaited>);

struct Awaited {
    source: RefCell<Option<Pin<Box<dyn PullSource>>>>,
    is_over: Cell<bool>,
    waiting: RefCell<Option<Waker>>,
}

/// A body, and the way to say what it is.
pub fn later() -> (Later, Body) {
    let source = RefCell::new(None);
    let awaited = Rc::new(Awaited { source, is_over: Cell::new(false), waiting: RefCell::default() });
    (Later(awaited.clone()), Body::Pull(Box::pin(Waiting(awaited))))
}

impl Later {
    /// It has the bytes of `source`.
    pub fn begin(self, source: impl PullSource + 'static) {
        *self.0.source.borrow_mut() = Some(Box::pin(source));
    }
}

impl Drop for Later {
    fn drop(&mut self) {
        self.0.is_over.set(true);
        if let Some(waiting) = self.0.waiting.take() {
            waiting.wake();
        }
    }
}

struct Waiting(Rc<Awaited>);

impl PullSource for Waiting {
    fn poll_pull(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        match &mut *self.0.source.borrow_mut() {
            Some(source) => source.as_mut().poll_pull(cx),
            None if self.0.is_over.get() => Poll::Ready(Some(Err(BodyError(BROKEN.to_owned())))),
            None => {
                *self.0.waiting.borrow_mut() = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Whoever may do without waits for nothing.
    fn is_on_demand(&self) -> bool {
        true
    }

    fn tls(&self) -> Option<Rc<dyn StartTls>> {
        self.0.source.borrow().as_ref()?.tls()
    }
}

/// What both halves know of the connection.
struct Shared<S> {
    /// `None`: it is closed.
    stream: RefCell<Option<S>>,
    /// Nobody receives any more.
    is_received: Cell<bool>,
    receiving: RefCell<Option<Waker>>,
    sending: RefCell<Option<Waker>>,
}

fn wake(waker: &RefCell<Option<Waker>>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

fn note(waker: &RefCell<Option<Waker>>, cx: &Context<'_>) {
    let mut waker = waker.borrow_mut();
    if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
        *waker = Some(cx.waker().clone());
    }
}

/// The half of a connection that bytes come from. Dropped, no more of them are read.
pub struct Receiver<S> {
    shared: Rc<Shared<S>>,
    /// Read before the connection was split.
    first: Bytes,
}

/// The half that bytes are sent to, which has the connection: it is closed when this is dropped.
pub struct Sender<S> {
    shared: Rc<Shared<S>>,
}

/// The halves of a connection, of which `first` has been read already.
pub fn split<S: AsyncRead + AsyncWrite + Unpin>(stream: S, first: Bytes) -> (Receiver<S>, Sender<S>) {
    let shared = Rc::new(Shared {
        stream: RefCell::new(Some(stream)),
        is_received: Cell::new(false),
        receiving: RefCell::default(),
        sending: RefCell::default(),
    });
    (Receiver { shared: shared.clone(), first }, Sender { shared })
}

impl<S> Receiver<S> {
    fn end(&self) {
        self.shared.is_received.set(true);
        wake(&self.shared.sending);
    }
}

impl<S: AsyncRead + Unpin> PullSource for Receiver<S> {
    fn poll_pull(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        if !self.first.is_empty() {
            return Poll::Ready(Some(Ok(std::mem::take(&mut self.first))));
        }
        if self.shared.is_received.get() {
            return Poll::Ready(None);
        }
        SCRATCH.with_borrow_mut(|bytes| {
            // The same memory again, unless somebody still has what was read last.
            bytes.reserve(READ_BYTES);
            let read = match &mut *self.shared.stream.borrow_mut() {
                None => return Poll::Ready(Some(Err(BodyError(BROKEN.to_owned())))),
                Some(stream) => pin!(stream.read_buf(bytes)).poll(cx),
            };
            Poll::Ready(match read {
                Poll::Pending => {
                    note(&self.shared.receiving, cx);
                    return Poll::Pending;
                }
                Poll::Ready(Ok(0)) => {
                    self.end();
                    None
                }
                Poll::Ready(Ok(KEPT_BYTES..)) => Some(Ok(bytes.split().freeze())),
                Poll::Ready(Ok(_)) => {
                    let copy = Bytes::copy_from_slice(bytes);
                    bytes.clear();
                    Some(Ok(copy))
                }
                Poll::Ready(Err(error)) => {
                    self.shared.stream.borrow_mut().take();
                    wake(&self.shared.sending);
                    Some(Err(BodyError(error.to_string())))
                }
            })
        })
    }

    fn remaining(&self) -> Option<u64> {
        (self.first.is_empty() && self.shared.is_received.get()).then_some(0)
    }
}

impl<S> Drop for Receiver<S> {
    fn drop(&mut self) {
        self.end();
    }
}

/// The connection broke, or a body did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken;

impl<S: AsyncRead + AsyncWrite + Unpin> Sender<S> {
    /// Looks at the connection.
    fn poll_with<T>(&self, call: impl FnOnce(Pin<&mut S>) -> Poll<std::io::Result<T>>) -> Poll<Result<T, Broken>> {
        match &mut *self.shared.stream.borrow_mut() {
            None => Poll::Ready(Err(Broken)),
            Some(stream) => call(Pin::new(stream)).map_err(|_| Broken),
        }
    }

    /// Sends all of `body`, ends this direction, and waits until the other one has ended too or nobody wants more of it. Then gives the
    /// connection back.
    ///
    /// # Errors
    /// A direction broke.
    pub async fn send<D: Buf>(self, body: impl http_body::Body<Data = D, Error = BodyError>) -> Result<S, Broken> {
        self.send_all(body).await?;
        self.finish().await
    }

    /// Sends all of `body`.
    async fn send_all<D: Buf>(&self, body: impl http_body::Body<Data = D, Error = BodyError>) -> Result<(), Broken> {
        let mut body = pin!(body);
        let mut bytes: Option<D> = None;
        let mut is_flushed = true;
        poll_fn(|cx| {
            note(&self.shared.sending, cx);
            loop {
                if self.shared.stream.borrow().is_none() {
                    return Poll::Ready(Err(Broken));
                }
                if let Some(bytes) = bytes.as_mut().filter(|bytes| bytes.has_remaining()) {
                    let sent = ready!(self.poll_with(|stream| stream.poll_write(cx, bytes.chunk())))?;
                    if sent == 0 {
                        return Poll::Ready(Err(Broken));
                    }
                    bytes.advance(sent);
                    is_flushed = false;
                } else if !is_flushed {
                    ready!(self.poll_with(|stream| stream.poll_flush(cx)))?;
                    is_flushed = true;
                } else {
                    match ready!(body.as_mut().poll_frame(cx)) {
                        Some(Ok(frame)) => bytes = frame.into_data().ok(),
                        Some(Err(_)) => return Poll::Ready(Err(Broken)),
                        None => return Poll::Ready(Ok(())),
                    }
                }
            }
        })
        .await
    }

    /// The connection itself. Whoever receives has the end.
    fn take(self) -> Result<S, Broken> {
        self.shared.is_received.set(true);
        wake(&self.shared.receiving);
        self.shared.stream.borrow_mut().take().ok_or(Broken)
    }

    async fn finish(self) -> Result<S, Broken> {
        poll_fn(|cx| {
            note(&self.shared.sending, cx);
            self.poll_with(|stream| stream.poll_shutdown(cx))
        })
        .await?;
        poll_fn(|cx| {
            note(&self.shared.sending, cx);
            match (self.shared.is_received.get(), self.shared.stream.borrow().is_none()) {
                (_, true) => Poll::Ready(Err(Broken)),
                (true, false) => Poll::Ready(Ok(())),
                (false, false) => Poll::Pending,
            }
        })
        .await?;
        self.shared.stream.borrow_mut().take().ok_or(Broken)
    }
}

impl<S> Drop for Sender<S> {
    fn drop(&mut self) {
        self.shared.stream.borrow_mut().take();
        wake(&self.shared.receiving);
    }
}

/// TLS that somebody has asked for.
struct Asked {
    host: Option<String>,
    to: Body,
    begun: oneshot::Sender<Result<Body, BodyError>>,
}

/// Has a connection go on inside of TLS, once and as long as it is sent to.
#[derive(Default)]
pub struct Starter {
    asked: RefCell<Option<Asked>>,
    /// It is too late.
    is_closed: Cell<bool>,
}

impl StartTls for Starter {
    fn start(self: Rc<Self>, host: Option<String>, to: Body) -> LocalBoxFuture<'static, Result<Body, BodyError>> {
        let gone = || BodyError(BROKEN.to_owned());
        let (begun, answer) = oneshot::channel();
        if !self.is_closed.replace(true) {
            *self.asked.borrow_mut() = Some(Asked { host, to, begun });
        }
        Box::pin(async move { answer.await.unwrap_or_else(|_| Err(gone())) })
    }
}

/// Says, when it is dropped, that it is too late.
struct Closes(Rc<Starter>);

impl Drop for Closes {
    fn drop(&mut self) {
        self.0.is_closed.set(true);
        self.0.asked.take();
    }
}

/// As [`Sender::send`], for a connection that goes on inside of TLS when `starter` is asked for that: then `handshake` makes that of it, for
/// the host that was named, and `offer` makes what the other end sends, and what is sent, into bodies.
///
/// # Errors
/// A direction broke, or there was no handshake.
pub async fn carry<S, B, D>(
    sender: Sender<S>,
    body: B,
    starter: Option<Rc<Starter>>,
    handshake: impl AsyncFnOnce(S, Option<String>) -> std::io::Result<S>,
    offer: impl FnOnce(Receiver<S>, Body) -> (Body, B),
) -> Result<S, Broken>
where
    S: AsyncRead + AsyncWrite + Unpin,
    D: Buf,
    B: http_body::Body<Data = D, Error = BodyError>,
{
    let Some(starter) = starter.map(Closes) else { return sender.send(body).await };
    sender.send_all(body).await?;
    let asked = starter.0.asked.take();
    drop(starter);
    let Some(Asked { host, to, begun }) = asked else { return sender.finish().await };
    match handshake(sender.take()?, host).await {
        Ok(stream) => {
            let (receiver, sender) = split(stream, Bytes::new());
            let (from, body) = offer(receiver, to);
            let _ = begun.send(Ok(from));
            sender.send(body).await
        }
        Err(error) => {
            let _ = begun.send(Err(BodyError(error.to_string())));
            Err(Broken)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    use super::*;
    use crate::body::next_chunk;

    /// Bytes of a body, or how it ends.
    type Piece = Option<Result<Bytes, BodyError>>;

    /// A body of which more may come.
    #[derive(Clone, Default)]
    struct Pieces(Rc<RefCell<(VecDeque<Piece>, Option<Waker>)>>);

    impl Pieces {
        fn push(&self, piece: Piece) {
            let (pieces, waiting) = &mut *self.0.borrow_mut();
            pieces.push_back(piece);
            if let Some(waiting) = waiting.take() {
                waiting.wake();
            }
        }

        fn say(&self, text: &'static str) {
            self.push(Some(Ok(Bytes::from_static(text.as_bytes()))));
        }

        fn end(&self) {
            self.push(None);
        }

        fn body(&self) -> Body {
            Body::Pull(Box::pin(self.clone()))
        }
    }

    impl PullSource for Pieces {
        fn poll_pull(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
            let (pieces, waiting) = &mut *self.0.borrow_mut();
            match pieces.pop_front() {
                Some(piece) => Poll::Ready(piece),
                None => {
                    *waiting = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        }

        fn remaining(&self) -> Option<u64> {
            None
        }
    }

    type Sending = tokio::task::JoinHandle<Result<DuplexStream, Broken>>;

    /// A connection that sends what comes of the pieces: its other end, what comes from there, and how it ends.
    fn begin(first: &'static str) -> (DuplexStream, Pieces, Body, Sending) {
        let (ours, theirs) = duplex(64);
        let (receiver, sender) = split(ours, Bytes::from_static(first.as_bytes()));
        let pieces = Pieces::default();
        let sending = tokio::task::spawn_local(sender.send(pieces.body()));
        (theirs, pieces, Body::Pull(Box::pin(receiver)), sending)
    }

    fn local(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let test = async { tokio::time::timeout(Duration::from_secs(30), test).await.expect("it hangs") };
        tokio::task::LocalSet::new().block_on(&runtime, test);
    }

    async fn next(body: &mut Body) -> Option<Result<String, ()>> {
        let chunk = next_chunk(body).await?;
        Some(chunk.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).map_err(drop))
    }

    #[test]
    fn each_direction_ends_by_itself() {
        local(async {
            let (mut peer, pieces, mut received, sending) = begin("early ");
            peer.write_all(b"late").await.expect("it is read");
            assert_eq!(next(&mut received).await, Some(Ok("early ".to_owned())));
            assert_eq!(next(&mut received).await, Some(Ok("late".to_owned())));
            pieces.say("answer");
            pieces.end();
            let mut text = String::new();
            peer.read_to_string(&mut text).await.expect("it ends");
            assert_eq!(text, "answer");
            assert!(!sending.is_finished(), "the other direction goes on");
            peer.write_all(b"still").await.expect("it is read");
            assert_eq!(next(&mut received).await, Some(Ok("still".to_owned())));
            peer.shutdown().await.expect("it lives");
            assert_eq!(next(&mut received).await, None);
            assert!(sending.await.expect("no panic").is_ok());
        });
    }

    #[test]
    fn what_was_read_stays_as_it_is() {
        local(async {
            let (ours, mut peer) = duplex(READ_BYTES);
            let (receiver, _sender) = split(ours, Bytes::new());
            let mut received = Body::Pull(Box::pin(receiver));
            let mut kept = Vec::new();
            for (letter, length) in (b'a'..).zip([KEPT_BYTES, 5, KEPT_BYTES - 1, READ_BYTES, KEPT_BYTES + 1, 1]) {
                peer.write_all(&vec![letter; length]).await.expect("there is room");
                let piece = next_chunk(&mut received).await.expect("it goes on").expect("it lives");
                kept.push((letter, length, piece));
            }
            for (letter, length, piece) in kept {
                assert!(piece == vec![letter; length], "{length} bytes of {letter}: {} now", piece.len());
            }
            let memory = || {
                SCRATCH.with_borrow_mut(|bytes| {
                    bytes.reserve(READ_BYTES);
                    bytes.as_ptr()
                })
            };
            let before = memory();
            peer.write_all(&vec![0; KEPT_BYTES]).await.expect("there is room");
            drop(next_chunk(&mut received).await);
            assert_eq!(memory(), before, "what nobody has any more is used again");
        });
    }

    #[test]
    fn who_wants_no_more_is_not_waited_for() {
        local(async {
            let (mut peer, pieces, received, sending) = begin("");
            drop(received);
            pieces.say("all");
            pieces.end();
            assert!(sending.await.expect("no panic").is_ok());
            let mut text = String::new();
            peer.read_to_string(&mut text).await.expect("it ends");
            assert_eq!(text, "all");
        });
    }

    #[test]
    fn a_body_that_breaks_breaks_the_connection() {
        local(async {
            let (mut peer, pieces, mut received, sending) = begin("");
            pieces.say("begun");
            pieces.push(Some(Err(BodyError("broken".to_owned()))));
            assert_eq!(sending.await.expect("no panic").err(), Some(Broken));
            assert_eq!(next(&mut received).await, Some(Err(())));
            let mut text = String::new();
            peer.read_to_string(&mut text).await.expect("it ends");
            assert_eq!(text, "begun");
        });
    }

    #[test]
    fn a_sender_that_is_dropped_takes_the_connection_along() {
        local(async {
            let (peer, _pieces, mut received, sending) = begin("");
            let mut waiting = pin!(next(&mut received));
            assert!(look(&mut waiting).await.is_pending());
            sending.abort();
            assert_eq!(waiting.await, Some(Err(())));
            drop(peer);
        });
    }

    /// One look at a future.
    async fn look<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
        poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx))).await
    }

    #[test]
    fn nothing_is_asked_for_before_what_came_is_sent() {
        local(async {
            let (mut peer, pieces, received, sending) = begin("");
            for _ in 0..4 {
                pieces.say("0123456789012345678901234567890123456789");
            }
            pieces.end();
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
            // There is room for 64 bytes.
            assert_eq!(pieces.0.borrow().0.len(), 3, "pieces that were not asked for, with the end");
            let mut text = String::new();
            peer.read_to_string(&mut text).await.expect("it ends");
            assert_eq!(text.len(), 160);
            drop((peer, received));
            assert!(sending.await.expect("no panic").is_ok());
        });
    }

    #[test]
    fn a_body_may_be_said_later_or_never() {
        local(async {
            let (said, mut body) = later();
            let pieces = Pieces::default();
            pieces.say("at last");
            pieces.end();
            assert!(body.is_on_demand());
            {
                let mut waiting = pin!(next(&mut body));
                assert!(look(&mut waiting).await.is_pending());
                said.begin(pieces);
                assert_eq!(waiting.await, Some(Ok("at last".to_owned())));
            }
            assert_eq!(next(&mut body).await, None);
            let (never, mut body) = later();
            let mut waiting = pin!(next(&mut body));
            assert!(look(&mut waiting).await.is_pending());
            drop(never);
            assert_eq!(waiting.await, Some(Err(())));
        });
    }

    /// As [`begin`], over a connection that goes on inside of TLS where the starter is asked. What stands for TLS says whose it is, as it
    /// is, or fails for `nobody`.
    fn begin_carrying() -> (DuplexStream, Pieces, Body, Rc<Starter>, Sending) {
        let (ours, theirs) = duplex(64);
        let (receiver, sender) = split(ours, Bytes::new());
        let (pieces, starter) = (Pieces::default(), Rc::<Starter>::default());
        let handshake = async |mut stream: DuplexStream, host: Option<String>| {
            let host = host.unwrap_or_default();
            if host == "nobody" {
                return Err(std::io::Error::other("no such host"));
            }
            stream.write_all(format!("tls:{host};").as_bytes()).await?;
            Ok(stream)
        };
        let offer = |receiver, to| (Body::Pull(Box::pin(receiver)), to);
        let carrying = carry(sender, pieces.body(), Some(starter.clone()), handshake, offer);
        (theirs, pieces, Body::Pull(Box::pin(receiver)), starter, tokio::task::spawn_local(carrying))
    }

    async fn hears(peer: &mut DuplexStream, expected: &str) {
        let mut heard = vec![0; expected.len()];
        peer.read_exact(&mut heard).await.expect("it is sent");
        assert_eq!(String::from_utf8_lossy(&heard), expected);
    }

    #[test]
    fn nobody_has_to_ask_for_tls() {
        local(async {
            let (mut peer, pieces, mut received, starter, carrying) = begin_carrying();
            pieces.say("plain");
            hears(&mut peer, "plain").await;
            pieces.end();
            peer.shutdown().await.expect("it lives");
            assert_eq!(next(&mut received).await, None);
            assert!(carrying.await.expect("no panic").is_ok());
            assert!(starter.start(None, Body::Empty).await.is_err(), "it is too late");
        });
    }

    #[test]
    fn all_that_is_said_before_is_sent_before_the_handshake() {
        local(async {
            let (mut peer, pieces, mut received, starter, carrying) = begin_carrying();
            let inside = Pieces::default();
            pieces.say("before;");
            inside.say("inside");
            hears(&mut peer, "before;").await;
            let started = starter.clone().start(Some("mail.test".to_owned()), inside.body());
            // Once, whoever asks.
            assert!(starter.start(None, Body::Empty).await.is_err());
            pieces.say("also before;");
            hears(&mut peer, "also before;").await;
            pieces.end();
            hears(&mut peer, "tls:mail.test;inside").await;
            let mut from = started.await.expect("it has begun");
            peer.write_all(b"answer").await.expect("it is read");
            assert_eq!(next(&mut from).await, Some(Ok("answer".to_owned())));
            assert_eq!(next(&mut received).await, None, "nothing that comes after it is of before");
            inside.end();
            peer.shutdown().await.expect("it lives");
            assert_eq!(next(&mut from).await, None);
            assert!(carrying.await.expect("no panic").is_ok());
        });
    }

    #[test]
    fn a_handshake_that_fails_ends_the_connection_and_says_why() {
        local(async {
            let (mut peer, pieces, mut received, starter, carrying) = begin_carrying();
            let started = starter.start(Some("nobody".to_owned()), Body::Empty);
            pieces.end();
            assert_eq!(started.await.err().map(|error| error.0), Some("no such host".to_owned()));
            assert_eq!(carrying.await.expect("no panic").err(), Some(Broken));
            let mut text = String::new();
            peer.read_to_string(&mut text).await.expect("it ends");
            assert_eq!(text, "");
            assert!(next(&mut received).await.is_none_or(|next| next.is_err()));
        });
    }

    #[test]
    fn what_breaks_before_the_handshake_has_whoever_asked_hear_of_it() {
        local(async {
            let (peer, pieces, _received, starter, carrying) = begin_carrying();
            let started = starter.start(None, Body::Empty);
            pieces.push(Some(Err(BodyError("broken".to_owned()))));
            assert!(started.await.is_err());
            assert_eq!(carrying.await.expect("no panic").err(), Some(Broken));
            drop(peer);
        });
    }
}
