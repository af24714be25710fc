//! `supervisor test`: runs the tests that the workers of a configuration export, each worker in its process.
//!
//! What a server needs is there meanwhile: sockets, external servers, the other workers. A test that takes its process down fails
//! alone; the next test of its worker has another process.

mod bench;
mod filter;
mod report;

use std::{
    cell::Cell,
    collections::{HashMap, HashSet, VecDeque},
    io::{IsTerminal, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bulkhead_ipc::worker_capnp::Limit;
use futures::stream::{self, StreamExt as _};
use rustix::rand::{GetRandomFlags, getrandom};
use tokio::sync::oneshot;

use self::{
    bench::Benches,
    report::{Failure, TestResult, label},
};
pub(super) use self::{
    bench::run as run_benches,
    filter::{BenchFilter, Filter},
};
use super::{
    args::{CommonArgs, MissingArgs, ServeOptions, TestArgs, TestFormat},
    not_supported,
    serve::{end, serve},
    setup::{self, Origin},
};
use crate::{
    config::{BindingValue, Config, Designator, Service, ServiceId, ServiceKind, policy::WorkerPolicy},
    fleet::{Entrypoint, FleetConfig, FleetHandle, StartError, Testing, counters::Counter, decide::RestartPolicy},
    log::{Entry, Log, Stream, Watch},
    service::{
        Event, Outcome, ServiceError,
        graph::{Call, Calls},
    },
    text::quote,
};

/// The name of the directory that whoever runs tests has for them.
pub(super) const TEST_DIRECTORY: &str = "TEST_TMPDIR";

/// How long a test may take where the policy leaves the default, which is meant for requests: one that waits for what never comes
/// should not keep the others waiting.
const WALL_TIME: Duration = Duration::from_secs(30);

/// How long the end of a process is waited for when its connection has broken.
const END: Duration = Duration::from_secs(5);

/// Lines that are kept of what a worker writes, and characters of each.
const KEPT_LINES: usize = 20;
const KEPT_CHARACTERS: usize = 500;

/// Takes away the line that says how far the tests have come.
const CLEAR_LINE: &[u8] = b"\r\x1b[K";

/// A configuration with at most so many workers keeps the processes of all of them until the end.
const KEPT_PROCESSES: usize = 8;

/// Runs the tests, and says what came of them.
pub(super) fn run(arguments: TestArgs, verbose: bool) -> ExitCode {
    if let Some(option) = arguments.missing.given().first() {
        return not_supported(&format!("the option {option}"));
    }
    let tests = Tests::new(&arguments);
    let TestArgs { source, common, directory_path, missing, .. } = arguments;
    let origin = Origin::named(source, tests.filter.const_name.clone(), &common.policy);
    let options = tests.serve_options(common, directory_path, missing);
    end(origin.and_then(|origin| serve(&origin, setup::worker_beside()?.into(), &options, verbose, Some(tests))))
}

/// Which tests are run, and how.
pub(super) struct Tests {
    filter: Filter,
    jobs: usize,
    shuffle: Option<u64>,
    explains: bool,
    json: bool,
    junit: Option<PathBuf>,
    predictable: bool,
    gc_stress: bool,
    /// What is run instead of tests.
    benches: Option<Benches>,
    /// The compatibility date of all workers.
    pub(super) compat_date: Option<String>,
    /// What addresses within this run begin with.
    loopback: String,
    watched: Arc<Mutex<Watched>>,
}

/// What the log has shown, and what it shows beside its lines.
#[derive(Debug, Default)]
struct Watched {
    /// The last lines of each worker.
    lines: HashMap<Arc<str>, VecDeque<String>>,
    /// How far the tests have come; empty where nobody is shown that.
    status: String,
}

impl Tests {
    fn new(arguments: &TestArgs) -> Self {
        Self {
            filter: arguments.filter.clone().unwrap_or_default(),
            jobs: arguments.jobs as usize,
            shuffle: arguments.shuffle,
            explains: !arguments.no_verbose,
            json: arguments.format == TestFormat::Json,
            junit: arguments.junit.clone(),
            predictable: arguments.predictable,
            gc_stress: arguments.gc_stress,
            benches: None,
            compat_date: arguments.compat_date.clone(),
            loopback: loopback(),
            watched: Arc::default(),
        }
    }

    /// What a server is started with for these tests.
    fn serve_options(
        &self,
        mut common: CommonArgs,
        directory_path: Vec<(String, String)>,
        missing: MissingArgs,
    ) -> ServeOptions {
        for (_, address) in common.socket_addr.iter_mut().chain(&mut common.external_addr) {
            if let Some(within) = self.address(address) {
                *address = within;
            }
        }
        ServeOptions {
            common,
            socket_fd: Vec::new(),
            control_fd: None,
            shards: Some(1),
            strict_start: false,
            directory_path,
            missing,
        }
    }

    /// Where `loopback:<name>` is: a Unix socket that nobody else knows of, and which ends with this process.
    fn address(&self, address: &str) -> Option<String> {
        let name = address.strip_prefix("loopback:")?;
        Some(format!("{}-{:016x}", self.loopback, hash(name)))
    }

    /// Makes a configuration that serves one that is tested.
    pub(super) fn prepare(&self, config: &mut Config) {
        for socket in &mut config.sockets {
            if let Some(address) = socket.address.as_deref().and_then(|address| self.address(address)) {
                socket.address = Some(address);
            }
        }
        let default = WorkerPolicy::default();
        for service in &mut config.services {
            match &mut service.kind {
                ServiceKind::External(external) => {
                    if let Some(address) = external.address.as_deref().and_then(|address| self.address(address)) {
                        Arc::make_mut(external).address = Some(address);
                    }
                }
                ServiceKind::Worker(worker) => {
                    let policy = &mut Arc::make_mut(worker).policy;
                    if policy.wall_time == default.wall_time {
                        // Benchmarks take as long as they are asked to.
                        policy.wall_time = if self.benches.is_some() { Duration::ZERO } else { WALL_TIME };
                    }
                    // What a test writes is what somebody wants to read.
                    if policy.log_bytes_per_second == default.log_bytes_per_second {
                        policy.log_bytes_per_second = 0;
                    }
                }
                _ => {}
            }
        }
        if self.predictable {
            config.v8_flags.extend(["--expose-gc".to_owned(), "--random-seed=20000101".to_owned()]);
        }
    }

    /// How the processes are run.
    pub(super) fn adjust(&self, fleet: &mut FleetConfig) {
        fleet.testing = Testing { running_clock: true, gc_stress: self.gc_stress };
        fleet.names_lines |= self.jobs > 1;
        // The next test is to come, whatever the last one did to its process.
        let (base, max) = (Duration::from_millis(1), Duration::from_millis(20));
        fleet.restart = RestartPolicy { base, max, ..fleet.restart };
    }

    /// Who sees what is logged.
    pub(super) fn watch(&self) -> impl Watch + use<> {
        Watcher {
            watched: self.watched.clone(),
            has_terminal: std::io::stderr().is_terminal(),
            moves_output: self.json,
        }
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs all of them; gives the exit code.
    pub(super) async fn run(
        &self,
        config: &Arc<Config>,
        fleet: &FleetHandle,
        calls: &Calls,
        log: &Log,
    ) -> Result<ExitCode, String> {
        let cannot_write = |path: &Path, error| format!("error: --junit={}: {error}", path.display());
        if let Some(path) = &self.junit {
            // Better now than when all is done.
            std::fs::File::create(path).map_err(|error| cannot_write(path, error))?;
        }
        let is_tested = |service: &&Service| match &service.kind {
            ServiceKind::Broken(broken) => broken.is_worker,
            kind => kind.worker().is_some(),
        };
        let services = config.services.iter().filter(is_tested).map(|service| &service.id);
        let services = services.filter(|id| self.filter.has_service(id.as_str()));
        let mut services: Vec<&ServiceId> = services.collect();
        if let Some(seed) = self.shuffle {
            shuffle(&mut services, seed);
        }
        let (kept, progress) = (kept(config), Progress::new(services.len()));
        let run = Run { tests: self, fleet, calls, log, kept, broken: broken(config), progress };
        if let Some(benches) = &self.benches {
            return run.benches(benches, &services).await;
        }
        let jobs = stream::iter(services).map(|service| run.service(service));
        let results: Vec<Vec<TestResult>> = jobs.buffered(self.jobs).collect().await;
        self.watched().status.clear();
        log.flush().await;
        if std::io::stderr().is_terminal() {
            let _ = std::io::stderr().lock().write_all(CLEAR_LINE);
        }
        let results: Vec<TestResult> = results.into_iter().flatten().collect();
        if self.json {
            log.write(Entry::record(&report::summary(&results))).await;
        }
        if let Some(path) = &self.junit {
            std::fs::write(path, report::junit(&results)).map_err(|error| cannot_write(path, error))?;
        }
        if results.is_empty() {
            log.write(Entry::result(report::NONE_FOUND)).await;
        }
        if results.is_empty() || results.iter().any(|result| result.failure.is_some()) {
            log.write(Entry::result(report::FAILED)).await;
            return Ok(ExitCode::FAILURE);
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What addresses within a run begin with.
fn loopback() -> String {
    let mut nonce = [0; 16];
    getrandom(&mut nonce, GetRandomFlags::empty()).expect("the kernel has random bytes");
    format!("unix-abstract:bulkhead-test-{:032x}", u128::from_ne_bytes(nonce))
}

/// The workers whose processes are kept once their own tests are over: those that others may call, and see the state of.
fn kept(config: &Config) -> HashSet<ServiceId> {
    if config.workers().count() <= KEPT_PROCESSES {
        return config.workers().map(|(id, _)| id.clone()).collect();
    }
    let sockets = config.sockets.iter().map(|socket| &socket.service);
    let reached = config.workers().flat_map(|(_, worker)| {
        let bindings = worker.bindings.iter().filter_map(|binding| match &binding.value {
            BindingValue::Service(to) => Some(to),
            _ => None,
        });
        bindings.chain([&worker.global_outbound]).chain(&worker.cache_api_outbound)
    });
    sockets.chain(reached).map(|to| to.service.clone()).collect()
}

/// The services that do not work, and why.
fn broken(config: &Config) -> HashMap<ServiceId, Arc<str>> {
    let broken = config.services.iter().filter_map(|service| match &service.kind {
        ServiceKind::Broken(broken) => Some((service.id.clone(), broken.reason.clone())),
        _ => None,
    });
    broken.collect()
}

/// How far the tests have come.
struct Progress {
    services: usize,
    ended: Cell<usize>,
    passed: Cell<usize>,
    failed: Cell<usize>,
}

impl Progress {
    fn new(services: usize) -> Self {
        Self { services, ended: Cell::default(), passed: Cell::default(), failed: Cell::default() }
    }

    fn line(&self, running: &str) -> String {
        let Self { services, ended, passed, failed } = self;
        let (ended, passed, failed) = (ended.get(), passed.get(), failed.get());
        format!("[{ended}/{services}] {passed} passed, {failed} failed: {}", quote(running))
    }
}

/// A run of tests.
struct Run<'a> {
    tests: &'a Tests,
    fleet: &'a FleetHandle,
    calls: &'a Calls,
    log: &'a Log,
    kept: HashSet<ServiceId>,
    broken: HashMap<ServiceId, Arc<str>>,
    progress: Progress,
}

impl Run<'_> {
    /// Runs the tests of one worker, one after the other.
    async fn service(&self, service: &ServiceId) -> Vec<TestResult> {
        let begun = Instant::now();
        let mut results = Vec::new();
        match self.tests_of(service).await {
            Ok(mut tests) => {
                if let Some(seed) = self.tests.shuffle {
                    shuffle(&mut tests, seed ^ hash(service.as_str()));
                }
                for test in tests {
                    results.push(self.test(service, test).await);
                }
            }
            Err(reason) => {
                let name = service.as_str();
                self.begin(service, name).await;
                results.push(self.end(service, "", begun.elapsed(), Some(reason)).await);
            }
        }
        self.leave(service);
        self.progress.ended.update(|ended| ended + 1);
        results
    }

    /// Ends the process of a worker that is through, if nobody else may need it.
    fn leave(&self, service: &ServiceId) {
        if !self.kept.contains(service) && !self.broken.contains_key(service) {
            self.fleet.release(service);
        }
    }

    /// The exports of a worker that are tests and asked for; or why it does not start, for the user.
    async fn tests_of(&self, service: &ServiceId) -> Result<Vec<String>, String> {
        // What a process exports that has ended meanwhile is not known.
        const TRIES: usize = 3;
        if let Some(reason) = self.broken.get(service) {
            return Err(format!("service {service}: {reason}"));
        }
        let mut exports = Vec::new();
        for _ in 0..TRIES {
            let started = self.fleet.start_check(std::slice::from_ref(service)).await.pop();
            match started {
                Some(Err(StartError::Code(text))) => return Err(format!("service {service}: {text}")),
                Some(Err(StartError::Process(text))) => {
                    return Err(format!("worker {service:?} could not be started: {text}"));
                }
                _ => {}
            }
            exports = self.fleet.entrypoints(service).await;
            if !exports.is_empty() {
                break;
            }
        }
        let benches = self.tests.benches.is_some();
        let is_one = |export: &Entrypoint| if benches { export.benches } else { export.tests };
        let tests = exports.into_iter().filter(is_one).map(|export| export.name);
        Ok(tests.filter(|name| self.tests.filter.has_entrypoint(name)).collect())
    }

    async fn test(&self, service: &ServiceId, entrypoint: String) -> TestResult {
        self.begin(service, &label(service.as_str(), &entrypoint)).await;
        let begun = Instant::now();
        let outcome = self.call(service, &entrypoint, Event::Test).await;
        self.end(service, &entrypoint, begun.elapsed(), outcome.err()).await
    }

    /// Has an event run, and gives what it reports, or why it has failed, for the user.
    async fn call(&self, service: &ServiceId, entrypoint: &str, event: Event) -> Result<Option<String>, String> {
        let mut ends = self.fleet.ends(service);
        let replaced = || self.fleet.counters(service).get(Counter::Retired);
        let before = replaced();
        let (reply, outcome) = oneshot::channel();
        let name = (!entrypoint.is_empty()).then(|| entrypoint.to_owned());
        let to = Designator { service: service.clone(), entrypoint: name, props_json: None };
        let _ = self.calls.send(Call { to, event, reply });
        let failure = match outcome.await {
            Ok(Ok(Outcome { failure: None, report, .. })) => return Ok(report),
            Ok(Ok(Outcome { failure: Some(error), .. })) | Ok(Err(error)) => error,
            Err(_) => ServiceError::Unavailable("the supervisor is about to end".to_owned()),
        };
        if matches!(failure, ServiceError::Exceeded(Limit::Memory)) {
            // Its process is about to be replaced, of which the fleet hears by another way than we: the next test is not for this one.
            let gone = async {
                while replaced() == before && !ends.has_changed().unwrap_or(true) {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            let _ = tokio::time::timeout(END, gone).await;
        }
        Err(match failure {
            // Why, is known when the process has ended.
            error @ ServiceError::Unavailable(_) => {
                let ended = tokio::time::timeout(END, ends.changed()).await;
                let words = ended.is_ok_and(|changed| changed.is_ok()).then(|| ends.borrow_and_update().words.clone());
                match words {
                    Some(words) => format!("worker {service:?}: its process {words}"),
                    None => format!("worker {service:?}: {error}"),
                }
            }
            error @ (ServiceError::Exception(_) | ServiceError::Threw { .. }) => error.to_string(),
            error => format!("worker {service:?}: {error}"),
        })
    }

    async fn begin(&self, service: &ServiceId, label: &str) {
        // What was written before is none of this test's.
        self.log.flush().await;
        {
            let mut watched = self.tests.watched();
            watched.lines.remove(service.as_str());
            watched.status = self.progress.line(label);
        }
        self.log.write(Entry::result(&report::begun(label))).await;
    }

    async fn end(&self, service: &ServiceId, entrypoint: &str, took: Duration, reason: Option<String>) -> TestResult {
        let failure = match reason {
            None => None,
            Some(reason) => {
                if self.tests.explains {
                    self.log.write(Entry::own(&reason)).await;
                }
                self.log.flush().await;
                let lines = self.tests.watched().lines.remove(service.as_str());
                Some(Failure { reason, log: lines.unwrap_or_default().into() })
            }
        };
        let count = if failure.is_none() { &self.progress.passed } else { &self.progress.failed };
        count.update(|count| count + 1);
        let result =
            TestResult { service: service.as_str().to_owned(), entrypoint: entrypoint.to_owned(), took, failure };
        self.tests.watched().status = self.progress.line("");
        self.log.write(Entry::result(&report::ended(&result))).await;
        if self.tests.json {
            self.log.write(Entry::record(&report::record(&result))).await;
        }
        result
    }
}

/// Sees the log for a run of tests.
struct Watcher {
    watched: Arc<Mutex<Watched>>,
    /// Whether somebody is shown how far the tests have come.
    has_terminal: bool,
    /// Whether standard output is for results alone.
    moves_output: bool,
}

impl Watch for Watcher {
    fn before(&mut self, entry: &mut Entry) {
        if let Some(worker) = &entry.worker {
            let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
            let lines = watched.lines.entry(worker.clone()).or_default();
            for line in entry.text.lines() {
                if lines.len() == KEPT_LINES {
                    lines.pop_front();
                }
                lines.push_back(line.chars().take(KEPT_CHARACTERS).collect());
            }
            if self.moves_output {
                entry.stream = Stream::Err;
            }
        }
        if self.has_terminal {
            let _ = std::io::stderr().lock().write_all(CLEAR_LINE);
        }
    }

    fn after(&mut self) {
        if self.has_terminal {
            let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = std::io::stderr().lock().write_all(watched.status.as_bytes());
        }
    }
}

/// FNV-1a: tells names apart, and is the same everywhere.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

/// Brings a list into an order that follows from `seed` (Fisher and Yates, with the numbers of SplitMix64).
fn shuffle<T>(list: &mut [T], seed: u64) {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    for index in (1..list.len()).rev() {
        list.swap(index, (next() % (index as u64 + 1)) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_follows_from_its_seed() {
        let order = |seed| {
            let mut list: Vec<u32> = (0..50).collect();
            shuffle(&mut list, seed);
            list
        };
        assert_eq!(order(7), order(7));
        assert_ne!(order(7), order(8));
        let mut sorted = order(7);
        sorted.sort_unstable();
        assert_eq!(sorted, (0..50).collect::<Vec<_>>());
        shuffle(&mut [0u8; 0], 1);
    }
}
