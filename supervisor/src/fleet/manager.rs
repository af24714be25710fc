//! The fleet's own thread: takes what shards and handles ask for, and does what [`decide`](super::decide) says.

use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, VecDeque},
    os::unix::net::UnixStream as StdStream,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use bulkhead_ipc::process::WorkerArgs;
use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::Instant,
};

use super::{
    Entrypoint, FleetConfig, FleetStats, Member, Reporter, StartError,
    counters::Counter,
    decide::{Account, Failures},
    diagnostics::LineBudget,
    keeper::{Kept, Phase, Waiter, serve},
    pool::Making,
    process::{GRACE, Kill, Live},
    spawner::{self, Spawner},
};
use crate::{
    config::{model::ServiceId, policy::WorkerPolicy},
    link::Work,
};

/// What a worker exports, or why it could not be bound.
pub(super) type Bound = Result<Vec<Entrypoint>, StartError>;

/// What a shard gets: its end of the event connection of one process.
#[derive(Debug)]
pub(super) struct Attached {
    pub(super) generation: u64,
    pub(super) stream: StdStream,
    pub(super) work: Arc<Work>,
    /// What comes of it where the process is still being bound, or has come.
    pub(super) bound: oneshot::Receiver<Bound>,
}

/// What shards and handles ask of the fleet.
#[derive(Debug)]
pub(super) enum Command {
    /// A shard wants its connection to a worker's process.
    Attach { service: ServiceId, shard: u32, reply: oneshot::Sender<Result<Attached, StartError>> },
    /// A worker shall be bound.
    Start { service: ServiceId, reply: oneshot::Sender<Result<(), StartError>> },
    /// An event connection has ended; `why` if the worker broke a rule.
    Lost { service: ServiceId, generation: u64, why: Option<String> },
    /// A process may not live any more.
    Suspect { service: ServiceId, generation: u64 },
    /// Somebody waits for a sign of life; there is no reply if the process has ended.
    Ask { service: ServiceId, generation: u64, reply: oneshot::Sender<()> },
    /// Somebody wants to know what a worker exports.
    Entrypoints { service: ServiceId, reply: oneshot::Sender<Vec<Entrypoint>> },
    /// Nobody needs the process of a worker any more, until it is asked for again.
    Release { service: ServiceId },
    /// The fleet shall end.
    Drain { deadline: Duration, reply: oneshot::Sender<()> },
    /// Somebody counts.
    Stats { reply: oneshot::Sender<FleetStats> },
}

pub(super) struct Manager {
    pub(super) fleet: Arc<FleetConfig>,
    pub(super) reporter: Reporter,
    /// What the processes of the pool are started with.
    pub(super) pool_args: WorkerArgs,
    pub(super) blank_lines: Rc<RefCell<LineBudget>>,
    /// Whether it was said that processes cannot be watched.
    pub(super) is_blind: Cell<bool>,
    pub(super) spawner: RefCell<Box<dyn Spawner>>,
    pub(super) services: HashMap<ServiceId, RefCell<Kept>>,
    pub(super) blank: RefCell<VecDeque<Rc<Live>>>,
    pub(super) making: Making,
    /// Every process that has not ended, in any state.
    pub(super) processes: RefCell<HashMap<u64, Rc<Kill>>>,
    pub(super) started: Cell<u64>,
    pub(super) draining: Cell<bool>,
    pub(super) all_ended: Notify,
    pub(super) jitter: Cell<u64>,
}

/// Runs a fleet until its handles are gone or it was drained.
pub(super) fn run(
    runtime: &tokio::runtime::Runtime,
    fleet: Arc<FleetConfig>,
    reporter: Reporter,
    spawner: Box<dyn Spawner>,
    mut commands: mpsc::UnboundedReceiver<Command>,
) {
    let services = reporter
        .config
        .workers()
        .map(|(id, _)| {
            let kept = RefCell::new(Kept {
                phase: Phase::Idle,
                waiters: Vec::new(),
                failures: Failures::default(),
                not_before: None,
                account: Account::default(),
                first_bound: None,
                binding: None,
                retiring: VecDeque::new(),
                lines: Rc::default(),
                broken: None,
            });
            (id.clone(), kept)
        })
        .collect();
    let common = WorkerArgs {
        shards: fleet.shards,
        best_effort: fleet.best_effort_sandbox,
        heap_bytes: 0,
        memory_bytes: 0,
        threads: 0,
        jitless: false,
        modules: false,
        // Where a process dies often, and somebody wants to know why.
        last_words: fleet.testing.running_clock,
        extensions: !reporter.config.extensions.is_empty(),
        storage: None,
        seccomp_log: fleet.seccomp_log,
        v8_flags: reporter.config.v8_flags.clone(),
    };
    let manager = Rc::new(Manager {
        fleet,
        reporter,
        pool_args: spawner::arguments(&WorkerPolicy::default(), &common),
        blank_lines: Rc::default(),
        is_blind: Cell::new(false),
        spawner: RefCell::new(spawner),
        services,
        blank: RefCell::default(),
        making: Making::default(),
        processes: RefCell::default(),
        started: Cell::new(0),
        draining: Cell::new(false),
        all_ended: Notify::new(),
        jitter: Cell::new(u64::from(std::process::id()) | 1),
    });
    let local = tokio::task::LocalSet::new();
    local.block_on(runtime, async move {
        manager.refill();
        while let Some(command) = commands.recv().await {
            manager.clone().handle(command);
        }
        manager.drain(Duration::ZERO).await;
    });
}

impl Manager {
    fn handle(self: Rc<Self>, command: Command) {
        match command {
            Command::Attach { service, shard, reply } => self.request(&service, Waiter::Shard(shard, reply)),
            Command::Start { service, reply } => self.request(&service, Waiter::Check(reply)),
            Command::Lost { service, generation, why } => self.lost(&service, generation, why),
            Command::Suspect { service, generation } => {
                if let Some(live) = self.find(&service, generation) {
                    live.suspected.notify_one();
                }
            }
            Command::Ask { service, generation, reply } => {
                if let Some(live) = self.find(&service, generation) {
                    let answer = live.control.ping_request().send().promise;
                    tokio::task::spawn_local(async move {
                        if answer.await.is_ok() {
                            let _ = reply.send(());
                        }
                    });
                }
            }
            Command::Release { service } => self.release(&service),
            Command::Drain { deadline, reply } => {
                tokio::task::spawn_local(async move {
                    self.drain(deadline).await;
                    let _ = reply.send(());
                });
            }
            Command::Entrypoints { service, reply } => {
                let names = match &self.services[&service].borrow().phase {
                    Phase::Running(live) => live.entrypoints.borrow().clone(),
                    _ => Vec::new(),
                };
                let _ = reply.send(names);
            }
            Command::Stats { reply } => drop(reply.send(self.stats())),
        }
    }

    pub(super) fn stats(&self) -> FleetStats {
        let bound = self.services.values().filter(|s| matches!(s.borrow().phase, Phase::Running(_))).count();
        let blank = self.blank.borrow().len();
        FleetStats { bound, blank, processes: self.processes.borrow().len(), started: self.started.get() }
    }

    pub(super) fn member(&self, service: &ServiceId) -> &Arc<Member> {
        self.reporter.member(service)
    }

    pub(super) fn event(&self, line: String) {
        self.reporter.log.event(line);
    }

    /// What a process for a worker is started with.
    pub(super) fn arguments(&self, service: &ServiceId) -> WorkerArgs {
        let worker = &self.member(service).worker;
        let modules = worker.module_fallback.is_some();
        WorkerArgs { modules, ..spawner::arguments(&worker.policy, &self.pool_args) }
    }

    /// A process of a worker that is not known to have ended.
    fn find(&self, service: &ServiceId, generation: u64) -> Option<Rc<Live>> {
        let service = self.services[service].borrow();
        let running = match &service.phase {
            Phase::Running(live) => Some(live),
            _ => service.binding.as_ref(),
        };
        running.into_iter().chain(&service.retiring).find(|live| live.generation == generation).cloned()
    }

    fn request(self: &Rc<Self>, id: &ServiceId, waiter: Waiter) {
        if self.draining.get() {
            return waiter.fail(StartError::Process("the supervisor is shutting down".into()));
        }
        let mut service = self.services[id].borrow_mut();
        match &service.phase {
            Phase::Running(live) => {
                let live = live.clone();
                if let Some(waiter) = serve(&live, waiter, None) {
                    // The shard had its connection and lost it: that the process ends is only a matter of time.
                    service.waiters.push(waiter);
                }
            }
            Phase::Starting | Phase::Binding => {
                service.waiters.retain(|waiter| !waiter.is_gone());
                service.waiters.push(waiter);
            }
            Phase::Idle => {
                if let Some((error, until)) = &service.broken
                    && Instant::now() < *until
                {
                    return waiter.fail(error.clone());
                }
                service.phase = Phase::Starting;
                service.waiters.push(waiter);
                tokio::task::spawn_local(self.clone().keep(id.clone()));
            }
        }
    }

    fn lost(self: Rc<Self>, service: &ServiceId, generation: u64, why: Option<String>) {
        let Some(live) = self.find(service, generation) else { return };
        match why {
            Some(why) => live.kill.now(Counter::Violation, why),
            None => {
                // Most likely the process is ending and its own reason follows.
                tokio::task::spawn_local(async move {
                    let _ = tokio::time::timeout(GRACE, live.wait()).await;
                    live.kill.now(Counter::Violation, "it closed an event connection");
                });
            }
        }
    }

    async fn drain(self: &Rc<Self>, deadline: Duration) {
        self.draining.set(true);
        let mut running = Vec::new();
        for service in self.services.values() {
            let service = service.borrow();
            running.extend(service.retiring.iter().cloned());
            if let Phase::Running(live) = &service.phase {
                running.push(live.clone());
            }
        }
        let idle = running.iter().map(|live| async move {
            let answer = live.control.drain_request().send().promise;
            tokio::select! {
                _ = answer => {}
                _ = live.wait() => {}
            }
        });
        let _ = tokio::time::timeout(deadline, futures::future::join_all(idle)).await;
        self.blank.borrow_mut().clear();
        loop {
            let ended = self.all_ended.notified();
            if self.processes.borrow().is_empty() {
                break;
            }
            for kill in self.processes.borrow().values() {
                kill.now(None, "the supervisor is shutting down");
            }
            ended.await;
        }
    }
}
