//! Workers that are started before anybody asks for them.

use std::{sync::Arc, time::Duration};

use crate::{
    config::{Config, ServiceId},
    fleet::FleetHandle,
    log::Log,
    text::own_text,
};

/// Starts workers before anybody asks for them: those that have to start, which is an error if they do not, and a few others
/// that sockets lead to. Of these the log says why they do not start, and nobody waits long for them.
pub(super) async fn start_check(
    fleet: &FleetHandle,
    config: &Arc<Config>,
    strict: bool,
    log: &Log,
    patience: Patience,
) -> Result<(), String> {
    let has_socket = |service: &ServiceId| config.sockets.iter().any(|socket| socket.service.service == *service);
    let services = config.workers().map(|(id, _)| id.clone());
    let (have_to, others): (Vec<_>, Vec<_>) = services.partition(|service| strict || has_to_start(service.as_str()));
    let early: Vec<ServiceId> = others.into_iter().filter(has_socket).take(STARTED_EARLY).collect();
    if patience == Patience::ForAll {
        let errors = faults(fleet, config, have_to.into_iter().chain(early).collect()).await;
        return if errors.is_empty() { Ok(()) } else { Err(errors.join("\n")) };
    }
    let for_log = (fleet.clone(), config.clone(), log.clone());
    let early = tokio::spawn(async move {
        let (fleet, config, log) = for_log;
        faults(&fleet, &config, early).await.into_iter().for_each(|fault| log.event(fault));
    });
    let errors = faults(fleet, config, have_to).await;
    if !errors.is_empty() {
        return Err(errors.join("\n"));
    }
    // It goes on without us.
    let _ = tokio::time::timeout(EARLY_PATIENCE, early).await;
    Ok(())
}

/// Starts services, and says what is wrong with them.
async fn faults(fleet: &FleetHandle, config: &Config, services: Vec<ServiceId>) -> Vec<String> {
    let mut faults = Vec::new();
    for (service, result) in services.iter().zip(fleet.start_check(&services).await) {
        if let Err(error) = result {
            faults.push(own_text(&format!("service {service}: {error}")));
            continue;
        }
        let entrypoints = fleet.entrypoints(service).await;
        for socket in config.sockets.iter().filter(|socket| socket.service.service == *service) {
            if let Some(entrypoint) = &socket.service.entrypoint
                && !entrypoints.iter().any(|exported| exported.name == *entrypoint)
            {
                faults.push(format!(
                    "Socket \"{}\" refers to service \"{service}\" with a named entrypoint \"{entrypoint}\", but \"{service}\" \
                     has no such named entrypoint.",
                    socket.name
                ));
            }
        }
    }
    faults
}

/// Whether it ends the start when this worker does not start, without any option. Development tools give the workers of
/// their users such names, and rely on hearing at the start what is wrong with them.
fn has_to_start(service: &str) -> bool {
    service.starts_with("core:user:")
}

/// For which workers it is waited, and which have to start.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// Those that have to, whatever is served.
    ForThoseThatHaveTo,
    /// All that are started before they are asked for.
    ForAll,
}

/// Workers behind sockets that are started before the sockets listen, so that their first requests need not wait. More would
/// make a large configuration slow to start.
const STARTED_EARLY: usize = 8;

/// How long the sockets wait for them.
const EARLY_PATIENCE: Duration = Duration::from_secs(3);
