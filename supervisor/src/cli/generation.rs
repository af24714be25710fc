//! What there is once for each configuration that is served, and ends when another has taken its place.

use std::{collections::HashMap, path::Path, sync::Arc};

use super::{
    args::ServeOptions,
    setup::{self, Origin},
    test::Tests,
};
use crate::{
    config::{Config, ServiceId, Socket, TlsOptions},
    fleet::{Fleet, FleetConfig, FleetHandle},
    log::Log,
    net::tls::server::Acceptor,
    service::{cache::Store, disk::Directory},
};

/// A configuration that was loaded, and what it needs of this machine.
pub(super) struct Parts {
    pub(super) config: Arc<Config>,
    pub(super) directories: HashMap<ServiceId, Arc<Directory>>,
    pub(super) cache: Option<Arc<Store>>,
    /// Of each socket, where it has one.
    pub(super) acceptors: Vec<Option<Acceptor>>,
}

impl Parts {
    /// Loads the configuration, to take the place of the one `before`, if there is one. `looks_for` is told the paths that this depends on. The error is
    /// everything that is wrong.
    pub(super) fn load(
        origin: &Origin,
        arguments: &ServeOptions,
        verbose: bool,
        tests: Option<&Tests>,
        looks_for: &dyn Fn(&Path),
        before: Option<&Parts>,
    ) -> Result<Parts, String> {
        let config = setup::load(origin, arguments, verbose, tests, looks_for)?;
        if verbose {
            setup::report_missing_flags(&config);
        }
        let directories = setup::directories(&config, &arguments.directory_path, tests.is_some())?;
        let cache = setup::cache(&config, before.and_then(|before| before.cache.as_ref()))?;
        let acceptors = setup::acceptors(&config)?;
        Ok(Parts { config, directories, cache, acceptors })
    }
}

/// A configuration whose workers run.
pub(super) struct Generation {
    pub(super) parts: Parts,
    pub(super) fleet: FleetHandle,
    pub(super) log: Log,
}

impl Generation {
    /// Starts the fleet. No worker is bound yet.
    pub(super) fn start(parts: Parts, fleet: FleetConfig, log: Log) -> Result<Generation, String> {
        let fleet =
            Fleet::start(fleet, parts.config.clone(), log.clone()).map_err(|error| format!("error: {error}"))?;
        Ok(Generation { parts, fleet, log })
    }

    pub(super) fn config(&self) -> &Arc<Config> {
        &self.parts.config
    }
}

/// Whether the connections of a socket can go on with another in its place: what is spoken is the same, and nobody may speak who may not speak
/// there.
pub(super) fn keeps_connections(before: &Socket, after: &Socket) -> bool {
    let same_clients = match (&before.tls, &after.tls) {
        (None, None) => true,
        // Who this end is, a client has checked.
        (Some(before), Some(after)) => {
            let nobody = |tls: &TlsOptions| TlsOptions { keypair: None, ..tls.clone() };
            nobody(before) == nobody(after)
        }
        _ => false,
    };
    same_clients && before.protocol.is_same_as(&after.protocol)
}
