//! From a checked configuration to the services of one shard.

use std::{collections::HashMap, rc::Rc, sync::Arc};

use super::{LocalFuture, Service, external::ExternalService, network::NetworkService, worker::WorkerService};
use crate::{
    config::{Config, Designator, ServiceId, ServiceKind},
    fleet::{FleetHandle, ShardFleet},
    log::Log,
    shard::{Served, ShardServices},
};

/// All services of the configuration, on one shard, by their names: what sockets, schedules and bindings refer to.
pub struct ServiceGraph {
    fleet: ShardFleet,
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
    fn new(config: &Config, fleet: ShardFleet) -> Self {
        let services = config.services.iter().map(|service| {
            let node = match &service.kind {
                ServiceKind::Worker(_) => Node::Worker,
                ServiceKind::Network(network) => Node::Shared(Rc::new(NetworkService::new(&service.id, network))),
                ServiceKind::External(external) => Node::Shared(Rc::new(ExternalService::new(&service.id, external))),
            };
            (service.id.clone(), node)
        });
        Self { services: services.collect(), fleet }
    }

    /// The service that is designated. A worker is not started by this, so that services may refer to each other in circles.
    ///
    /// # Panics
    /// There is no such service in the configuration that the graph was made of.
    pub fn designated(&self, to: &Designator) -> Rc<dyn Service> {
        match &self.services[&to.service] {
            Node::Worker => {
                let worker = WorkerService::new(&self.fleet, &to.service, to.entrypoint.clone(), to.props_json.clone());
                Rc::new(worker)
            }
            Node::Shared(service) => service.clone(),
        }
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
            let graph = ServiceGraph::new(&self.config, self.fleet.shard(index));
            let sockets = self.config.sockets.iter().map(|socket| graph.designated(&socket.service));
            let scheduled = self
                .config
                .services
                .iter()
                .filter(|service| service.kind.worker().is_some_and(|worker| !worker.schedules.is_empty()));
            let addressees = scheduled.map(|service| {
                let to = Designator { service: service.id.clone(), entrypoint: None, props_json: None };
                (service.id.clone(), graph.designated(&to))
            });
            Ok(Served { sockets: sockets.collect(), addressees: addressees.collect(), log: self.log.clone() })
        })
    }
}
