//! The fleet as one shard sees it: a connection to each worker that the shard has requests for.

use std::{
    cell::{Cell, OnceCell, RefCell},
    collections::HashMap,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use bulkhead_ipc::{
    transport::{Handle, TransportError},
    worker_capnp::{Limit, event_dispatcher},
};
use tokio::{net::UnixStream, sync::oneshot};

use super::{
    Entrypoint, FleetHandle, Member, StartError,
    counters::Counter,
    manager::{Attached, Bound, Command},
};
use crate::{
    config::{model::ServiceId, policy::WorkerPolicy},
    link::{Bounds, Link, NoPlace, Owner, Ticket},
    service::{Depth, Service, ServiceError},
};

/// The worker that a link's process belongs to.
struct Owned {
    fleet: FleetHandle,
    member: Arc<Member>,
    generation: u64,
}

impl Owner for Owned {
    fn exceeded(&self, limit: Limit) {
        self.fleet.reporter.exceeded(&self.member, limit.into());
    }

    fn unanswered(&self, why: &str) {
        self.fleet.reporter.unanswered(&self.member, why);
    }

    fn suspect(&self) {
        let service = self.member.id.clone();
        let _ = self.fleet.commands.send(Command::Suspect { service, generation: self.generation });
    }

    fn policy(&self) -> &WorkerPolicy {
        &self.member.worker.policy
    }

    fn name(&self) -> &str {
        self.member.id.as_str()
    }
}

type Reply = Result<Rc<Link>, StartError>;

/// How long the answer that a process has to give as soon as it is bound is waited for, before requests ask for it themselves.
const FIRST_ANSWER: Duration = Duration::from_millis(100);

/// A connection that was opened.
struct Opened {
    link: Rc<Link>,
    /// What the worker may start, which is known when it is bound.
    reach: Rc<OnceCell<Vec<Rc<dyn Service>>>>,
    bound: oneshot::Receiver<Bound>,
}

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
    slots: RefCell<HashMap<ServiceId, Slot>>,
    connections: Cell<usize>,
    reach: OnceCell<Reach>,
}

/// What the process of a worker may start, by its positions, given the worker and what its code exports.
pub type Reach = Box<dyn Fn(&ShardFleet, &ServiceId, &[Entrypoint]) -> Vec<Rc<dyn Service>>>;

impl ShardFleet {
    pub(super) fn new(index: u32, fleet: FleetHandle) -> Self {
        let inner = Inner {
            index,
            fleet,
            slots: RefCell::new(HashMap::new()),
            connections: Cell::new(0),
            reach: OnceCell::new(),
        };
        Self { inner: Rc::new(inner) }
    }

    /// Says what workers may start; the first word counts, and without one they may start nothing. To be said before any is connected.
    pub fn set_reach(&self, reach: Reach) {
        let _ = self.inner.reach.set(reach);
    }

    /// The worker of this name, which is one of the configuration.
    pub(crate) fn member(&self, service: &ServiceId) -> &Arc<Member> {
        self.inner.fleet.reporter.member(service)
    }

    /// Event connections that exist, for metrics and tests.
    pub fn connections(&self) -> usize {
        self.inner.connections.get()
    }

    /// The connection to the live process of a worker, if the shard has one.
    pub fn connected(&self, service: &ServiceId) -> Option<Rc<Link>> {
        match self.inner.slots.borrow().get(service) {
            Some(Slot::Connected(link)) if link.is_usable() => Some(link.clone()),
            _ => None,
        }
    }

    /// The connection to the live process of a worker, which is started when there is none. Waits within the bounds of
    /// [`FleetConfig`](super::FleetConfig). Must run within a `LocalSet`.
    ///
    /// # Errors
    /// [`ServiceError::Unavailable`] when there is no process within the bounds.
    pub async fn connect(&self, service: &ServiceId) -> Result<Rc<Link>, ServiceError> {
        self.connect_to(service, None, None).await
    }

    /// As [`Self::connect`], for who will ask for the dispatcher of this entrypoint.
    async fn connect_to(
        &self,
        service: &ServiceId,
        entrypoint: Option<&str>,
        props_json: Option<&str>,
    ) -> Result<Rc<Link>, ServiceError> {
        if let Some(link) = self.connected(service) {
            return Ok(link);
        }
        let answer = self.enqueue(service, entrypoint, props_json)?;
        match tokio::time::timeout(self.inner.fleet.config.wait_timeout, answer).await {
            Ok(Ok(Ok(link))) => Ok(link),
            Ok(Ok(Err(error))) => Err(ServiceError::Unavailable(error.to_string())),
            Ok(Err(_)) => Err(ServiceError::Unavailable("the fleet has ended".into())),
            Err(_) => Err(ServiceError::Unavailable("no process was ready in time".into())),
        }
    }

    fn enqueue(
        &self,
        service: &ServiceId,
        entrypoint: Option<&str>,
        props_json: Option<&str>,
    ) -> Result<oneshot::Receiver<Reply>, ServiceError> {
        let (sender, receiver) = oneshot::channel();
        let mut slots = self.inner.slots.borrow_mut();
        let slot = slots.entry(service.clone()).or_insert(Slot::Idle);
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
            let (this, service) = (self.clone(), service.clone());
            let first = (entrypoint.map(str::to_owned), props_json.map(str::to_owned));
            // A task of its own: what the fleet hands over must not be lost when a client goes away.
            tokio::task::spawn_local(async move {
                let reply = this.attach(&service, first).await;
                this.settle(service, reply);
            });
        }
        Ok(receiver)
    }

    /// The connection to a process of the worker, when the process is bound. The entrypoint and the parameters `first` will be asked
    /// for first.
    async fn attach(&self, service: &ServiceId, first: (Option<String>, Option<String>)) -> Reply {
        let ended = || StartError::Process("the fleet has ended".into());
        loop {
            let answer = self.inner.fleet.attach(service.clone(), self.inner.index);
            let attached = answer.await.map_err(|_| ended())??;
            let Opened { link, reach, mut bound } = self.open(service, attached)?;
            let mut asked = None;
            let bound = match bound.try_recv() {
                Ok(bound) => bound,
                Err(_) => {
                    // Meanwhile the process is asked for what is needed next. It answers when it is bound.
                    let (asking, first) = (link.clone(), first.clone());
                    asked = Some(tokio::task::spawn_local(async move {
                        if let Ok(place) = asking.places().enter(Duration::ZERO).await {
                            // Where that fails, who needs it asks again, and hears why.
                            let _ = asking.dispatcher(first.0.as_deref(), first.1.as_deref(), &place).await;
                        }
                    }));
                    bound.await.map_err(|_| ended())?
                }
            };
            match bound {
                Ok(entrypoints) => {
                    let services = self.inner.reach.get().map(|reach| reach(self, service, &entrypoints));
                    let services = reach.get_or_init(|| services.unwrap_or_default());
                    link.offer(services.iter().map(Rc::downgrade), entrypoints.len());
                    if let Some(mut asked) = asked
                        && tokio::time::timeout(FIRST_ANSWER, &mut asked).await.is_err()
                    {
                        asked.abort();
                    }
                    return Ok(link);
                }
                Err(error @ StartError::Code(_)) => return Err(error),
                // As long as somebody asks for the worker, there is another try.
                Err(StartError::Process(_)) => {}
            }
        }
    }

    fn settle(&self, service: ServiceId, reply: Reply) {
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

    /// Opens the connection. What the worker may start is kept there for as long as the connection lives.
    fn open(&self, service: &ServiceId, attached: Attached) -> Result<Opened, StartError> {
        let Attached { generation, stream, work, bound } = attached;
        let stream = UnixStream::from_std(stream)
            .map_err(|error| StartError::Process(format!("watching the event connection failed: {error}")))?;
        let config = &self.inner.fleet.config;
        let bounds = Bounds {
            connection: config.connection,
            events: config.max_events,
            exchanges: config.max_exchanges,
            waiting: config.max_waiting,
            grace: config.watch.grace,
        };
        let owner =
            Box::new(Owned { fleet: self.inner.fleet.clone(), member: self.member(service).clone(), generation });
        let (link, driver) = Link::open(stream, generation, work, bounds, owner);
        let reach: Rc<OnceCell<Vec<Rc<dyn Service>>>> = Rc::default();
        let kept = reach.clone();
        let open = Open::new(&self.inner);
        let fleet = self.inner.fleet.clone();
        let weak = Rc::downgrade(&self.inner);
        let service = service.clone();
        let deaf = deaf(link.connection.clone(), fleet.clone(), service.clone(), generation);
        // Beside the driver, which is polled for every message.
        let slowed = slowed(link.connection.clone(), fleet.clone(), self.member(&service).clone());
        let slowed = tokio::task::spawn_local(slowed);
        let places = link.places().clone();
        tokio::task::spawn_local(async move {
            let mut driver = std::pin::pin!(driver);
            let end = tokio::select! {
                end = driver.as_mut() => end,
                () = deaf => driver.await,
            };
            slowed.abort();
            drop((open, kept));
            places.close();
            if let Some(inner) = weak.upgrade() {
                let mut slots = inner.slots.borrow_mut();
                if let Some(slot @ Slot::Connected(_)) = slots.get_mut(&service)
                    && matches!(slot, Slot::Connected(link) if link.generation() == generation)
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
        Ok(Opened { link, reach, bound })
    }
}

/// Ends the connection when the process says nothing on it for too long, owes it the answers to calls that were given up, and
/// answers elsewhere. Completes then.
async fn deaf(connection: Handle, fleet: FleetHandle, service: ServiceId, generation: u64) {
    loop {
        connection.gave_up().await;
        let before = connection.received();
        tokio::time::sleep(fleet.config.watch.deaf).await;
        let is_silent = || connection.given_up() > 0 && connection.received() == before;
        if !is_silent() {
            continue;
        }
        let (reply, answer) = oneshot::channel();
        let _ = fleet.commands.send(Command::Ask { service: service.clone(), generation, reply });
        if answer.await.is_ok() && is_silent() {
            return connection.violation("it does not answer calls that were cancelled");
        }
    }
}

/// Takes note of each time that the worker is slowed down on the connection.
async fn slowed(connection: Handle, fleet: FleetHandle, member: Arc<Member>) {
    let mut times = 0;
    loop {
        times = connection.slowed(times).await;
        fleet.reporter.exceeded(&member, Counter::Slowed);
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
    /// An event of this depth at the live process of `service`, and what takes it. Waits within the bounds of
    /// [`FleetConfig`](super::FleetConfig).
    ///
    /// # Errors
    /// [`ServiceError::Unavailable`] when there is no process, or no place at it, within the bounds.
    pub(crate) async fn begin(
        &self,
        fleet: &ShardFleet,
        service: &ServiceId,
        entrypoint: Option<&str>,
        props_json: Option<&str>,
        depth: Depth,
    ) -> Result<(Ticket, event_dispatcher::Client), ServiceError> {
        let config = &fleet.inner.fleet.config;
        for _ in 0..PROCESSES_TO_TRY {
            let last = self.last.borrow().clone();
            let (link, dispatcher) = match last {
                Some((link, dispatcher)) if link.is_usable() => (link, Some(dispatcher)),
                last => {
                    // What belonged to the process that is dead or retired goes at once, and who waits for it goes on.
                    self.last.borrow_mut().take();
                    if let Some((link, _)) = last {
                        link.places().close();
                    }
                    (fleet.connect_to(service, entrypoint, props_json).await?, None)
                }
            };
            let place = match link.places().enter(config.wait_timeout).await {
                Ok(place) if link.is_usable() => place,
                Ok(_) | Err(NoPlace::Closed) => continue,
                Err(NoPlace::Full) => {
                    let (taken, max) = (link.places().taken(), config.max_waiting);
                    let text = format!("{taken} events are in flight and {max} requests wait already");
                    return Err(ServiceError::Unavailable(text));
                }
                Err(NoPlace::Late) => {
                    let text = format!("{} events were in flight for too long", link.places().taken());
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
            let ticket = Ticket::begin(&link, place, depth);
            if link.is_usable() {
                return Ok((ticket, dispatcher));
            }
        }
        Err(ServiceError::Unavailable("its processes exhaust their memory".into()))
    }

    /// Resolves when a request waits for a place at the process that was used last.
    pub(crate) async fn crowded(&self) {
        let places = self.last.borrow().as_ref().map(|(link, _)| link.places().clone());
        match places {
            Some(places) => places.crowded().await,
            None => std::future::pending().await,
        }
    }
}
