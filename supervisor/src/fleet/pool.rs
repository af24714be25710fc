//! Blank processes in reserve: started, in their sandbox, and bound to nobody.

use std::{
    cell::Cell,
    rc::{Rc, Weak},
    time::Duration,
};

use bulkhead_ipc::process::WorkerArgs;
use tokio::sync::Notify;

use super::{
    keeper::Phase,
    manager::Manager,
    process::{BLANK, GRACE, Live},
};
use crate::text::quote;

/// The processes that are being made for the pool.
#[derive(Default)]
pub(super) struct Making {
    /// How many there are.
    processes: Cell<usize>,
    /// For how many of them somebody waits, so that they will not come into the reserve.
    awaited: Cell<usize>,
    /// One was made, or could not be.
    ended: Notify,
    /// How many could not be made since one could.
    failures: Cell<u32>,
    /// After a failure.
    is_paused: Cell<bool>,
}

/// Processes that are made for the pool at the same time: where workers are asked for the first time one after the other, each
/// waits for one process, and one more is on its way for the next.
const MADE_AT_ONCE: usize = 2;

/// How long the first request to a worker has the machine for itself.
const FIRST_REQUEST: Duration = Duration::from_millis(2);

/// Pause after a blank process could not be made.
const POOL_PAUSE: Duration = Duration::from_secs(1);

impl Manager {
    /// A blank process: one in reserve, or one that is being made for the reserve if nobody else waits for that, or a new one. To be
    /// followed by [`Self::refill_soon`] when the process is bound, not before: starting another one takes from the time of the first hit.
    pub(super) async fn take_blank(self: &Rc<Self>) -> Result<Rc<Live>, String> {
        let mut has_waited = false;
        loop {
            let next = self.blank.borrow_mut().pop_front();
            match next {
                Some(live) if live.is_alive() => return Ok(live),
                Some(_) => {}
                // It is there sooner than one that is started now. What is wrong with it, if it is not made, the next one says.
                None if self.making.awaited.get() < self.making.processes.get() && !has_waited => {
                    has_waited = true;
                    self.making.awaited.update(|awaited| awaited + 1);
                    // At the start of the server, the first worker has the machine for itself.
                    if self.services.values().any(|service| matches!(service.borrow().phase, Phase::Running(_))) {
                        self.refill();
                    }
                    self.making.ended.notified().await;
                }
                None => return self.make_blank(&self.pool_args).await,
            }
        }
    }

    /// Starts a process and waits until its sandbox is shut and it answers.
    pub(super) async fn make_blank(self: &Rc<Self>, args: &WorkerArgs) -> Result<Rc<Live>, String> {
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

    /// Fills the pool in the background, and not at once while it has something left: a process that starts takes from the time of the
    /// first request to the one that was just bound.
    pub(super) fn refill_soon(self: &Rc<Self>) {
        if self.blank.borrow().is_empty() || self.making.awaited.get() > 0 {
            return self.refill();
        }
        let manager = self.clone();
        tokio::task::spawn_local(async move {
            tokio::time::sleep(FIRST_REQUEST).await;
            manager.refill();
        });
    }

    /// Fills the pool in the background.
    pub(super) fn refill(self: &Rc<Self>) {
        self.blank.borrow_mut().retain(|live| live.is_alive());
        let Making { processes, awaited, is_paused, .. } = &self.making;
        while !self.draining.get()
            && !is_paused.get()
            && processes.get() < (1 + awaited.get()).min(MADE_AT_ONCE)
            && self.blank.borrow().len() + processes.get() - awaited.get() < self.pool_target()
        {
            processes.update(|processes| processes + 1);
            let manager = self.clone();
            tokio::task::spawn_local(async move { manager.make_for_reserve().await });
        }
    }

    async fn make_for_reserve(self: &Rc<Self>) {
        let made = self.make_blank(&self.pool_args).await;
        let Making { processes, awaited, ended, failures, is_paused } = &self.making;
        processes.update(|processes| processes - 1);
        match made {
            Ok(live) if self.draining.get() => live.kill.now(None, "the supervisor is shutting down"),
            Ok(live) => {
                failures.set(0);
                self.blank.borrow_mut().push_back(live.clone());
                tokio::task::spawn_local(Self::attend_blank(Rc::downgrade(self), live));
            }
            // It was not made because nobody needs it any more.
            Err(_) if self.draining.get() => {}
            Err(error) => {
                failures.update(|failures| failures.saturating_add(1));
                // Of the first failure nothing is said: at the start the test of the machine says it better, and then it is the last.
                if failures.get() == 2 {
                    self.event(format!("the pool of blank workers cannot be filled: {error}"));
                }
                is_paused.set(true);
            }
        }
        // It is for one that waits: the reserve has it now, or there is none.
        if awaited.get() > 0 {
            awaited.update(|awaited| awaited - 1);
            ended.notify_one();
        }
        if is_paused.get() {
            tokio::time::sleep(POOL_PAUSE).await;
            is_paused.set(false);
        }
        self.refill();
    }

    /// Waits for the end of a process of the pool.
    async fn attend_blank(manager: Weak<Self>, live: Rc<Live>) {
        let words = live.wait().await;
        let Some(manager) = manager.upgrade() else { return };
        if live.label.borrow().name == BLANK && !manager.draining.get() {
            manager.event(format!("{BLANK} (pid {}) {words}", live.pid));
        }
        // Bound or not, the pool may have a place now.
        manager.blank.borrow_mut().retain(|blank| blank.generation != live.generation);
        manager.refill();
    }

    /// How many blank processes there should be, for the workers that they fit.
    fn pool_target(&self) -> usize {
        let (mut workers, mut bound) = (0, 0);
        for (id, service) in &self.services {
            if self.arguments(id) == self.pool_args {
                workers += 1;
                // One that is being bound counts: a place kept for it would be one too many when it runs.
                bound += usize::from(matches!(service.borrow().phase, Phase::Binding | Phase::Running(_)));
            }
        }
        self.fleet.pool.target(workers, bound)
    }
}
