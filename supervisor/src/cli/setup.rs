//! What has to be there before a server serves: descriptors, configuration, a sandbox, sockets.

use std::{
    collections::HashMap,
    os::fd::{OwnedFd, RawFd},
    path::{Path, PathBuf},
    sync::Arc,
    thread::JoinHandle,
    time::{SystemTime, UNIX_EPOCH},
};

use bulkhead_ipc::{compatibility::Date, process::MAX_SHARDS};
use bulkhead_policy::{
    cgroup::{CgroupError, Delegation},
    check::{self, CheckError},
    inherited,
    report::{Layer, Report, Status},
    spawn::Program,
};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::{
    args::{ColorMode, PolicyArgs, SandboxMode, SeccompMode, ServeOptions, SourceArgs},
    control::Control,
    test::{TEST_DIRECTORY, Tests},
};
use crate::{
    config::{self, Broken, Compiled, Config, Loaded, ServiceId, ServiceKind},
    fleet::FleetConfig,
    log::{Colors, Entry},
    net::tls::{client::Inside, server::Acceptor},
    service::{cache::Store, disk::Directory, external::destination},
    text::own_text,
};

/// A socket that is inherited: its name in the configuration, its number, and the socket itself until it is bound.
pub(super) type InheritedSocket<'a> = (&'a str, RawFd, Option<OwnedFd>);

/// Takes the descriptors that the command line names. They are claimed by number, and every file that we open could take one of
/// these numbers: to be called before anything is opened.
pub(super) fn claim(arguments: &ServeOptions) -> Result<(Vec<InheritedSocket<'_>>, Option<Control>), String> {
    let mut sockets = Vec::new();
    for (name, number) in &arguments.socket_fd {
        let fd = inherited::listening_socket(*number)
            .map_err(|error| format!("error: --socket-fd={name}={number}: {error}"))?;
        sockets.push((name.as_str(), *number, Some(fd)));
    }
    let control = match arguments.control_fd {
        None => None,
        Some(number) => {
            let fd = inherited::writable(number).map_err(|error| format!("error: --control-fd={number}: {error}"))?;
            Some(Control::new(fd))
        }
    };
    Ok((sockets, control))
}

/// How the fleet works that the command line asks for.
pub(super) fn fleet_config(
    arguments: &ServeOptions,
    verbose: bool,
    worker: Program,
    shards: usize,
    cgroups: Option<Arc<Delegation>>,
) -> FleetConfig {
    let mut config = FleetConfig::new(worker, u32::try_from(shards).unwrap_or(u32::MAX));
    if arguments.common.seccomp == SeccompMode::Log {
        eprintln!(
            "warning: --seccomp=log protects nothing: workers make every system call that they like, and those that the \
             policy does not permit are logged"
        );
        config.seccomp_log = true;
    }
    config.cgroups = cgroups;
    config.best_effort_sandbox = arguments.common.sandbox == SandboxMode::BestEffort;
    config.experimental = arguments.common.experimental;
    config.verbose = verbose;
    config.names_lines = verbose;
    config
}

/// Which streams show colours.
pub(super) fn colors(mode: ColorMode) -> Colors {
    match mode {
        ColorMode::Auto => Colors::of_terminals(),
        ColorMode::Always => Colors { out: true, err: true },
        ColorMode::Never => Colors::default(),
    }
}

/// Half of the processors: the other half is for the workers, which do more for a request than we do.
pub(super) fn default_shards() -> u32 {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    u32::try_from(processors / 2).unwrap_or(MAX_SHARDS).clamp(1, MAX_SHARDS)
}

/// Says something that is not of the log, for there may be none yet or any more.
pub(super) fn say(message: &str) {
    eprintln!("{}", Entry::own(message).text);
}

pub(super) fn report(verbose: bool, message: &str) {
    if verbose {
        say(message);
    }
}

/// One line for each worker whose compatibility date brings what is not there.
pub(super) fn report_missing_flags(config: &Config) {
    for (id, worker) in config.workers() {
        let lacking: Vec<&str> = worker.compatibility.lacking().map(|(flag, _)| flag).collect();
        if !lacking.is_empty() {
            let date = &worker.compatibility_date;
            report(
                true,
                &format!(
                    "worker {:?}: its date {date} brings flags that are not implemented: {}",
                    id,
                    lacking.join(", ")
                ),
            );
        }
    }
}

/// Where a configuration comes from, and how it is read.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    pub(super) source: config::Source,
    pub(super) const_name: Option<String>,
    pub(super) import_paths: Vec<PathBuf>,
}

impl Origin {
    /// That which the command line names.
    pub(super) fn named(source: SourceArgs, const_name: Option<String>, policy: &PolicyArgs) -> Result<Self, String> {
        let SourceArgs { config: path, import_path: import_paths, binary } = source;
        if binary && const_name.is_some() {
            return Err("error: a binary configuration has no constants: leave <const-name> out".to_owned());
        }
        let source = match (path == Path::new("-"), binary) {
            (true, false) => {
                return Err("error: -: Reading config from stdin is only allowed with --binary.".to_owned());
            }
            (true, true) => config::Source::BinaryStdin,
            (false, true) => config::Source::Binary(path),
            (false, false) => config::Source::Text(path),
        };
        let origin = Self { source, const_name, import_paths };
        origin.check(policy).map(|()| origin)
    }

    /// That which this program contains.
    pub(super) fn embedded(compiled: Compiled, policy: &PolicyArgs) -> Result<Self, String> {
        let source = config::Source::Compiled(Arc::new(compiled));
        let origin = Self { source, const_name: None, import_paths: Vec::new() };
        origin.check(policy).map(|()| origin)
    }

    fn check(&self, policy: &PolicyArgs) -> Result<(), String> {
        let text = matches!(self.source, config::Source::Text(_));
        if !text && policy.policy_const.is_some() && policy.policy.is_none() {
            return Err("error: a binary configuration has no constants: --policy-const needs --policy".to_owned());
        }
        Ok(())
    }

    /// How it is read today.
    pub(super) fn options(&self, policy: &PolicyArgs) -> config::Options {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        config::Options {
            const_name: self.const_name.clone(),
            policy: policy.policy.clone(),
            policy_const: policy.policy_const.clone(),
            import_paths: self.import_paths.clone(),
            ..config::Options::on(Date::from_unix_seconds(seconds))
        }
    }
}

/// The file of the worker's program, beside that of this one.
pub(super) fn worker_beside() -> Result<PathBuf, String> {
    let own = std::env::current_exe()
        .map_err(|error| format!("error: cannot find the own executable, and so not the worker's: {error}"))?;
    Ok(own.with_file_name(bulkhead_ipc::process::WORKER_EXECUTABLE))
}

/// Loads the configuration. `looks_for` is told the paths that this depends on.
pub(super) fn load(
    origin: &Origin,
    arguments: &ServeOptions,
    verbose: bool,
    tests: Option<&Tests>,
    looks_for: &dyn Fn(&Path),
) -> Result<Arc<Config>, String> {
    let options = config::Options {
        experimental: arguments.common.experimental,
        compat_date: tests.and_then(|tests| tests.compat_date.clone()),
        lenient: tests.is_some(),
        ..origin.options(&arguments.common.policy)
    };
    let Loaded { mut config, warnings, .. } =
        config::load_observed(&origin.source, &options, looks_for).map_err(|diagnostics| diagnostics.to_string())?;
    // Tools write binary ones, with much that nothing may ever use.
    if matches!(origin.source, config::Source::Text(_)) || verbose {
        warnings.iter().for_each(|warning| eprintln!("{warning}"));
    }
    if let Some(tests) = tests {
        tests.prepare(&mut config);
    }
    place_externals(&mut config, &arguments.common.external_addr, tests.is_some())?;
    Ok(Arc::new(config))
}

/// The test whether this machine can shut workers in, under way. Processes may start meanwhile, but none is told whose code it is
/// to run: that takes a [`Permission`].
#[derive(Debug)]
pub(super) struct SandboxCheck(JoinHandle<Result<Report, CheckError>>);

/// The machine can shut workers in, or the operator does without that.
#[derive(Debug)]
pub(super) struct Permission(());

impl SandboxCheck {
    pub(super) fn start(worker: Program, cgroups: &Result<Arc<Delegation>, CgroupError>) -> Result<Self, String> {
        let cgroups = cgroups.as_ref().map(Arc::clone).map_err(ToString::to_string);
        let run = move || check::run(&worker, cgroups.as_deref().map_err(Clone::clone));
        let thread = std::thread::Builder::new().name("check".into()).spawn(run);
        thread.map(SandboxCheck).map_err(|error| format!("error: cannot start a thread: {error}"))
    }

    /// Waits for the result; refuses a machine that cannot shut workers in.
    pub(super) fn finish(self, mode: SandboxMode, verbose: bool) -> Result<Permission, String> {
        let result = self.0.join().map_err(|_| "error: the check of the sandbox ended early".to_owned())?;
        let report = result.map_err(|error| format!("error: cannot check the sandbox of this machine: {error}"))?;
        judge(&report, mode, verbose).map(|()| Permission(()))
    }
}

/// What the result of the test means for an operator who asks for `mode`.
fn judge(report_of_machine: &Report, mode: SandboxMode, verbose: bool) -> Result<(), String> {
    let incomplete: Vec<&str> = report_of_machine.degraded().map(|(layer, _)| Layer::name(layer)).collect();
    if check::sufficient(report_of_machine) {
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
pub(super) fn raise_descriptor_limit() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
    {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

/// How many descriptors there may be.
pub(super) fn descriptor_limit() -> usize {
    getrlimit(Resource::RLIMIT_NOFILE).map_or(usize::MAX, |(soft, _)| usize::try_from(soft).unwrap_or(usize::MAX))
}

/// Opens the directory of each disk service, or says everything that is wrong with them. `paths` are those of the command line.
pub(super) fn directories(
    config: &Config,
    paths: &[(String, String)],
    tests: bool,
) -> Result<HashMap<ServiceId, Arc<Directory>>, String> {
    let is_disk = |name: &str| {
        let named = |service: &&config::Service| service.id.as_str() == name;
        config.services.iter().find(named).is_some_and(|service| matches!(service.kind, ServiceKind::Disk(_)))
    };
    let mut errors: Vec<String> = paths
        .iter()
        // Whoever runs tests has a directory for them, whether they use it or not.
        .filter(|(name, _)| !(is_disk(name) || tests && name == TEST_DIRECTORY))
        .map(|(name, _)| {
            format!(
                "Config did not define any disk service named \"{name}\" to match the override provided on the command line."
            )
        })
        .collect();
    let mut open = HashMap::new();
    for service in &config.services {
        let ServiceKind::Disk(disk) = &service.kind else { continue };
        let id = &service.id;
        // The last of several overrides counts, as with every option that is repeated.
        let given = paths.iter().rev().find(|(name, _)| name == id.as_str()).map(|(_, path)| Path::new(path));
        let Some(path) = given.or(disk.path.as_deref()) else {
            errors.push(format!(
                "service {id}: Directory \"{id}\" has no path in the config, so must be specified on the command line with \
                 `--directory-path`."
            ));
            continue;
        };
        match Directory::open(path, disk.writable, disk.allow_dotfiles) {
            Ok(directory) => drop(open.insert(id.clone(), Arc::new(directory))),
            Err(error) => {
                errors.push(format!("service {id}: Directory named \"{id}\" not found: {} ({error})", path.display()))
            }
        }
    }
    if errors.is_empty() { Ok(open) } else { Err(own_text(&errors.join("\n"))) }
}

/// What the caches of the workers are kept in, where there are any: what was stored `before`, where that is in the same place.
pub(super) fn cache(config: &Config, before: Option<&Arc<Store>>) -> Result<Option<Arc<Store>>, String> {
    let cache = config.services.iter().find_map(|service| match &service.kind {
        ServiceKind::Cache(cache) => Some(cache),
        _ => None,
    });
    let Some(cache) = cache else { return Ok(None) };
    let workers: Vec<_> = config.workers().map(|(id, _)| id).collect();
    if let Some(store) = before.and_then(|before| before.succeed(cache, &workers)) {
        return Ok(Some(Arc::new(store)));
    }
    let store = Store::open(cache, workers.into_iter()).map_err(|error| {
        let path = cache.disk.as_ref().map_or(Path::new(""), |(path, _)| path);
        own_text(&format!("error: cannot use the directory of the cache, {}: {error}", path.display()))
    })?;
    Ok(Some(Arc::new(store)))
}

/// What takes the handshakes of each socket, where it speaks TLS; or everything that is wrong with them.
pub(super) fn acceptors(config: &Config) -> Result<Vec<Option<Acceptor>>, String> {
    let (mut acceptors, mut errors) = (Vec::with_capacity(config.sockets.len()), Vec::new());
    for socket in &config.sockets {
        let inside = if socket.protocol.http().is_some() { Inside::Http } else { Inside::Other };
        match socket.tls.as_ref().map(|tls| Acceptor::new(tls, inside)).transpose() {
            Ok(acceptor) => acceptors.push(acceptor),
            Err(error) => errors.push(format!("Socket \"{}\": {error}", socket.name)),
        }
    }
    if errors.is_empty() { Ok(acceptors) } else { Err(errors.join("\n")) }
}

/// Puts external services where the command line says, and finds those that are nowhere.
pub(super) fn place_externals(config: &mut Config, addresses: &[(String, String)], tests: bool) -> Result<(), String> {
    let mut errors = Vec::new();
    for (name, address) in addresses {
        let external = config.services.iter_mut().find_map(|service| match &mut service.kind {
            ServiceKind::External(external) if service.id.as_str() == name => Some(external),
            _ => None,
        });
        match external {
            Some(external) => Arc::make_mut(external).address = Some(address.clone()),
            None => errors.push(format!(
                "Config did not define any external service named \"{name}\" to match the override provided on the command \
                 line."
            )),
        }
    }
    for service in &mut config.services {
        let ServiceKind::External(external) = &service.kind else { continue };
        match destination(&service.id, external) {
            Ok(_) => {}
            // Who needs it fails alone.
            Err(reason) if tests => {
                say(&format!("warning: {reason}"));
                service.kind = ServiceKind::Broken(Broken { reason: reason.into(), is_worker: false });
            }
            Err(reason) => errors.push(reason),
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(errors.join("\n")) }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::args::{Cli, Command, ServeArgs};

    /// Loads what this command line names; gives the threads that the only worker may have.
    fn threads(arguments: &[&str]) -> Result<u32, String> {
        let cli = Cli::try_parse_from(["supervisor", "serve"].iter().chain(arguments)).expect("a command line");
        let Command::Serve(arguments) = cli.command else { panic!("{:?}", cli.command) };
        let ServeArgs { source, const_name, options } = *arguments;
        let origin = Origin::named(source, const_name, &options.common.policy)?;
        let config = load(&origin, &options, false, None, &|_| ())?;
        let worker = config.services[0].kind.worker().expect("a worker");
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

        let options = config::Options::on(Date::new(2026, 11, 20));
        let binary = write("config.bin", &config::encode_text(Path::new(&config), &options).expect("bytes"));
        assert_eq!(threads(&["--binary", &binary]), Ok(16));
        assert_eq!(threads(&["--binary", &binary, "--policy", &policy, "--policy-const=seven"]), Ok(7));
        let error = threads(&["--binary", &binary, "--policy-const=five"]).unwrap_err();
        assert!(error.contains("--policy-const needs --policy"), "{error}");
    }
}
