//! `supervisor serve`: configuration, fleet, listeners, shards, and back in the opposite order.
//!
//! With `--watch`, what there is once for each configuration, its [`Generation`], can be followed by another: that is loaded and started beside
//! it, takes its place on all shards, and the one before finishes what it does. Until then nothing of it has changed, so that one that cannot be
//! served is refused, and no more.

use std::{
    io::Write as _,
    path::Path,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bulkhead_policy::{cgroup::Delegation, spawn::Program};
use tokio::{sync::Notify, task::JoinHandle};

use super::{
    args::{ServeArgs, ServeOptions},
    control::Control,
    early::{Patience, start_check},
    files::WatchedFiles,
    generation::{Generation, Parts, keeps_connections},
    listeners::{Listeners, Opened, Plan},
    not_supported,
    retiring::{FLEET_DRAIN, Retiring, say_cut_off},
    setup,
    setup::{Origin, Permission, report, say},
    signals::{End, Signals},
    test::Tests,
};
use crate::{
    config::{Compiled, Source},
    fleet::{FleetConfig, FleetHandle},
    log::{Entry, Log},
    net::{budget::connections, pipe, resolve::ResolverSettings},
    program::Embedded,
    service::{
        graph::{Called, Calls, WorkerServices, calls},
        memory_cache::MemoryCaches,
    },
    shard::{Leaving, Mailbox, ShardSocket, Shards, SystemClock, Time, Timetable},
    socket::{Limits, Opening},
};

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
    mut tests: Option<Tests>,
) -> Result<ExitCode, String> {
    // A kernel that does not know huge pages needs no setting.
    let _ = bulkhead_policy::memory::disable_huge_pages();
    // As little is lost: timers of a millisecond are a twentieth longer then.
    let _ = bulkhead_policy::timers::wake_on_time();
    // First of all.
    let (inherited_sockets, control) = setup::claim(arguments)?;

    let watched = if arguments.common.watch { Some(watch(&origin.source)?) } else { None };
    let loader = Loader { origin, arguments, verbose, watched };
    let first = loader.load(tests.as_ref(), None);
    let first = match &loader.watched {
        None => Ok(first?),
        Some(_) => first,
    };
    let shards = arguments.shards.unwrap_or_else(setup::default_shards) as usize;
    // From here on a signal is an orderly end, also while the workers start.
    let signals = Signals::listen().map_err(|error| format!("error: cannot listen for signals: {error}"))?;
    let cgroups = Delegation::take().map(Arc::new);
    setup::raise_descriptor_limit();
    let check = setup::SandboxCheck::start(worker.clone(), &cgroups)?;

    let mut fleet_config = setup::fleet_config(arguments, verbose, worker, shards, cgroups.ok());
    if let Some(tests) = &tests {
        tests.adjust(&mut fleet_config);
    }
    let is_structured = first.as_ref().is_ok_and(|parts| parts.config.structured_logging);
    let log = new_log(arguments, is_structured, tests.as_ref())?;
    // Its first processes start while the machine is tested.
    let first = first.and_then(|parts| Generation::start(parts, fleet_config.clone(), log.clone()));
    let permission = check.finish(arguments.common.sandbox, verbose)?;
    let mut listeners = Listeners::new(arguments, inherited_sockets, shards);
    let first = first.and_then(|next| Ok((listeners.plan(next.config())?, next)));
    let first = match &loader.watched {
        None => Ok(first?),
        Some(_) => first,
    };
    let mut server = Server {
        strict_start: arguments.strict_start,
        verbose,
        shards,
        fleet_config,
        log,
        resolver: ResolverSettings { servers: arguments.common.dns_server.clone(), ..ResolverSettings::default() },
        control,
        listeners,
        loader: &loader,
        current: None,
        running: None,
        retiring: Retiring::default(),
        counted: Arc::default(),
        _permission: permission,
    };

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("error: cannot start an event loop: {error}"))?;
    let result = runtime.block_on(async {
        let result = server.serve(signals, first, tests.take()).await;
        // What was said last is what explains the end.
        server.log.flush().await;
        result
    });
    // A shard that is still cut short by a second signal must not be waited for.
    runtime.shutdown_background();
    drop(server);
    result
}

/// Where what is said goes.
fn new_log(arguments: &ServeOptions, is_structured: bool, tests: Option<&Tests>) -> Result<Log, String> {
    let colors = setup::colors(arguments.common.color);
    let log = match tests {
        Some(tests) => Log::to_watched_streams(colors, is_structured, tests.watch()),
        None => Log::to_standard_streams(colors, is_structured),
    };
    log.map_err(|error| format!("error: cannot start the log: {error}"))
}

/// Watches for changes of what is loaded from `source`. As in the reference, a file that is not there at all is none that will be.
fn watch(source: &Source) -> Result<WatchedFiles, String> {
    match source {
        Source::Text(path) | Source::Binary(path) => {
            std::fs::metadata(path).map_err(|error| format!("error: {}: {error}", path.display()))?;
        }
        Source::BinaryStdin => {
            return Err("error: --watch needs a file: standard input cannot be read again".to_owned());
        }
        Source::Compiled(_) => {
            return Err("error: --watch needs a file: the configuration is part of this program".to_owned());
        }
    }
    WatchedFiles::new().map_err(|error| format!("error: --watch: cannot watch files: {error}"))
}

/// Loads the configuration that the command line names.
struct Loader<'a> {
    origin: &'a Origin,
    arguments: &'a ServeOptions,
    verbose: bool,
    /// What it depends on, where somebody waits for changes.
    watched: Option<WatchedFiles>,
}

impl Loader<'_> {
    /// Loads it to take the place of the one `before`, if there is one.
    fn load(&self, tests: Option<&Tests>, before: Option<&Parts>) -> Result<Parts, String> {
        let Some(watched) = &self.watched else {
            return Parts::load(self.origin, self.arguments, self.verbose, tests, &|_| (), before);
        };
        watched.begin();
        let looks_for = |path: &Path| watched.add(path);
        let parts = Parts::load(self.origin, self.arguments, self.verbose, tests, &looks_for, before);
        let ended = watched.end(parts.is_ok());
        parts.and_then(|parts| ended.map(|()| parts))
    }

    /// Waits until something changes that it depends on: for ever where nobody looks.
    async fn change(&self) -> Result<(), String> {
        match &self.watched {
            Some(watched) => watched.change().await.map_err(|error| format!("error: --watch: {error}")),
            None => std::future::pending().await,
        }
    }

    /// Waits until nothing has changed for a while.
    async fn settled(&self) -> Result<(), String> {
        while let Ok(changed) = tokio::time::timeout(SETTLING, self.change()).await {
            changed?;
        }
        Ok(())
    }
}

/// How long nothing has to change before the configuration is loaded again: who writes several files, or one in several steps, is done then.
const SETTLING: Duration = Duration::from_millis(500);

/// What serves, whatever the configuration is.
struct Server<'a> {
    strict_start: bool,
    verbose: bool,
    shards: usize,
    fleet_config: FleetConfig,
    log: Log,
    resolver: ResolverSettings,
    control: Option<Control>,
    listeners: Listeners<'a>,
    loader: &'a Loader<'a>,
    /// What is served.
    current: Option<Current>,
    running: Option<Shards>,
    retiring: Retiring,
    /// Whose counters are reported.
    counted: Arc<Mutex<Option<(FleetHandle, Log)>>>,
    /// Without it nobody is served, and no worker is told its code.
    _permission: Permission,
}

/// The configuration that is served.
struct Current {
    generation: Generation,
    limits: Limits,
    clock: Option<JoinHandle<()>>,
    /// Where tests are called, if there are any that did not run yet.
    calls: Option<Calls>,
}

/// Why the server does something else than to serve.
enum Event {
    /// A signal asks for the end.
    Signal(End),
    /// Something has changed.
    Change,
    /// The tests have run.
    Tested(ExitCode),
}

impl Server<'_> {
    /// Serves until a signal asks for the end, or the tests have run and nobody watches for changes, and ends.
    async fn serve(
        &mut self,
        mut signals: Signals,
        first: Result<(Plan, Generation), String>,
        tests: Option<Tests>,
    ) -> Result<ExitCode, String> {
        tokio::spawn(report_counters(self.counted.clone(), signals.asked.clone()));
        let tests = tests.as_ref();
        let first = match first {
            Ok((plan, next)) => tokio::select! {
                begun = self.begin(plan, next, tests.is_some()) => begun,
                signal = signals.next() => {
                    report(self.verbose, &format!("{signal} while starting; ending"));
                    return Ok(ExitCode::SUCCESS);
                }
            },
            Err(error) => Err(error),
        };
        match first {
            Ok(()) => {}
            Err(error) if self.loader.watched.is_none() => return Err(error),
            Err(error) => self.refused(&error),
        }
        let mut code = ExitCode::SUCCESS;
        loop {
            match self.event(&mut signals, tests).await? {
                Event::Tested(tested) => {
                    code = tested;
                    if self.loader.watched.is_none() {
                        self.stop().await;
                        return Ok(code);
                    }
                }
                Event::Signal(signal) => match tests {
                    Some(_) if self.current.as_ref().is_some_and(|current| current.calls.is_some()) => {
                        say(&format!("{signal}: ending before all tests have run"));
                        self.stop().await;
                        return Ok(ExitCode::from(signal.exit_code()));
                    }
                    Some(_) => {
                        self.stop().await;
                        return Ok(code);
                    }
                    None => {
                        report(self.verbose, &format!("{signal}: finishing the requests in flight"));
                        return self.finish(&mut signals).await;
                    }
                },
                Event::Change => {
                    let stopped = tokio::select! {
                        reloaded = self.reload(tests) => { reloaded?; false }
                        // It is for the loop to act upon.
                        () = signals.wait() => true,
                    };
                    if stopped {
                        report(self.verbose, "ending while the configuration is loaded");
                    }
                }
            }
        }
    }

    /// Waits until there is something to do. Tests run meanwhile, if there are any that have not.
    async fn event(&mut self, signals: &mut Signals, tests: Option<&Tests>) -> Result<Event, String> {
        let tested = async {
            match (tests, &self.current) {
                (Some(tests), Some(Current { generation, calls: Some(calls), .. })) => {
                    tests.run(generation.config(), &generation.fleet, calls, &generation.log).await
                }
                _ => std::future::pending().await,
            }
        };
        let event = tokio::select! {
            biased;
            signal = signals.next() => Event::Signal(signal),
            changed = self.loader.change() => changed.map(|()| Event::Change)?,
            code = tested => Event::Tested(code?),
        };
        if let (Event::Tested(_) | Event::Change, Some(current)) = (&event, &mut self.current) {
            current.calls = None;
        }
        Ok(event)
    }

    /// Something has changed: loads the configuration when all is quiet, until it is served or refused. Dropping it leaves all as it was.
    async fn reload(&mut self, tests: Option<&Tests>) -> Result<(), String> {
        loop {
            self.notice();
            self.loader.settled().await?;
            self.announce().await;
            let (next, loader) = (self.next(tests), self.loader);
            let loaded = tokio::select! {
                biased;
                begun = async {
                    let (plan, next) = next?;
                    self.begin(plan, next, tests.is_some()).await
                } => begun,
                changed = loader.change() => {
                    changed?;
                    continue;
                }
            };
            if let Err(error) = loaded {
                self.refused(&error);
            }
            return Ok(());
        }
    }

    /// Loads the configuration, and makes all that can be made beside the one that is served.
    fn next(&mut self, tests: Option<&Tests>) -> Result<(Plan, Generation), String> {
        let parts = self.loader.load(tests, self.current.as_ref().map(|current| &current.generation.parts))?;
        let is_structured = parts.config.structured_logging;
        let log = if is_structured == self.log.is_structured() {
            self.log.clone()
        } else {
            new_log(self.loader.arguments, is_structured, tests)?
        };
        let next = Generation::start(parts, self.fleet_config.clone(), log)?;
        Ok((self.listeners.plan(next.config())?, next))
    }

    /// As the reference says it, to whoever looks at a terminal.
    fn notice(&self) {
        if self.log.is_structured() {
            self.log.event("Noticed configuration change, reloading shortly...");
        } else {
            // The next line takes its place.
            let _ = std::io::stderr().lock().write_all(b"Noticed configuration change, reloading shortly...\r");
        }
    }

    async fn announce(&self) {
        if self.log.is_structured() {
            return self.log.event("Reloading due to config change...");
        }
        self.log.flush().await;
        // Longer than the line before, which it covers.
        eprintln!("{:<71}", "Reloading due to config change...");
    }

    /// Says why a configuration is not served.
    fn refused(&self, error: &str) {
        eprintln!("{error}");
        match self.current {
            None => eprintln!("Can't start server due to config errors, waiting for config files to change..."),
            Some(_) => eprintln!(
                "Can't reload due to config errors, serving as before and waiting for config files to change..."
            ),
        }
    }

    /// Has a configuration served, in place of the one before, if there is one: as soon as all of it is ready, or not at all.
    async fn begin(&mut self, plan: Plan, next: Generation, is_test: bool) -> Result<(), String> {
        // Tests start what they are of, and say what does not start.
        if !is_test {
            // Who is served already loses nothing by waiting.
            let patience = if self.current.is_some() { Patience::ForAll } else { Patience::ForThoseThatHaveTo };
            start_check(&next.fleet, next.config(), self.strict_start, &next.log, patience).await?;
        }
        let descriptors = setup::descriptor_limit();
        let outgoing = connections(descriptors, self.shards);
        let limits = Limits::default().fit_descriptors(
            descriptors.saturating_sub((outgoing + pipe::descriptors(outgoing)) * self.shards),
            self.shards,
            next.config().workers().count(),
            next.config().sockets.len(),
        );
        let (calls, called) = if is_test { Some(calls()).unzip() } else { (None, None) };
        let (mailboxes, leaving) = self.switch(plan, &next, &limits, outgoing, called)?;
        let timetable = Timetable::new(next.config(), mailboxes, next.log.clone(), SystemClock.now());
        let clock = timetable.map(|timetable| tokio::spawn(timetable.run(SystemClock)));
        *self.counted.lock().unwrap_or_else(PoisonError::into_inner) = Some((next.fleet.clone(), next.log.clone()));
        self.log = next.log.clone();
        let before = self.current.replace(Current { generation: next, limits, clock, calls });
        if let (Some(before), Some(leaving)) = (before, leaving) {
            if let Some(clock) = before.clock {
                clock.abort();
            }
            self.retiring.add(leaving, before.generation, before.limits.drain_time, is_test);
        }
        Ok(())
    }

    /// Has the shards serve a configuration, and says where they listen. Gives its mailboxes, and what they served before.
    fn switch(
        &mut self,
        plan: Plan,
        next: &Generation,
        limits: &Limits,
        outgoing: usize,
        called: Option<Called>,
    ) -> Result<(Vec<Mailbox>, Option<Leaving>), String> {
        let Parts { config, directories, cache, acceptors } = &next.parts;
        let services = Arc::new(WorkerServices {
            fleet: next.fleet.clone(),
            config: config.clone(),
            directories: directories.clone(),
            caches: Arc::new(MemoryCaches::new(config)),
            cache: cache.clone(),
            log: next.log.clone(),
            resolver: self.resolver.clone(),
            connections: outgoing,
            called,
        });
        let mut running = match self.running.take() {
            None => Shards::start(self.shards, limits, services).map_err(|error| format!("error: {error}"))?,
            Some(mut running) => {
                let ready = running.prepare(services).map_err(|error| format!("error: {error}"));
                if let Err(error) = ready {
                    self.running = Some(running);
                    return Err(error);
                }
                running
            }
        };
        let opened = match self.listeners.open(plan) {
            Ok(opened) => opened,
            Err(error) => {
                running.discard();
                self.running = self.current.is_some().then_some(running);
                return Err(error);
            }
        };
        let before = self.current.as_ref().map(|current| &*current.generation.parts.config);
        let mut news = Vec::new();
        let mut parts: Vec<Vec<ShardSocket>> = (0..self.shards).map(|_| Vec::with_capacity(opened.len())).collect();
        for ((socket, tls), Opened { listening, listeners, is_news, was }) in
            config.sockets.iter().zip(acceptors).zip(opened)
        {
            let number = listening.number;
            let was = was.and_then(|was| before?.sockets.iter().find(|socket| socket.name == was));
            let keeps_connections = was.is_some_and(|was| keeps_connections(was, socket));
            let mut listeners = listeners.map(Vec::into_iter);
            for part in &mut parts {
                let opening = match &mut listeners {
                    Some(listeners) => Opening::New(number, listeners.next().unwrap_or_default()),
                    None => Opening::Kept { listener: number, keeps_connections },
                };
                part.push(ShardSocket {
                    name: socket.name.clone(),
                    protocol: socket.protocol.clone(),
                    address: listening.bound.address(),
                    tls: tls.clone(),
                    opening,
                    log: next.log.clone(),
                });
            }
            if is_news {
                news.push((socket.name.clone(), listening.bound.port()));
            }
        }
        let mailboxes = running.mailboxes();
        let leaving = running.serve(parts, limits.connections).map_err(|error| format!("error: {error}"));
        self.running = Some(running);
        let leaving = leaving?;
        for (socket, port) in news {
            if let Some(control) = &mut self.control
                && let Err(error) = control.listen(&socket, port)
            {
                let error = format!("error: cannot write to --control-fd: {error}");
                if self.current.is_none() {
                    return Err(error);
                }
                // Who started us does not listen any more; those who are served do not care.
                next.log.event(error);
            }
            report(self.verbose, &format!("socket \"{socket}\" listens, port {port}"));
        }
        Ok((mailboxes, leaving))
    }

    /// Ends all at once. What was given to `waitUntil` was waited for, and nobody is to be served any more.
    async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.shut_down();
        }
        if let Some(current) = self.current.take() {
            current.generation.fleet.drain(Duration::ZERO).await;
        }
        self.retiring.hurry();
        self.retiring.ended().await;
    }

    /// Lets the shards and then the workers finish what they do, or ends at once at a second signal.
    async fn finish(&mut self, signals: &mut Signals) -> Result<ExitCode, String> {
        let (Some(running), Some(current)) = (self.running.take(), self.current.take()) else {
            return Ok(ExitCode::SUCCESS);
        };
        if let Some(clock) = &current.clock {
            clock.abort();
        }
        running.shut_down();
        let joined = tokio::task::spawn_blocking(move || running.join());
        let retiring = &mut self.retiring;
        let finished = async {
            let drained =
                joined.await.map_err(|error| format!("error: {error}"))?.map_err(|error| error.to_string())?;
            say_cut_off(&drained, current.limits.drain_time);
            tokio::join!(current.generation.fleet.drain(FLEET_DRAIN), retiring.ended());
            Ok(ExitCode::SUCCESS)
        };
        tokio::select! {
            result = finished => result,
            signal = signals.next() => {
                say(&format!("{signal} again: ending at once"));
                // The workers' lives hang on this process's.
                Ok(ExitCode::from(signal.exit_code()))
            }
        }
    }
}

/// Writes a line with the counters of each worker to standard error at every `SIGUSR1`.
async fn report_counters(counted: Arc<Mutex<Option<(FleetHandle, Log)>>>, asked: Arc<Notify>) {
    loop {
        asked.notified().await;
        let counted = counted.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((fleet, log)) = counted {
            for text in fleet.counter_report() {
                log.write(Entry::own(&text)).await;
            }
        }
    }
}
