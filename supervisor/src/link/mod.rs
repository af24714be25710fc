//! One connection to one worker process: what the supervisor offers the process, and how it reads what the process answers.
//!
//! A link knows no fleet: it is handed what it needs of its `Owner`. Everything here treats its peer as hostile: a
//! capability that a worker misuses ends that worker's connection through [`Handle::violation`], and the owner then ends the
//! process. Nothing that a peer controls grows without a bound.

mod allowances;
mod back;
pub mod body;
mod busy;
mod channels;
pub mod host;
mod places;
mod shortcut;
mod work;

use std::{
    cell::{OnceCell, RefCell},
    collections::HashMap,
    future::Future,
    rc::{Rc, Weak},
    sync::Arc,
    time::Duration,
};

use bulkhead_ipc::{
    blob,
    calls::Call,
    transport::{self, Handle, Limits, MAX_EVENTS, MAX_EXCHANGES, TransportError},
    worker_capnp::{Limit, byte_source, event_dispatcher, event_port},
};
use capnp::capability::Promise;
use capnp_rpc::CapabilityServerSet;
use tokio::{net::UnixStream, time::Instant};

use crate::{
    config::policy::WorkerPolicy,
    service::{Depth, Service, ServiceError},
    text::quote,
};
use allowances::Allowances;
pub(crate) use places::{NoPlace, Place, Places};
pub(crate) use work::{Tally, Work};

/// The worker whose process is at the other end, as a link needs to know it.
pub(crate) trait Owner {
    /// Takes note that the worker exceeded a limit.
    fn exceeded(&self, limit: Limit);

    /// Takes note that nobody answered a request of the worker's own, and why.
    fn unanswered(&self, why: &str);

    /// Has the process asked whether it lives.
    fn suspect(&self);

    /// The limits of the worker.
    fn policy(&self) -> &WorkerPolicy;

    /// The worker's name in the configuration.
    fn name(&self) -> &str;
}

/// The bounds of a link.
pub(crate) struct Bounds {
    /// What the worker may do on the connection.
    pub(crate) connection: Limits,
    /// Events that may be in flight, at most [`MAX_EVENTS`].
    pub(crate) events: u32,
    /// Connections that may be upgraded, at most [`MAX_EXCHANGES`].
    pub(crate) exchanges: u32,
    /// Requests that may wait for a place.
    pub(crate) waiting: usize,
    /// How much longer than the worker's own limit an event may last.
    pub(crate) grace: Duration,
}

/// Entrypoints with different parameters that one connection keeps; they come from the configuration.
type Dispatchers = HashMap<(Option<String>, Option<String>), event_dispatcher::Client>;

/// The bodies that a process was offered, by their capabilities.
struct Offered {
    all: CapabilityServerSet<body::BodySource, byte_source::Client>,
    /// How many more may be offered until those are looked for that are gone.
    more: usize,
}

impl Default for Offered {
    fn default() -> Self {
        Self { all: CapabilityServerSet::new(), more: OFFERED_BETWEEN_LOOKS }
    }
}

/// The set does not notice when a body goes, and keeps a few hundred bytes of it: those of at most so many.
const OFFERED_BETWEEN_LOOKS: usize = 64;

/// The event connection of one shard to one process.
pub struct Link {
    generation: u64,
    owner: Box<dyn Owner>,
    /// How much longer than its worker the supervisor waits for an event.
    grace: Duration,
    work: Arc<Work>,
    port: event_port::Client,
    dispatchers: RefCell<Dispatchers>,
    /// The connection.
    pub connection: Handle,
    /// The events that it may have in flight.
    places: Rc<Places>,
    /// What each of them may still start, which has their numbers.
    allowances: Allowances,
    /// What the worker's global `fetch()` goes to.
    outbound: OnceCell<Weak<dyn Service>>,
    offered: RefCell<Offered>,
}

impl Link {
    /// The connection that `stream` is, to the process number `generation` of a worker, for events as `bounds` say. What it
    /// returns beside the link has to be polled for as long as the link is used, and ends with the connection.
    pub(crate) fn open(
        stream: UnixStream,
        generation: u64,
        work: Arc<Work>,
        bounds: Bounds,
        owner: Box<dyn Owner>,
    ) -> (Rc<Self>, impl Future<Output = Result<(), TransportError>> + use<>) {
        let (port, connection, driver) = transport::client(stream, bounds.connection);
        let allowances = Allowances::new(owner.policy(), bounds.grace, Instant::now());
        let link = Rc::new(Self {
            generation,
            owner,
            grace: bounds.grace,
            work,
            port,
            dispatchers: RefCell::default(),
            connection,
            places: Places::new(
                bounds.events.min(MAX_EVENTS) as usize,
                bounds.exchanges.min(MAX_EXCHANGES) as usize,
                bounds.waiting,
            ),
            allowances,
            outbound: OnceCell::new(),
            offered: RefCell::default(),
        });
        (link, driver)
    }

    /// Hands over what the worker may start, in the order of its positions, of which the last `own` are its own entrypoints. To be called
    /// once, before the first event.
    pub(crate) fn offer(self: &Rc<Self>, services: impl ExactSizeIterator<Item = Weak<dyn Service>>, own: usize) {
        let shared = channels::Shared::new(self);
        let mut request = self.port.open_request();
        let count = services.len();
        let mut list = request.get().init_channels(count as u32);
        for (index, service) in (0..).zip(services) {
            self.outbound.get_or_init(|| service.clone());
            let is_own = index as usize + own >= count;
            list.set(index, channels::Channel::client(&shared, service, is_own).client.hook);
        }
        let taken = request.send().promise;
        // A worker that does not take them has nothing to call.
        tokio::task::spawn_local(async move { drop(taken.await) });
    }

    /// What the worker's global `fetch()` goes to, which is the first of what it may start.
    pub(crate) fn outbound(&self) -> Option<Rc<dyn Service>> {
        self.outbound.get()?.upgrade()
    }

    /// The capability of a body for the process.
    pub(crate) fn offer_body(&self, source: Rc<body::BodySource>) -> byte_source::Client {
        let offered = &mut *self.offered.borrow_mut();
        match offered.more.checked_sub(1) {
            Some(more) => offered.more = more,
            None => {
                offered.all.gc();
                offered.more = OFFERED_BETWEEN_LOOKS;
            }
        }
        offered.all.new_client_from_rc(source)
    }

    /// The body that a capability of the process is, if it is one that was offered to it.
    fn offered_body(&self, source: &byte_source::Client) -> Option<Rc<body::BodySource>> {
        self.offered.borrow().all.get_local_server_of_resolved(source)
    }

    /// Whether the process shall get no further event.
    pub(crate) fn is_retired(&self) -> bool {
        self.work.is_retired()
    }

    /// Whether an event may be sent to the process.
    pub(crate) fn is_usable(&self) -> bool {
        !self.connection.is_closed() && !self.is_retired()
    }

    /// What is counted of the process.
    pub(crate) fn work(&self) -> &Arc<Work> {
        &self.work
    }

    /// Takes note of bytes of a body that come from the process.
    pub(crate) fn moved(&self, bytes: usize) {
        self.work.moved(bytes);
    }

    /// Takes note that an event's deadline has passed, and has the process asked whether it lives.
    pub(crate) fn overdue(&self) {
        self.owner.exceeded(Limit::WallTime);
        self.owner.suspect();
    }

    /// Takes note that a response is too long.
    pub(crate) fn too_long(&self) {
        self.owner.exceeded(Limit::ResponseBody);
    }

    /// The limits of the worker.
    pub(crate) fn policy(&self) -> &WorkerPolicy {
        self.owner.policy()
    }

    /// The worker's name in the configuration.
    pub(crate) fn name(&self) -> &str {
        self.owner.name()
    }

    /// The places of events at the process.
    pub(crate) fn places(&self) -> &Rc<Places> {
        &self.places
    }

    /// Which process of the worker this is: another process has another number.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The handler table of an entrypoint, asked for once for each connection, by the event that has this place.
    ///
    /// # Errors
    /// The process has ended, or has no such entrypoint.
    pub(crate) async fn dispatcher(
        &self,
        entrypoint: Option<&str>,
        props_json: Option<&str>,
        place: &Place,
    ) -> Result<event_dispatcher::Client, ServiceError> {
        let key = (entrypoint.map(str::to_owned), props_json.map(str::to_owned));
        if let Some(dispatcher) = self.dispatchers.borrow().get(&key) {
            return Ok(dispatcher.clone());
        }
        // The parameters are as long as the operator likes.
        let props = props_json.unwrap_or_default();
        let room = self.connection.reserve(props.len().min(blob::MAX_INLINE)).await;
        let mut request = self.port.entrypoint_request();
        request.get().set_name(entrypoint.unwrap_or_default());
        blob::Writer::new(blob::MAX_INLINE)
            .write(request.get().init_props_json(), props.as_bytes(), || props.as_bytes().to_vec().into());
        // Whoever asks may leave before the answer, which is not to be had any sooner by saying so.
        let never = || Promise::from_future(std::future::pending());
        let call = Call::new(request.send().promise, Some(self.connection.clone()), place.clone(), never);
        drop(room);
        let response = call.await.map_err(|error| self.failure(&error))?;
        let dispatcher = response.get().and_then(|results| results.get_dispatcher()).map_err(|error| {
            self.connection.violation(format!("an entrypoint without a dispatcher: {error}"));
            self.failure(&error)
        })?;
        self.dispatchers.borrow_mut().insert(key, dispatcher.clone());
        Ok(dispatcher)
    }

    /// What a failed call means for the request.
    pub fn failure(&self, error: &capnp::Error) -> ServiceError {
        let text = quote(&error.to_string());
        if self.connection.is_closed() || error.kind == capnp::ErrorKind::Disconnected {
            ServiceError::Unavailable(text)
        } else {
            ServiceError::Exception(text)
        }
    }
}

/// An event that a process works on, until it is dropped: when its response is over, or nobody wants one.
pub(crate) struct Ticket {
    link: Rc<Link>,
    place: Place,
    number: u64,
    deadline: Option<Instant>,
    /// It goes on for as long as both sides like.
    goes_on: bool,
}

impl Ticket {
    /// To be called before the event is sent.
    pub(crate) fn begin(link: &Rc<Link>, place: Place, depth: Depth) -> Self {
        link.work.begin();
        let now = Instant::now();
        let number = link.allowances.begin(place.index(), depth, now);
        let wall_time = link.policy().wall_time;
        // What the clock cannot say is no limit in practice.
        let deadline = (!wall_time.is_zero()).then(|| now.checked_add(wall_time.saturating_add(link.grace))).flatten();
        Self { link: link.clone(), place, number, deadline, goes_on: false }
    }

    /// From now on the event goes on for as long as both sides like, with what it may use anew from time to time.
    pub(crate) fn goes_on(&mut self) {
        if !std::mem::replace(&mut self.goes_on, true) {
            self.link.work.lasts(true);
            self.link.allowances.goes_on(self.number, Instant::now());
        }
    }

    /// Its place, for whatever may outlast it on the wire.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// The number by which it can be cancelled.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// The process's connection.
    pub(crate) fn link(&self) -> &Rc<Link> {
        &self.link
    }

    /// When the supervisor itself ends it: the worker has had time to do so.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.link.allowances.end(self.number);
        if self.goes_on {
            self.link.work.lasts(false);
        }
        self.link.work.end();
    }
}
