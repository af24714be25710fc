//! From a checked configuration to the services of one shard.

use std::{rc::Rc, sync::Arc};

use super::{LocalFuture, Service, worker::WorkerService};
use crate::{
    config::{Config, ServiceKind},
    fleet::FleetHandle,
    log::Log,
    shard::{Served, ShardServices},
};

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
            let sockets = self.config.sockets.iter().map(|socket| {
                let to = &socket.service;
                let worker = WorkerService::new(&fleet, &to.service, to.entrypoint.clone(), to.props_json.clone());
                Rc::new(worker) as Rc<dyn Service>
            });
            let scheduled = self.config.services.iter().filter(|service| {
                let ServiceKind::Worker(worker) = &service.kind;
                !worker.schedules.is_empty()
            });
            let addressees = scheduled.map(|service| {
                let worker = WorkerService::new(&fleet, &service.id, None, None);
                (service.id.clone(), Rc::new(worker) as Rc<dyn Service>)
            });
            Ok(Served { sockets: sockets.collect(), addressees: addressees.collect(), log: self.log.clone() })
        })
    }
}
