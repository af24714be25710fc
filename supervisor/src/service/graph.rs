//! From a checked configuration to the services of one shard.

use std::{rc::Rc, sync::Arc};

use super::{LocalFuture, Service, worker::WorkerService};
use crate::{config::Config, fleet::FleetHandle, shard::ShardServices};

/// The services behind the configuration's sockets.
pub struct WorkerServices {
    /// Has the processes.
    pub fleet: FleetHandle,
    /// Says which sockets there are, and what is behind them.
    pub config: Arc<Config>,
}

impl ShardServices for WorkerServices {
    fn start(&self, shard: usize) -> LocalFuture<'_, Result<Vec<Rc<dyn Service>>, String>> {
        Box::pin(async move {
            let index = u32::try_from(shard).map_err(|_| "there are too many shards".to_owned())?;
            let fleet = self.fleet.shard(index);
            let services = self.config.sockets.iter().map(|socket| {
                let to = &socket.service;
                let worker =
                    WorkerService::new(fleet.clone(), to.service, to.entrypoint.clone(), to.props_json.clone());
                Rc::new(worker) as Rc<dyn Service>
            });
            Ok(services.collect())
        })
    }
}
