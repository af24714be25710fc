//! Processes that get no further event, and finish what they do.

use std::{rc::Rc, time::Duration};

use super::{counters::Counter, manager::Manager, process::Live};
use crate::config::model::ServiceId;

/// Processes of one worker that have exhausted their memory and may still finish what they do. The oldest makes room.
const MAX_RETIRING: usize = 2;

/// How long a retired process has to finish `waitUntil` where that has no limit.
const UNLIMITED_WAIT: Duration = Duration::from_secs(30);

/// How often a retired process is looked at, whether its responses are over.
const RETIRING_PAUSE: Duration = Duration::from_millis(20);

/// Why a retired process is ended.
const RETIRED: &str = "it was replaced";

impl Manager {
    /// Lets a process finish what it does, within a bounded time, and ends it.
    pub(super) fn retire(self: &Rc<Self>, id: &ServiceId, live: Rc<Live>) {
        self.member(id).counters.count(Counter::Retired);
        let mut service = self.services[id].borrow_mut();
        service.retiring.push_back(live.clone());
        let too_many = service.retiring.len().saturating_sub(MAX_RETIRING);
        for oldest in service.retiring.iter().take(too_many) {
            oldest.kill.now(None, RETIRED);
        }
        drop(service);
        let (manager, id) = (self.clone(), id.clone());
        tokio::task::spawn_local(async move {
            let wait_until = manager.member(&id).worker.policy.wait_until;
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
                manager.ended(&id, &live, &words);
            }
            manager.services[&id].borrow_mut().retiring.retain(|other| other.generation != live.generation);
        });
    }
}
