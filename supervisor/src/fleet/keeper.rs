//! Keeps a worker running: starts a process for it when somebody asks, stays with the process, and starts the next.

use std::{
    cell::{OnceCell, RefCell},
    collections::VecDeque,
    ops::ControlFlow,
    rc::Rc,
    time::Duration,
};

use bulkhead_ipc::worker_capnp::{self, Limit, bind_outcome, host, worker_control};
use tokio::{sync::oneshot, time::Instant};

use super::{
    End, Entrypoint, FleetConfig, Member, StartError, bundle,
    counters::Counter,
    decide::{Account, EndedBy, Failures},
    diagnostics::LineBudget,
    fallback,
    manager::{Attached, Bound, Manager},
    process::{GRACE, Label, Live},
};
use crate::{
    config::model::ServiceId,
    link::host::{Host, Voice},
    text::quote,
};

/// The longest start-up error that is passed on, in characters.
const MAX_ERROR: usize = 8192;

pub(super) enum Phase {
    /// Nobody has asked for it, or nobody has since its process ended or its code failed at start-up.
    Idle,
    /// A task works on it, and has no process for it.
    Starting,
    /// A task has taken a process, or has one made, and binds it.
    Binding,
    Running(Rc<Live>),
}

pub(super) enum Waiter {
    Shard(u32, oneshot::Sender<Result<Attached, StartError>>),
    Check(oneshot::Sender<Result<(), StartError>>),
}

impl Waiter {
    pub(super) fn is_gone(&self) -> bool {
        match self {
            Waiter::Shard(_, reply) => reply.is_closed(),
            Waiter::Check(reply) => reply.is_closed(),
        }
    }

    pub(super) fn fail(self, error: StartError) {
        // Whoever asked may be gone.
        match self {
            Waiter::Shard(_, reply) => drop(reply.send(Err(error))),
            Waiter::Check(reply) => drop(reply.send(Err(error))),
        }
    }
}

/// What the fleet keeps of one worker.
pub(super) struct Kept {
    pub(super) phase: Phase,
    pub(super) waiters: Vec<Waiter>,
    pub(super) failures: Failures,
    /// When it may be started again.
    pub(super) not_before: Option<Instant>,
    /// What it has used, and when it was first bound.
    pub(super) account: Account,
    pub(super) first_bound: Option<Instant>,
    /// The process that is being bound.
    pub(super) binding: Option<Rc<Live>>,
    /// Processes that finish what they do, oldest first.
    pub(super) retiring: VecDeque<Rc<Live>>,
    pub(super) lines: Rc<RefCell<LineBudget>>,
    /// The tenant's start-up error, and until when it is answered without another try.
    pub(super) broken: Option<(StartError, Instant)>,
}

impl Manager {
    /// Keeps one worker running for as long as somebody asks for it, until its code fails at start-up or the fleet drains.
    pub(super) async fn keep(self: Rc<Self>, id: ServiceId) {
        loop {
            let not_before = self.services[&id].borrow().not_before;
            if let Some(not_before) = not_before {
                tokio::time::sleep_until(not_before).await;
            }
            if self.draining.get() {
                break;
            }
            let begun = Instant::now();
            // The pool needs no process for it any more.
            self.services[&id].borrow_mut().phase = Phase::Binding;
            let (lived, by) = match self.start(&id).await {
                Ok(live) => match self.stay(&id, live).await {
                    Some(end) => end,
                    None => break,
                },
                Err(error) => {
                    if self.failed(&id, &error, begun.elapsed()).is_break() {
                        return;
                    }
                    (Duration::ZERO, EndedBy::Itself)
                }
            };
            let mut service = self.services[&id].borrow_mut();
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
        let mut service = self.services[&id].borrow_mut();
        service.phase = Phase::Idle;
        for waiter in std::mem::take(&mut service.waiters) {
            waiter.fail(StartError::Process("the supervisor is shutting down".into()));
        }
    }

    /// Stays with a process that was bound until it has ended or is retired. Gives how long it served and by whom it ended;
    /// `None` when the fleet drains.
    async fn stay(self: &Rc<Self>, id: &ServiceId, live: Rc<Live>) -> Option<(Duration, EndedBy)> {
        let since = Instant::now();
        self.running(id, &live);
        let words = tokio::select! {
            words = live.wait() => Some(words),
            () = live.retire.notified() => None,
        };
        self.services[id].borrow_mut().phase = Phase::Starting;
        if self.draining.get() {
            return None;
        }
        // Retiring is the supervisor's doing too.
        let by = match &*live.kill.why.borrow() {
            None if words.is_some() => EndedBy::Itself,
            _ => EndedBy::Supervisor,
        };
        match words {
            Some(words) => self.ended(id, &live, &words),
            None => self.retire(id, live),
        }
        Some((since.elapsed(), by))
    }

    /// A worker could not be started, which took so long. Gives up until somebody asks again, or not.
    fn failed(&self, id: &ServiceId, error: &StartError, took: Duration) -> ControlFlow<()> {
        // Whoever checks the start reports it.
        let checked = self.services[id].borrow().waiters.iter().any(|waiter| matches!(waiter, Waiter::Check(_)));
        match error {
            _ if checked => {}
            // The reference's words.
            StartError::Code(text) => self.event(format!("service {id}: {text}")),
            StartError::Process(text) => {
                self.event(format!("worker {id:?} could not be started: {text}"));
            }
        }
        let mut service = self.services[id].borrow_mut();
        if let StartError::Code(_) = error {
            // The same code fails again. It is tried again, because what it depends on may have changed,
            // but only when somebody asks and never faster than the back-off.
            service.failures = service.failures.ended(Duration::ZERO, EndedBy::Itself, &self.fleet.restart);
            let pause = service.failures.pause(took, &self.fleet.restart);
            service.broken = Some((error.clone(), Instant::now() + pause));
            service.phase = Phase::Idle;
            let waiters = std::mem::take(&mut service.waiters);
            drop(service);
            for waiter in waiters {
                waiter.fail(error.clone());
            }
            return ControlFlow::Break(());
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
        ControlFlow::Continue(())
    }

    /// Takes a blank process and binds it.
    async fn start(self: &Rc<Self>, id: &ServiceId) -> Result<Rc<Live>, StartError> {
        let args = self.arguments(id);
        let live = if args == self.pool_args { self.take_blank().await } else { self.make_blank(&args).await };
        let result = match live {
            Ok(live) => {
                self.services[id].borrow_mut().binding = Some(live.clone());
                let mut early = Vec::new();
                let result = self.bind(id, &live, &mut early).await;
                self.services[id].borrow_mut().binding = None;
                for shard in early {
                    // It may have no use for it any more.
                    let _ = shard.send(result.clone().map(|()| live.entrypoints.borrow().clone()));
                }
                result.map(|()| live)
            }
            Err(error) => Err(StartError::Process(error)),
        };
        self.refill_soon();
        result
    }

    /// Binds a process. Shards get their connections to it meanwhile; what comes of it is for the caller to tell those in `early`.
    async fn bind(
        self: &Rc<Self>,
        id: &ServiceId,
        live: &Rc<Live>,
        early: &mut Vec<oneshot::Sender<Bound>>,
    ) -> Result<(), StartError> {
        let worker = &self.member(id).worker;
        let name = id.as_str();
        let lines = self.services[id].borrow().lines.clone();
        let prefix = self.fleet.names_lines.then(|| format!("[{}] ", quote(name)));
        let for_host = Rc::new(OnceCell::new());
        let _ = for_host.set(live.connection.clone());
        // The connection holds the host, and must not hold itself through it.
        let (manager, process) = (Rc::downgrade(self), Rc::downgrade(live));
        let member = self.member(id).clone();
        let exceeded = move |limit| {
            if let (Some(manager), Some(live)) = (manager.upgrade(), process.upgrade()) {
                manager.exceeded(&member, &live, limit);
            }
        };
        let voice = Rc::new(Voice::new(self.reporter.log.clone(), name, prefix));
        *live.label.borrow_mut() = Label { name: format!("worker {name:?}"), lines, voice: Some(voice.clone()) };
        let rate = worker.policy.log_bytes_per_second;
        let host: host::Client = capnp_rpc::new_client(Host::new(voice, rate, for_host, Box::new(exceeded)));
        let mut patience = self.fleet.bind_timeout;
        if let (Some(server), Some(asked)) = (&worker.module_fallback, live.modules.take()) {
            let log = self.reporter.log.clone();
            let protocol = fallback::Protocol::of(&worker.compatibility);
            fallback::start(asked, name, (server, protocol), log, live.awaits_module.clone())
                .map_err(|error| StartError::Process(error.to_string()))?;
            patience += fallback::PATIENCE;
        }
        let outcome = {
            let mut request = live.control.bind_request();
            let to = request.get().init_bundle();
            let FleetConfig { experimental, testing, .. } = *self.fleet;
            bundle::write(to, name, worker, &self.reporter.config.extensions, experimental, testing)
                .map_err(|error| StartError::Process(format!("writing what it is failed: {error}")))?;
            request.get().set_host(host);
            let answer = request.send().promise;
            // It is on its way before a shard takes the processor.
            tokio::task::yield_now().await;
            self.introduce(id, live, early);
            let bound = tokio::select! {
                answer = tokio::time::timeout(patience, answer) => answer,
                words = live.wait() => {
                    self.count_end(id, live);
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
                            self.count_end(id, live);
                            format!("it {words} while it started")
                        }
                        None => format!("binding it failed: {}", quote(&error.to_string())),
                    }))
                }
                Err(_) => {
                    self.member(id).counters.count(Counter::StartUp);
                    let seconds = patience.as_secs_f64();
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
                tokio::task::spawn_local(self.clone().watch_limits(id.clone(), live.clone()));
                Ok(())
            }
            Err(error) => {
                live.kill.now(None, "it could not be started");
                Err(error)
            }
        }
    }

    /// Gives the shards that wait for a process their connections to one that is being bound, so that they set them up and ask
    /// for what they need while it compiles. They do not use it before it is bound.
    fn introduce(&self, id: &ServiceId, live: &Rc<Live>, early: &mut Vec<oneshot::Sender<Bound>>) {
        let mut service = self.services[id].borrow_mut();
        for waiter in std::mem::take(&mut service.waiters) {
            if waiter.is_gone() {
                continue;
            }
            if matches!(waiter, Waiter::Check(_)) {
                service.waiters.push(waiter);
                continue;
            }
            let (sender, bound) = oneshot::channel();
            match serve(live, waiter, Some(bound)) {
                None => early.push(sender),
                Some(waiter) => service.waiters.push(waiter),
            }
        }
    }

    fn running(&self, id: &ServiceId, live: &Rc<Live>) {
        let mut service = self.services[id].borrow_mut();
        service.phase = Phase::Running(live.clone());
        service.broken = None;
        for waiter in std::mem::take(&mut service.waiters) {
            if !waiter.is_gone()
                && let Some(waiter) = serve(live, waiter, None)
            {
                service.waiters.push(waiter);
            }
        }
    }

    pub(super) fn ended(&self, id: &ServiceId, live: &Live, words: &str) {
        self.count_end(id, live);
        self.event(format!("worker {id:?} (pid {}) {words}", live.pid));
        self.member(id).ends.send_modify(|end| *end = End { number: end.number + 1, words: words.to_owned() });
    }

    /// The process of a worker said that its tenant exceeded a limit.
    fn exceeded(&self, member: &Member, live: &Live, limit: Limit) {
        self.reporter.exceeded(member, limit.into());
        if limit == Limit::Memory {
            live.work.retire();
            live.retire.notify_one();
        }
    }

    /// Takes note of the end of a worker's process.
    fn count_end(&self, id: &ServiceId, live: &Live) {
        let counter = match &*live.kill.why.borrow() {
            Some((counter, _)) => *counter,
            None => Some(Counter::Died),
        };
        if let Some(counter) = counter {
            self.member(id).counters.count(counter);
        }
    }

    /// Nobody needs the process of a worker any more.
    pub(super) fn release(&self, id: &ServiceId) {
        if let Phase::Running(live) = &self.services[id].borrow().phase {
            live.work.retire();
            live.retire.notify_one();
        }
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

/// Gives a waiter what it wants from a process, which runs if there is no `bound`; gives it back when that is not possible.
pub(super) fn serve(live: &Rc<Live>, waiter: Waiter, bound: Option<oneshot::Receiver<Bound>>) -> Option<Waiter> {
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
            let bound = bound.unwrap_or_else(|| {
                let (sender, bound) = oneshot::channel();
                let _ = sender.send(Ok(live.entrypoints.borrow().clone()));
                bound
            });
            let attached = Attached { generation: live.generation, stream, work: live.work.clone(), bound };
            if let Err(Ok(attached)) = reply.send(Ok(attached)) {
                // The shard was quicker to go than we to answer.
                live.events.borrow_mut()[shard as usize] = Some(attached.stream);
            }
            None
        }
    }
}

/// The entrypoints, or why there are none.
fn read_outcome(
    response: &capnp::capability::Response<worker_control::bind_results::Owned>,
) -> Result<Vec<Entrypoint>, StartError> {
    let malformed = |error: &dyn std::fmt::Display| StartError::Process(format!("its answer was malformed: {error}"));
    let outcome = response.get().and_then(|results| results.get_outcome()).map_err(|error| malformed(&error))?;
    match outcome.which().map_err(|error| malformed(&error))? {
        bind_outcome::Ready(entrypoints) => {
            let entrypoints = entrypoints.map_err(|error| malformed(&error))?;
            let read = |entrypoint: worker_capnp::entrypoint::Reader<'_>| {
                let name = entrypoint.get_name()?.to_string()?;
                let (mut tests, mut benches) = (false, false);
                for handler in entrypoint.get_handlers()? {
                    let handler = handler?.as_bytes();
                    tests |= handler == b"test";
                    benches |= handler == b"bench";
                }
                Ok(Entrypoint { name, tests, benches })
            };
            entrypoints.iter().map(read).collect::<capnp::Result<_>>().map_err(|error| malformed(&error))
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
