//! A connection that carries two streams of bytes and no messages: each direction is a body.
//!
//! A body's end is the end of that direction, and the other one goes on. A body that breaks breaks the connection. Nothing is read before
//! it is asked for, and nothing is asked for before what came before it is sent: what a connection holds is a piece in each direction.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    mem::MaybeUninit,
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll, Waker, ready},
};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::body::{Body, BodyError, PullSource};

/// Bytes that are read at once.
pub const READ_BYTES: usize = 64 << 10;

thread_local! {
    /// What all connections of a thread read into: most of them have nothing to read most of the time.
    static SCRATCH: RefCell<Box<[MaybeUninit<u8>]>> = RefCell::new(vec![MaybeUninit::uninit(); READ_BYTES].into());
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
            let mut bytes = ReadBuf::uninit(bytes);
            let read = match &mut *self.shared.stream.borrow_mut() {
                None => return Poll::Ready(Some(Err(BodyError(BROKEN.to_owned())))),
                Some(stream) => Pin::new(stream).poll_read(cx, &mut bytes),
            };
            Poll::Ready(match read {
                Poll::Pending => {
                    note(&self.shared.receiving, cx);
                    return Poll::Pending;
                }
                Poll::Ready(Ok(())) if bytes.filled().is_empty() => {
                    self.end();
                    None
                }
                Poll::Ready(Ok(())) => Some(Ok(Bytes::copy_from_slice(bytes.filled()))),
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
        .await?;
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
