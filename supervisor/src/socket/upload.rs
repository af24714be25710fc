//! A request's body on its way from the client: who reads it, and what becomes of the part that nobody reads.
//!
//! The next request of a connection begins after the body of the one before it. What a service leaves of a body is
//! therefore read away where it is short; where it is not, the connection ends, and the head of the response says so
//! (RFC 9112, section 9.6).

use std::{
    cell::RefCell,
    future::{Future as _, poll_fn},
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

use super::{
    connection::{Connection, InFlight, Lent},
    limits::CONNECTION_BUFFER,
};
use crate::body::{Body, BodyError, PullSource, held::Chunk, next_chunk};

/// Bytes of a body that are read away for the sake of the next request on the connection.
const DISCARD: u64 = 256 << 10;

/// Bytes that are read away after a response whose head could not say that the connection ends, for when it was sent it
/// looked as if the body would be read.
const DISCARD_UNANNOUNCED: u64 = 64 << 20;

/// How long the head of a response whose body is a stream waits for the service to ask for the body of a request whose
/// client waits to be told to send it. It is as long as clients wait before they send it all the same.
const EXPECT_PATIENCE: Duration = Duration::from_secs(1);

/// A request's body, from the end of the head to the end of the body.
pub(crate) struct Upload {
    state: RefCell<State>,
    connection: Rc<Connection>,
}

struct State {
    /// `None`: at the end, broken off or given up.
    incoming: Option<Incoming>,
    /// The request is not over before its body is.
    in_flight: Option<Rc<InFlight>>,
    /// The client waits for `100 Continue` before it sends the body, which hyper sends when the body is first asked for.
    expects: bool,
    /// A service holds the body.
    held: bool,
    /// It broke off: the client sends nothing that could be read after it.
    broken: bool,
    /// Bytes that may be read away; none where the client knows that the connection ends.
    discard: u64,
    /// Who waits for the service to ask for the body.
    waiting: Option<Waker>,
}

impl State {
    fn remaining(&self) -> Option<u64> {
        self.incoming.as_ref().map_or(Some(0), |incoming| incoming.size_hint().exact())
    }
}

impl Upload {
    /// The body of a request that has one.
    pub(crate) fn begin(
        incoming: Incoming,
        expects: bool,
        connection: &Rc<Connection>,
        in_flight: &Rc<InFlight>,
    ) -> Option<(Rc<Upload>, Body)> {
        if incoming.is_end_stream() {
            return None;
        }
        let state = State {
            incoming: Some(incoming),
            in_flight: Some(in_flight.clone()),
            expects,
            held: true,
            broken: false,
            discard: DISCARD,
            waiting: None,
        };
        let upload = Rc::new(Upload { state: RefCell::new(state), connection: connection.clone() });
        connection.begin_upload(upload.clone());
        let body = Body::Pull(Box::pin(RequestBody { upload: upload.clone() }));
        Some((upload, body))
    }

    /// The next bytes, for the service or to be thrown away.
    fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let state = &mut *self.state.borrow_mut();
        let Some(incoming) = &mut state.incoming else { return Poll::Ready(None) };
        let next = loop {
            match Pin::new(&mut *incoming).poll_frame(cx) {
                Poll::Pending => {
                    self.connection.note_body(true);
                    return Poll::Pending;
                }
                Poll::Ready(None) => break None,
                Poll::Ready(Some(Err(error))) => break Some(Err(BodyError(error.to_string()))),
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) if !data.is_empty() => break Some(Ok(data)),
                    // Trailers, or nothing.
                    _ => continue,
                },
            }
        };
        self.connection.note_body(false);
        if !matches!(next, Some(Ok(_))) || incoming.is_end_stream() {
            state.broken = matches!(next, Some(Err(_)));
            state.incoming = None;
            state.in_flight = None;
            self.connection.end_upload(false);
        }
        Poll::Ready(next)
    }

    /// Reads away what is left when the service has let go of it.
    pub(crate) fn poll_leftover(&self, cx: &mut Context<'_>) {
        loop {
            let (held, expects, discard) = {
                let state = self.state.borrow();
                (state.held, state.expects, state.discard)
            };
            if held {
                return;
            }
            if discard == 0 {
                self.give_up();
                return;
            }
            // Reading would have the client send it.
            if expects {
                return;
            }
            match self.poll_next(cx) {
                Poll::Ready(Some(Ok(chunk))) => {
                    self.state.borrow_mut().discard = discard.saturating_sub(chunk.len() as u64);
                }
                Poll::Ready(_) | Poll::Pending => return,
            }
        }
    }

    /// Reads no more. hyper ends the connection after the response, unless it finds that it has all of the body already.
    pub(crate) fn give_up(&self) {
        let state = &mut *self.state.borrow_mut();
        if state.incoming.take().is_some() {
            state.in_flight = None;
            self.connection.end_upload(true);
        }
    }

    /// Decides, when the head of the response is about to be sent, what becomes of the rest of the body. Returns whether the
    /// head has to say that the connection ends; where hyper knows that it does, it says so itself.
    pub(crate) async fn settle(&self, response: &mut Body) -> bool {
        if self.state.borrow().broken {
            return true;
        }
        if self.state.borrow().held {
            if !matches!(response, Body::Pull(_)) {
                // The response is whole: what reads on does so for itself, and nobody knows for how long.
                let state = &mut *self.state.borrow_mut();
                let ends = state.expects || state.remaining().is_none_or(|left| left > DISCARD);
                if ends {
                    state.discard = 0;
                }
                return ends;
            }
            self.wait_for_interest(response).await;
            let state = &mut *self.state.borrow_mut();
            let ends = state.expects && state.incoming.is_some();
            state.discard = if ends { 0 } else { DISCARD_UNANNOUNCED };
            return ends;
        }
        poll_fn(|cx| {
            self.poll_leftover(cx);
            Poll::Ready(())
        })
        .await;
        let kept = {
            let state = self.state.borrow();
            !state.expects && state.remaining().is_some_and(|left| left <= state.discard)
        };
        if !kept {
            self.give_up();
            // hyper notices before it asks for the response again.
            let_hyper_read().await;
        }
        self.state.borrow().broken
    }

    /// Waits until the service asks for the body that its client waits to be told to send, or the response has begun to
    /// come without it: after the head of the response the client could not be told any more.
    async fn wait_for_interest(&self, response: &mut Body) {
        if !self.state.borrow().expects {
            return;
        }
        let (asked, first) = {
            let mut begun = pin!(next_chunk(response));
            let interest = poll_fn(|cx| {
                self.state.borrow_mut().waiting = Some(cx.waker().clone());
                // This may have the service ask for the body.
                let begun = begun.as_mut().poll(cx);
                let state = self.state.borrow();
                match begun {
                    Poll::Ready(chunk) => Poll::Ready((!state.expects, Some(chunk))),
                    Poll::Pending if !state.expects || !state.held => Poll::Ready((true, None)),
                    Poll::Pending => Poll::Pending,
                }
            });
            tokio::time::timeout(EXPECT_PATIENCE, interest).await.unwrap_or((false, None))
        };
        if let Some(first) = first {
            let rest = std::mem::replace(response, Body::Empty);
            *response = Body::Pull(Box::pin(Begun { first, rest }));
        }
        if asked {
            let_hyper_read().await;
        }
    }
}

/// Lets hyper look at the body between two looks at the response.
async fn let_hyper_read() {
    let mut again = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut again, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// A request's body in the hands of a service.
struct RequestBody {
    upload: Rc<Upload>,
}

impl PullSource for RequestBody {
    fn poll_pull(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        {
            let state = &mut *self.upload.state.borrow_mut();
            state.expects = false;
            if let Some(waiting) = state.waiting.take() {
                waiting.wake();
            }
        }
        self.upload.poll_next(cx)
    }

    fn remaining(&self) -> Option<u64> {
        self.upload.state.borrow().remaining()
    }

    fn is_on_demand(&self) -> bool {
        self.upload.state.borrow().expects
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        let state = &mut *self.upload.state.borrow_mut();
        state.held = false;
        if let Some(waiting) = state.waiting.take() {
            waiting.wake();
        }
        if state.incoming.is_some() {
            // Nobody waits any longer. The connection's task reads the rest away.
            self.upload.connection.note_body(false);
            self.upload.connection.wake();
        }
    }
}

/// A body of which the first chunk, or its end, is here already.
struct Begun {
    first: Option<Result<Bytes, BodyError>>,
    rest: Body,
}

impl PullSource for Begun {
    fn poll_pull(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(first));
        }
        pin!(next_chunk(&mut self.rest)).poll(cx)
    }

    fn poll_chunk(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Chunk, BodyError>>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Some(first.map(Chunk::Bytes))),
            None => self.rest.poll_chunk(cx),
        }
    }

    fn limit_chunk(mut self: Pin<&mut Self>, bytes: usize) {
        if let Body::Pull(source) = &mut self.rest {
            source.as_mut().limit_chunk(bytes);
        }
    }

    fn remaining(&self) -> Option<u64> {
        let first = self.first.as_ref().map_or(0, |first| first.as_ref().map_or(0, |chunk| chunk.len() as u64));
        self.rest.size_hint().exact().map(|rest| rest + first)
    }
}

/// A response's body on its way to the client; while it lives, the request is in flight.
pub(crate) struct ResponseBody {
    body: Body,
    in_flight: Rc<InFlight>,
    /// What it has for long chunks.
    lent: Option<Lent>,
    /// The chunk before was short.
    was_short: bool,
}

/// Bytes of a chunk where there is enough for it: a part of another one is in hyper's hands meanwhile.
const LONG_CHUNK: usize = 256 << 10;

impl ResponseBody {
    pub(crate) fn new(mut body: Body, in_flight: Rc<InFlight>) -> Self {
        if let Body::Pull(source) = &mut body {
            source.as_mut().limit_chunk(CONNECTION_BUFFER);
        }
        ResponseBody { body, in_flight, lent: None, was_short: false }
    }

    /// Has chunks be long while the source fills them and there is something to lend.
    fn choose_chunk(&mut self, length: usize) {
        let Body::Pull(source) = &mut self.body else { return };
        let is_short = length < CONNECTION_BUFFER;
        let was_short = std::mem::replace(&mut self.was_short, is_short);
        match &self.lent {
            None if !is_short => self.lent = self.in_flight.connection().lend(2 * LONG_CHUNK),
            // One may be what is left of a piece that was cut.
            Some(_) if is_short && was_short => self.lent = None,
            _ => return,
        }
        source.as_mut().limit_chunk(if self.lent.is_some() { LONG_CHUNK } else { CONNECTION_BUFFER });
    }
}

impl http_body::Body for ResponseBody {
    type Data = Chunk;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Chunk>, BodyError>>> {
        let connection = self.in_flight.connection().clone();
        if self.lent.is_none() && connection.is_write_stalled() {
            // hyper would take more than it can send. It asks again when it has sent what it has.
            return Poll::Pending;
        }
        let chunk = if connection.sends_held() {
            std::task::ready!(self.body.poll_chunk(cx))
        } else {
            std::task::ready!(pin!(next_chunk(&mut self.body)).poll(cx)).map(|next| next.map(Chunk::Bytes))
        };
        match &chunk {
            Some(Ok(Chunk::Bytes(bytes))) => self.choose_chunk(bytes.len()),
            Some(Ok(Chunk::Held(held))) => connection.held().push(held),
            _ => {}
        }
        Poll::Ready(chunk.map(|chunk| chunk.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
