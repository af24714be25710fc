//! Watches that processes keep their limits, with what the kernel says that they use.

use std::{rc::Rc, sync::atomic::Ordering, time::Duration};

use tokio::time::Instant;

use super::{
    counters::Counter,
    decide::{Account, Overrun, Ping, Usage, Verdict, Watched, judge, next_look},
    manager::Manager,
    process::Live,
};
use crate::{config::model::ServiceId, link::Tally, service::LocalFuture};

impl Manager {
    /// Watches a bound process for what it should not do if it kept its limits.
    pub(super) async fn watch_limits(self: Rc<Self>, id: ServiceId, live: Rc<Live>) {
        let (policy, worker) = (&self.fleet.watch, &self.member(&id).worker.policy);
        let mut last = self.usage(&live, Duration::ZERO).cpu;
        let mut done = Tally::default();
        self.services[&id].borrow_mut().first_bound.get_or_insert_with(Instant::now);
        let mut watched = Watched { proof: last, ..Watched::default() };
        let mut open: Option<(Ping, LocalFuture<'_, ()>)> = None;
        let mut pause = policy.interval;
        let mut looked = Instant::now();
        let mut slowed = 0;
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
                    self.charge(&id, used, &mut done, live.work.tally(), looked.elapsed());
                    return;
                }
                () = answered => {
                    open = None;
                    watched.proof = last;
                    continue;
                }
                times = live.connection.slowed(slowed) => {
                    slowed = times;
                    self.reporter.exceeded(self.member(&id), Counter::Slowed);
                    continue;
                }
                () = live.suspected.notified() => watched.suspected = true,
                () = tokio::time::sleep(pause) => {}
            }
            let usage = self.usage(&live, last);
            let passed = looked.elapsed();
            looked += passed;
            watched.ping = open.as_mut().map(|(ping, _)| {
                // It cannot answer while it waits for an answer itself.
                if !live.awaits_module.load(Ordering::Relaxed) {
                    *ping = ping.older(passed, pause);
                }
                *ping
            });
            let work = live.work.tally();
            let account = self.charge(&id, usage.cpu.saturating_sub(last), &mut done, work, passed);
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

    /// Puts what a process used, and what it was given since `done`, which was `passed` ago, on its worker's account.
    fn charge(&self, id: &ServiceId, used: Duration, done: &mut Tally, work: Tally, passed: Duration) -> Account {
        let service = &mut *self.services[id].borrow_mut();
        let events = work.events - done.events + (work.renewed - done.renewed);
        let lasting = u32::try_from(done.lasting.max(work.lasting)).unwrap_or(u32::MAX);
        service.account.add(used, events, work.bytes - done.bytes, passed.saturating_mul(lasting));
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
}
