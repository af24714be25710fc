//! How fast a worker is heard.
//!
//! A worker that starts much of its own breaks no rule, and is slowed down: when it has sent more than its rate allows, the
//! supervisor takes nothing from its socket until the time for that has passed. What waits then waits in the worker, and in
//! a socket buffer of fixed size. Its other connections are read as before.
//!
//! A pause ends by itself: nothing that the worker has sent waits for ever, what it owes us included.

use std::time::{Duration, Instant};

use super::Limits;

/// A pause is at least this long, so that many small debts are not many timers. What the worker may send meanwhile it may
/// send at once afterwards.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);

/// What a worker may still send beside answers, in messages and in bytes.
#[derive(Debug)]
pub(super) struct Pace {
    messages: Allowance,
    bytes: Allowance,
}

impl Pace {
    pub(super) fn new(limits: &Limits, now: Instant) -> Self {
        Self {
            messages: Allowance::new(limits.messages_burst, limits.messages_per_second, now),
            bytes: Allowance::new(limits.bytes_burst, limits.bytes_per_second, now),
        }
    }

    /// Allows so much more.
    pub(super) fn allow(&mut self, messages: u64, bytes: u64) {
        self.messages.add(messages);
        self.bytes.add(bytes);
    }

    /// Takes back what was allowed.
    pub(super) fn charge(&mut self, messages: u64) {
        self.messages.spend(messages);
    }

    /// Takes note of a message of so many bytes.
    pub(super) fn spend(&mut self, bytes: u64) {
        self.messages.spend(1);
        self.bytes.spend(bytes);
    }

    /// Whether more was sent than was allowed until the clock was last looked at.
    pub(super) fn is_exceeded(&self) -> bool {
        self.messages.owed > 0 || self.bytes.owed > 0
    }

    /// How long nothing is to be taken from the peer. Looks at the clock only when the allowance is used up.
    pub(super) fn pause(&mut self, clock: impl Fn() -> Instant) -> Option<Duration> {
        if !self.is_exceeded() {
            return None;
        }
        let now = clock();
        self.messages.refill(now);
        self.bytes.refill(now);
        self.is_exceeded().then(|| self.messages.wait().max(self.bytes.wait()).max(SHORTEST_PAUSE))
    }
}

/// A peer that was heard at its own pace for so long after a pause was slowed down for one reason, and the next time is another.
const QUIET: Duration = Duration::from_secs(10);

/// The times in which a peer was slowed down again and again.
#[derive(Debug, Default)]
pub(super) struct Episodes {
    count: u64,
    /// When the last pause ends.
    until: Option<Instant>,
}

impl Episodes {
    /// Takes note of a pause; whether an episode begins with it.
    pub(super) fn note(&mut self, now: Instant, pause: Duration) -> bool {
        let begins = self.until.is_none_or(|until| now.saturating_duration_since(until) >= QUIET);
        self.count += u64::from(begins);
        self.until = Some(now + pause);
        begins
    }

    /// How many there were.
    pub(super) fn count(&self) -> u64 {
        self.count
    }
}

/// A token bucket that can be in debt, looks at the clock only then, and to which what we ask for is added. What came in
/// while it was full is counted when it has run empty, so that a burst after a rest can be twice as long.
#[derive(Debug)]
struct Allowance {
    left: u64,
    /// Taken beyond what there was; zero while something is left.
    owed: u64,
    burst: u64,
    per_second: u64,
    /// Until when what comes in with time is in `left`.
    filled: Instant,
}

impl Allowance {
    fn new(burst: u64, per_second: u64, now: Instant) -> Self {
        Self { left: burst, owed: 0, burst, per_second: per_second.max(1), filled: now }
    }

    fn add(&mut self, amount: u64) {
        let paid = self.owed.min(amount);
        self.owed -= paid;
        self.left = self.left.saturating_add(amount - paid).min(self.burst);
    }

    fn spend(&mut self, amount: u64) {
        let taken = self.left.min(amount);
        self.left -= taken;
        self.owed = self.owed.saturating_add(amount - taken);
    }

    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.filled).as_nanos();
        let came = u64::try_from(passed.saturating_mul(self.per_second.into()) / NANOSECONDS).unwrap_or(u64::MAX);
        // A part of one that has come in is not lost.
        self.filled += self.time(came).min(now.saturating_duration_since(self.filled));
        self.add(came);
    }

    /// How long it takes until nothing is owed.
    fn wait(&self) -> Duration {
        self.time(self.owed)
    }

    /// The time in which `amount` comes in. At most about 500 years.
    fn time(&self, amount: u64) -> Duration {
        let nanoseconds = (u128::from(amount) * NANOSECONDS).div_ceil(self.per_second.into());
        Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
    }
}

/// In a second.
const NANOSECONDS: u128 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pace(messages_burst: u64, messages_per_second: u64, now: Instant) -> Pace {
        Pace::new(&Limits { messages_burst, messages_per_second, ..Limits::for_worker() }, now)
    }

    #[test]
    fn what_is_owed_is_waited_for_and_what_we_ask_for_pays() {
        let start = Instant::now();
        let mut pace = pace(10, 10, start);
        for _ in 0..10 {
            pace.spend(0);
            assert_eq!(pace.pause(|| start), None);
        }
        pace.spend(0);
        pace.spend(0);
        assert_eq!(pace.pause(|| start), Some(Duration::from_millis(200)));
        // Asked again and again, half a message is not forgotten.
        for step in 1..20 {
            let now = start + Duration::from_millis(10) * step;
            assert_eq!(pace.pause(|| now), Some(Duration::from_millis(if step < 10 { 200 } else { 100 })));
        }
        assert_eq!(pace.pause(|| start + Duration::from_millis(200)), None);
        pace.spend(0);
        assert!(pace.is_exceeded());
        pace.allow(1, 0);
        assert!(!pace.is_exceeded());
    }

    #[test]
    fn a_long_message_is_paid_for_by_its_length() {
        let start = Instant::now();
        let limits = Limits { bytes_burst: 1000, bytes_per_second: 1000, ..Limits::for_worker() };
        let mut pace = Pace::new(&limits, start);
        pace.spend(3000);
        assert_eq!(pace.pause(|| start), Some(Duration::from_secs(2)));
        assert_eq!(pace.pause(|| start + Duration::from_secs(2)), None);
    }

    #[test]
    fn pauses_that_follow_each_other_are_one_episode() {
        let (start, pause) = (Instant::now(), Duration::from_secs(1));
        let mut episodes = Episodes::default();
        for (after, begins) in [(0, true), (1, false), (10, false), (20, false), (31, true), (600, true)] {
            assert_eq!(episodes.note(start + Duration::from_secs(after), pause), begins, "{after}");
        }
        assert_eq!(episodes.count(), 3);
    }

    proptest! {
        /// Who waits when it is told to sends no more than burst and rate allow, and a message; and never waits for longer
        /// than what it sent last takes.
        #[test]
        fn over_any_time_no_more_passes_than_burst_and_rate(
            burst in 1u64..1000, per_second in 1u64..1000, pauses in proptest::collection::vec(0u64..20, 1..500)
        ) {
            let start = Instant::now();
            let mut pace = pace(burst, per_second, start);
            let (mut now, mut sent) = (Duration::ZERO, 0);
            for pause in pauses {
                now += Duration::from_millis(pause);
                if let Some(wait) = pace.pause(|| start + now) {
                    prop_assert!(wait <= SHORTEST_PAUSE.max(Duration::from_secs(1)));
                    now += wait;
                    prop_assert_eq!(pace.pause(|| start + now), None);
                }
                pace.spend(0);
                sent += 1;
                let most = burst + (now.as_nanos() * u128::from(per_second) / NANOSECONDS) as u64 + 1;
                prop_assert!(sent <= most, "{sent} of {most}");
            }
        }
    }
}
