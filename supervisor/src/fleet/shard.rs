//! The fleet as one shard sees it: a connection to each worker that the shard has requests for.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
    sync::Arc,
};

use bulkhead_ipc::{
    calls::Call,
    transport::{self, Handle, MAX_EVENTS, TransportError},
    worker_capnp::{event_dispatcher, event_port},
};
use capnp::capability::Promise;
use tokio::{net::UnixStream, sync::oneshot, time::Instant};

use super::{
    FleetHandle, StartError,
    counters::{Counter, Shared},
    manager::{Attached, Command},
    places::{NoPlace, Place, Places},
};
use crate::{config::policy::WorkerPolicy, service::ServiceError};

/// Entrypoints with different parameters that one connection keeps; they come from the configuration.
type Dispatchers = HashMap<(Option<String>, Option<String>), event_dispatcher::Client>;

/// The event connection of one shard to one process.
pub struct Link {
    service: usize,
    generation: u64,
    fleet: FleetHandle,
    shared: Arc<Shared>,
    port: event_port::Client,
    dispatchers: RefCell<Dispatchers>,
    /// The connection.
    pub connection: Handle,
    /// The events that it may have in flight.
    places: Rc<Places>,
    /// The number of the last event.
    events: Cell<u64>,
}

impl Link {
    /// Whether the process shall get no further event.
    pub(crate) fn is_retired(&self) -> bool {
        self.shared.is_retired()
    }

    fn is_usable(&self) -> bool {
        !self.connection.is_closed() && !self.is_retired()
    }

    /// What is counted of the process.
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Takes note of bytes of a body that come from the process.
    pub(crate) fn moved(&self, bytes: usize) {
        self.shared.moved(bytes);
    }

    /// Takes note that an event's deadline has passed, and has the process asked whether it lives.
    pub(crate) fn overdue(&self) {
        self.fleet.reporter.exceeded(self.service, Counter::WallTime);
        let _ = self.fleet.commands.send(Command::Suspect { service: self.service, generation: self.generation });
    }

    /// Takes note that a response is too long.
    pub(crate) fn too_long(&self) {
        self.fleet.reporter.exceeded(self.service, Counter::ResponseBody);
    }

    /// The limits of the worker.
    pub(crate) fn policy(&self) -> &WorkerPolicy {
        &self.fleet.reporter.worker(self.service).1.policy
    }

    /// Which process of the worker this is: another process has another number.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The handler table of an entrypoint, asked for once for each connection, by the event that has this place.
    ///
    /// # Errors
    /// The process has ended, or has no such entrypoint.
    async fn dispatcher(
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
        let room = self.connection.reserve(props_json.map_or(0, str::len)).await;
        let mut request = self.port.entrypoint_request();
        request.get().set_name(entrypoint.unwrap_or_default());
        request.get().set_props_json(props_json.unwrap_or_default());
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
        let text = super::reason::quote(&error.to_string());
        if self.connection.is_closed() || error.kind == capnp::ErrorKind::Disconnected {
            ServiceError::Unavailable(text)
        } else {
            ServiceError::Exception(text)
        }
    }
}

/// An event that a process works on, until it is dropped: when its response is over, or nobody wants one.
pub(crate) struct Event {
    link: Rc<Link>,
    place: Place,
    number: u64,
    deadline: Option<Instant>,
}

impl Event {
    /// To be called before the event is sent.
    pub(crate) fn begin(link: &Rc<Link>, place: Place) -> Self {
        link.shared.begin();
        link.events.set(link.events.get() + 1);
        let wall_time = link.policy().wall_time;
        // What the clock cannot say is no limit in practice.
        let deadline = (!wall_time.is_zero())
            .then(|| Instant::now().checked_add(wall_time.saturating_add(link.fleet.config.watch.grace)))
            .flatten();
        Self { link: link.clone(), place, number: link.events.get(), deadline }
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

impl Drop for Event {
    fn drop(&mut self) {
        self.link.shared.end();
    }
}

type Reply = Result<Rc<Link>, StartError>;

enum Slot {
    Idle,
    Connecting(Vec<oneshot::Sender<Reply>>),
    Connected(Rc<Link>),
}

/// The workers that one shard has connections to. Clones are the same; it stays on its thread.
#[derive(Clone)]
pub struct ShardFleet {
    inner: Rc<Inner>,
}

struct Inner {
    index: u32,
    fleet: FleetHandle,
    slots: RefCell<HashMap<usize, Slot>>,
    connections: Cell<usize>,
}

impl ShardFleet {
    pub(super) fn new(index: u32, fleet: FleetHandle) -> Self {
        let inner = Inner { index, fleet, slots: RefCell::new(HashMap::new()), connections: Cell::new(0) };
        Self { inner: Rc::new(inner) }
    }

    /// The name of a service in the configuration; empty when there is none.
    pub fn service_name(&self, service: usize) -> &str {
        self.inner.fleet.reporter.config.services.get(service).map_or("", |service| service.name.as_str())
    }

    /// The limits of a worker.
    pub(crate) fn policy(&self, service: usize) -> &WorkerPolicy {
        &self.inner.fleet.reporter.worker(service).1.policy
    }

    /// Counts a request that was refused for its length.
    pub(crate) fn refused(&self, service: usize) {
        self.inner.fleet.counters(service).count(Counter::RequestBody);
    }

    /// Event connections that exist, for metrics and tests.
    pub fn connections(&self) -> usize {
        self.inner.connections.get()
    }

    /// The connection to the live process of a worker, if the shard has one.
    pub fn connected(&self, service: usize) -> Option<Rc<Link>> {
        match self.inner.slots.borrow().get(&service) {
            Some(Slot::Connected(link)) if link.is_usable() => Some(link.clone()),
            _ => None,
        }
    }

    /// The connection to the live process of a worker, which is started when there is none. Waits within the bounds of
    /// [`FleetConfig`](super::FleetConfig). Must run within a `LocalSet`.
    ///
    /// # Errors
    /// [`ServiceError::Unavailable`] when there is no process within the bounds.
    pub async fn connect(&self, service: usize) -> Result<Rc<Link>, ServiceError> {
        if let Some(link) = self.connected(service) {
            return Ok(link);
        }
        let answer = self.enqueue(service)?;
        match tokio::time::timeout(self.inner.fleet.config.wait_timeout, answer).await {
            Ok(Ok(Ok(link))) => Ok(link),
            Ok(Ok(Err(error))) => Err(ServiceError::Unavailable(error.to_string())),
            Ok(Err(_)) => Err(ServiceError::Unavailable("the fleet has ended".into())),
            Err(_) => Err(ServiceError::Unavailable("no process was ready in time".into())),
        }
    }

    fn enqueue(&self, service: usize) -> Result<oneshot::Receiver<Reply>, ServiceError> {
        let (sender, receiver) = oneshot::channel();
        let mut slots = self.inner.slots.borrow_mut();
        let slot = slots.entry(service).or_insert(Slot::Idle);
        if let Slot::Connecting(waiting) = slot {
            let max = self.inner.fleet.config.max_waiting;
            if waiting.len() >= max {
                // Those that gave up make room.
                waiting.retain(|waiter| !waiter.is_closed());
            }
            if waiting.len() >= max {
                return Err(ServiceError::Unavailable(format!("{max} requests wait already")));
            }
            waiting.push(sender);
        } else {
            *slot = Slot::Connecting(vec![sender]);
            let answer = self.inner.fleet.attach(service, self.inner.index);
            let this = self.clone();
            // A task of its own: what the fleet hands over must not be lost when a client goes away.
            tokio::task::spawn_local(async move {
                let attached = match answer.await {
                    Ok(attached) => attached,
                    Err(_) => Err(StartError::Process("the fleet has ended".into())),
                };
                let reply = attached.and_then(|attached| this.open(service, attached));
                this.settle(service, reply);
            });
        }
        Ok(receiver)
    }

    fn settle(&self, service: usize, reply: Reply) {
        let slot = match &reply {
            Ok(link) => Slot::Connected(link.clone()),
            Err(_) => Slot::Idle,
        };
        let before = self.inner.slots.borrow_mut().insert(service, slot);
        if let Some(Slot::Connecting(waiting)) = before {
            for waiter in waiting {
                let _ = waiter.send(reply.clone());
            }
        }
    }

    fn open(&self, service: usize, attached: Attached) -> Reply {
        let Attached { generation, stream, shared } = attached;
        let stream = UnixStream::from_std(stream)
            .map_err(|error| StartError::Process(format!("watching the event connection failed: {error}")))?;
        let config = &self.inner.fleet.config;
        let (port, connection, driver) = transport::client(stream, config.connection);
        let link = Rc::new(Link {
            service,
            generation,
            fleet: self.inner.fleet.clone(),
            places: Places::new(config.max_events.min(MAX_EVENTS) as usize, config.max_waiting),
            shared,
            port,
            dispatchers: RefCell::default(),
            connection,
            events: Cell::new(0),
        });
        let open = Open::new(&self.inner);
        let fleet = self.inner.fleet.clone();
        let weak = Rc::downgrade(&self.inner);
        let (places, deaf) = (link.places.clone(), deaf(link.connection.clone(), fleet.clone(), service, generation));
        tokio::task::spawn_local(async move {
            let mut driver = std::pin::pin!(driver);
            let end = tokio::select! {
                end = driver.as_mut() => end,
                () = deaf => driver.await,
            };
            drop(open);
            places.close();
            if let Some(inner) = weak.upgrade() {
                let mut slots = inner.slots.borrow_mut();
                if let Some(slot @ Slot::Connected(_)) = slots.get_mut(&service)
                    && matches!(slot, Slot::Connected(link) if link.generation == generation)
                {
                    *slot = Slot::Idle;
                }
            }
            let why = match end {
                Err(TransportError::Violation(what)) => Some(what),
                Err(TransportError::Aborted(what)) => Some(what),
                Ok(()) | Err(TransportError::Io(_)) => None,
            };
            let _ = fleet.commands.send(Command::Lost { service, generation, why });
        });
        Ok(link)
    }
}

/// Ends the connection when the process says nothing on it for too long, owes it the answers to calls that were given up, and
/// answers elsewhere. Completes then.
async fn deaf(connection: Handle, fleet: FleetHandle, service: usize, generation: u64) {
    loop {
        connection.gave_up().await;
        let before = connection.received();
        tokio::time::sleep(fleet.config.watch.deaf).await;
        let is_silent = || connection.given_up() > 0 && connection.received() == before;
        if !is_silent() {
            continue;
        }
        let (reply, answer) = oneshot::channel();
        let _ = fleet.commands.send(Command::Ask { service, generation, reply });
        if answer.await.is_ok() && is_silent() {
            return connection.violation("it does not answer calls that were cancelled");
        }
    }
}

/// Counts one open connection.
struct Open(std::rc::Weak<Inner>);

impl Open {
    fn new(inner: &Rc<Inner>) -> Self {
        inner.connections.set(inner.connections.get() + 1);
        Self(Rc::downgrade(inner))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(inner) = self.0.upgrade() {
            inner.connections.set(inner.connections.get() - 1);
        }
    }
}

/// The last dispatcher that a service used, so that a request on a live process looks nothing up.
#[derive(Default)]
pub(crate) struct DispatcherCache {
    last: RefCell<Option<(Rc<Link>, event_dispatcher::Client)>>,
}

/// Processes that a request is ready to wait for when they are retired before they get it.
const PROCESSES_TO_TRY: usize = 3;

impl DispatcherCache {
    /// An event at the live process of `service`, and what takes it. Waits within the bounds of
    /// [`FleetConfig`](super::FleetConfig).
    ///
    /// # Errors
    /// [`ServiceError::Unavailable`] when there is no process, or no place at it, within the bounds.
    pub(crate) async fn begin(
        &self,
        fleet: &ShardFleet,
        service: usize,
        entrypoint: Option<&str>,
        props_json: Option<&str>,
    ) -> Result<(Event, event_dispatcher::Client), ServiceError> {
        let config = &fleet.inner.fleet.config;
        for _ in 0..PROCESSES_TO_TRY {
            let last = self.last.borrow().clone();
            let (link, dispatcher) = match last {
                Some((link, dispatcher)) if link.is_usable() => (link, Some(dispatcher)),
                last => {
                    // What belonged to the process that is dead or retired goes at once, and who waits for it goes on.
                    self.last.borrow_mut().take();
                    if let Some((link, _)) = last {
                        link.places.close();
                    }
                    (fleet.connect(service).await?, None)
                }
            };
            let place = match link.places.enter(config.wait_timeout).await {
                Ok(place) if link.is_usable() => place,
                Ok(_) | Err(NoPlace::Closed) => continue,
                Err(NoPlace::Full) => {
                    let (taken, max) = (link.places.taken(), config.max_waiting);
                    let text = format!("{taken} events are in flight and {max} requests wait already");
                    return Err(ServiceError::Unavailable(text));
                }
                Err(NoPlace::Late) => {
                    let text = format!("{} events were in flight for too long", link.places.taken());
                    return Err(ServiceError::Unavailable(text));
                }
            };
            let dispatcher = match dispatcher {
                Some(dispatcher) => dispatcher,
                None => {
                    let asked = link.dispatcher(entrypoint, props_json, &place);
                    let asked = tokio::time::timeout(config.wait_timeout, asked).await;
                    let late = |_| ServiceError::Unavailable("the process did not name its handlers in time".into());
                    let dispatcher = asked.map_err(late)??;
                    *self.last.borrow_mut() = Some((link.clone(), dispatcher.clone()));
                    dispatcher
                }
            };
            let event = Event::begin(&link, place);
            if link.is_usable() {
                return Ok((event, dispatcher));
            }
        }
        Err(ServiceError::Unavailable("its processes exhaust their memory".into()))
    }

    /// Resolves when a request waits for a place at the process that was used last.
    pub(crate) async fn crowded(&self) {
        let places = self.last.borrow().as_ref().map(|(link, _)| link.places.clone());
        match places {
            Some(places) => places.crowded().await,
            None => std::future::pending().await,
        }
    }
}
