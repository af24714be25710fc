//! The clock of the schedules: posts what is due to the shards' mailboxes.

use std::{
    future::Future,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bulkhead_ipc::scheduled::Scheduled;

use super::mailbox::{Letter, Mailbox};
use crate::{
    config::{Config, ServiceId},
    log::Log,
    schedule::{Look, Minute, Plan},
    service::Event,
};

/// Schedules that a line about missed runs names.
const NAMED: usize = 8;

/// Where the time comes from. Tests have another one.
pub trait Time {
    /// Milliseconds since the Unix epoch, of a clock that may be set while it is read.
    fn now(&self) -> u64;

    /// Completes after about so long.
    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send;
}

/// The machine's clock.
#[derive(Debug)]
pub struct SystemClock;

impl Time for SystemClock {
    fn now(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send {
        tokio::time::sleep(time)
    }
}

/// One schedule of one worker.
#[derive(Debug)]
struct Entry {
    service: ServiceId,
    cron: String,
    /// Where all runs of the worker are posted.
    mailbox: usize,
}

/// All schedules of a configuration.
#[derive(Debug)]
pub struct Timetable {
    entries: Vec<Entry>,
    plan: Plan,
    mailboxes: Vec<Mailbox>,
    log: Log,
}

impl Timetable {
    /// The schedules of a configuration from the moment `now` on, in milliseconds since the Unix epoch, or `None` where there
    /// are none. Each worker's runs are posted to one of the mailboxes, which are not empty.
    pub fn new(config: &Config, mailboxes: Vec<Mailbox>, log: Log, now: u64) -> Option<Self> {
        let (mut entries, mut expressions) = (Vec::new(), Vec::new());
        let mut next_mailbox = (0..mailboxes.len()).cycle();
        for (id, worker) in config.workers() {
            if worker.schedules.is_empty() {
                continue;
            }
            let mailbox = next_mailbox.next()?;
            for expression in &worker.schedules {
                let (service, cron) = (id.clone(), expression.text().to_owned());
                entries.push(Entry { service, cron, mailbox });
                expressions.push(expression.clone());
            }
        }
        let plan = Plan::new(expressions, Minute::of(now));
        (!entries.is_empty()).then_some(Self { entries, plan, mailboxes, log })
    }

    /// Looks at the clock at the beginning of each minute, for ever.
    pub async fn run(mut self, time: impl Time) {
        loop {
            let now = time.now();
            self.look(Minute::of(now));
            // A clock that was set meanwhile is noticed within a minute.
            let next = Minute::of(now).next().start();
            time.sleep(Duration::from_millis(next - now)).await;
        }
    }

    fn look(&mut self, now: Minute) {
        let before = self.plan.last();
        let Look { due, missed } = self.plan.look(now);
        for entry in due.into_iter().map(|index| &self.entries[index]) {
            let Entry { service, cron, mailbox } = entry;
            let event = Scheduled::new(now.start() as f64, cron.clone()).map(Event::Scheduled);
            let posted = match event {
                Ok(event) => self.mailboxes[*mailbox].post(Letter { to: service.clone(), event }),
                // The clock is beyond what a `Date` holds.
                Err(error) => return self.log.event(format!("schedules cannot run at {now}: {error}")),
            };
            if let Err(error) = posted {
                self.log.event(format!("service \"{service}\", schedule \"{cron}\": a run was dropped: {error}"));
            }
        }
        if !missed.is_empty() {
            self.log.event(self.missed(before, now, &missed));
        }
    }

    fn missed(&self, before: Minute, now: Minute, missed: &[(usize, u64)]) -> String {
        let runs: u64 = missed.iter().map(|(_, count)| count).sum();
        let named = missed.iter().take(NAMED).map(|(index, count)| {
            let Entry { service, cron, .. } = &self.entries[*index];
            format!("service \"{service}\", schedule \"{cron}\": {count}")
        });
        let named = named.collect::<Vec<_>>().join("; ");
        let more = missed.len().saturating_sub(NAMED);
        let more = if more > 0 { format!("; and {more} more schedules") } else { String::new() };
        format!(
            "{runs} scheduled runs were missed, and are dropped, as the clock went from {before} to {now}: {named}{more}"
        )
    }
}

#[cfg(test)]
mod tests;
