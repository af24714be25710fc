//! Bodies on the wire: ours to a worker, and a worker's to us.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    num::NonZeroU64,
    pin::Pin,
    rc::{Rc, Weak},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bulkhead_ipc::{
    calls::Call,
    copy::copy,
    limit,
    source::RESPONSE_SENT,
    transport::{Handle, MESSAGES_FOR_A_CALL},
    worker_capnp::{BodyEnd, Limit, byte_source},
};
use bytes::{Buf as _, Bytes, BytesMut};
use capnp::capability::Promise;
use tokio::{
    sync::{Notify, oneshot},
    time::Sleep,
};

use super::{
    Link, Place, Ticket, Work,
    back::{Back, Taker},
    busy::Busy,
    channels::Subrequest,
    shortcut::{Past, Shortcut},
};
use crate::{
    body::{
        Body, BodyError, PullSource, StartTls,
        held::{Chunk, Held},
        next_chunk,
    },
    text::quote,
};

/// Most bytes that one `pull` brings, in either direction.
pub use bulkhead_ipc::transport::MAX_CHUNK;

/// Bytes of a body that pay for one message of the worker that pulls it.
const BYTES_FOR_A_MESSAGE: usize = 512;

/// What a body gave without waiting.
pub enum Ready {
    /// All of it, within the limit.
    Whole(Bytes),
    /// Its beginning; the rest is still to come.
    Begun(Bytes),
    /// Its beginning; the rest will never come.
    Broken(Bytes),
}

/// All that a worker hears about a body that its client broke off. How it did so is between the client and the socket.
const TORN: &str = "the body broke off";

/// All that it hears about one that is too long.
const TOO_LONG: &str = "the request's body is too long";

/// How often a body that has nothing yet is asked again, letting the connection it comes from run in between: what is
/// already in that connection's buffer arrives by then.
const PATIENCE: u32 = 2;

/// How often a pull that has bytes lets the others of its thread run in a row, for the body's connection to bring more.
const PATIENCE_FOR_MORE: u32 = 2;

/// Takes what is already there of a body, at most about `limit` bytes.
pub async fn collect_ready(body: &mut Body, limit: usize) -> Ready {
    let mut first = Bytes::new();
    let mut more = BytesMut::new();
    loop {
        let mut next = std::pin::pin!(next_chunk(body));
        let mut patience = PATIENCE;
        let chunk = std::future::poll_fn(|cx| match next.as_mut().poll(cx) {
            Poll::Ready(chunk) => Poll::Ready(Some(chunk)),
            Poll::Pending if patience == 0 => Poll::Ready(None),
            Poll::Pending => {
                patience -= 1;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        })
        .await;
        let (mut whole, mut broken) = (false, false);
        let chunk = match chunk {
            Some(Some(Ok(chunk))) => Some(chunk),
            Some(Some(Err(_))) => {
                broken = true;
                None
            }
            Some(None) => {
                whole = true;
                None
            }
            None => None,
        };
        let waits = chunk.is_none();
        if let Some(chunk) = chunk {
            if first.is_empty() {
                first = chunk;
            } else {
                if more.is_empty() {
                    more.extend_from_slice(&first);
                }
                more.extend_from_slice(&chunk);
            }
        }
        let length = if more.is_empty() { first.len() } else { more.len() };
        if waits || length > limit {
            let bytes = if more.is_empty() { first } else { more.freeze() };
            return match (whole, broken) {
                (true, _) => Ready::Whole(bytes),
                (_, true) => Ready::Broken(bytes),
                _ => Ready::Begun(bytes),
            };
        }
    }
}

/// What the shortest frame of a message has, in bytes (RFC 6455, section 5.2).
const MIN_FRAME: usize = 2;

/// Whose limits begin anew with each message that a worker pulls.
struct Renewed {
    link: Weak<Link>,
    event: u64,
}

impl Renewed {
    /// A piece of so many bytes is pulled. Nobody here knows how many messages end in it.
    fn pulled(&self, bytes: usize) {
        if let Some(link) = self.link.upgrade().filter(|_| bytes > 0) {
            link.work.renew();
            link.allowances.renew(self.event, (bytes / MIN_FRAME) as u64 + 1);
        }
    }
}

/// What is taken for as long as something of it is left on the wire.
#[derive(Debug, Clone)]
pub(crate) enum Kept {
    /// Of an event.
    Place(#[expect(dead_code, reason = "held")] Place),
    /// Of a request of the worker's own.
    Subrequest(#[expect(dead_code, reason = "held")] Subrequest),
}

/// A body that a worker pulls: that of a request to it, or of the response to one of its own.
pub struct BodySource {
    state: RefCell<SourceState>,
    busy: Busy,
    /// Somebody waits for [`Self::over`].
    asked: Busy,
    /// Told when nothing more can be pulled.
    over: Notify,
    too_long: Notify,
    connection: Handle,
    work: Arc<Work>,
    /// A worker that keeps the body keeps this.
    kept_for: Kept,
    /// The worker has begun to read.
    begun: Cell<bool>,
    /// Bytes that were pulled.
    handed: Cell<u64>,
    /// It outlives its request.
    kept: Cell<bool>,
    /// Gone when this is gone.
    alive: RefCell<Option<oneshot::Sender<()>>>,
    /// Of one of the two of a connection that is upgraded.
    renewed: Option<Renewed>,
    /// Where the event goes when the worker has sent the last of what it sends before TLS.
    inside: RefCell<Weak<Inherited>>,
    past: Past,
    /// What comes back with pulls.
    back: Rc<Back>,
}

/// An event that goes on with another body than it began with, once it does.
type Inherited = RefCell<Option<Ticket>>;

struct SourceState {
    /// Read and not yet asked for.
    ready: Bytes,
    /// `None`: at the end, or cancelled.
    body: Option<Body>,
    /// Bytes that the body may still bring.
    left: u64,
    /// Why there is no more, if that is not the end.
    broken: Option<String>,
    /// The body itself broke off, which is the client's doing.
    by_client: bool,
    /// Somebody let go of what was left.
    cancelled: bool,
    /// The open `pull` that waits for the body.
    waiting: Option<std::task::Waker>,
}

impl SourceState {
    /// `ready` and then `body`, or no more than that where it broke off.
    fn new(ready: Bytes, body: Option<Body>) -> Self {
        let broken = body.is_none().then(|| TORN.to_owned());
        Self { ready, body, left: u64::MAX, broken, by_client: false, cancelled: false, waiting: None }
    }

    /// Waits until there are bytes, or there will be no more.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_ready_as(cx, false).map(drop)
    }

    /// The same, and gives what the kernel holds where `held` says that somebody can send that.
    fn poll_ready_as(&mut self, cx: &mut Context<'_>, held: bool) -> Poll<Option<Held>> {
        while self.ready.is_empty() {
            let Some(body) = &mut self.body else { return Poll::Ready(None) };
            let next = if held {
                body.poll_chunk(cx)
            } else {
                std::pin::pin!(next_chunk(body)).poll(cx).map(|next| next.map(|chunk| chunk.map(Chunk::Bytes)))
            };
            let Poll::Ready(next) = next else {
                self.waiting = Some(cx.waker().clone());
                return Poll::Pending;
            };
            match next {
                Some(Ok(chunk)) => match self.left.checked_sub(chunk.remaining() as u64) {
                    Some(left) => {
                        self.left = left;
                        match chunk {
                            Chunk::Bytes(bytes) => self.ready = bytes,
                            Chunk::Held(held) => return Poll::Ready(Some(held)),
                        }
                    }
                    None => {
                        self.body = None;
                        self.broken = Some(TOO_LONG.to_owned());
                    }
                },
                Some(Err(_)) => {
                    self.body = None;
                    self.broken = Some(TORN.to_owned());
                    self.by_client = true;
                }
                None => self.body = None,
            }
        }
        Poll::Ready(None)
    }

    /// Whether all that there was has been given.
    fn note_end(&mut self) -> bool {
        let is_end = self.ready.is_empty()
            && self.broken.is_none()
            && self.body.as_ref().is_none_or(http_body::Body::is_end_stream);
        if is_end {
            self.body = None;
        }
        is_end
    }
}

/// What is left of a body that its worker is not to have any more.
struct Rest {
    /// What the worker gave back.
    unread: Bytes,
    state: SourceState,
}

impl PullSource for Rest {
    fn poll_pull(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let Self { unread, state } = self.get_mut();
        if !unread.is_empty() {
            return Poll::Ready(Some(Ok(std::mem::take(unread))));
        }
        std::task::ready!(state.poll_ready(cx));
        if !state.ready.is_empty() {
            return Poll::Ready(Some(Ok(std::mem::take(&mut state.ready))));
        }
        Poll::Ready(state.broken.clone().map(|why| Err(BodyError(why))))
    }

    fn remaining(&self) -> Option<u64> {
        let coming = match &self.state.body {
            Some(body) => http_body::Body::size_hint(body).exact()?,
            None if self.state.broken.is_some() => return None,
            None => 0,
        };
        Some(coming + (self.unread.len() + self.state.ready.len()) as u64)
    }

    fn limit_chunk(self: Pin<&mut Self>, bytes: usize) {
        if let Some(Body::Pull(source)) = &mut self.get_mut().state.body {
            source.as_mut().limit_chunk(bytes);
        }
    }

    fn is_on_demand(&self) -> bool {
        self.state.body.as_ref().is_some_and(Body::is_on_demand)
    }
}

impl BodySource {
    /// Offers `ready` and then `body`, which breaks off where both together are longer than `limit` bytes. The result stays
    /// valid when the body is cancelled.
    pub(crate) fn new(ready: Bytes, body: Body, limit: u64, ticket: &Ticket) -> Rc<Self> {
        let left = limit.saturating_sub(ready.len() as u64);
        let state = SourceState {
            ready,
            body: Some(body),
            left,
            broken: None,
            by_client: false,
            cancelled: false,
            waiting: None,
        };
        Rc::new(Self::with(state, ticket.link(), Kept::Place(ticket.place().clone())))
    }

    /// What comes in place of HTTP for an event.
    pub(crate) fn exchange(body: Body, ticket: &Ticket) -> Rc<Self> {
        Self::in_place_of_http(body, ticket.link(), Kept::Place(ticket.place().clone()), ticket.number())
    }

    /// What comes in place of HTTP on behalf of an event.
    fn in_place_of_http(body: Body, link: &Rc<Link>, kept: Kept, event: u64) -> Rc<Self> {
        let renewed = Some(Renewed { link: Rc::downgrade(link), event });
        Rc::new(Self { renewed, ..Self::with(SourceState::new(Bytes::new(), Some(body)), link, kept) })
    }

    fn with(state: SourceState, link: &Link, kept_for: Kept) -> Self {
        let (state, too_long, over) = (RefCell::new(state), Notify::new(), Notify::new());
        let (busy, asked) = (Busy::default(), Busy::default());
        let (connection, work) = (link.connection.clone(), link.work().clone());
        let (begun, handed) = (Cell::new(false), Cell::new(0));
        let (kept, alive) = (Cell::new(false), RefCell::new(None));
        let (renewed, inside, past, back) = (None, RefCell::default(), Past::default(), Rc::default());
        Self {
            state,
            busy,
            asked,
            over,
            too_long,
            connection,
            work,
            kept_for,
            begun,
            handed,
            kept,
            alive,
            renewed,
            inside,
            past,
            back,
        }
    }

    /// The body of a response to a request of the worker's own: `ready` and then `body`, or no more than that where it broke off.
    pub(crate) fn response(ready: Bytes, body: Option<Body>, link: &Link, permit: Subrequest) -> Rc<Self> {
        Rc::new(Self::with(SourceState::new(ready, body), link, Kept::Subrequest(permit)))
    }

    /// The same, where it is what comes in place of HTTP. The request was made for `event`.
    pub(crate) fn exchange_response(body: Body, link: &Rc<Link>, permit: Subrequest, event: u64) -> Rc<Self> {
        Self::in_place_of_http(body, link, Kept::Subrequest(permit), event)
    }

    /// Offers `ready`, after which the body broke off.
    pub(crate) fn broken(ready: Bytes, ticket: &Ticket) -> Rc<Self> {
        let broken = Some(TORN.to_owned());
        let (by_client, cancelled) = (true, false);
        let state = SourceState { ready, body: None, left: 0, broken, by_client, cancelled, waiting: None };
        Rc::new(Self::with(state, ticket.link(), Kept::Place(ticket.place().clone())))
    }

    /// Waits until the body has turned out to be too long.
    pub async fn too_long(&self) {
        self.too_long.notified().await;
    }

    /// Whether the client broke the body off.
    pub fn is_broken(&self) -> bool {
        self.state.borrow().by_client
    }

    /// Lets go of the body, whatever the worker still holds, which is told `why`. An open `pull` is answered: `capnp-rpc`
    /// never frees the number of a call that its caller has to take back, and a worker whose clients leave often would use
    /// them up.
    pub fn cancel(&self, why: &str) {
        let mut state = self.state.borrow_mut();
        let body = state.body.take();
        if body.is_some() || !state.ready.is_empty() {
            state.broken = Some(why.to_owned());
            state.cancelled = true;
        }
        state.ready = Bytes::new();
        let waiting = state.waiting.take();
        drop(state);
        // Whoever the body comes from may look at this side when it is dropped.
        drop(body);
        if let Some(waiting) = waiting {
            waiting.wake();
        }
        self.past.end();
        self.over.notify_waiters();
    }

    /// What became of the body, once there is nothing more to read.
    fn end(&self) -> Option<BodyEnd> {
        let state = self.state.borrow();
        if state.body.is_some() || !state.ready.is_empty() {
            return None;
        }
        Some(match (&state.broken, state.cancelled) {
            (None, _) => BodyEnd::Drained,
            (Some(_), true) => BodyEnd::Cancelled,
            (Some(_), false) => BodyEnd::Broken,
        })
    }

    /// Whether there is nothing more to read.
    fn is_over(&self) -> bool {
        self.end().is_some()
    }

    /// Waits until somebody has let go of the body.
    async fn cancelled(&self) {
        while !self.state.borrow().cancelled {
            self.over.notified().await;
        }
    }

    /// What has the connection go on inside of TLS that this comes from, if it can.
    fn tls(&self) -> Option<Rc<dyn StartTls>> {
        match &self.state.borrow().body {
            Some(Body::Pull(source)) => source.tls(),
            _ => None,
        }
    }

    /// Gives what is left of the body to another, of which the worker had `read` bytes read, and gives back `unread`. An open pull is
    /// answered. `None`: bytes are lost that were on their way to the worker, or the body broke off.
    ///
    /// # Errors
    /// It cannot have had as many.
    pub(crate) fn pass_on(&self, read: u64, unread: Bytes, ended: bool) -> Result<Option<Body>, String> {
        let had = read.checked_add(unread.len() as u64);
        let lost = had.and_then(|had| self.handed.get().checked_sub(had));
        let lost = lost.ok_or("it gave back more of a body than it was given")?;
        let rest = self.take_rest(unread);
        Ok(match ended {
            _ if lost > 0 || rest.state.broken.is_some() => None,
            true => Some(Body::uncounted(Bytes::new())),
            false => Some(Body::Pull(Box::pin(rest))),
        })
    }

    /// As [`Self::pass_on`], of a body that was given back for another to pull.
    pub(crate) fn pass_on_rest(&self) -> Option<Body> {
        let is_over = self.is_over();
        let rest = self.take_rest(Bytes::new());
        match rest.state.broken {
            Some(_) => None,
            None if is_over => Some(Body::uncounted(Bytes::new())),
            None => Some(Body::Pull(Box::pin(rest))),
        }
    }

    fn take_rest(&self, unread: Bytes) -> Rest {
        let gone = SourceState {
            ready: Bytes::new(),
            body: None,
            left: 0,
            broken: Some(ENDED.to_owned()),
            by_client: false,
            cancelled: true,
            waiting: None,
        };
        let mut state = self.state.replace(gone);
        if let Some(waiting) = state.waiting.take() {
            waiting.wake();
        }
        self.past.end();
        self.over.notify_waiters();
        Rest { unread, state }
    }

    /// Who waits for bytes.
    pub(super) fn take_waiting(&self) -> Option<std::task::Waker> {
        self.state.borrow_mut().waiting.take()
    }

    /// Takes what comes with a pull of what is sent the other way.
    fn take_back(&self, params: byte_source::PullParams) -> Result<(), &'static str> {
        let bytes = params.get().and_then(|params| params.get_back()).map_err(|_| "a pull cannot be read")?;
        if !bytes.is_empty() && self.back.put(bytes)? {
            // They were asked for, as those of an answer are.
            self.connection.allow(0, bytes.len() as u64);
        }
        Ok(())
    }

    /// What of it goes past its worker.
    pub(super) fn past(&self) -> &Past {
        &self.past
    }

    /// Waits until there are bytes, or there will be no more.
    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_ready_as(cx, false).map(drop)
    }

    /// Waits until there are bytes for the worker, or there will be no more.
    fn poll_for_worker(&self, cx: &mut Context<'_>) -> Poll<()> {
        std::task::ready!(self.past.poll_over(cx));
        self.poll_ready(cx)
    }

    fn poll_ready_as(&self, cx: &mut Context<'_>, held: bool) -> Poll<Option<Held>> {
        let state = &mut *self.state.borrow_mut();
        let ready = state.poll_ready_as(cx, held);
        if state.broken.as_deref() == Some(TOO_LONG) {
            self.too_long.notify_one();
        }
        ready
    }

    /// The next bytes, at most `limit`, and whether they are the last ones.
    fn poll_next(&self, limit: usize, cx: &mut Context<'_>) -> Poll<Result<(Bytes, bool), capnp::Error>> {
        std::task::ready!(self.poll_ready(cx));
        let state = &mut *self.state.borrow_mut();
        if state.ready.is_empty() {
            return Poll::Ready(match &state.broken {
                Some(why) => Err(capnp::Error::failed(why.clone())),
                None => Ok((Bytes::new(), true)),
            });
        }
        let bytes = state.ready.split_to(state.ready.len().min(limit));
        Poll::Ready(Ok((bytes, state.note_end())))
    }

    /// The next chunk for somebody in this process, who asks for at most `limit` bytes in memory and can send what the kernel holds, if
    /// `held` says so; and whether it is the last one. `None` is the end as well.
    fn poll_here(
        &self,
        limit: usize,
        held: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(Option<Chunk>, bool), capnp::Error>> {
        self.begun.set(true);
        let _tells = Tells(self);
        let (chunk, is_end) = match std::task::ready!(self.poll_ready_as(cx, held)) {
            Some(held) => (Some(Chunk::Held(held)), self.state.borrow_mut().note_end()),
            None => {
                let (bytes, is_end) = std::task::ready!(self.poll_next(limit, cx))?;
                ((!bytes.is_empty()).then_some(Chunk::Bytes(bytes)), is_end)
            }
        };
        self.handed.set(self.handed.get() + chunk.as_ref().map_or(0, Chunk::remaining) as u64);
        Poll::Ready(Ok((chunk, is_end)))
    }

    /// The next chunk for a connection to which it goes past the worker, as [`Self::poll_here`]. `None`: there are no more, and the worker
    /// is to learn why.
    fn poll_past(&self, limit: usize, held: bool, cx: &mut Context<'_>) -> Poll<Option<Chunk>> {
        let _tells = Tells(self);
        Poll::Ready(match std::task::ready!(self.poll_ready_as(cx, held)) {
            Some(held) => Some(Chunk::Held(held)),
            None => match std::task::ready!(self.poll_next(limit, cx)) {
                Ok((bytes, _)) if !bytes.is_empty() => Some(Chunk::Bytes(bytes)),
                Ok(_) | Err(_) => None,
            },
        })
    }
}

impl byte_source::Server for BodySource {
    async fn pull(
        self: Rc<Self>,
        params: byte_source::PullParams,
        mut reply: byte_source::PullResults,
    ) -> Result<(), capnp::Error> {
        let limit = params.get()?.get_max_bytes().min(MAX_CHUNK) as usize;
        let busy = (limit != 0).then(|| self.busy.enter()).flatten();
        let begun = busy.ok_or("it pulled nothing, or twice at once");
        let begun = begun.and_then(|busy| self.take_back(params).map(|()| busy));
        let _busy = begun.map_err(|what| {
            self.connection.violation(what);
            capnp::Error::failed(what.to_owned())
        })?;
        self.begun.set(true);
        let _tells = Tells(&self);
        // Bytes that the worker does not read must not pile up here, and bytes that do not come keep no room from others.
        let (_room, (first, mut is_end)) = loop {
            std::future::poll_fn(|cx| self.poll_for_worker(cx)).await;
            let room = self.connection.reserve(limit).await;
            let mut cx = Context::from_waker(std::task::Waker::noop());
            // Meanwhile they may have gone past.
            if !self.past.is_open()
                && let Poll::Ready(next) = self.poll_next(limit, &mut cx)
            {
                break (room, next?);
            }
        };
        let mut parts = vec![first];
        let mut length = parts[0].len();
        // What else is there travels along, and what the connection reads of what the kernel has: a call, with the two
        // processes waking each other, costs more than its bytes. Nobody is waited for.
        // Where both ends of a connection wait for what the other one says next, it is there or does not come.
        let patience_for_more = if self.renewed.is_some() { 0 } else { PATIENCE_FOR_MORE };
        let mut patience = patience_for_more;
        while !is_end && length < limit {
            let mut cx = Context::from_waker(std::task::Waker::noop());
            match self.poll_next(limit - length, &mut cx) {
                Poll::Ready(Ok((bytes, end))) => {
                    is_end = end;
                    length += bytes.len();
                    parts.push(bytes);
                    patience = patience_for_more;
                }
                Poll::Pending if patience > 0 => {
                    patience -= 1;
                    tokio::task::yield_now().await;
                }
                Poll::Pending | Poll::Ready(Err(_)) => break,
            }
        }
        self.work.moved(length);
        self.handed.set(self.handed.get() + length as u64);
        if let Some(renewed) = &self.renewed {
            renewed.pulled(length);
        }
        // A worker may ask again as soon as there is more, and for as much as a message should bring; asking for each of
        // the bytes that are there counts as its own doing.
        let is_all = u64::from(length < limit) * 2;
        self.connection.allow(is_all + (length / BYTES_FOR_A_MESSAGE) as u64, 0);
        let mut results = reply.get();
        let mut rest = results.reborrow().init_bytes(length as u32);
        for part in parts {
            let (to, after) = rest.split_at_mut(part.len());
            copy(to, &part);
            rest = after;
        }
        results.set_done(is_end);
        results.set_taken(self.back.is_taken());
        // It is queued as soon as nobody writes to it any more, and only then there is room for the next.
        drop(reply);
        Ok(())
    }

    async fn cancel(
        self: Rc<Self>,
        _: byte_source::CancelParams,
        _: byte_source::CancelResults,
    ) -> Result<(), capnp::Error> {
        BodySource::cancel(&self, ENDED);
        Ok(())
    }

    async fn closed(
        self: Rc<Self>,
        _: byte_source::ClosedParams,
        mut reply: byte_source::ClosedResults,
    ) -> Result<(), capnp::Error> {
        let Some(_asked) = self.asked.enter() else {
            let what = "it asked twice at once what became of a body";
            self.connection.violation(what);
            return Err(capnp::Error::failed(what.to_owned()));
        };
        let end = loop {
            match self.end() {
                Some(end) => break end,
                None => self.over.notified().await,
            }
        };
        reply.get().set_end(end);
        Ok(())
    }

    async fn start_tls(
        self: Rc<Self>,
        params: byte_source::StartTlsParams,
        mut reply: byte_source::StartTlsResults,
    ) -> Result<(), capnp::Error> {
        let host = params.get()?.get_host()?.as_bytes();
        if host.len() > MAX_HOST {
            let what = "it named a host that is too long";
            self.connection.violation(what);
            return Err(capnp::Error::failed(what.to_owned()));
        }
        let (Some(tls), Some(Renewed { link, event })) = (self.tls(), &self.renewed) else {
            reply.get().set_refused(true);
            return Ok(());
        };
        let link = link.upgrade().ok_or_else(|| capnp::Error::failed(ENDED.to_owned()))?;
        let (host, to) = (String::from_utf8_lossy(host).into_owned(), params.get()?.get_to()?);
        drop(params);
        let inherited = Rc::<Inherited>::default();
        self.inside.replace(Rc::downgrade(&inherited));
        let to = RemoteBody::inside(to, &link, self.kept_for.clone(), inherited);
        let begun = tls.start((!host.is_empty()).then_some(host), Body::Pull(Box::pin(to)));
        let from = tokio::select! {
            from = begun => from.map_err(|error| capnp::Error::failed(quote(&error.0)))?,
            () = self.cancelled() => return Err(capnp::Error::failed(ENDED.to_owned())),
        };
        let source = Self::in_place_of_http(from, &link, self.kept_for.clone(), *event);
        reply.get().set_from(link.offer_body(source));
        Ok(())
    }

    async fn recall(
        self: Rc<Self>,
        _: byte_source::RecallParams,
        _: byte_source::RecallResults,
    ) -> Result<(), capnp::Error> {
        self.past.end();
        Ok(())
    }
}

/// Longest name of a host whose certificate a worker asks for, in bytes.
const MAX_HOST: usize = 255;

/// A pull, after which there may be nothing more to read.
struct Tells<'a>(&'a BodySource);

impl Drop for Tells<'_> {
    fn drop(&mut self) {
        if self.0.is_over() {
            self.0.over.notify_waiters();
        }
    }
}

/// Why a body cannot be read whose request was given up.
const ENDED: &str = "the request has ended";

/// Cancels a request body when the request has ended.
pub struct CancelOnDrop(pub Rc<BodySource>);

/// How long after the response a worker may begin to read the request's body: what it did at the same time as it answered
/// may come a little later.
const LATE_START: Duration = Duration::from_millis(250);

impl CancelOnDrop {
    /// Takes note that the response has been sent. A body that the worker has begun to read it may read to the end, as long
    /// as it holds it, which it does not after its event has ended; `patience` bounds that from here. Zero is no bound.
    pub fn response_sent(self, patience: Duration) {
        if self.0.is_over() {
            return;
        }
        let (alive, mut gone) = oneshot::channel::<()>();
        *self.0.alive.borrow_mut() = Some(alive);
        let source = Rc::downgrade(&self.0);
        tokio::task::spawn_local(async move {
            let late = tokio::time::timeout(LATE_START, &mut gone).await.is_err();
            if !late {
                return;
            }
            if source.upgrade().is_some_and(|source| source.begun.get()) {
                if patience.is_zero() {
                    let _ = gone.await;
                } else {
                    let _ = tokio::time::timeout(patience, gone).await;
                }
            }
            if let Some(source) = source.upgrade() {
                source.cancel(RESPONSE_SENT);
            }
        });
        // The source lives on in the hands of the worker.
        self.0.kept.set(true);
    }

    /// The worker may read the body for as long as it comes.
    fn outlive(self) {
        self.0.kept.set(true);
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        if !self.0.kept.get() {
            self.0.cancel(ENDED);
        }
    }
}

type Response = capnp::capability::Response<byte_source::pull_results::Owned>;

type PullCall = Call<byte_source::pull_results::Owned, Box<dyn FnMut() -> Promise<(), capnp::Error>>, Option<Kept>>;

/// A body that is pulled from a worker: that of a response, or of a request of its own.
pub(crate) struct RemoteBody {
    source: Source,
    link: Rc<Link>,
    /// Dropped before the ticket, whose place it keeps while it is not answered.
    call: Option<PullCall>,
    remaining: Option<u64>,
    /// Bytes that may still come.
    left: u64,
    /// Bytes to ask for at once.
    chunk: u32,
    /// Bytes that the open call asks for.
    asked: u32,
    done: bool,
    /// The event, until its response is over.
    ticket: Option<Ticket>,
    /// The same, where it began with another body.
    inherited: Option<Rc<Inherited>>,
    /// What an open call keeps, until the body is over.
    kept: Option<Kept>,
    deadline: Option<Pin<Box<Sleep>>>,
    /// The request's body may be read until the response has ended, and then as [`CancelOnDrop::response_sent`] says.
    request: Option<CancelOnDrop>,
    /// It is one of the two of a connection, which end each for itself.
    is_exchange: bool,
    /// Instead of its first bytes may come a source that has them all.
    may_refer: bool,
    /// Where bytes come from while the worker is asked for some.
    shortcut: Option<Shortcut>,
    /// What comes with pulls of the other direction, and an answer that has to wait for it.
    back: Option<Taker>,
    answer: Option<Response>,
}

/// Where a body is that a worker sends.
enum Source {
    There(byte_source::Client),
    /// It was the worker's to read, which it sends as it came. It is not asked for by messages.
    Here {
        source: Rc<BodySource>,
        /// It was asked for something, which is not there yet.
        is_asked: bool,
    },
}

impl Source {
    fn new(source: byte_source::Client, link: &Link) -> Self {
        match link.offered_body(&source) {
            Some(source) => Source::Here { source, is_asked: false },
            None => Source::There(source),
        }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        if let Source::Here { source, is_asked: true } = self {
            source.busy.end();
            source.cancel(ENDED);
        }
    }
}

impl RemoteBody {
    /// Pulls from `source`; `length` is what the worker announced.
    pub(crate) fn new(
        source: byte_source::Client,
        length: Option<u64>,
        ticket: Ticket,
        request: Option<CancelOnDrop>,
    ) -> Self {
        let link = ticket.link().clone();
        let left = NonZeroU64::new(link.policy().response_body_bytes).map_or(u64::MAX, NonZeroU64::get);
        let deadline = ticket.deadline().map(|deadline| Box::pin(tokio::time::sleep_until(deadline)));
        let done = length == Some(0);
        Self {
            source: Source::new(source, &link),
            link,
            call: None,
            remaining: length,
            left,
            chunk: MAX_CHUNK,
            asked: 0,
            done,
            kept: Some(Kept::Place(ticket.place().clone())),
            ticket: Some(ticket),
            inherited: None,
            deadline,
            request,
            is_exchange: false,
            may_refer: false,
            shortcut: None,
            back: None,
            answer: None,
        }
    }

    /// A stream of events: for as long as both sides like.
    pub(crate) fn events(source: byte_source::Client, mut ticket: Ticket, request: Option<CancelOnDrop>) -> Self {
        ticket.goes_on();
        Self { deadline: None, ..Self::new(source, None, ticket, request) }
    }

    /// What a worker sends in place of HTTP: for as long as it likes, and as much. `request` is what it is sent, and may go on after this.
    pub(crate) fn exchange(source: byte_source::Client, mut ticket: Ticket, request: Option<CancelOnDrop>) -> Self {
        ticket.goes_on();
        let back = request.as_ref().map(|request| Taker::new(&request.0.back));
        let body = Self::new(source, None, ticket, request);
        Self { left: u64::MAX, deadline: None, is_exchange: true, back, ..body }
    }

    /// The body of a request of the worker's own. It has the time, and the length, that its addressee gives it.
    ///
    /// `may_refer`: it may be said later where its bytes are to be had.
    pub(crate) fn upload(
        source: byte_source::Client,
        length: Option<u64>,
        link: &Rc<Link>,
        permit: &Subrequest,
        may_refer: bool,
    ) -> Self {
        Self {
            source: Source::new(source, link),
            link: link.clone(),
            call: None,
            remaining: length,
            left: u64::MAX,
            chunk: MAX_CHUNK,
            asked: 0,
            done: length == Some(0),
            kept: Some(Kept::Subrequest(permit.clone())),
            ticket: None,
            inherited: None,
            deadline: None,
            request: None,
            is_exchange: false,
            may_refer,
            shortcut: None,
            back: None,
            answer: None,
        }
    }

    /// What a worker sends over a connection that it has asked for.
    pub(crate) fn connect(source: byte_source::Client, link: &Rc<Link>, permit: &Subrequest) -> Self {
        Self { is_exchange: true, ..Self::upload(source, None, link, permit, false) }
    }

    /// What a worker sends over a connection inside of TLS, after what it has sent as it is.
    fn inside(source: byte_source::Client, link: &Rc<Link>, kept: Kept, inherited: Rc<Inherited>) -> Self {
        Self {
            source: Source::new(source, link),
            link: link.clone(),
            call: None,
            remaining: None,
            left: u64::MAX,
            chunk: MAX_CHUNK,
            asked: 0,
            done: false,
            kept: Some(kept),
            ticket: None,
            inherited: Some(inherited),
            deadline: None,
            request: None,
            is_exchange: true,
            may_refer: false,
            shortcut: None,
            back: None,
            answer: None,
        }
    }

    fn violation(&self, what: &str) -> BodyError {
        self.link.connection.violation(what);
        BodyError(format!("the worker broke the protocol: {what}"))
    }

    fn end(&mut self, sent: bool) {
        self.done = true;
        let ticket = self.ticket.take();
        if let Some(CancelOnDrop(source)) = &self.request
            && let Some(inside) = source.inside.take().upgrade()
        {
            *inside.borrow_mut() = ticket;
        }
        self.inherited = None;
        self.kept = None;
        self.deadline = None;
        (self.back, self.answer) = (None, None);
        if let Some(request) = self.request.take()
            && sent
        {
            match self.is_exchange {
                true => request.outlive(),
                false => request.response_sent(self.link.policy().wait_until),
            }
        }
    }

    fn take(&mut self, response: &Response) -> Result<Option<Bytes>, BodyError> {
        let reply = response.get().map_err(|error| self.violation(&error.to_string()))?;
        let bytes = reply.get_bytes().map_err(|error| self.violation(&error.to_string()))?;
        if reply.has_rest() {
            if !self.may_refer || !bytes.is_empty() {
                return Err(self.violation("it said of a body that it is to be had elsewhere"));
            }
            self.may_refer = false;
            let rest = reply.get_rest().map_err(|error| self.violation(&error.to_string()))?;
            self.source = Source::new(rest, &self.link);
            return Ok(None);
        }
        self.may_refer = false;
        if reply.has_meanwhile() {
            self.take_shortcut(reply)?;
            return Ok(None);
        }
        self.done = reply.get_done();
        if bytes.len() > self.asked as usize {
            return Err(self.violation("it sent more than it was asked for"));
        }
        if bytes.is_empty() && !self.done {
            return Err(self.violation("it sent nothing that was not the end"));
        }
        self.count(bytes.len())?;
        Ok((!bytes.is_empty()).then(|| self.link.connection.keep(bytes)))
    }

    /// Has what comes by a connection go here, if nothing of it is on its way to the worker.
    fn take_shortcut(&mut self, reply: byte_source::pull_results::Reader<'_>) -> Result<(), BodyError> {
        let from = reply.get_meanwhile().map_err(|error| self.violation(&error.to_string()))?;
        let is_empty = reply.get_bytes().is_ok_and(<[u8]>::is_empty) && !reply.get_done();
        let from = self.link.offered_body(&from).filter(|from| from.renewed.is_some());
        let Some(from) = from.filter(|_| self.is_exchange && is_empty) else {
            return Err(self.violation("it said of what is no connection that bytes come from another one"));
        };
        if from.handed.get() == reply.get_had() {
            self.shortcut = Some(Shortcut::open(&from));
        }
        // No byte pays for it, and the next pull would.
        self.link.connection.charge(MESSAGES_FOR_A_CALL + 1);
        Ok(())
    }

    /// The next bytes by the shortcut, or `None` if there is none, which is the worker's to learn.
    fn poll_shortcut(&mut self, held: bool, cx: &mut Context<'_>) -> Poll<Option<Chunk>> {
        let from = self.shortcut.as_ref().and_then(Shortcut::from);
        let next = match from {
            Some(from) => std::task::ready!(from.poll_past(self.chunk as usize, held, cx)),
            None => None,
        };
        if next.is_none() {
            self.shortcut = None;
        }
        Poll::Ready(next)
    }

    /// Takes note of bytes, and of the end if it is here.
    fn count(&mut self, bytes: usize) -> Result<(), BodyError> {
        self.link.moved(bytes);
        let Some(left) = self.left.checked_sub(bytes as u64) else {
            self.link.too_long();
            return Err(BodyError(limit::text(Limit::ResponseBody).to_owned()));
        };
        self.left = left;
        if let Some(remaining) = &mut self.remaining {
            match remaining.checked_sub(bytes as u64) {
                Some(left) => *remaining = left,
                None => return Err(self.violation("it sent more than it had announced")),
            }
            if self.done && *remaining > 0 {
                return Err(BodyError(format!("it ended {remaining} bytes early")));
            }
        }
        Ok(())
    }

    /// What the worker's process answers to a call, or sends before that. `None` before the end: it is to be had elsewhere.
    fn poll_there(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        if let Some(bytes) = self.back.as_ref().and_then(|back| back.take(cx)) {
            return Poll::Ready(Some(self.count(bytes.len()).map(|()| bytes)));
        }
        let Source::There(source) = &self.source else { return Poll::Ready(None) };
        let call = self.call.get_or_insert_with(|| {
            let mut request = source.pull_request();
            self.asked = self.chunk;
            request.get().set_max_bytes(self.asked);
            if let Some(back) = &self.back {
                back.ask(self.asked as usize);
            }
            let source = source.clone();
            let cancel = Box::new(move || {
                let source = source.clone();
                Promise::from_future(async move { source.cancel_request().send().promise.await.map(drop) })
            });
            let kept = self.kept.clone();
            Call::new(request.send().promise, Some(self.link.connection.clone()), kept, cancel as Box<_>)
        });
        let response = match self.answer.take() {
            Some(response) => Ok(response),
            None => std::task::ready!(Pin::new(call).poll(cx)),
        };
        if let Some(back) = &self.back {
            let before = response.as_ref().map_or(0, |response| response.get().map_or(0, |reply| reply.get_before()));
            if before > back.had() {
                // It is on its way to the one that takes it.
                self.answer = response.ok();
                return Poll::Pending;
            }
            back.ask(0);
        }
        // What goes past the worker was there before its answer.
        (self.call, self.shortcut) = (None, None);
        Poll::Ready(match response {
            Ok(response) => self.take(&response).transpose(),
            Err(error) => Some(Err(BodyError(quote(&error.to_string())))),
        })
    }

    /// What a body of this process has.
    fn poll_here(&mut self, held: bool, cx: &mut Context<'_>) -> Poll<Option<Result<Chunk, BodyError>>> {
        let Source::Here { source, is_asked } = &mut self.source else { return Poll::Ready(None) };
        if !*is_asked && !source.busy.begin() {
            return Poll::Ready(Some(Err(self.violation("it reads what it sends back"))));
        }
        *is_asked = true;
        let next = std::task::ready!(source.poll_here(self.chunk as usize, held, cx));
        *is_asked = false;
        source.busy.end();
        Poll::Ready(match next {
            Ok((chunk, is_end)) => {
                self.done = is_end;
                let bytes = chunk.as_ref().map_or(0, Chunk::remaining);
                self.count(bytes).map(|()| chunk).transpose()
            }
            Err(error) => Some(Err(BodyError(quote(&error.to_string())))),
        })
    }

    /// The next chunk; `held`: one that the kernel holds may be among them.
    fn poll_next(&mut self, held: bool, cx: &mut Context<'_>) -> Poll<Option<Result<Chunk, BodyError>>> {
        loop {
            if self.done && self.call.is_none() {
                return Poll::Ready(None);
            }
            if let Some(deadline) = &mut self.deadline
                && deadline.as_mut().poll(cx).is_ready()
            {
                self.link.overdue();
                // Cancels it.
                self.call = None;
                self.end(false);
                return Poll::Ready(Some(Err(BodyError(limit::text(Limit::WallTime).to_owned()))));
            }
            let result = match &self.source {
                Source::There(_) => match self.poll_there(cx) {
                    Poll::Ready(result) => result.map(|result| result.map(Chunk::Bytes)),
                    Poll::Pending => match std::task::ready!(self.poll_shortcut(held, cx)) {
                        Some(chunk) => Some(self.count(chunk.remaining()).map(|()| chunk)),
                        None => return Poll::Pending,
                    },
                },
                Source::Here { .. } => std::task::ready!(self.poll_here(held, cx)),
            };
            if result.is_none() && !self.done {
                // It is to be had elsewhere.
                continue;
            }
            let broke_off = matches!(result, Some(Err(_)));
            if self.done || broke_off {
                self.end(!broke_off);
            }
            return Poll::Ready(result);
        }
    }
}

impl PullSource for RemoteBody {
    fn poll_pull(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        self.get_mut().poll_next(false, cx).map_ok(|chunk| match chunk {
            Chunk::Bytes(bytes) => bytes,
            // Nobody asked for one.
            Chunk::Held(_) => Bytes::new(),
        })
    }

    fn poll_chunk(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Chunk, BodyError>>> {
        self.get_mut().poll_next(true, cx)
    }

    fn remaining(&self) -> Option<u64> {
        if self.done { Some(0) } else { self.remaining }
    }

    fn limit_chunk(self: Pin<&mut Self>, bytes: usize) {
        self.get_mut().chunk = u32::try_from(bytes).map_or(MAX_CHUNK, |bytes| bytes.clamp(1, MAX_CHUNK));
    }
}
