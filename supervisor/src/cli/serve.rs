//! `supervisor serve`: configuration, fleet, listeners, shards, and back in the opposite order.

use std::{collections::HashMap, process::ExitCode, sync::Arc, time::Duration};

use bulkhead_policy::{cgroup::Delegation, spawn::Program};
use tokio::sync::Notify;

use super::{
    args::{ServeArgs, ServeOptions},
    control::Control,
    not_supported, setup,
    setup::{Origin, Permission, report, say},
    signals::Signals,
    test::Tests,
};
use crate::{
    config::{Compiled, Config, ServiceId},
    fleet::{Fleet, FleetHandle},
    log::{Entry, Log},
    net::{budget::connections, pipe, resolve::ResolverSettings, tls::server::Acceptor},
    program::Embedded,
    service::{
        cache::Store,
        disk::Directory,
        graph::{Called, Calls, WorkerServices, calls},
        memory_cache::MemoryCaches,
    },
    shard::{ShardSocket, Shards, SystemClock, Time, Timetable},
    socket::{BoundSocket, Limits},
    text::own_text,
};

/// How long workers may go on after the last connection has ended, for what `waitUntil` holds.
const FLEET_DRAIN: Duration = Duration::from_secs(10);

/// Serves until a signal asks for the end.
pub(super) fn run(arguments: ServeArgs, verbose: bool) -> ExitCode {
    let ServeArgs { source, const_name, options } = arguments;
    if let Some(option) = options.missing.given().first() {
        return not_supported(&format!("the option {option}"));
    }
    let origin = Origin::named(source, const_name, &options.common.policy);
    end(origin.and_then(|origin| serve(&origin, setup::worker_beside()?.into(), &options, verbose, None)))
}

/// The same with what this program contains.
pub(super) fn run_embedded(embedded: Embedded, options: ServeOptions, verbose: bool) -> ExitCode {
    if let Some(option) = options.missing.given().first() {
        return not_supported(&format!("the option {option}"));
    }
    let Embedded { worker, config, policy } = embedded;
    let origin = Origin::embedded(Compiled { config, policy }, &options.common.policy);
    end(origin.and_then(|origin| serve(&origin, worker, &options, verbose, None)))
}

/// The exit code of a command that has come to an end.
pub(super) fn end(result: Result<ExitCode, String>) -> ExitCode {
    match result {
        Ok(code) => code,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// Serves with processes that run `worker` until a signal asks for the end, or until all tests have run, if there are such.
pub(super) fn serve(
    origin: &Origin,
    worker: Program,
    arguments: &ServeOptions,
    verbose: bool,
    tests: Option<Tests>,
) -> Result<ExitCode, String> {
    // A kernel that does not know huge pages needs no setting.
    let _ = bulkhead_policy::memory::disable_huge_pages();
    // As little is lost: timers of a millisecond are a twentieth longer then.
    let _ = bulkhead_policy::timers::wake_on_time();
    // First of all.
    let (mut inherited_sockets, control) = setup::claim(arguments)?;

    let config = setup::load(origin, arguments, verbose, tests.as_ref())?;
    if verbose {
        setup::report_missing_flags(&config);
    }
    let directories = setup::directories(&config, &arguments.directory_path, tests.is_some())?;
    let cache = setup::cache(&config)?;
    let acceptors = setup::acceptors(&config)?;
    let shards = arguments.shards.unwrap_or_else(setup::default_shards) as usize;
    // From here on a signal is an orderly end, also while the workers start.
    let signals = Signals::listen().map_err(|error| format!("error: cannot listen for signals: {error}"))?;
    let cgroups = Delegation::take().map(Arc::new);
    setup::raise_descriptor_limit();
    let check = setup::SandboxCheck::start(worker.clone(), &cgroups)?;

    let colors = setup::colors(arguments.common.color);
    let log = match &tests {
        Some(tests) => Log::to_watched_streams(colors, config.structured_logging, tests.watch()),
        None => Log::to_standard_streams(colors, config.structured_logging),
    };
    let log = log.map_err(|error| format!("error: cannot start the log: {error}"))?;
    let mut fleet_config = setup::fleet_config(arguments, verbose, worker, shards, cgroups.ok());
    if let Some(tests) = &tests {
        tests.adjust(&mut fleet_config);
    }
    // Its first processes start while the machine is tested.
    let fleet = Fleet::start(fleet_config, config.clone(), log.clone()).map_err(|error| format!("error: {error}"))?;
    let permission = check.finish(arguments.common.sandbox, verbose)?;
    let mut bound = setup::bind(&config, &arguments.common.socket_addr, &mut inherited_sockets, shards)?;

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("error: cannot start an event loop: {error}"))?;
    let server = Server {
        config,
        strict_start: arguments.strict_start,
        verbose,
        shards,
        fleet,
        log: log.clone(),
        resolver: ResolverSettings { servers: arguments.common.dns_server.clone(), ..ResolverSettings::default() },
        signals,
        control,
        acceptors,
        directories,
        cache,
        bound: &mut bound,
        tests,
        _permission: permission,
    };
    let result = runtime.block_on(async {
        let result = server.serve().await;
        // What was said last is what explains the end.
        log.flush().await;
        result
    });
    // A shard that is still cut short by a second signal must not be waited for.
    runtime.shutdown_background();
    drop(bound);
    result
}

/// What is there before anybody is served.
struct Server<'a> {
    config: Arc<Config>,
    strict_start: bool,
    verbose: bool,
    shards: usize,
    fleet: FleetHandle,
    log: Log,
    resolver: ResolverSettings,
    signals: Signals,
    control: Option<Control>,
    acceptors: Vec<Option<Acceptor>>,
    directories: HashMap<ServiceId, Arc<Directory>>,
    cache: Option<Arc<Store>>,
    bound: &'a mut [BoundSocket],
    tests: Option<Tests>,
    /// Without it nobody is served, and no worker is told its code.
    _permission: Permission,
}

impl Server<'_> {
    /// Serves until a signal asks for the end, and ends.
    async fn serve(mut self) -> Result<ExitCode, String> {
        tokio::spawn(report_counters(self.fleet.clone(), self.log.clone(), self.signals.asked.clone()));
        let tests = self.tests.take();
        tokio::select! {
            // Tests start what they are of, and say what does not start.
            () = std::future::ready(()), if tests.is_some() => {}
            started = start_check(&self.fleet, &self.config, self.strict_start, &self.log) => started?,
            signal = self.signals.next() => {
                report(self.verbose, &format!("{signal} while starting; ending"));
                return Ok(ExitCode::SUCCESS);
            }
        }
        let descriptors = setup::descriptor_limit();
        let outgoing = connections(descriptors, self.shards);
        let limits = Limits::default().fit_descriptors(
            descriptors.saturating_sub((outgoing + pipe::descriptors(outgoing)) * self.shards),
            self.shards,
            self.config.workers().count(),
            self.config.sockets.len(),
        );
        let (calls, called) = tests.as_ref().map(|_| calls()).unzip();
        let running = self.listen(&limits, outgoing, called)?;
        if let Some((tests, calls)) = tests.zip(calls) {
            return self.test(tests, calls, running).await;
        }
        let timetable = Timetable::new(&self.config, running.mailboxes(), self.log.clone(), SystemClock.now());
        let clock = timetable.map(|timetable| tokio::spawn(timetable.run(SystemClock)));
        let signal = self.signals.next().await;
        if let Some(clock) = clock {
            clock.abort();
        }
        report(self.verbose, &format!("{signal}: finishing the requests in flight"));
        self.finish(running, limits.drain_time).await
    }

    /// Starts the shards, and says that the sockets listen.
    fn listen(&mut self, limits: &Limits, outgoing: usize, called: Option<Called>) -> Result<Shards, String> {
        let services = Arc::new(WorkerServices {
            fleet: self.fleet.clone(),
            config: self.config.clone(),
            directories: self.directories.clone(),
            caches: Arc::new(MemoryCaches::new(&self.config)),
            cache: self.cache.clone(),
            log: self.log.clone(),
            resolver: self.resolver.clone(),
            connections: outgoing,
            called,
        });
        let mut running = Shards::start(self.shards, limits, services).map_err(|error| format!("error: {error}"))?;
        hand_over(&self.config, &self.acceptors, self.bound, &mut running, self.shards, &self.log)?;
        for (socket, bound) in self.config.sockets.iter().zip(&*self.bound) {
            if let Some(control) = &mut self.control
                && let Err(error) = control.listen(&socket.name, bound.port())
            {
                return Err(format!("error: cannot write to --control-fd: {error}"));
            }
            report(self.verbose, &format!("socket \"{}\" listens, port {}", socket.name, bound.port()));
        }
        Ok(running)
    }

    /// Runs the tests, and ends all that they needed.
    async fn test(&mut self, tests: Tests, calls: Calls, running: Shards) -> Result<ExitCode, String> {
        let code = tokio::select! {
            passed = tests.run(&self.config, &self.fleet, &calls, &self.log) => passed?,
            signal = self.signals.next() => {
                say(&format!("{signal}: ending before all tests have run"));
                ExitCode::from(signal.exit_code())
            }
        };
        running.shut_down();
        // What was given to `waitUntil` was waited for, and nobody else is to be served.
        self.fleet.drain(Duration::ZERO).await;
        Ok(code)
    }

    /// Lets the shards and then the workers finish what they do, or ends at once at a second signal.
    async fn finish(&mut self, running: Shards, drain_time: Duration) -> Result<ExitCode, String> {
        running.shut_down();
        let joined = tokio::task::spawn_blocking(move || running.join());
        let finished = async {
            let drained =
                joined.await.map_err(|error| format!("error: {error}"))?.map_err(|error| error.to_string())?;
            if drained.cut_off > 0 {
                say(&format!(
                    "{} connections were not finished after {drain_time:?} and were cut off",
                    drained.cut_off
                ));
            }
            if drained.runs_cut_off > 0 {
                say(&format!(
                    "{} scheduled runs were not finished after {drain_time:?} and were cut off",
                    drained.runs_cut_off
                ));
            }
            self.fleet.drain(FLEET_DRAIN).await;
            Ok(ExitCode::SUCCESS)
        };
        tokio::select! {
            result = finished => result,
            signal = self.signals.next() => {
                say(&format!("{signal} again: ending at once"));
                // The workers' lives hang on this process's.
                Ok(ExitCode::from(signal.exit_code()))
            }
        }
    }
}

/// Starts workers before anybody asks for them: those that have to start, which is an error if they do not, and a few others
/// that sockets lead to. Of these the log says why they do not start, and nobody waits long for them.
async fn start_check(fleet: &FleetHandle, config: &Arc<Config>, strict: bool, log: &Log) -> Result<(), String> {
    let has_socket = |service: &ServiceId| config.sockets.iter().any(|socket| socket.service.service == *service);
    let services = config.workers().map(|(id, _)| id.clone());
    let (have_to, others): (Vec<_>, Vec<_>) = services.partition(|service| strict || has_to_start(service.as_str()));
    let early: Vec<ServiceId> = others.into_iter().filter(has_socket).take(STARTED_EARLY).collect();
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

/// Workers behind sockets that are started before the sockets listen, so that their first requests need not wait. More would
/// make a large configuration slow to start.
const STARTED_EARLY: usize = 8;

/// How long the sockets wait for them.
const EARLY_PATIENCE: Duration = Duration::from_secs(3);

/// Begins to listen on every socket and gives each shard its part.
fn hand_over(
    config: &Config,
    acceptors: &[Option<Acceptor>],
    bound: &mut [BoundSocket],
    running: &mut Shards,
    shards: usize,
    log: &Log,
) -> Result<(), String> {
    let mut parts: Vec<Vec<ShardSocket>> = (0..shards).map(|_| Vec::with_capacity(bound.len())).collect();
    for ((socket, tls), bound) in config.sockets.iter().zip(acceptors).zip(bound) {
        let listeners = bound.listen().map_err(|error| format!("Socket \"{}\": {error}", socket.name))?;
        for (part, listeners) in parts.iter_mut().zip(listeners) {
            part.push(ShardSocket {
                name: socket.name.clone(),
                protocol: socket.protocol.clone(),
                address: bound.address(),
                tls: tls.clone(),
                listeners,
                log: log.clone(),
            });
        }
    }
    running.serve(parts).map_err(|error| format!("error: {error}"))
}

/// Writes a line with the counters of each worker to standard error at every `SIGUSR1`.
async fn report_counters(fleet: FleetHandle, log: Log, asked: Arc<Notify>) {
    loop {
        asked.notified().await;
        for text in fleet.counter_report() {
            log.write(Entry::own(&text)).await;
        }
    }
}
