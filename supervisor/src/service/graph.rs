//! From a checked configuration to the services of one shard.

use std::{collections::HashMap, rc::Rc, sync::Arc};

use super::{
    LocalFuture, Service, external::ExternalService, network::NetworkService, nowhere::Nowhere, worker::WorkerService,
};
use crate::{
    config::{BindingValue, Config, Designator, ServiceId, ServiceKind},
    fleet::{Entrypoint, FleetHandle, ShardFleet},
    log::Log,
    shard::{Served, ShardServices},
};

/// All services of the configuration, on one shard, by their names: what sockets, schedules and bindings refer to.
///
/// It holds no fleet: what workers may start, which each shard's fleet makes of it, would keep the fleet alive.
pub struct ServiceGraph {
    services: HashMap<ServiceId, Node>,
}

/// A service before it is known who uses it.
enum Node {
    /// Each use has a value of its own, with its entrypoint and parameters.
    Worker,
    /// All uses have the same value: it has neither entrypoints nor parameters.
    Shared(Rc<dyn Service>),
}

impl ServiceGraph {
    fn new(config: &Config) -> Self {
        let services = config.services.iter().map(|service| {
            let node = match &service.kind {
                ServiceKind::Worker(_) => Node::Worker,
                ServiceKind::Network(network) => Node::Shared(Rc::new(NetworkService::new(&service.id, network))),
                ServiceKind::External(external) => Node::Shared(Rc::new(ExternalService::new(&service.id, external))),
            };
            (service.id.clone(), node)
        });
        Self { services: services.collect() }
    }

    /// The service that is designated. A worker is not started by this, so that services may refer to each other in circles.
    ///
    /// # Panics
    /// There is no such service in the configuration that the graph was made of.
    pub fn designated(&self, fleet: &ShardFleet, to: &Designator) -> Rc<dyn Service> {
        match &self.services[&to.service] {
            Node::Worker => {
                let worker = WorkerService::new(fleet, &to.service, to.entrypoint.clone(), to.props_json.clone());
                Rc::new(worker)
            }
            Node::Shared(service) => service.clone(),
        }
    }

    /// What the worker `of` may start, by its positions: what the global `fetch()` goes to, what its bindings go to, its own
    /// entrypoints. All of it is made anew for each connection to a process, and ends with it.
    fn reach(
        &self,
        config: &Config,
        fleet: &ShardFleet,
        of: &ServiceId,
        entrypoints: &[Entrypoint],
    ) -> Vec<Rc<dyn Service>> {
        let found = config.services.iter().find(|service| service.id == *of);
        let Some(worker) = found.and_then(|service| service.kind.worker()) else { return Vec::new() };
        let outbound: Rc<dyn Service> = match &worker.global_outbound {
            Some(to) => self.designated(fleet, to),
            None => Rc::new(Nowhere),
        };
        let bindings = worker.bindings.iter().filter_map(|binding| match &binding.value {
            BindingValue::Service(to) => Some(self.designated(fleet, to)),
            _ => None,
        });
        let own = entrypoints.iter().map(|entrypoint| {
            let entrypoint = (!entrypoint.name.is_empty()).then(|| entrypoint.name.clone());
            self.designated(fleet, &Designator { service: of.clone(), entrypoint, props_json: None })
        });
        std::iter::once(outbound).chain(bindings).chain(own).collect()
    }
}

/// The services behind the configuration's sockets and schedules.
pub struct WorkerServices {
    /// Has the processes.
    pub fleet: FleetHandle,
    /// Says which sockets there are, and what is behind them.
    pub config: Arc<Config>,
    /// Is told what scheduled runs fail with.
    pub log: Log,
}

impl ShardServices for WorkerServices {
    fn start(&self, shard: usize) -> LocalFuture<'_, Result<Served, String>> {
        Box::pin(async move {
            let index = u32::try_from(shard).map_err(|_| "there are too many shards".to_owned())?;
            let fleet = self.fleet.shard(index);
            let graph = Rc::new(ServiceGraph::new(&self.config));
            let (config, reached) = (self.config.clone(), graph.clone());
            fleet.set_reach(Box::new(move |fleet, of, entrypoints| reached.reach(&config, fleet, of, entrypoints)));
            let sockets = self.config.sockets.iter().map(|socket| graph.designated(&fleet, &socket.service));
            let scheduled = self
                .config
                .services
                .iter()
                .filter(|service| service.kind.worker().is_some_and(|worker| !worker.schedules.is_empty()));
            let addressees = scheduled.map(|service| {
                let to = Designator { service: service.id.clone(), entrypoint: None, props_json: None };
                (service.id.clone(), graph.designated(&fleet, &to))
            });
            Ok(Served { sockets: sockets.collect(), addressees: addressees.collect(), log: self.log.clone() })
        })
    }
}
