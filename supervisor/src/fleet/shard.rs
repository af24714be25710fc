//! The fleet as one shard sees it: a connection to each worker that the shard has requests for.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
    sync::Arc,
};

use bulkhead_ipc::{
    calls::Call,
    transport::{self, Handle, TransportError},
    worker_capnp::{event_dispatcher, event_port},
};
use capnp::capability::Promise;
use tokio::{net::UnixStream, sync::oneshot, time::Instant};

use super::{
    FleetHandle, StartError,
    counters::{Counter, Shared},
    manager::{Attached, Command},
};
use crate::{config::policy::WorkerPolicy, rpc::body::Sources, service::ServiceError};

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
    /// Request bodies that the process holds.
    pub sources: Sources,
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

    /// The handler table of an entrypoint, asked for once for each connection.
    ///
    /// # Errors
    /// The process has ended, or has no such entrypoint.
    pub async fn dispatcher(
        &self,
        entrypoint: Option<&str>,
        props_json: Option<&str>,
    ) -> Result<event_dispatcher::Client, ServiceError> {
        let key = (entrypoint.map(str::to_owned), props_json.map(str::to_owned));
        if let Some(dispatcher) = self.dispatchers.borrow().get(&key) {
            return Ok(dispatcher.clone());
        }
        let mut request = self.port.entrypoint_request();
        request.get().set_name(entrypoint.unwrap_or_default());
        request.get().set_props_json(props_json.unwrap_or_default());
        // Whoever asks may leave before the answer: what a worker leaves unanswered is counted.
        let call = Call::new(request.send().promise, Some(self.connection.clone()), || Promise::ok(()));
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
    number: u64,
    deadline: Option<Instant>,
}

impl Event {
    /// To be called before the event is sent.
    pub(crate) fn begin(link: &Rc<Link>) -> Self {
        link.shared.begin();
        link.events.set(link.events.get() + 1);
        let wall_time = link.policy().wall_time;
        // What the clock cannot say is no limit in practice.
        let deadline = (!wall_time.is_zero())
            .then(|| Instant::now().checked_add(wall_time.saturating_add(link.fleet.config.watch.grace)))
            .flatten();
        Self { link: link.clone(), number: link.events.get(), deadline }
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
        let (port, connection, driver) = transport::client(stream, self.inner.fleet.config.connection);
        let link = Rc::new(Link {
            service,
            generation,
            fleet: self.inner.fleet.clone(),
            sources: Sources::new(shared.clone()),
            shared,
            port,
            dispatchers: RefCell::default(),
            connection,
            events: Cell::new(0),
        });
        let open = Open::new(&self.inner);
        let fleet = self.inner.fleet.clone();
        let weak = Rc::downgrade(&self.inner);
        tokio::task::spawn_local(async move {
            let end = driver.await;
            drop(open);
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

impl DispatcherCache {
    /// The dispatcher for the live process of `service`.
    pub(crate) async fn get(
        &self,
        fleet: &ShardFleet,
        service: usize,
        entrypoint: Option<&str>,
        props_json: Option<&str>,
    ) -> Result<(Rc<Link>, event_dispatcher::Client), ServiceError> {
        if let Some((link, dispatcher)) = &*self.last.borrow()
            && link.is_usable()
        {
            return Ok((link.clone(), dispatcher.clone()));
        }
        // What belonged to the process that is dead or retired goes at once.
        self.last.borrow_mut().take();
        let link = fleet.connect(service).await?;
        let timeout = fleet.inner.fleet.config.wait_timeout;
        let dispatcher = tokio::time::timeout(timeout, link.dispatcher(entrypoint, props_json))
            .await
            .map_err(|_| ServiceError::Unavailable("the process did not name its handlers in time".into()))??;
        *self.last.borrow_mut() = Some((link.clone(), dispatcher.clone()));
        Ok((link, dispatcher))
    }
}
