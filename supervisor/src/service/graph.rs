//! From a checked configuration to the services of one shard.

use std::{
    cell::RefCell,
    collections::HashMap,
    rc::Rc,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{mpsc, oneshot};

use super::{
    Event, LocalFuture, Outcome, Service, ServiceError,
    broken::BrokenService,
    cache::{CacheService, Store},
    disk::{Directory, DiskService},
    external::{ExternalService, destination},
    memory_cache::{MemoryCacheService, MemoryCaches},
    network::NetworkService,
    worker::WorkerService,
};
use crate::{
    config::{Config, Designator, External, ExternalTls, Network, Reached, ServiceId, ServiceKind},
    fleet::{Entrypoint, FleetHandle, ShardFleet},
    log::Log,
    net::{Outlet, address::Destination, resolve::ResolverSettings, secure::Secure},
    shard::{Served, ShardServices},
};

/// All services of the configuration, on one shard, by their names: what sockets, schedules and bindings refer to.
///
/// It holds no fleet: what workers may start, which each shard's fleet makes of it, would keep the fleet alive.
pub struct ServiceGraph {
    outlet: Outlet,
    /// The network as each worker uses it, whatever its binding and its process.
    outlets: RefCell<HashMap<ServiceId, Outlet>>,
    services: HashMap<ServiceId, Node>,
    caches: Arc<MemoryCaches>,
}

/// A service before it is known who uses it. Each use has a value of its own: a worker with its entrypoint and parameters, and
/// what has connections with connections that no other user can take from it or learn from.
enum Node {
    Worker,
    Network(Arc<Network>, Option<Rc<Secure>>),
    External(Arc<External>, Destination, Option<Rc<Secure>>),
    Disk(Arc<Directory>),
    Cache(Arc<Store>),
    Broken(Arc<str>),
}

impl ServiceGraph {
    /// Fails where a service cannot be used as it is configured; the text is for the user.
    fn new(
        config: &Config,
        directories: &HashMap<ServiceId, Arc<Directory>>,
        caches: &Arc<MemoryCaches>,
        cache: Option<&Arc<Store>>,
        outlet: Outlet,
    ) -> Result<Self, String> {
        let services = config.services.iter().map(|service| {
            let node = match &service.kind {
                ServiceKind::Worker(_) => Node::Worker,
                ServiceKind::Disk(_) => Node::Disk(directories[&service.id].clone()),
                ServiceKind::Cache(_) => Node::Cache(cache.ok_or("the cache has no store")?.clone()),
                ServiceKind::Network(network) => {
                    Node::Network(network.clone(), network.tls.as_ref().map(|tls| Secure::new(tls, None)))
                }
                ServiceKind::External(external) => {
                    let secure = |tls: &ExternalTls| Secure::new(&tls.options, tls.certificate_host.as_deref());
                    let to = destination(&service.id, external)?;
                    Node::External(external.clone(), to, external.tls.as_ref().map(secure))
                }
                ServiceKind::Broken(broken) => Node::Broken(broken.reason.clone()),
            };
            Ok((service.id.clone(), node))
        });
        let services = services.collect::<Result<_, String>>()?;
        Ok(Self { services, outlet, outlets: RefCell::default(), caches: caches.clone() })
    }

    /// The service that is designated, for the user of `outlet`, which is the worker `user` if it is one. Neither is a worker started by this nor a connection made, so that services may refer to
    /// each other in circles.
    ///
    /// # Panics
    ///
    /// There is no such service in the configuration that the graph was made of, or it is the cache and `user` no worker.
    fn designated(
        &self,
        fleet: &ShardFleet,
        to: &Designator,
        outlet: &Outlet,
        user: Option<&ServiceId>,
    ) -> Rc<dyn Service> {
        match &self.services[&to.service] {
            Node::Disk(directory) => Rc::new(DiskService::new(&to.service, directory.clone())),
            Node::Worker => {
                let (entrypoint, props) = (to.entrypoint.clone(), to.props_json.clone());
                Rc::new(WorkerService::new(fleet, &to.service, entrypoint, props))
            }
            Node::Network(network, secure) => Rc::new(NetworkService::new(network, secure.clone(), outlet)),
            Node::External(external, to, secure) => {
                Rc::new(ExternalService::new(external, to.clone(), secure.clone(), outlet))
            }
            Node::Broken(reason) => Rc::new(BrokenService::new(to.service.as_str(), reason)),
            Node::Cache(store) => {
                let cache = user.and_then(|user| CacheService::new(store, user));
                Rc::new(cache.expect("only workers lead to the cache, and it is made for all of them"))
            }
        }
    }

    /// What the worker `of` may start, by its positions: what the global `fetch()` goes to, what its bindings go to,
    /// what its `caches` ask, its own entrypoints. All of it is made anew for each connection to a process, and ends with it.
    fn reach(
        &self,
        config: &Config,
        fleet: &ShardFleet,
        of: &ServiceId,
        entrypoints: &[Entrypoint],
    ) -> Vec<Rc<dyn Service>> {
        let found = config.services.iter().find(|service| service.id == *of);
        let Some(worker) = found.and_then(|service| service.kind.worker()) else { return Vec::new() };
        let outlet = self.outlets.borrow_mut().entry(of.clone()).or_insert_with(|| self.outlet.another()).clone();
        let outbound = self.designated(fleet, &worker.global_outbound, &outlet, Some(of));
        let reached = worker.bindings.iter().flat_map(|binding| binding.value.reached()).enumerate();
        let bindings = reached.map(|(index, reached)| match reached {
            Reached::Service(to) => self.designated(fleet, to, &outlet, Some(of)),
            Reached::MemoryCache(id, _) => Rc::new(MemoryCacheService::new(self.caches.of(of, index, id))),
        });
        let own = entrypoints.iter().map(|entrypoint| {
            let entrypoint = (!entrypoint.name.is_empty()).then(|| entrypoint.name.clone());
            self.designated(fleet, &Designator { service: of.clone(), entrypoint, props_json: None }, &outlet, Some(of))
        });
        let cache = worker.cache_api_outbound.as_ref().map(|to| self.designated(fleet, to, &outlet, Some(of)));
        std::iter::once(outbound).chain(bindings).chain(cache).chain(own).collect()
    }
}

/// An event for a service, of which somebody waits for what comes of it.
#[derive(Debug)]
pub struct Call {
    /// The service.
    pub to: Designator,
    /// What it is told.
    pub event: Event,
    /// Is told what came of it. The event is cancelled when nobody waits any more.
    pub reply: oneshot::Sender<Result<Outcome, ServiceError>>,
}

/// Where the calls for a shard are put, from any thread.
pub type Calls = mpsc::UnboundedSender<Call>;

/// The other end of [`Calls`], until the first shard has it.
#[derive(Debug)]
pub struct Called(Mutex<Option<mpsc::UnboundedReceiver<Call>>>);

/// Calls for the first shard.
pub fn calls() -> (Calls, Called) {
    let (calls, called) = mpsc::unbounded_channel();
    (calls, Called(Mutex::new(Some(called))))
}

impl Called {
    fn take(&self) -> Option<mpsc::UnboundedReceiver<Call>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Delivers calls for as long as there are any. Has to run within a `LocalSet`.
async fn answer(mut called: mpsc::UnboundedReceiver<Call>, service: impl Fn(&Designator) -> Rc<dyn Service> + 'static) {
    while let Some(Call { to, event, mut reply }) = called.recv().await {
        let service = service(&to);
        tokio::task::spawn_local(async move {
            tokio::select! {
                outcome = service.event(event) => drop(reply.send(outcome)),
                () = reply.closed() => {}
            }
        });
    }
}

/// The services behind the configuration's sockets and schedules.
pub struct WorkerServices {
    /// Has the processes.
    pub fleet: FleetHandle,
    /// Says which sockets there are, and what is behind them.
    pub config: Arc<Config>,
    /// Those of all disk services.
    pub directories: HashMap<ServiceId, Arc<Directory>>,
    /// Those that workers were given.
    pub caches: Arc<MemoryCaches>,
    /// What the caches hold, where there are any.
    pub cache: Option<Arc<Store>>,
    /// Is told what scheduled runs fail with.
    pub log: Log,
    /// Whom each shard asks for names.
    pub resolver: ResolverSettings,
    /// Connections to others that each shard may have.
    pub connections: usize,
    /// Events for services, which the first shard takes, where there are such.
    pub called: Option<Called>,
}

impl ShardServices for WorkerServices {
    fn start(&self, shard: usize) -> LocalFuture<'_, Result<Served, String>> {
        Box::pin(async move {
            let index = u32::try_from(shard).map_err(|_| "there are too many shards".to_owned())?;
            let users = self.config.sockets.len() + self.config.workers().count();
            let outlet = Outlet::new(&self.resolver, self.connections, users).map_err(|error| error.to_string())?;
            let fleet = self.fleet.shard(index);
            let graph =
                Rc::new(ServiceGraph::new(&self.config, &self.directories, &self.caches, self.cache.as_ref(), outlet)?);
            let (config, reached) = (self.config.clone(), graph.clone());
            fleet.set_reach(Box::new(move |fleet, of, entrypoints| reached.reach(&config, fleet, of, entrypoints)));
            if let Some(called) = self.called.as_ref().and_then(Called::take) {
                let (graph, fleet) = (graph.clone(), fleet.clone());
                let outlet = graph.outlet.another();
                tokio::task::spawn_local(answer(called, move |to| graph.designated(&fleet, to, &outlet, None)));
            }
            let sockets = self
                .config
                .sockets
                .iter()
                .map(|socket| graph.designated(&fleet, &socket.service, &graph.outlet.another(), None));
            let scheduled = self.config.workers().filter(|(_, worker)| !worker.schedules.is_empty());
            let addressees = scheduled.map(|(id, _)| {
                let to = Designator { service: id.clone(), entrypoint: None, props_json: None };
                (id.clone(), graph.designated(&fleet, &to, &graph.outlet, None))
            });
            Ok(Served { sockets: sockets.collect(), addressees: addressees.collect(), log: self.log.clone() })
        })
    }
}
