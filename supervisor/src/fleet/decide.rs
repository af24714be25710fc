//! When to start, restart and give up: pure functions over plain data, with the clock passed in.

use std::time::Duration;

use crate::config::policy::WorkerPolicy;

/// How a worker that died is restarted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestartPolicy {
    /// Delay after the second failure in a row; the first restart is immediate. It doubles with each further failure.
    pub base: Duration,
    /// Longest delay.
    pub max: Duration,
    /// A process that was bound for this long was healthy: its end, if it was not the supervisor's doing, is again a first
    /// failure.
    pub healthy_after: Duration,
}

/// Who ended a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndedBy {
    /// The process, or somebody whom we do not know.
    Itself,
    /// The supervisor, because of what the process did.
    Supervisor,
}

/// A start that failed is followed by a pause of so many times what it took: failing again and again takes a fifth of a
/// processor.
const PAUSES_FOR_A_START: u32 = 4;

impl Default for RestartPolicy {
    fn default() -> Self {
        Self { base: Duration::from_millis(10), max: Duration::from_secs(1), healthy_after: Duration::from_secs(5) }
    }
}

/// The failures of one worker in a row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Failures(u32);

impl Failures {
    /// Takes note that a process ended, or could not be started, after it was bound for `lived`.
    pub fn ended(self, lived: Duration, by: EndedBy, policy: &RestartPolicy) -> Self {
        let was_healthy = by == EndedBy::Itself && lived >= policy.healthy_after;
        Self(if was_healthy { 1 } else { self.0.saturating_add(1) })
    }

    /// How long the code is not tried again that failed at start-up, after it `took` so long.
    pub fn pause(self, took: Duration, policy: &RestartPolicy) -> Duration {
        self.delay(1.0, policy).max(policy.base).max(took.saturating_mul(PAUSES_FOR_A_START))
    }

    /// How long to wait before the next start. `jitter` is from 0 to 1 and spreads workers that died together over the
    /// last quarter of the delay.
    pub fn delay(self, jitter: f64, policy: &RestartPolicy) -> Duration {
        if self.0 <= 1 {
            return Duration::ZERO;
        }
        let doublings = (self.0 - 2).min(31);
        let full = policy.base.saturating_mul(1 << doublings).min(policy.max);
        full.mul_f64(0.75 + 0.25 * jitter.clamp(0.0, 1.0))
    }
}

/// How many blank processes wait to be bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolPolicy {
    /// With few workers.
    pub min: usize,
    /// With many.
    pub max: usize,
}

impl Default for PoolPolicy {
    fn default() -> Self {
        Self { min: 2, max: 8 }
    }
}

impl PoolPolicy {
    /// How many blank processes there should be, for a configuration with `workers` workers that a blank process fits, of
    /// which `bound` have a process. One for each sixteen workers; never more than could be bound, except for one that stands by for the
    /// next restart.
    pub fn target(&self, workers: usize, bound: usize) -> usize {
        if workers == 0 {
            return 0;
        }
        let wanted = workers.div_ceil(16).clamp(self.min.min(self.max), self.max);
        wanted.min(workers.saturating_sub(bound).max(1)).min(self.max)
    }
}

/// Whether something that goes on happening is in the log again, `since` it was last, if it ever was.
pub fn is_line_due(since: Option<Duration>) -> bool {
    since.is_none_or(|since| since >= Duration::from_secs(1))
}

/// What a process has used since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time of all its threads.
    pub cpu: Duration,
    /// Memory that belongs to no file, in bytes, also where it is swapped out.
    pub memory: u64,
    /// Whether its main thread runs or could.
    pub runnable: bool,
}

/// What a worker has used, and was given to do, by all its processes after they were bound: who is started anew begins with
/// what the one before left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Account {
    /// Processor time.
    pub used: Duration,
    /// Events, and pieces that came by upgraded connections.
    pub events: u64,
    /// Bytes of bodies.
    pub bytes: u64,
    /// How long its events lasted, all together, that go on for as long as both sides like.
    pub lasted: Duration,
    /// Time since its first process was bound.
    pub age: Duration,
}

impl Account {
    /// Takes note of what one process used, and was given, since it was last looked at.
    pub fn add(&mut self, used: Duration, events: u64, bytes: u64, lasted: Duration) {
        self.used = self.used.saturating_add(used);
        self.events = self.events.saturating_add(events);
        self.bytes = self.bytes.saturating_add(bytes);
        self.lasted = self.lasted.saturating_add(lasted);
    }

    /// The processor time that is explained.
    fn allowed(&self, worker: &WorkerPolicy, policy: &WatchPolicy) -> Duration {
        // Twice the events' time: threads that compile and collect beside the script count in the process and not there.
        // Twice as well what events have that begin anew with time.
        let renewed = self.lasted.as_secs_f64() / worker.renewal().as_secs_f64();
        times(worker.cpu_time, self.events.saturating_mul(2))
            .saturating_add(worker.cpu_time.mul_f64(2.0 * renewed))
            .saturating_add(policy.cpu_slack)
            .saturating_add(Duration::from_millis(self.bytes / (BYTES_FOR_A_SECOND / 1000)))
            .saturating_add(self.age / UNEXPLAINED_SHARE)
    }
}

fn times(time: Duration, count: u64) -> Duration {
    time.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX))
}

/// How the processes of workers are watched, for those that do not keep their limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatchPolicy {
    /// How often a process that works is looked at.
    pub interval: Duration,
    /// How often one is that does nothing.
    pub idle_interval: Duration,
    /// How much longer than its wall time an event goes on before the supervisor ends it, and how long a process that has
    /// exhausted its memory may take beyond the time for `waitUntil`.
    pub grace: Duration,
    /// How long a process may sleep on a question whether it lives.
    pub silence: Duration,
    /// How long a process may say nothing on a connection on which it owes answers to calls that were given up, while it
    /// answers elsewhere.
    pub deaf: Duration,
    /// How much longer than an event's processor time a process may compute without answering, at most: as long again,
    /// but at least [`MIN_CPU_GRACE`].
    pub cpu_grace: Duration,
    /// Processor time of a worker that needs no event, once, beyond a hundredth of a processor: collections, compilation.
    pub cpu_slack: Duration,
    /// Memory of a process beyond what its worker may have.
    pub memory_base: u64,
}

impl Default for WatchPolicy {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(1),
            idle_interval: Duration::from_secs(2),
            grace: Duration::from_secs(5),
            silence: Duration::from_secs(5),
            deaf: Duration::from_secs(60),
            cpu_grace: Duration::from_secs(5),
            cpu_slack: Duration::from_secs(10),
            memory_base: 64 << 20,
        }
    }
}

/// Most events that a process may be at work on before it looks at its connections again: what one turn of a connection
/// hands over.
const EVENTS_BEFORE_AN_ANSWER: u64 = bulkhead_ipc::transport::BATCH_MESSAGES as u64;

/// Bytes of bodies that explain a second of processor time.
const BYTES_FOR_A_SECOND: u64 = 16 << 20;

/// The part of a processor that a worker may use without any event.
const UNEXPLAINED_SHARE: u32 = 100;

/// The least processor time between a question and its answer that is too much, beyond that of events: a collection of
/// the largest heap, which cannot be interrupted, takes less.
pub const MIN_CPU_GRACE: Duration = Duration::from_secs(1);

/// A bound process as far as it is watched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Watched {
    /// Processor time used when it last showed that it lives.
    pub proof: Duration,
    /// The question that is open.
    pub ping: Option<Ping>,
    /// A shard doubts that it lives.
    pub suspected: bool,
}

/// A question whether a process lives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ping {
    /// Processor time that the process had used.
    pub cpu: Duration,
    /// How long ago it was asked, as far as the answer could be read.
    pub age: Duration,
}

impl Ping {
    /// The same after `passed`, where `pause` was meant: time in which the supervisor itself stood still, and read no answer, is
    /// not the process's silence.
    #[must_use]
    pub fn older(self, passed: Duration, pause: Duration) -> Self {
        Self { age: self.age.saturating_add(passed.min(pause.saturating_mul(2))), ..self }
    }
}

/// What becomes of a process that was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Fine,
    /// It goes on, and is asked whether it lives.
    Ask,
    /// It is ended.
    End(Overrun),
}

/// Why a process is ended by the supervisor's own clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overrun {
    /// It computed for so long without answering.
    Computes(Duration),
    /// It slept for so long without answering.
    Sleeps(Duration),
    /// Its worker used so much processor time for so many events.
    CpuBudget(Duration, u64),
    /// It has so much memory, in bytes.
    Memory(u64),
}

/// Decides about a process that was bound with the limits of `worker`, has so many events `open` and was just looked at.
///
/// An honest process never gets here: it keeps its limits itself, earlier and with an answer for its client.
pub fn judge(
    watched: &Watched,
    usage: &Usage,
    open: u64,
    account: &Account,
    worker: &WorkerPolicy,
    policy: &WatchPolicy,
) -> Verdict {
    if worker.memory_bytes != 0 && usage.memory > worker.memory_bytes.saturating_add(policy.memory_base) {
        return Verdict::End(Overrun::Memory(usage.memory));
    }
    if !worker.cpu_time.is_zero() && account.used > account.allowed(worker, policy) {
        return Verdict::End(Overrun::CpuBudget(account.used, account.events));
    }
    match watched.ping {
        None if watched.suspected || usage.cpu > watched.proof => Verdict::Ask,
        None => Verdict::Fine,
        Some(ping) => {
            let computed = usage.cpu.saturating_sub(ping.cpu);
            let grace = worker.cpu_time.max(MIN_CPU_GRACE).min(policy.cpu_grace);
            let patience = times(worker.cpu_time, open.clamp(1, EVENTS_BEFORE_AN_ANSWER)).saturating_add(grace);
            if !worker.cpu_time.is_zero() && computed > patience {
                Verdict::End(Overrun::Computes(computed))
            } else if ping.age >= policy.silence && !usage.runnable {
                // It had time to read one message, and does not wait for a processor.
                Verdict::End(Overrun::Sleeps(ping.age))
            } else {
                Verdict::Fine
            }
        }
    }
}

/// When a process is looked at again that was last looked at after `pause`. `worked`: it used processor time since, or has
/// something to answer.
pub fn next_look(pause: Duration, worked: bool, policy: &WatchPolicy) -> Duration {
    if worked {
        policy.interval
    } else {
        pause.saturating_mul(2).clamp(policy.interval, policy.idle_interval.max(policy.interval))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_first_restart_is_immediate_and_the_delay_doubles_to_its_bound() {
        let policy = RestartPolicy::default();
        let mut failures = Failures::default();
        let mut delays = Vec::new();
        for _ in 0..10 {
            failures = failures.ended(Duration::ZERO, EndedBy::Itself, &policy);
            delays.push(failures.delay(1.0, &policy).as_millis());
        }
        assert_eq!(delays, [0, 10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
        let healthy = failures.ended(policy.healthy_after, EndedBy::Itself, &policy);
        assert_eq!(healthy.delay(1.0, &policy), Duration::ZERO);
        // A process that had to be ended was not healthy, however old it was.
        let ended = failures.ended(Duration::from_secs(3600), EndedBy::Supervisor, &policy);
        assert_eq!(ended.delay(1.0, &policy), policy.max);
    }

    #[test]
    fn code_that_takes_long_to_fail_is_tried_less_often() {
        let policy = RestartPolicy::default();
        let failures = Failures::default().ended(Duration::ZERO, EndedBy::Itself, &policy);
        assert_eq!(failures.pause(Duration::ZERO, &policy), policy.base);
        assert_eq!(failures.pause(Duration::from_secs(2), &policy), Duration::from_secs(8));
    }

    const SECOND: Duration = Duration::from_secs(1);

    fn limited() -> WorkerPolicy {
        WorkerPolicy { cpu_time: SECOND, memory_bytes: 100 << 20, ..WorkerPolicy::default() }
    }

    fn unlimited() -> WorkerPolicy {
        WorkerPolicy { cpu_time: Duration::ZERO, memory_bytes: 0, ..WorkerPolicy::default() }
    }

    #[test]
    fn a_process_that_worked_is_asked_and_one_that_rests_is_not() {
        let policy = WatchPolicy::default();
        let judge = |watched, usage| judge(&watched, &usage, 0, &Account::default(), &limited(), &policy);
        let usage = Usage { cpu: SECOND, ..Usage::default() };
        assert_eq!(judge(Watched { proof: SECOND, ..Watched::default() }, usage), Verdict::Fine);
        assert_eq!(judge(Watched::default(), usage), Verdict::Ask);
        assert_eq!(judge(Watched { proof: SECOND, suspected: true, ..Watched::default() }, usage), Verdict::Ask);
        // One question at a time.
        assert_eq!(
            judge(Watched { ping: Some(Ping::default()), suspected: true, ..Watched::default() }, usage),
            Verdict::Fine
        );
    }

    #[test]
    fn patience_is_measured_in_processor_time_while_it_computes_and_in_time_while_it_sleeps() {
        let policy = WatchPolicy::default();
        let after = |cpu: u64, age: u64, runnable, open| {
            let watched = Watched { ping: Some(Ping { cpu: SECOND, age: SECOND * age as u32 }), ..Watched::default() };
            let usage = Usage { cpu: SECOND + SECOND * cpu as u32, memory: 0, runnable };
            judge(&watched, &usage, open, &Account::default(), &limited(), &policy)
        };
        assert_eq!(after(2, 600, true, 0), Verdict::Fine, "a busy machine is not the process's fault");
        assert_eq!(after(3, 3, true, 0), Verdict::End(Overrun::Computes(SECOND * 3)));
        assert_eq!(after(3, 3, true, 3), Verdict::Fine, "each of three events may take its second");
        assert_eq!(after(34, 34, true, 1_000_000), Verdict::End(Overrun::Computes(SECOND * 34)));
        assert_eq!(after(0, 4, false, 0), Verdict::Fine);
        assert_eq!(after(0, 5, false, 0), Verdict::End(Overrun::Sleeps(SECOND * 5)));
    }

    #[test]
    fn patience_follows_the_time_of_an_event_within_its_bounds() {
        let policy = WatchPolicy::default();
        let most = |cpu_time: Duration| {
            let worker = WorkerPolicy { cpu_time, ..limited() };
            let watched = Watched { ping: Some(Ping::default()), ..Watched::default() };
            let is_patient = |ms: &u64| {
                let usage = Usage { cpu: Duration::from_millis(*ms), memory: 0, runnable: true };
                judge(&watched, &usage, 1, &Account::default(), &worker, &policy) == Verdict::Fine
            };
            (0..).step_by(100).take_while(is_patient).last().expect("some patience")
        };
        assert_eq!(most(Duration::from_millis(50)), 1000);
        assert_eq!(most(Duration::from_millis(400)), 1400);
        assert_eq!(most(Duration::from_secs(3)), 6000);
        assert_eq!(most(Duration::from_secs(30)), 35_000);
    }

    #[test]
    fn a_supervisor_that_stood_still_does_not_blame_the_process() {
        let policy = WatchPolicy::default();
        let ping = Ping::default().older(SECOND, policy.interval).older(SECOND * 3600, policy.interval);
        assert_eq!(ping.age, SECOND * 3);
        let watched = Watched { ping: Some(ping), ..Watched::default() };
        assert_eq!(judge(&watched, &Usage::default(), 0, &Account::default(), &limited(), &policy), Verdict::Fine);
    }

    #[test]
    fn processor_time_has_to_be_explained() {
        let policy = WatchPolicy::default();
        let after = |cpu: u32, events, bytes, age| {
            let usage = Usage { cpu: SECOND * cpu, ..Usage::default() };
            let account = Account { used: SECOND * cpu, events, bytes, age: SECOND * age, ..Account::default() };
            judge(&Watched::default(), &usage, 0, &account, &limited(), &policy)
        };
        assert_eq!(after(10, 0, 0, 0), Verdict::Ask);
        assert_eq!(after(11, 0, 0, 0), Verdict::End(Overrun::CpuBudget(SECOND * 11, 0)));
        assert_eq!(after(11, 1, 0, 0), Verdict::Ask);
        assert_eq!(after(11, 0, 16 << 20, 0), Verdict::Ask);
        assert_eq!(after(11, 0, 0, 100), Verdict::Ask);
        assert_eq!(after(13, 1, 0, 0), Verdict::End(Overrun::CpuBudget(SECOND * 13, 1)));
    }

    #[test]
    fn events_that_go_on_explain_more_with_time() {
        let policy = WatchPolicy::default();
        let worker = WorkerPolicy { wall_time: SECOND * 60, ..limited() };
        let is_fine = |cpu: u32, lasted: u32| {
            let (used, mut account) = (SECOND * cpu, Account::default());
            account.add(used, 1, 0, SECOND * lasted);
            judge(&Watched::default(), &Usage { cpu: used, ..Usage::default() }, 1, &account, &worker, &policy)
                == Verdict::Ask
        };
        assert!(is_fine(12, 0) && !is_fine(13, 0));
        assert!(is_fine(14, 60) && !is_fine(15, 60));
        // Whether it was one, or ten at a time.
        assert!(is_fine(32, 600) && !is_fine(33, 600));
    }

    /// What a worker without events takes, whatever the number of its processes, in all that time.
    #[test]
    fn a_restart_brings_no_new_budget() {
        let policy = WatchPolicy::default();
        let mut account = Account::default();
        let (mut taken, mut processes) = (Duration::ZERO, 1);
        let mut watched_for = Duration::ZERO;
        while watched_for < SECOND * 600 {
            // Two processors, looked at each second.
            watched_for += SECOND;
            account.age = watched_for;
            account.add(SECOND * 2, 0, 0, Duration::ZERO);
            taken += SECOND * 2;
            let usage = Usage { cpu: SECOND, ..Usage::default() };
            let verdict = judge(&Watched::default(), &usage, 0, &account, &limited(), &policy);
            if let Verdict::End(Overrun::CpuBudget(..)) = verdict {
                // Whoever starts it again at once has it for one look.
                processes += 1;
                watched_for += SECOND * 60;
            }
        }
        let share = taken.as_secs_f64() / watched_for.as_secs_f64();
        assert!(processes > 5 && share < 0.1, "{taken:?} of {watched_for:?} with {processes} processes");
    }

    #[test]
    fn memory_is_bounded_whatever_holds_it() {
        let (policy, watched) = (WatchPolicy::default(), Watched::default());
        let after = |memory| {
            judge(&watched, &Usage { memory, ..Usage::default() }, 0, &Account::default(), &limited(), &policy)
        };
        assert_eq!(after(164 << 20), Verdict::Fine);
        assert_eq!(after((164 << 20) + 1), Verdict::End(Overrun::Memory((164 << 20) + 1)));
    }

    #[test]
    fn a_process_at_rest_is_looked_at_less_often() {
        let policy = WatchPolicy { idle_interval: Duration::from_secs(8), ..WatchPolicy::default() };
        let mut pause = policy.interval;
        let pauses = [(); 5].map(|()| {
            pause = next_look(pause, false, &policy);
            pause.as_secs()
        });
        assert_eq!(pauses, [2, 4, 8, 8, 8]);
        assert_eq!(next_look(pause, true, &policy), policy.interval);
    }

    proptest! {
        #[test]
        fn whoever_answers_within_its_means_is_never_ended(cpu in 0u64..1_000_000, memory in 0u64..164 << 20, events in 0u64..1000, open in 0u64..1000, age in 0u64..5000, spent in 0u64..2000) {
            // Used is what events explain; asked a moment ago.
            let ms = Duration::from_millis;
            let used = ms(cpu.min(events * 2000 + 10_000));
            let watched = Watched { ping: Some(Ping { cpu: used.saturating_sub(ms(spent)), age: ms(age).min(ms(4999)) }), ..Watched::default() };
            let account = Account { used, events, ..Account::default() };
            let usage = Usage { cpu: used, memory, runnable: false };
            let verdict = judge(&watched, &usage, open.min(events), &account, &limited(), &WatchPolicy::default());
            prop_assert_eq!(verdict, Verdict::Fine);
        }

        #[test]
        fn more_use_is_never_judged_more_kindly(cpu in 0u64..100_000, more in 0u64..100_000, memory in 0u64..1 << 30, events in 0u64..50, asked in proptest::option::of(0u64..100_000), runnable: bool) {
            let ms = Duration::from_millis;
            let watched = Watched { ping: asked.map(|cpu| Ping { cpu: ms(cpu), age: Duration::ZERO }), ..Watched::default() };
            let is_end = |cpu, memory| {
                let (usage, account) = (Usage { cpu: ms(cpu), memory, runnable }, Account { used: ms(cpu), events, ..Account::default() });
                matches!(judge(&watched, &usage, events, &account, &limited(), &WatchPolicy::default()), Verdict::End(_))
            };
            prop_assert!(!is_end(cpu, memory) || is_end(cpu + more, memory));
            prop_assert!(!is_end(cpu, memory) || is_end(cpu, memory + more));
        }

        #[test]
        fn without_limits_only_silence_ends(cpu in 0u64..u64::MAX / 2, memory: u64, events: u64, asked in proptest::option::of((0u64..1000, 0u64..4999)), runnable: bool) {
            let ms = Duration::from_millis;
            let watched = Watched { ping: asked.map(|(cpu, age)| Ping { cpu: ms(cpu), age: ms(age) }), ..Watched::default() };
            let usage = Usage { cpu: ms(cpu), memory, runnable };
            let verdict = judge(&watched, &usage, events, &Account { used: ms(cpu), ..Account::default() }, &unlimited(), &WatchPolicy::default());
            prop_assert!(!matches!(verdict, Verdict::End(_)));
        }

        #[test]
        fn a_delay_is_never_longer_than_the_bound(lives in proptest::collection::vec((0u64..20_000, any::<bool>()), 0..200), jitter in 0.0..1.0) {
            let policy = RestartPolicy::default();
            let mut failures = Failures::default();
            let mut last = Duration::ZERO;
            for (life, by_itself) in lives {
                let life = Duration::from_millis(life);
                failures = failures.ended(life, if by_itself { EndedBy::Itself } else { EndedBy::Supervisor }, &policy);
                let delay = failures.delay(jitter, &policy);
                let was_healthy = by_itself && life >= policy.healthy_after;
                prop_assert!(delay <= policy.max);
                prop_assert!(!was_healthy || delay.is_zero());
                prop_assert!(was_healthy || delay >= last);
                last = delay;
            }
        }

        #[test]
        fn the_pool_stays_within_its_bounds(min in 0usize..10, max in 0usize..10, workers in 0usize..1000, bound in 0usize..1000) {
            let target = PoolPolicy { min, max }.target(workers, bound);
            prop_assert!(target <= max);
            prop_assert!(target <= workers.max(1));
            prop_assert!(workers == 0 || max == 0 || min == 0 || target >= 1);
        }
    }
}
