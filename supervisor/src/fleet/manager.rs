//! The fleet's own thread: does what [`decide`](super::decide) says.

use std::{
    cell::{Cell, OnceCell, RefCell},
    collections::{HashMap, VecDeque},
    os::unix::net::UnixStream as StdStream,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use bulkhead_ipc::{
    process::WorkerArgs,
    transport::{self, Handle, Limits, TransportError},
    worker_capnp::{Limit, bind_outcome, host, worker_control},
};
use tokio::{
    net::UnixStream,
    sync::{Notify, mpsc, oneshot, watch},
    time::Instant,
};

use super::{
    FleetConfig, FleetStats, Reporter, StartError, bundle,
    counters::Counter,
    decide::{Account, EndedBy, Failures, Overrun, Ping, Usage, Verdict, Watched, judge, next_look},
    diagnostics::{Diagnostics, LineBudget},
    reason,
    spawner::{self, Meter, Process, Spawned, Spawner},
};
use crate::{
    config::{model::Worker, policy::WorkerPolicy},
    link::{Tally, Work, host::Host},
    service::LocalFuture,
    text::quote,
};

/// What a shard gets: its end of the event connection of one process.
#[derive(Debug)]
pub(super) struct Attached {
    pub(super) generation: u64,
    pub(super) stream: StdStream,
    pub(super) work: Arc<Work>,
}

/// What shards and handles ask of the fleet.
#[derive(Debug)]
pub(super) enum Command {
    /// A shard wants its connection to a worker's process.
    Attach { service: usize, shard: u32, reply: oneshot::Sender<Result<Attached, StartError>> },
    /// A worker shall be bound.
    Start { service: usize, reply: oneshot::Sender<Result<(), StartError>> },
    /// An event connection has ended; `why` if the worker broke a rule.
    Lost { service: usize, generation: u64, why: Option<String> },
    /// A process may not live any more.
    Suspect { service: usize, generation: u64 },
    /// Somebody waits for a sign of life; there is no reply if the process has ended.
    Ask { service: usize, generation: u64, reply: oneshot::Sender<()> },
    /// Somebody wants to know what a worker exports.
    Entrypoints { service: usize, reply: oneshot::Sender<Vec<String>> },
    /// The fleet shall end.
    Drain { deadline: Duration, reply: oneshot::Sender<()> },
    /// Somebody counts.
    Stats { reply: oneshot::Sender<FleetStats> },
}

/// Longest time for reading what a process had to say after its event connection ended without a reason.
const GRACE: Duration = Duration::from_millis(200);

/// Pause after a blank process could not be made.
const POOL_PAUSE: Duration = Duration::from_secs(1);

/// What a process is called before it is bound.
const BLANK: &str = "a blank worker";

/// Processes of one worker that have exhausted their memory and may still finish what they do. The oldest makes room.
const MAX_RETIRING: usize = 2;

/// How long a retired process has to finish `waitUntil` where that has no limit.
const UNLIMITED_WAIT: Duration = Duration::from_secs(30);

/// How often a retired process is looked at, whether its responses are over.
const RETIRING_PAUSE: Duration = Duration::from_millis(20);

/// Why a retired process is ended.
const RETIRED: &str = "it was replaced";

/// The longest start-up error that is passed on, in characters.
const MAX_ERROR: usize = 8192;

/// Bounds of a control connection: a bundle may be as long as everything that a configuration can embed.
fn control_limits(connection: Limits) -> Limits {
    Limits { max_queued_bytes: 1 << 30, max_held_bytes: 16 << 20, max_open_calls: 16, max_imports: 16, ..connection }
}

/// How a process ended: the words for the log.
type Ended = Option<String>;

/// A process, blank or bound.
struct Live {
    generation: u64,
    pid: i32,
    control: worker_control::Client,
    connection: Handle,
    events: RefCell<Vec<Option<StdStream>>>,
    ended: watch::Receiver<Ended>,
    kill: Rc<Kill>,
    label: Rc<RefCell<Label>>,
    meter: Meter,
    /// What the shards know too.
    work: Arc<Work>,
    /// It shall get no further event, and finish.
    retire: Notify,
    /// Somebody doubts that it lives.
    suspected: Notify,
    /// The names under which the bound code exports entrypoints; the default one is empty.
    entrypoints: RefCell<Vec<String>>,
}

/// Whose lines a process writes.
struct Label {
    name: String,
    lines: Rc<RefCell<LineBudget>>,
}

/// The end of a process, if the supervisor wants it. The first reason counts, and none that comes after the end.
#[derive(Default)]
struct Kill {
    why: RefCell<Option<(Option<Counter>, String)>>,
    asked: Notify,
    ended: Cell<bool>,
}

impl Kill {
    fn now(&self, counter: impl Into<Option<Counter>>, why: impl Into<String>) {
        if !self.ended.get() {
            self.why.borrow_mut().get_or_insert_with(|| (counter.into(), why.into()));
        }
        self.asked.notify_one();
    }
}

impl Live {
    fn is_alive(&self) -> bool {
        self.ended.borrow().is_none()
    }

    /// Waits for the end and gives its words.
    async fn wait(&self) -> String {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(words) => words.clone().unwrap_or_default(),
            Err(_) => "is no longer watched".to_owned(),
        }
    }
}

enum Phase {
    /// Nobody has asked for it, or nobody has since its process ended or its code failed at start-up.
    Idle,
    /// A task works on it, and has no process for it.
    Starting,
    /// A task has taken a process, or has one made, and binds it.
    Binding,
    Running(Rc<Live>),
}

enum Waiter {
    Shard(u32, oneshot::Sender<Result<Attached, StartError>>),
    Check(oneshot::Sender<Result<(), StartError>>),
}

impl Waiter {
    fn is_gone(&self) -> bool {
        match self {
            Waiter::Shard(_, reply) => reply.is_closed(),
            Waiter::Check(reply) => reply.is_closed(),
        }
    }

    fn fail(self, error: StartError) {
        // Whoever asked may be gone.
        match self {
            Waiter::Shard(_, reply) => drop(reply.send(Err(error))),
            Waiter::Check(reply) => drop(reply.send(Err(error))),
        }
    }
}

struct Service {
    phase: Phase,
    waiters: Vec<Waiter>,
    failures: Failures,
    /// When it may be started again.
    not_before: Option<Instant>,
    /// What it has used, and when it was first bound.
    account: Account,
    first_bound: Option<Instant>,
    /// Processes that finish what they do, oldest first.
    retiring: VecDeque<Rc<Live>>,
    lines: Rc<RefCell<LineBudget>>,
    /// The tenant's start-up error, and until when it is answered without another try.
    broken: Option<(StartError, Instant)>,
}

struct Manager {
    fleet: Arc<FleetConfig>,
    reporter: Reporter,
    /// What the processes of the pool are started with.
    pool_args: WorkerArgs,
    blank_lines: Rc<RefCell<LineBudget>>,
    /// Whether it was said that processes cannot be watched.
    is_blind: Cell<bool>,
    spawner: RefCell<Box<dyn Spawner>>,
    services: Vec<RefCell<Service>>,
    blank: RefCell<VecDeque<Rc<Live>>>,
    refilling: Cell<bool>,
    /// Every process that has not ended, in any state.
    processes: RefCell<HashMap<u64, Rc<Kill>>>,
    started: Cell<u64>,
    draining: Cell<bool>,
    all_ended: Notify,
    jitter: Cell<u64>,
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
        .services
        .iter()
        .map(|_| {
            RefCell::new(Service {
                phase: Phase::Idle,
                waiters: Vec::new(),
                failures: Failures::default(),
                not_before: None,
                account: Account::default(),
                first_bound: None,
                retiring: VecDeque::new(),
                lines: Rc::default(),
                broken: None,
            })
        })
        .collect();
    let common = WorkerArgs {
        shards: fleet.shards,
        best_effort: fleet.best_effort_sandbox,
        heap_bytes: 0,
        memory_bytes: 0,
        threads: 0,
        jitless: false,
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
        refilling: Cell::new(false),
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
            Command::Attach { service, shard, reply } => self.request(service, Waiter::Shard(shard, reply)),
            Command::Start { service, reply } => self.request(service, Waiter::Check(reply)),
            Command::Lost { service, generation, why } => self.lost(service, generation, why),
            Command::Suspect { service, generation } => {
                if let Some(live) = self.find(service, generation) {
                    live.suspected.notify_one();
                }
            }
            Command::Ask { service, generation, reply } => {
                if let Some(live) = self.find(service, generation) {
                    let answer = live.control.ping_request().send().promise;
                    tokio::task::spawn_local(async move {
                        if answer.await.is_ok() {
                            let _ = reply.send(());
                        }
                    });
                }
            }
            Command::Drain { deadline, reply } => {
                tokio::task::spawn_local(async move {
                    self.drain(deadline).await;
                    let _ = reply.send(());
                });
            }
            Command::Entrypoints { service, reply } => {
                let names = match &self.services[service].borrow().phase {
                    Phase::Running(live) => live.entrypoints.borrow().clone(),
                    _ => Vec::new(),
                };
                let _ = reply.send(names);
            }
            Command::Stats { reply } => drop(reply.send(self.stats())),
        }
    }

    fn stats(&self) -> FleetStats {
        let bound = self.services.iter().filter(|s| matches!(s.borrow().phase, Phase::Running(_))).count();
        let blank = self.blank.borrow().len();
        FleetStats { bound, blank, processes: self.processes.borrow().len(), started: self.started.get() }
    }

    fn worker(&self, service: usize) -> (&str, &Arc<Worker>) {
        self.reporter.worker(service)
    }

    fn event(&self, line: String) {
        self.reporter.log.event(line);
    }

    /// What a process for a worker is started with.
    fn arguments(&self, service: usize) -> WorkerArgs {
        spawner::arguments(&self.worker(service).1.policy, &self.pool_args)
    }

    /// A process of a worker that is not known to have ended.
    fn find(&self, index: usize, generation: u64) -> Option<Rc<Live>> {
        let service = self.services[index].borrow();
        let running = match &service.phase {
            Phase::Running(live) => Some(live),
            _ => None,
        };
        running.into_iter().chain(&service.retiring).find(|live| live.generation == generation).cloned()
    }

    /// Takes note of the end of a worker's process.
    fn count_end(&self, index: usize, live: &Live) {
        let counter = match &*live.kill.why.borrow() {
            Some((counter, _)) => *counter,
            None => Some(Counter::Died),
        };
        if let Some(counter) = counter {
            self.reporter.counters[index].count(counter);
        }
    }

    fn request(self: &Rc<Self>, index: usize, waiter: Waiter) {
        if self.draining.get() {
            return waiter.fail(StartError::Process("the supervisor is shutting down".into()));
        }
        let mut service = self.services[index].borrow_mut();
        match &service.phase {
            Phase::Running(live) => {
                let live = live.clone();
                if let Some(waiter) = serve(&live, waiter) {
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
                tokio::task::spawn_local(self.clone().keep(index));
            }
        }
    }

    /// Keeps one worker running for as long as somebody asks for it, until its code fails at start-up or the fleet drains.
    async fn keep(self: Rc<Self>, index: usize) {
        loop {
            let not_before = self.services[index].borrow().not_before;
            if let Some(not_before) = not_before {
                tokio::time::sleep_until(not_before).await;
            }
            if self.draining.get() {
                break;
            }
            let begun = Instant::now();
            // The pool needs no process for it any more.
            self.services[index].borrow_mut().phase = Phase::Binding;
            let (lived, by) = match self.start(index).await {
                Ok(live) => {
                    let since = Instant::now();
                    self.running(index, &live);
                    let words = tokio::select! {
                        words = live.wait() => Some(words),
                        () = live.retire.notified() => None,
                    };
                    self.services[index].borrow_mut().phase = Phase::Starting;
                    if self.draining.get() {
                        break;
                    }
                    // Retiring is the supervisor's doing too.
                    let by = match &*live.kill.why.borrow() {
                        None if words.is_some() => EndedBy::Itself,
                        _ => EndedBy::Supervisor,
                    };
                    match words {
                        Some(words) => self.ended(index, &live, &words),
                        None => self.retire(index, live),
                    }
                    (since.elapsed(), by)
                }
                Err(error) => {
                    let name = self.worker(index).0;
                    // Whoever checks the start reports it.
                    let checked =
                        self.services[index].borrow().waiters.iter().any(|waiter| matches!(waiter, Waiter::Check(_)));
                    match &error {
                        _ if checked => {}
                        // The reference's words.
                        StartError::Code(text) => self.event(format!("service {name}: {text}")),
                        StartError::Process(text) => {
                            self.event(format!("worker {name:?} could not be started: {text}"));
                        }
                    }
                    let mut service = self.services[index].borrow_mut();
                    if let StartError::Code(_) = error {
                        // The same code fails again. It is tried again, because what it depends on may have changed,
                        // but only when somebody asks and never faster than the back-off.
                        service.failures = service.failures.ended(Duration::ZERO, EndedBy::Itself, &self.fleet.restart);
                        let pause = service.failures.pause(begun.elapsed(), &self.fleet.restart);
                        service.broken = Some((error.clone(), Instant::now() + pause));
                        service.phase = Phase::Idle;
                        let waiters = std::mem::take(&mut service.waiters);
                        drop(service);
                        for waiter in waiters {
                            waiter.fail(error.clone());
                        }
                        return;
                    }
                    service.phase = Phase::Starting;
                    // A request goes on waiting within its own bound; the start-up check wants to know.
                    let waiters = std::mem::take(&mut service.waiters);
                    for waiter in waiters {
                        match waiter {
                            Waiter::Shard(..) if !waiter.is_gone() => service.waiters.push(waiter),
                            waiter => waiter.fail(error.clone()),
                        }
                    }
                    (Duration::ZERO, EndedBy::Itself)
                }
            };
            let mut service = self.services[index].borrow_mut();
            service.failures = service.failures.ended(lived, by, &self.fleet.restart);
            let delay = service.failures.delay(self.jitter(), &self.fleet.restart);
            service.not_before = Some(Instant::now() + delay);
            service.waiters.retain(|waiter| !waiter.is_gone());
            if service.waiters.is_empty() {
                // A process that nobody asks for could do nothing but harm.
                service.phase = Phase::Idle;
                return;
            }
        }
        let mut service = self.services[index].borrow_mut();
        service.phase = Phase::Idle;
        for waiter in std::mem::take(&mut service.waiters) {
            waiter.fail(StartError::Process("the supervisor is shutting down".into()));
        }
    }

    fn ended(&self, index: usize, live: &Live, words: &str) {
        self.count_end(index, live);
        self.event(format!("worker {:?} (pid {}) {words}", self.worker(index).0, live.pid));
    }

    /// The process of a worker said that its tenant exceeded a limit.
    fn exceeded(&self, index: usize, live: &Live, limit: Limit) {
        self.reporter.exceeded(index, limit.into());
        if limit == Limit::Memory {
            live.work.retire();
            live.retire.notify_one();
        }
    }

    /// Lets a process finish what it does, within a bounded time, and ends it.
    fn retire(self: &Rc<Self>, index: usize, live: Rc<Live>) {
        self.reporter.counters[index].count(Counter::Retired);
        let mut service = self.services[index].borrow_mut();
        service.retiring.push_back(live.clone());
        let too_many = service.retiring.len().saturating_sub(MAX_RETIRING);
        for oldest in service.retiring.iter().take(too_many) {
            oldest.kill.now(None, RETIRED);
        }
        drop(service);
        let manager = self.clone();
        tokio::task::spawn_local(async move {
            let wait_until = manager.worker(index).1.policy.wait_until;
            let wait = if wait_until.is_zero() { UNLIMITED_WAIT } else { wait_until };
            let idle = async {
                while live.work.tally().open > 0 {
                    tokio::time::sleep(RETIRING_PAUSE).await;
                }
                let _ = live.control.drain_request().send().promise.await;
            };
            tokio::select! {
                _ = tokio::time::timeout(wait.saturating_add(manager.fleet.watch.grace), idle) => {}
                _ = live.wait() => {}
            }
            live.kill.now(None, RETIRED);
            let words = live.wait().await;
            // A worker may say the same words, but not without a counter.
            let is_expected = matches!(&*live.kill.why.borrow(), Some((None, why)) if why == RETIRED);
            if !is_expected && !manager.draining.get() {
                manager.ended(index, &live, &words);
            }
            manager.services[index].borrow_mut().retiring.retain(|other| other.generation != live.generation);
        });
    }

    fn running(&self, index: usize, live: &Rc<Live>) {
        let mut service = self.services[index].borrow_mut();
        service.phase = Phase::Running(live.clone());
        service.broken = None;
        for waiter in std::mem::take(&mut service.waiters) {
            if !waiter.is_gone()
                && let Some(waiter) = serve(live, waiter)
            {
                service.waiters.push(waiter);
            }
        }
    }

    fn lost(self: Rc<Self>, index: usize, generation: u64, why: Option<String>) {
        let Some(live) = self.find(index, generation) else { return };
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

    /// Takes a blank process and binds it.
    async fn start(self: &Rc<Self>, index: usize) -> Result<Rc<Live>, StartError> {
        let args = self.arguments(index);
        let live = if args == self.pool_args { self.take_blank().await } else { self.make_blank(&args).await };
        let live = live.map_err(StartError::Process)?;
        let (name, worker) = self.worker(index);
        let lines = self.services[index].borrow().lines.clone();
        *live.label.borrow_mut() = Label { name: format!("worker {name:?}"), lines };
        let prefix = self.fleet.verbose.then(|| format!("[{}] ", quote(name)));
        let for_host = Rc::new(OnceCell::new());
        let _ = for_host.set(live.connection.clone());
        // The connection holds the host, and must not hold itself through it.
        let (manager, process) = (Rc::downgrade(self), Rc::downgrade(&live));
        let exceeded = move |limit| {
            if let (Some(manager), Some(live)) = (manager.upgrade(), process.upgrade()) {
                manager.exceeded(index, &live, limit);
            }
        };
        let log = self.reporter.log.clone();
        let rate = worker.policy.log_bytes_per_second;
        let host: host::Client =
            capnp_rpc::new_client(Host::new(log, name, prefix, rate, for_host, Box::new(exceeded)));
        let outcome = {
            let mut request = live.control.bind_request();
            let to = request.get().init_bundle();
            bundle::write(to, name, worker, self.fleet.experimental);
            request.get().set_host(host);
            let answer = request.send().promise;
            let bound = tokio::select! {
                answer = tokio::time::timeout(self.fleet.bind_timeout, answer) => answer,
                words = live.wait() => {
                    self.count_end(index, &live);
                    return Err(StartError::Process(format!("it {words} while it started")));
                }
            };
            match bound {
                Ok(Ok(response)) => read_outcome(&response),
                Ok(Err(error)) => {
                    // The connection breaks a moment before the process is seen to have ended.
                    let words = tokio::time::timeout(GRACE, live.wait()).await.ok();
                    Err(StartError::Process(match words {
                        Some(words) => {
                            self.count_end(index, &live);
                            format!("it {words} while it started")
                        }
                        None => format!("binding it failed: {}", quote(&error.to_string())),
                    }))
                }
                Err(_) => {
                    self.reporter.counters[index].count(Counter::StartUp);
                    let seconds = self.fleet.bind_timeout.as_secs_f64();
                    Err(StartError::Process(format!("its start-up took longer than {seconds} s")))
                }
            }
        };
        match outcome {
            Ok(entrypoints) => {
                if self.fleet.verbose {
                    self.event(format!("worker {name:?} (pid {}) is ready", live.pid));
                }
                live.entrypoints.replace(entrypoints);
                tokio::task::spawn_local(self.clone().watch_limits(index, live.clone()));
                Ok(live)
            }
            Err(error) => {
                live.kill.now(None, "it could not be started");
                Err(error)
            }
        }
    }

    /// Watches a bound process for what it should not do if it kept its limits.
    async fn watch_limits(self: Rc<Self>, index: usize, live: Rc<Live>) {
        let (policy, worker) = (&self.fleet.watch, &self.worker(index).1.policy);
        let mut last = self.usage(&live, Duration::ZERO).cpu;
        let mut done = Tally::default();
        self.services[index].borrow_mut().first_bound.get_or_insert_with(Instant::now);
        let mut watched = Watched { proof: last, ..Watched::default() };
        let mut open: Option<(Ping, LocalFuture<'_, ()>)> = None;
        let mut pause = policy.interval;
        let mut looked = Instant::now();
        loop {
            let answered = async {
                match &mut open {
                    Some((_, answer)) => answer.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = live.wait() => {
                    let used = self.usage(&live, last).cpu.saturating_sub(last);
                    self.charge(index, used, &mut done, live.work.tally());
                    return;
                }
                () = answered => {
                    open = None;
                    watched.proof = last;
                    continue;
                }
                () = live.suspected.notified() => watched.suspected = true,
                () = tokio::time::sleep(pause) => {}
            }
            let usage = self.usage(&live, last);
            let passed = looked.elapsed();
            looked += passed;
            watched.ping = open.as_mut().map(|(ping, _)| {
                *ping = ping.older(passed, pause);
                *ping
            });
            let work = live.work.tally();
            let account = self.charge(index, usage.cpu.saturating_sub(last), &mut done, work);
            match judge(&watched, &usage, work.open, &account, worker, policy) {
                Verdict::Fine => {}
                Verdict::Ask => {
                    watched.suspected = false;
                    let answer = live.control.ping_request().send().promise;
                    // An error is an answer too: it lives.
                    let ping = Ping { cpu: usage.cpu, age: Duration::ZERO };
                    open = Some((ping, Box::pin(async { drop(answer.await) })));
                }
                Verdict::End(overrun) => {
                    let counter = match overrun {
                        Overrun::Computes(_) | Overrun::Sleeps(_) => Counter::Unresponsive,
                        Overrun::CpuBudget(..) => Counter::CpuBudget,
                        Overrun::Memory(_) => Counter::TotalMemory,
                    };
                    return live.kill.now(counter, overrun.to_string());
                }
            }
            pause = next_look(pause, usage.cpu > last || open.is_some(), policy);
            last = usage.cpu;
        }
    }

    /// Puts what a process used, and what it was given since `done`, on its worker's account.
    fn charge(&self, index: usize, used: Duration, done: &mut Tally, work: Tally) -> Account {
        let service = &mut *self.services[index].borrow_mut();
        service.account.add(used, work.events - done.events, work.bytes - done.bytes);
        service.account.age = service.first_bound.map_or(Duration::ZERO, |first| first.elapsed());
        *done = work;
        service.account
    }

    /// What a process has used; nothing beyond `last` where that cannot be known.
    fn usage(&self, live: &Live, last: Duration) -> Usage {
        (live.meter)().unwrap_or_else(|error| {
            if live.is_alive() && !self.is_blind.replace(true) {
                self.event(format!("processor time and memory of workers cannot be watched: {error}"));
            }
            Usage { cpu: last, ..Usage::default() }
        })
    }

    async fn take_blank(self: &Rc<Self>) -> Result<Rc<Live>, String> {
        loop {
            let next = self.blank.borrow_mut().pop_front();
            match next {
                Some(live) if live.is_alive() => {
                    self.refill();
                    return Ok(live);
                }
                Some(_) => {}
                None => {
                    let live = self.make_blank(&self.pool_args).await;
                    self.refill();
                    return live;
                }
            }
        }
    }

    /// Starts a process and waits until its sandbox is shut and it answers.
    async fn make_blank(self: &Rc<Self>, args: &WorkerArgs) -> Result<Rc<Live>, String> {
        if self.draining.get() {
            return Err("the supervisor is shutting down".to_owned());
        }
        let spawned = self.spawner.borrow_mut().spawn(args)?;
        let live = self.watch(spawned).map_err(|error| format!("watching a new process failed: {error}"))?;
        // A blank process has nothing to finish: that it answers says that its sandbox is shut and it serves.
        let ready = live.control.drain_request().send().promise;
        let result = tokio::select! {
            ready = tokio::time::timeout(self.fleet.ready_timeout, ready) => match ready {
                Ok(Ok(_)) => return Ok(live),
                Ok(Err(error)) => {
                    match tokio::time::timeout(GRACE, live.wait()).await {
                        Ok(words) => format!("a new process {words}"),
                        Err(_) => format!("a new process did not answer: {}", quote(&error.to_string())),
                    }
                }
                Err(_) => "a new process was not ready in time".to_owned(),
            },
            words = live.wait() => format!("a new process {words}"),
        };
        live.kill.now(None, "it was not ready");
        Err(result)
    }

    /// Begins to watch a process: its end, its diagnostics, its control connection.
    fn watch(self: &Rc<Self>, spawned: Spawned) -> std::io::Result<Rc<Live>> {
        let Spawned { process, control, events, diagnostics, meter } = spawned;
        let (control, connection, driver) = transport::client::<worker_control::Client>(
            UnixStream::from_std(control)?,
            control_limits(self.fleet.connection),
        );
        let diagnostics = Diagnostics::new(diagnostics)?;
        let (sender, ended) = watch::channel(None);
        let kill = Rc::new(Kill::default());
        let label = Label { name: BLANK.to_owned(), lines: self.blank_lines.clone() };
        let label = Rc::new(RefCell::new(label));
        self.started.set(self.started.get() + 1);
        let live = Rc::new(Live {
            generation: self.started.get(),
            pid: process.pid(),
            control,
            connection: connection.clone(),
            events: RefCell::new(events.into_iter().map(Some).collect()),
            ended,
            kill: kill.clone(),
            label: label.clone(),
            meter,
            work: Arc::default(),
            retire: Notify::new(),
            suspected: Notify::new(),
            entrypoints: RefCell::default(),
        });
        self.processes.borrow_mut().insert(live.generation, kill.clone());
        let (for_driver, generation) = (kill.clone(), live.generation);
        let mut driver_ended = sender.subscribe();
        tokio::task::spawn_local(async move {
            let why = match driver.await {
                Err(TransportError::Violation(what) | TransportError::Aborted(what)) => what,
                Ok(()) | Err(TransportError::Io(_)) => {
                    let _ = tokio::time::timeout(GRACE, driver_ended.wait_for(Option::is_some)).await;
                    "it closed its control connection".to_owned()
                }
            };
            for_driver.now(Counter::Violation, why);
        });
        let manager = self.clone();
        tokio::task::spawn_local(async move {
            let words = manager.attend(process, diagnostics, &kill, &label).await;
            // Whatever a dead process left in the socket is not read any more.
            connection.close();
            let _ = sender.send(Some(words));
            let mut processes = manager.processes.borrow_mut();
            processes.remove(&generation);
            if processes.is_empty() {
                manager.all_ended.notify_waiters();
            }
        });
        Ok(live)
    }

    /// Stays with a process until it has ended.
    async fn attend(
        &self,
        mut process: Box<dyn Process>,
        mut diagnostics: Diagnostics,
        kill: &Kill,
        label: &RefCell<Label>,
    ) -> String {
        let pid = process.pid();
        let log = |line: &str| {
            let label = label.borrow();
            if let Some(line) = label.lines.borrow_mut().pass(line, std::time::Instant::now()) {
                self.event(format!("{} (pid {pid}): {line}", label.name));
            }
        };
        let exit = loop {
            tokio::select! {
                exit = process.wait() => break exit,
                () = diagnostics.drain(log) => {}
                () = kill.asked.notified() => process.kill(),
            }
        };
        if process.ran_out_of_memory() {
            kill.now(Counter::TotalMemory, "its cgroup has more memory than its limits allow");
        }
        kill.ended.set(true);
        let lines = diagnostics.finish(log);
        reason::describe(exit, kill.why.borrow().as_ref().map(|(_, why)| why.as_str()), &lines)
    }

    /// Fills the pool in the background, one process after the other.
    fn refill(self: &Rc<Self>) {
        if self.refilling.replace(true) {
            return;
        }
        let manager = self.clone();
        tokio::task::spawn_local(async move {
            let mut complained = false;
            loop {
                manager.blank.borrow_mut().retain(|live| live.is_alive());
                let stats = manager.stats();
                let target = manager.pool_target();
                if manager.draining.get() || stats.blank >= target {
                    break;
                }
                match manager.make_blank(&manager.pool_args).await {
                    Ok(live) if manager.draining.get() => live.kill.now(None, "the supervisor is shutting down"),
                    Ok(live) => {
                        let watcher = (Rc::downgrade(&manager), live.clone());
                        manager.blank.borrow_mut().push_back(live);
                        tokio::task::spawn_local(async move {
                            let (manager, live) = watcher;
                            let words = live.wait().await;
                            if let Some(manager) = manager.upgrade()
                                && live.label.borrow().name == BLANK
                                && !manager.draining.get()
                            {
                                manager.event(format!("{BLANK} (pid {}) {words}", live.pid));
                            }
                            // Bound or not, the pool may have a place now.
                            if let Some(manager) = manager.upgrade() {
                                manager.blank.borrow_mut().retain(|blank| blank.generation != live.generation);
                                manager.refill();
                            }
                        });
                    }
                    // It was not made because nobody needs it any more.
                    Err(_) if manager.draining.get() => break,
                    Err(error) => {
                        if !std::mem::replace(&mut complained, true) {
                            manager.event(format!("the pool of blank workers cannot be filled: {error}"));
                        }
                        tokio::time::sleep(POOL_PAUSE).await;
                    }
                }
            }
            manager.refilling.set(false);
        });
    }

    async fn drain(self: &Rc<Self>, deadline: Duration) {
        self.draining.set(true);
        let mut running = Vec::new();
        for service in &self.services {
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

    /// How many blank processes there should be, for the workers that they fit.
    fn pool_target(&self) -> usize {
        let (mut workers, mut bound) = (0, 0);
        for (index, service) in self.services.iter().enumerate() {
            if self.arguments(index) == self.pool_args {
                workers += 1;
                // One that is being bound counts: a place kept for it would be one too many when it runs.
                bound += usize::from(matches!(service.borrow().phase, Phase::Binding | Phase::Running(_)));
            }
        }
        self.fleet.pool.target(workers, bound)
    }

    /// A number from 0 to 1. Only spreads restarts, so that any generator will do (xorshift64).
    fn jitter(&self) -> f64 {
        let mut x = self.jitter.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.jitter.set(x);
        (x >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Gives a waiter what it wants from a running process; gives it back when that is not possible.
fn serve(live: &Rc<Live>, waiter: Waiter) -> Option<Waiter> {
    match waiter {
        Waiter::Check(reply) => {
            let _ = reply.send(Ok(()));
            None
        }
        Waiter::Shard(shard, reply) if live.work.is_retired() => Some(Waiter::Shard(shard, reply)),
        Waiter::Shard(shard, reply) => {
            let Some(stream) = live.events.borrow_mut()[shard as usize].take() else {
                return Some(Waiter::Shard(shard, reply));
            };
            let attached = Attached { generation: live.generation, stream, work: live.work.clone() };
            if let Err(Ok(attached)) = reply.send(Ok(attached)) {
                // The shard was quicker to go than we to answer.
                live.events.borrow_mut()[shard as usize] = Some(attached.stream);
            }
            None
        }
    }
}

/// The names of the entrypoints, or why there are none.
fn read_outcome(
    response: &capnp::capability::Response<worker_control::bind_results::Owned>,
) -> Result<Vec<String>, StartError> {
    let malformed = |error: &dyn std::fmt::Display| StartError::Process(format!("its answer was malformed: {error}"));
    let outcome = response.get().and_then(|results| results.get_outcome()).map_err(|error| malformed(&error))?;
    match outcome.which().map_err(|error| malformed(&error))? {
        bind_outcome::Ready(entrypoints) => {
            let entrypoints = entrypoints.map_err(|error| malformed(&error))?;
            let names = entrypoints.iter().map(|entrypoint| entrypoint.get_name()?.to_string().map_err(Into::into));
            names.collect::<capnp::Result<_>>().map_err(|error| malformed(&error))
        }
        bind_outcome::Error(error) => {
            let error = error.map_err(|error| malformed(&error))?;
            let text = |text: capnp::Result<capnp::text::Reader<'_>>| -> Result<String, StartError> {
                let text = text.map_err(|error| malformed(&error))?;
                Ok(String::from_utf8_lossy(text.as_bytes()).chars().take(MAX_ERROR).collect())
            };
            let (message, stack) = (text(error.get_message())?, text(error.get_stack())?);
            // The places stand in the message where they are known; a stack says them again.
            let all = if message.contains("\n  at ") || message.contains(&stack) {
                message
            } else {
                format!("{message}\n{stack}")
            };
            Err(StartError::Code(all))
        }
    }
}
