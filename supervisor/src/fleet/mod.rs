//! The worker processes: spawn, bind, watch, restart, retire.
//!
//! A fleet runs on a thread of its own. It owns the processes and their control connections; a shard asks it for the
//! shard's end of a worker's event connection and from then on speaks to the process without it.
//!
//! ```text
//!  shard 0 ──Attach──▶ fleet ──bind──▶ process ◀──events── shard 0
//!  shard 1 ──Attach──▶   │             process ◀──events── shard 1
//!                        └─ watches the pidfd and the diagnostic pipe
//! ```
//!
//! What is decided is in [`decide`], as pure functions; `manager` takes the commands, and `keeper`, `pool`, `watch` and `retire`
//! do what is decided, each with its part of a process's life. Time is passed into decisions, and nothing here knows what an
//! event is about.

mod bundle;
pub mod counters;
pub mod decide;
mod diagnostics;
pub mod fallback;
mod keeper;
mod last_words;
mod manager;
mod pool;
mod process;
mod reason;
mod retire;
mod shard;
pub mod spawner;
mod usage;
mod watch;

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use bulkhead_ipc::transport::{Limits, MAX_EVENTS, MAX_EXCHANGES};
use bulkhead_policy::{
    cgroup::Delegation,
    spawn::{Program, SharedBytes},
};
use tokio::sync::{
    mpsc, oneshot,
    watch::{Receiver, Sender},
};

use crate::{
    config::model::{Config, ServiceId, Worker},
    log::Log,
};
use counters::{Counter, Counters};
use decide::{PoolPolicy, RestartPolicy, WatchPolicy};
use manager::{Attached, Command};
pub(crate) use shard::DispatcherCache;
pub use shard::{Reach, ShardFleet};
use spawner::{ProcessSpawner, Spawner};

/// How a fleet works.
#[derive(Debug, Clone)]
pub struct FleetConfig {
    /// The worker's program.
    pub program: Program,
    /// Number of shards, 1 … [`MAX_SHARDS`](bulkhead_ipc::process::MAX_SHARDS).
    pub shards: u32,
    /// Whether workers go on without a layer of the sandbox that this kernel does not give.
    pub best_effort_sandbox: bool,
    /// Whether workers make system calls outside of the table and report them (`--seccomp=log`), which protects nothing.
    pub seccomp_log: bool,
    /// Where each process gets a cgroup of its own, if the machine lets it.
    pub cgroups: Option<Arc<Delegation>>,
    /// Whether workers may use experimental features (`--experimental`).
    pub experimental: bool,
    /// Whether starts are logged (`--verbose`).
    pub verbose: bool,
    /// Whether each line of tenant output begins with the worker's name.
    pub names_lines: bool,
    /// How workers are run by their tests.
    pub testing: Testing,
    /// What a worker may do on its connections.
    pub connection: Limits,
    /// Blank processes in reserve.
    pub pool: PoolPolicy,
    /// Restarts of processes that died.
    pub restart: RestartPolicy,
    /// Processes that do not keep their limits themselves.
    pub watch: WatchPolicy,
    /// Longest time from the start of a process to its being ready to be bound.
    pub ready_timeout: Duration,
    /// Longest time for compiling and evaluating a worker's modules.
    pub bind_timeout: Duration,
    /// Longest time that a request waits for a process, and then for a place at it.
    pub wait_timeout: Duration,
    /// Requests for one worker that may wait for a process on one shard, and as many for a place.
    pub max_waiting: usize,
    /// Events that one worker and shard may have in flight, at most [`MAX_EVENTS`].
    pub max_events: u32,
    /// Connections of one worker and shard that may be upgraded, at most [`MAX_EXCHANGES`].
    pub max_exchanges: u32,
}

impl FleetConfig {
    /// The defaults, for a worker's program and a number of shards.
    pub fn new(program: Program, shards: u32) -> Self {
        Self {
            program,
            shards,
            best_effort_sandbox: false,
            seccomp_log: false,
            cgroups: None,
            experimental: false,
            verbose: false,
            names_lines: false,
            testing: Testing::default(),
            connection: Limits::for_worker(),
            pool: PoolPolicy::default(),
            restart: RestartPolicy::default(),
            watch: WatchPolicy::default(),
            ready_timeout: Duration::from_secs(10),
            bind_timeout: Duration::from_secs(10),
            wait_timeout: Duration::from_secs(15),
            max_waiting: 1024,
            max_events: MAX_EVENTS,
            max_exchanges: MAX_EXCHANGES,
        }
    }
}

/// How workers are run by their tests; nothing of it when they serve.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Testing {
    /// The clock that script sees runs while script does, as in the reference.
    pub running_clock: bool,
    /// All garbage is collected each time that an event goes on.
    pub gc_stress: bool,
}

/// The end of a worker's process that nobody had asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct End {
    /// How many processes of the worker have ended so.
    pub number: u64,
    /// The end of the sentence that begins with the worker's name: how the last one ended.
    pub words: String,
}

/// Why a fleet could not be started.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// A thread or its runtime could not be made.
    #[error("starting the fleet's {0} failed: {1}")]
    Start(&'static str, std::io::Error),
}

/// Why a worker has no process.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// The tenant's code failed at start-up; the text is the reference's, such as `Uncaught SyntaxError: …`, and says
    /// in further lines where that was.
    #[error("{0}")]
    Code(String),
    /// The process could not be started or bound, or nobody waited long enough.
    #[error("{0}")]
    Process(String),
}

/// An entrypoint of a worker's code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entrypoint {
    /// The name of the export; empty for the default one.
    pub name: String,
    /// Whether it has a handler for `test`.
    pub tests: bool,
    /// Whether it has one for `bench`; known of a worker that is tested.
    pub benches: bool,
}

/// Counts, for metrics and tests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FleetStats {
    /// Processes that are bound to a worker.
    pub bound: usize,
    /// Blank processes that are ready.
    pub blank: usize,
    /// Processes that exist, in any state.
    pub processes: usize,
    /// Processes started so far.
    pub started: u64,
}

/// Starts fleets.
pub struct Fleet;

impl Fleet {
    /// Starts the fleet's thread, which begins to fill the pool. Worker processes are bound when they are first needed.
    ///
    /// # Errors
    /// The threads cannot be made. That a process cannot be started shows in [`FleetHandle::start_check`] and in the log.
    pub fn start(fleet: FleetConfig, config: Arc<Config>, log: Log) -> Result<FleetHandle, FleetError> {
        let texts = config.extensions.iter().map(|module| module.source.as_bytes());
        let extensions = (!config.extensions.is_empty())
            .then(|| SharedBytes::new(texts))
            .transpose()
            .map_err(|error| FleetError::Start("extensions", error))?;
        let spawner = ProcessSpawner { program: fleet.program.clone(), cgroups: fleet.cgroups.clone(), extensions };
        Self::start_with(fleet, config, log, Box::new(spawner))
    }

    /// As [`Fleet::start`], with processes from `spawner`.
    ///
    /// # Errors
    /// The threads cannot be made.
    pub fn start_with(
        fleet: FleetConfig,
        config: Arc<Config>,
        log: Log,
        spawner: Box<dyn Spawner>,
    ) -> Result<FleetHandle, FleetError> {
        let workers = config.workers().map(|(id, worker)| {
            let member = Member {
                id: id.clone(),
                worker: worker.clone(),
                counters: Counters::default(),
                ends: Sender::default(),
            };
            (id.clone(), Arc::new(member))
        });
        let workers = Arc::new(workers.collect());
        let (commands, receiver) = mpsc::unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| FleetError::Start("runtime", error))?;
        let shared = Arc::new(fleet);
        let reporter = Reporter { config, workers, log };
        let handle = FleetHandle { commands, config: shared.clone(), reporter: reporter.clone() };
        std::thread::Builder::new()
            .name("fleet".into())
            .spawn(move || manager::run(&runtime, shared, reporter, spawner, receiver))
            .map_err(|error| FleetError::Start("thread", error))?;
        Ok(handle)
    }
}

/// Speaks to a fleet from any thread. When the last handle and the last [`ShardFleet`] are gone, the fleet ends its
/// processes.
#[derive(Debug, Clone)]
pub struct FleetHandle {
    commands: mpsc::UnboundedSender<Command>,
    config: Arc<FleetConfig>,
    reporter: Reporter,
}

/// What every thread knows of the workers: who they are, what went wrong with them, and where to say so.
#[derive(Debug, Clone)]
struct Reporter {
    config: Arc<Config>,
    workers: Arc<HashMap<ServiceId, Arc<Member>>>,
    log: Log,
}

/// One worker of a fleet, as every thread knows it.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) id: ServiceId,
    pub(crate) worker: Arc<Worker>,
    /// What went wrong with it so far.
    pub(crate) counters: Counters,
    /// How its processes ended.
    ends: Sender<End>,
}

impl Reporter {
    /// The worker of this name, which is one of the configuration.
    fn member(&self, service: &ServiceId) -> &Arc<Member> {
        &self.workers[service]
    }

    /// Counts that a worker exceeded a limit, and lets the operator know now and then.
    fn exceeded(&self, member: &Member, counter: Counter) {
        if let Some(count) = member.counters.count_for_log(counter, Instant::now()) {
            self.log.event(counters::line(member.id.as_str(), counter, &member.worker.policy, count));
        }
    }

    /// Counts that nobody answered a request of a worker's own, and lets the operator know why now and then.
    fn unanswered(&self, member: &Member, why: &str) {
        if let Some(count) = member.counters.count_for_log(Counter::Unanswered, Instant::now()) {
            self.log.event(counters::unanswered(member.id.as_str(), why, count));
        }
    }
}

impl FleetHandle {
    /// The fleet as shard number `index` sees it. To be called once for each shard, on the shard's thread.
    ///
    /// # Panics
    /// `index` is not below the configured number of shards.
    pub fn shard(&self, index: u32) -> ShardFleet {
        assert!(index < self.config.shards, "there are {} shards", self.config.shards);
        ShardFleet::new(index, self.clone())
    }

    /// Binds the given services of the configuration and says for each how that went.
    pub async fn start_check(&self, services: &[ServiceId]) -> Vec<Result<(), StartError>> {
        let mut replies = Vec::new();
        for service in services {
            let (reply, answer) = oneshot::channel();
            let _ = self.commands.send(Command::Start { service: service.clone(), reply });
            replies.push(answer);
        }
        let mut results = Vec::new();
        for answer in replies {
            results.push(answer.await.unwrap_or_else(|_| Err(StartError::Process("the fleet has ended".into()))));
        }
        results
    }

    /// What a worker that runs exports. Nothing when the worker does not run.
    pub async fn entrypoints(&self, service: &ServiceId) -> Vec<Entrypoint> {
        let (reply, answer) = oneshot::channel();
        let _ = self.commands.send(Command::Entrypoints { service: service.clone(), reply });
        answer.await.unwrap_or_default()
    }

    /// Ends the process of a worker once that has finished what it does; there is another one when somebody asks for the worker.
    pub fn release(&self, service: &ServiceId) {
        let _ = self.commands.send(Command::Release { service: service.clone() });
    }

    /// How processes of a worker end, from now on.
    ///
    /// # Panics
    /// It is none of the configuration.
    pub fn ends(&self, service: &ServiceId) -> Receiver<End> {
        self.reporter.member(service).ends.subscribe()
    }

    /// Lets the workers finish what they are doing, at most for `deadline`, and then ends every process. Nothing is
    /// started afterwards.
    pub async fn drain(&self, deadline: Duration) {
        let (reply, answer) = oneshot::channel();
        let _ = self.commands.send(Command::Drain { deadline, reply });
        let _ = answer.await;
    }

    /// What exists at the moment; all zero when the fleet has ended.
    pub async fn stats(&self) -> FleetStats {
        let (reply, answer) = oneshot::channel();
        let _ = self.commands.send(Command::Stats { reply });
        answer.await.unwrap_or_default()
    }

    /// What went wrong with a worker so far.
    ///
    /// # Panics
    /// It is none of the configuration.
    pub fn counters(&self, service: &ServiceId) -> &Counters {
        &self.reporter.member(service).counters
    }

    /// A line of JSON for each worker: its name and its counters, as numbers by name.
    pub fn counter_report(&self) -> Vec<String> {
        let workers = self.reporter.config.workers();
        workers.map(|(id, _)| self.counters(id).report(id.as_str())).collect()
    }

    fn attach(&self, service: ServiceId, shard: u32) -> oneshot::Receiver<Result<Attached, StartError>> {
        let (reply, answer) = oneshot::channel();
        let _ = self.commands.send(Command::Attach { service, shard, reply });
        answer
    }
}
