//! Blank processes in reserve: started, in their sandbox, and bound to nobody.

use std::{rc::Rc, time::Duration};

use bulkhead_ipc::process::WorkerArgs;

use super::{
    keeper::Phase,
    manager::Manager,
    process::{BLANK, GRACE, Live},
};
use crate::text::quote;

/// What the task that fills the pool does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Making {
    /// It starts no process just now.
    Nothing,
    /// It starts one.
    ForReserve,
    /// It starts one for which somebody waits.
    Awaited,
}

/// Pause after a blank process could not be made.
const POOL_PAUSE: Duration = Duration::from_secs(1);

impl Manager {
    /// A blank process: one in reserve, or the one that is being made for the reserve if nobody else waits for that, or a new one.
    /// To be followed by [`Self::refill`], when the process is bound.
    pub(super) async fn take_blank(self: &Rc<Self>) -> Result<Rc<Live>, String> {
        let mut has_waited = false;
        loop {
            let next = self.blank.borrow_mut().pop_front();
            match next {
                Some(live) if live.is_alive() => {
                    // At the start of the server, the first worker has both processors for itself.
                    if self.services.values().any(|service| matches!(service.borrow().phase, Phase::Running(_))) {
                        self.refill();
                    }
                    return Ok(live);
                }
                Some(_) => {}
                // It is there sooner than one that is started now. What is wrong with it, if it is not made, the next one says.
                None if self.making.get() == Making::ForReserve && !has_waited => {
                    has_waited = true;
                    self.making.set(Making::Awaited);
                    self.made.notified().await;
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

    /// Fills the pool in the background, one process after the other.
    pub(super) fn refill(self: &Rc<Self>) {
        if self.refilling.replace(true) {
            return;
        }
        let manager = self.clone();
        tokio::task::spawn_local(async move {
            // Of the first failure nothing is said: at the start the test of the machine says it better, and then it is the last.
            let mut failures = 0u32;
            loop {
                manager.blank.borrow_mut().retain(|live| live.is_alive());
                let stats = manager.stats();
                let target = manager.pool_target();
                if manager.draining.get() || stats.blank >= target {
                    break;
                }
                manager.making.set(Making::ForReserve);
                let made = manager.make_blank(&manager.pool_args).await;
                manager.making.set(Making::Nothing);
                manager.made.notify_waiters();
                match made {
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
                        failures = failures.saturating_add(1);
                        if failures == 2 {
                            manager.event(format!("the pool of blank workers cannot be filled: {error}"));
                        }
                        tokio::time::sleep(POOL_PAUSE).await;
                    }
                }
            }
            manager.refilling.set(false);
        });
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
