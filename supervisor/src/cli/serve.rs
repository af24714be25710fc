//! `supervisor serve`: configuration, fleet, listeners, shards, and back in the opposite order.

use std::{
    os::fd::{OwnedFd, RawFd},
    path::Path,
    process::ExitCode,
    rc::Rc,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bulkhead_ipc::{compatibility::Date, process::MAX_SHARDS};
use bulkhead_policy::{
    cgroup::{CgroupError, Delegation},
    check, inherited,
    report::{Layer, Status},
};
use nix::sys::{
    resource::{Resource, getrlimit, setrlimit},
    signal::{SigSet, Signal},
};
use tokio::sync::{Notify, mpsc};

use super::{
    args::{ColorMode, SandboxMode, SeccompMode, ServeArgs},
    control::Control,
    not_supported,
};
use crate::{
    config::{self, Config, ServiceKind},
    fleet::{Fleet, FleetConfig, FleetHandle},
    log::{Colors, Entry, Log},
    service::{LocalFuture, Service, worker::WorkerService},
    shard::{ShardServices, ShardSocket, Shards},
    socket::{BoundSocket, Limits},
    text::own_text,
};

/// How long workers may go on after the last connection has ended, for what `waitUntil` holds.
const FLEET_DRAIN: Duration = Duration::from_secs(10);

/// Serves until a signal asks for the end.
pub(super) fn run(arguments: ServeArgs, verbose: bool) -> ExitCode {
    if let Some(option) = arguments.missing.given().first() {
        return not_supported(&format!("the option {option}"));
    }
    match serve(&arguments, verbose) {
        Ok(code) => code,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn serve(arguments: &ServeArgs, verbose: bool) -> Result<ExitCode, String> {
    // A kernel that does not know huge pages needs no setting.
    let _ = bulkhead_policy::memory::disable_huge_pages();
    // First of all: descriptors are claimed by number, and every file that we open could take one of these numbers.
    let mut inherited_sockets = Vec::new();
    for (name, number) in &arguments.socket_fd {
        let fd = inherited::listening_socket(*number)
            .map_err(|error| format!("error: --socket-fd={name}={number}: {error}"))?;
        inherited_sockets.push((name.as_str(), *number, Some(fd)));
    }
    let mut control = match arguments.control_fd {
        None => None,
        Some(number) => {
            let fd = inherited::writable(number).map_err(|error| format!("error: --control-fd={number}: {error}"))?;
            Some(Control::new(fd))
        }
    };

    let config = load(arguments)?;
    if verbose {
        report_missing_flags(&config);
    }
    let shards = arguments.shards.unwrap_or_else(default_shards) as usize;
    let executable = FleetConfig::default_executable()
        .map_err(|error| format!("error: cannot find the own executable, and so not the worker's: {error}"))?;
    // From here on a signal is an orderly end, also while the workers start.
    let mut signals = Signals::listen().map_err(|error| format!("error: cannot listen for signals: {error}"))?;
    let cgroups = Delegation::take();
    check_sandbox(&executable, &cgroups, arguments.sandbox, verbose)?;
    raise_descriptor_limit();

    let mut bound = bind(&config, &arguments.socket_addr, &mut inherited_sockets, shards)?;

    let log = Log::to_standard_streams(colors(arguments.color))
        .map_err(|error| format!("error: cannot start the log: {error}"))?;
    let mut fleet_config = FleetConfig::new(executable, u32::try_from(shards).unwrap_or(u32::MAX));
    if arguments.seccomp == SeccompMode::Log {
        eprintln!(
            "warning: --seccomp=log protects nothing: workers make every system call that they like, and those that the \
             policy does not permit are logged"
        );
        fleet_config.seccomp_log = true;
    }
    fleet_config.cgroups = cgroups.ok().map(Arc::new);
    fleet_config.best_effort_sandbox = arguments.sandbox == SandboxMode::BestEffort;
    fleet_config.experimental = arguments.experimental;
    fleet_config.verbose = verbose;
    let fleet = Fleet::start(fleet_config, config.clone(), log.clone()).map_err(|error| format!("error: {error}"))?;

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("error: cannot start an event loop: {error}"))?;
    let serving = async {
        tokio::spawn(report_counters(fleet.clone(), log.clone(), signals.asked.clone()));
        tokio::select! {
            started = start_check(&fleet, &config, arguments.strict_start, &log) => started?,
            signal = signals.next() => {
                report(verbose, &format!("{signal} while starting; ending"));
                return Ok(ExitCode::SUCCESS);
            }
        }
        let descriptors = getrlimit(Resource::RLIMIT_NOFILE)
            .map_or(usize::MAX, |(soft, _)| usize::try_from(soft).unwrap_or(usize::MAX));
        let limits =
            Limits::default().fit_descriptors(descriptors, shards, config.services.len(), config.sockets.len());
        let services = Arc::new(WorkerServices { fleet: fleet.clone(), config: config.clone() });
        let mut running = Shards::start(shards, &limits, services).map_err(|error| format!("error: {error}"))?;
        hand_over(&config, &mut bound, &mut running, shards, &log)?;
        for (socket, bound) in config.sockets.iter().zip(&bound) {
            if let Some(control) = &mut control
                && let Err(error) = control.listen(&socket.name, bound.port())
            {
                return Err(format!("error: cannot write to --control-fd: {error}"));
            }
            report(verbose, &format!("socket \"{}\" listens, port {}", socket.name, bound.port()));
        }

        let signal = signals.next().await;
        report(verbose, &format!("{signal}: finishing the requests in flight"));
        running.shut_down();
        let joined = tokio::task::spawn_blocking(move || running.join());
        let finished = async {
            let drained =
                joined.await.map_err(|error| format!("error: {error}"))?.map_err(|error| error.to_string())?;
            if drained.cut_off > 0 {
                say(&format!(
                    "{} connections were not finished after {:?} and were cut off",
                    drained.cut_off, limits.drain_time
                ));
            }
            fleet.drain(FLEET_DRAIN).await;
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
    };
    let result = runtime.block_on(async {
        let result = serving.await;
        // What was said last is what explains the end.
        log.flush().await;
        result
    });
    // A shard that is still cut short by a second signal must not be waited for.
    runtime.shutdown_background();
    drop(bound);
    result
}

/// Which streams show colours.
fn colors(mode: ColorMode) -> Colors {
    match mode {
        ColorMode::Auto => Colors::of_terminals(),
        ColorMode::Always => Colors { out: true, err: true },
        ColorMode::Never => Colors::default(),
    }
}

/// Half of the processors: the other half is for the workers, which do more for a request than we do.
fn default_shards() -> u32 {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    u32::try_from(processors / 2).unwrap_or(MAX_SHARDS).clamp(1, MAX_SHARDS)
}

/// Says something that is not of the log, for there may be none yet or any more.
fn say(message: &str) {
    eprintln!("{}", Entry::own(message).text);
}

fn report(verbose: bool, message: &str) {
    if verbose {
        say(message);
    }
}

/// One line for each worker whose compatibility date brings what is not there.
fn report_missing_flags(config: &Config) {
    for service in &config.services {
        let ServiceKind::Worker(worker) = &service.kind;
        let lacking: Vec<&str> = worker.compatibility.lacking().map(|(flag, _)| flag).collect();
        if !lacking.is_empty() {
            let date = &worker.compatibility_date;
            report(
                true,
                &format!(
                    "worker {:?}: its date {date} brings flags that are not implemented: {}",
                    service.name,
                    lacking.join(", ")
                ),
            );
        }
    }
}

fn load(arguments: &ServeArgs) -> Result<Arc<Config>, String> {
    let path = &arguments.config;
    let source = match (path == Path::new("-"), arguments.binary) {
        (true, false) => return Err("error: -: Reading config from stdin is only allowed with --binary.".to_owned()),
        (true, true) => config::Source::BinaryStdin,
        (false, true) => config::Source::Binary(path.clone()),
        (false, false) => config::Source::Text(path.clone()),
    };
    if arguments.binary && arguments.const_name.is_some() {
        return Err("error: a binary configuration has no constants: leave <const-name> out".to_owned());
    }
    if arguments.binary && arguments.policy_const.is_some() && arguments.policy.is_none() {
        return Err("error: a binary configuration has no constants: --policy-const needs --policy".to_owned());
    }
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let options = config::Options {
        const_name: arguments.const_name.clone(),
        policy: arguments.policy.clone(),
        policy_const: arguments.policy_const.clone(),
        import_paths: arguments.import_path.clone(),
        experimental: arguments.experimental,
        today: Date::from_unix_seconds(seconds),
    };
    config::load(&source, &options).map(|loaded| Arc::new(loaded.config)).map_err(|diagnostics| diagnostics.to_string())
}

/// Refuses a machine that cannot shut workers in, before a socket opens.
fn check_sandbox(
    executable: &Path,
    cgroups: &Result<Delegation, CgroupError>,
    mode: SandboxMode,
    verbose: bool,
) -> Result<(), String> {
    let report_of_machine = check::run(executable, cgroups)
        .map_err(|error| format!("error: cannot check the sandbox of this machine: {error}"))?;
    let incomplete: Vec<&str> = report_of_machine.degraded().map(|(layer, _)| Layer::name(layer)).collect();
    if check::sufficient(&report_of_machine) {
        if !incomplete.is_empty() {
            report(verbose, &format!("sandbox layers that are not complete here: {}", incomplete.join(", ")));
        }
        return Ok(());
    }
    match mode {
        SandboxMode::Required => {
            let missing: Vec<String> = report_of_machine
                .degraded()
                .filter(|(layer, status)| layer.required() && matches!(status, Status::Missing(_)))
                .map(|(layer, status)| format!("{layer} is missing ({}): {}", status.detail(), layer.how_to_get()))
                .collect();
            Err(format!(
                "error: this machine cannot shut workers in: {}; --sandbox=best-effort serves code that you trust without",
                missing.join("; ")
            ))
        }
        SandboxMode::BestEffort => {
            let incomplete = incomplete.join(", ");
            eprintln!("warning: workers run without a complete sandbox ({incomplete}): serve only code that you trust");
            Ok(())
        }
    }
}

/// The soft limit is often 1024 for the sake of `select()`, which nothing here uses.
fn raise_descriptor_limit() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
    {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

/// Binds every socket of the configuration, or says everything that is wrong with them.
fn bind(
    config: &Config,
    addresses: &[(String, String)],
    inherited_sockets: &mut [(&str, RawFd, Option<OwnedFd>)],
    shards: usize,
) -> Result<Vec<BoundSocket>, String> {
    let mut errors = unmatched(config, addresses.iter().map(|(name, _)| name.as_str()));
    errors.extend(unmatched(config, inherited_sockets.iter().map(|(name, ..)| *name)));
    let mut bound = Vec::with_capacity(config.sockets.len());
    for socket in &config.sockets {
        let inherited = inherited_sockets.iter_mut().rev().find(|(name, ..)| *name == socket.name);
        // The last of several overrides counts, as with every option that is repeated.
        let address = addresses.iter().rev().find(|(name, _)| *name == socket.name).map(|(_, address)| address);
        let result = match (inherited, address.or(socket.address.as_ref())) {
            (Some((_, number, fd)), _) => match fd.take() {
                Some(fd) => BoundSocket::inherited(fd, *number, shards),
                None => continue,
            },
            (None, Some(address)) => BoundSocket::bind(address, shards),
            (None, None) => {
                errors.push(format!(
                    "Socket \"{0}\" has no address in the config, so must be specified on the command line with \
                     `--socket-addr`.",
                    socket.name
                ));
                continue;
            }
        };
        match result {
            Ok(socket) => bound.push(socket),
            Err(error) => {
                errors.push(format!("Socket \"{0}\": {error} (`--socket-addr={0}=<addr>` overrides it)", socket.name))
            }
        }
    }
    if errors.is_empty() { Ok(bound) } else { Err(errors.join("\n")) }
}

/// Overrides for sockets that do not exist.
fn unmatched<'a>(config: &Config, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    names
        .filter(|name| !config.sockets.iter().any(|socket| socket.name == *name))
        .map(|name| {
            format!(
                "Config did not define any socket named \"{name}\" to match the override provided on the command line."
            )
        })
        .collect()
}

/// Starts workers before anybody asks for them: those that have to start, which is an error if they do not, and a few others
/// that sockets lead to. Of these the log says why they do not start, and nobody waits long for them.
async fn start_check(fleet: &FleetHandle, config: &Arc<Config>, strict: bool, log: &Log) -> Result<(), String> {
    let has_socket = |index: &usize| config.sockets.iter().any(|socket| socket.service.service == *index);
    let (have_to, others): (Vec<usize>, Vec<usize>) =
        (0..config.services.len()).partition(|index| strict || has_to_start(&config.services[*index].name));
    let early: Vec<usize> = others.into_iter().filter(has_socket).take(STARTED_EARLY).collect();
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
async fn faults(fleet: &FleetHandle, config: &Config, services: Vec<usize>) -> Vec<String> {
    let mut faults = Vec::new();
    for (index, result) in services.iter().zip(fleet.start_check(services.clone()).await) {
        let name = &config.services[*index].name;
        if let Err(error) = result {
            faults.push(own_text(&format!("service {name}: {error}")));
            continue;
        }
        let entrypoints = fleet.entrypoints(*index).await;
        for socket in config.sockets.iter().filter(|socket| socket.service.service == *index) {
            if let Some(entrypoint) = &socket.service.entrypoint
                && !entrypoints.contains(entrypoint)
            {
                faults.push(format!(
                    "Socket \"{}\" refers to service \"{name}\" with a named entrypoint \"{entrypoint}\", but \"{name}\" \
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
    bound: &mut [BoundSocket],
    running: &mut Shards,
    shards: usize,
    log: &Log,
) -> Result<(), String> {
    let mut parts: Vec<Vec<ShardSocket>> = (0..shards).map(|_| Vec::with_capacity(bound.len())).collect();
    for (socket, bound) in config.sockets.iter().zip(bound) {
        let listeners = bound.listen().map_err(|error| format!("Socket \"{}\": {error}", socket.name))?;
        for (part, listeners) in parts.iter_mut().zip(listeners) {
            part.push(ShardSocket {
                name: socket.name.clone(),
                options: socket.http.clone(),
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

/// The services behind the configuration's sockets.
struct WorkerServices {
    fleet: FleetHandle,
    config: Arc<Config>,
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

/// Signals, for which a thread waits. The event loop could do that too, but a library that can makes a pair of sockets in every
/// process that has an event loop, workers included.
struct Signals {
    /// Those that ask for the end.
    ends: mpsc::UnboundedReceiver<End>,
    /// Told of those that ask for the counters.
    asked: Arc<Notify>,
}

#[derive(Debug, Clone, Copy)]
enum End {
    Terminate,
    Interrupt,
}

impl End {
    /// What a shell makes of a process that a signal killed: 128 and the signal's number.
    fn exit_code(self) -> u8 {
        match self {
            End::Terminate => 128 + 15,
            End::Interrupt => 128 + 2,
        }
    }
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            End::Terminate => "SIGTERM",
            End::Interrupt => "SIGINT",
        })
    }
}

impl Signals {
    /// Starts to listen. To be called before there is another thread: threads have the mask of the one that starts them, and a
    /// signal that any of them does not block does what it does by default. Workers start with an empty mask.
    fn listen() -> std::io::Result<Signals> {
        let set = SigSet::from_iter([Signal::SIGTERM, Signal::SIGINT, Signal::SIGUSR1]);
        set.thread_block()?;
        let (sender, ends) = mpsc::unbounded_channel();
        let asked = Arc::new(Notify::new());
        let counters = asked.clone();
        std::thread::Builder::new().name("signals".into()).spawn(move || {
            while let Ok(signal) = set.wait() {
                match signal {
                    Signal::SIGUSR1 => counters.notify_one(),
                    // Whoever no longer listens has ended.
                    signal => drop(sender.send(if signal == Signal::SIGINT { End::Interrupt } else { End::Terminate })),
                }
            }
        })?;
        Ok(Signals { ends, asked })
    }

    async fn next(&mut self) -> End {
        // The thread never ends.
        self.ends.recv().await.unwrap_or(End::Terminate)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::{
        cli::args::{Cli, Command},
        config::ServiceKind,
    };

    /// Loads what this command line names; gives the threads that the only worker may have.
    fn threads(arguments: &[&str]) -> Result<u32, String> {
        let cli = Cli::try_parse_from(["supervisor", "serve"].iter().chain(arguments)).expect("a command line");
        let Command::Serve(arguments) = cli.command else { panic!("{:?}", cli.command) };
        let config = load(&arguments)?;
        let ServiceKind::Worker(worker) = &config.services[0].kind;
        Ok(worker.policy.threads)
    }

    #[test]
    fn the_options_for_policies_arrive() {
        let directory = tempfile::tempdir().expect("a directory");
        let write = |name: &str, bytes: &[u8]| {
            let path = directory.path().join(name);
            std::fs::write(&path, bytes).expect("a file");
            path.into_os_string().into_string().expect("text")
        };
        let config = write(
            "config.capnp",
            br#"using Workerd = import "/workerd/workerd.capnp";
                using Bulkhead = import "/bulkhead/policy.capnp";
                const config :Workerd.Config = (services = [(name = "w", worker = (serviceWorkerScript = "",
                    compatibilityDate = "2024-01-01"))]);
                const five :Bulkhead.Policy = (default = (threads = 5));
                const six :Bulkhead.Policy = (default = (threads = 6));"#,
        );
        let policy = write(
            "policy.capnp",
            br#"using Bulkhead = import "/bulkhead/policy.capnp";
                const seven :Bulkhead.Policy = (default = (threads = 7));
                const eight :Bulkhead.Policy = (default = (threads = 8));"#,
        );
        assert_eq!(threads(&[&config, "--policy-const=six"]), Ok(6));
        assert_eq!(threads(&[&config, "--policy", &policy, "--policy-const", "eight"]), Ok(8));
        assert!(threads(&[&config]).unwrap_err().contains("The options are: five, six"));
        assert!(threads(&[&config, "--policy", &policy]).unwrap_err().contains("The options are: seven, eight"));

        let today = Date::new(2026, 11, 20);
        let options = config::Options {
            const_name: None,
            policy: None,
            policy_const: None,
            import_paths: Vec::new(),
            experimental: false,
            today,
        };
        let binary = write("config.bin", &config::encode_text(Path::new(&config), &options).expect("bytes"));
        assert_eq!(threads(&["--binary", &binary]), Ok(16));
        assert_eq!(threads(&["--binary", &binary, "--policy", &policy, "--policy-const=seven"]), Ok(7));
        let error = threads(&["--binary", &binary, "--policy-const=five"]).unwrap_err();
        assert!(error.contains("--policy-const needs --policy"), "{error}");
    }
}
