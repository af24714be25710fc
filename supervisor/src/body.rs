//! The one body type that travels between sockets and services.

pub mod held;

use std::{
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::future::LocalBoxFuture;
use http_body::{Body as HttpBody, Frame, SizeHint};

use self::held::Chunk;

/// A body that broke off. The text is for the log.
#[derive(Debug, thiserror::Error)]
#[error("the body broke off: {0}")]
pub struct BodyError(pub String);

/// Something that yields bytes when asked; it holds no more than one chunk at a time.
pub trait PullSource {
    /// The next chunk, or `None` at the end. A chunk is never empty.
    fn poll_pull(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>>;

    /// The same for somebody who can send what the kernel has.
    fn poll_chunk(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Chunk, BodyError>>> {
        self.poll_pull(cx).map_ok(Chunk::Bytes)
    }

    /// How many bytes are still to come, where that is known.
    fn remaining(&self) -> Option<u64> {
        None
    }

    /// Says how long a chunk should be at most, where the source can choose.
    fn limit_chunk(self: Pin<&mut Self>, _bytes: usize) {}

    /// Whether the sender waits to be asked before it sends anything: whoever may do without must not ask.
    fn is_on_demand(&self) -> bool {
        false
    }

    /// What has the connection that this comes from go on inside of TLS, if it can.
    fn tls(&self) -> Option<Rc<dyn StartTls>> {
        None
    }
}

/// A connection that can go on inside of TLS.
pub trait StartTls {
    /// Begins when all that is sent as it is has come to its end; from then on `to` is sent. Gives what the other end then sends, after
    /// the handshake. `host`: whose certificate a server has to show, if that is not who was connected to.
    ///
    /// # Errors
    /// The connection is gone; the text is for the log.
    fn start(self: Rc<Self>, host: Option<String>, to: Body) -> LocalBoxFuture<'static, Result<Body, BodyError>>;
}

/// A request or response body: whole and small, or pulled chunk by chunk.
pub enum Body {
    /// No body.
    Empty,
    /// All of it.
    Bytes(Bytes),
    /// Anything else that is pulled.
    Pull(Pin<Box<dyn PullSource>>),
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Body::Empty => f.write_str("Empty"),
            Body::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Body::Pull(_) => f.write_str("Pull"),
        }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        match this {
            Body::Empty => Poll::Ready(None),
            Body::Bytes(bytes) => {
                let bytes = std::mem::take(bytes);
                *this = Body::Empty;
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Body::Pull(source) => source.as_mut().poll_pull(cx).map(|next| next.map(|chunk| chunk.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Body::Empty => true,
            Body::Bytes(bytes) => bytes.is_empty(),
            Body::Pull(source) => source.remaining() == Some(0),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Empty => SizeHint::with_exact(0),
            Body::Bytes(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Body::Pull(source) => source.remaining().map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }
}

/// Bytes whose number is not told.
struct Uncounted(Bytes);

impl PullSource for Uncounted {
    fn poll_pull(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let bytes = std::mem::take(&mut self.get_mut().0);
        Poll::Ready((!bytes.is_empty()).then_some(Ok(bytes)))
    }
}

impl Body {
    /// The next chunk, for somebody who can send what the kernel has.
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Chunk, BodyError>>> {
        match self {
            Body::Pull(source) => source.as_mut().poll_chunk(cx),
            Body::Empty => Poll::Ready(None),
            Body::Bytes(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = Body::Empty;
                Poll::Ready((!bytes.is_empty()).then_some(Ok(Chunk::Bytes(bytes))))
            }
        }
    }

    /// All of a body, of which nobody learns beforehand how long it is.
    pub fn uncounted(bytes: Bytes) -> Self {
        Body::Pull(Box::pin(Uncounted(bytes)))
    }

    /// Whether the sender waits to be asked before it sends anything (`Expect: 100-continue`): whoever may do without must
    /// not ask.
    pub fn is_on_demand(&self) -> bool {
        matches!(self, Body::Pull(source) if source.is_on_demand())
    }
}

/// Waits for the next chunk of a body, skipping trailers and empty frames.
pub fn next_chunk(body: &mut Body) -> impl Future<Output = Option<Result<Bytes, BodyError>>> + '_ {
    std::future::poll_fn(move |cx| {
        loop {
            match std::task::ready!(Pin::new(&mut *body).poll_frame(cx)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if !data.is_empty() => return Poll::Ready(Some(Ok(data))),
                    _ => continue,
                },
            }
        }
    })
}
