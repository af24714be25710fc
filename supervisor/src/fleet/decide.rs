//! When to start, restart and give up: pure functions over plain data, with the clock passed in.

use std::time::Duration;

/// How a worker that died is restarted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestartPolicy {
    /// Delay after the second failure in a row; the first restart is immediate. It doubles with each further failure.
    pub base: Duration,
    /// Longest delay.
    pub max: Duration,
    /// A process that was bound for this long was healthy: its end is again a first failure.
    pub healthy_after: Duration,
}

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
    pub fn ended(self, lived: Duration, policy: &RestartPolicy) -> Self {
        Self(if lived >= policy.healthy_after { 1 } else { self.0.saturating_add(1) })
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
    /// How many blank processes there should be, for a configuration with `workers` workers of which `bound` have a
    /// process. One for each sixteen workers; never more than could be bound, except for one that stands by for the
    /// next restart.
    pub fn target(&self, workers: usize, bound: usize) -> usize {
        if workers == 0 {
            return 0;
        }
        let wanted = workers.div_ceil(16).clamp(self.min.min(self.max), self.max);
        wanted.min(workers.saturating_sub(bound).max(1)).min(self.max)
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
            failures = failures.ended(Duration::ZERO, &policy);
            delays.push(failures.delay(1.0, &policy).as_millis());
        }
        assert_eq!(delays, [0, 10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
        assert_eq!(failures.ended(policy.healthy_after, &policy).delay(1.0, &policy), Duration::ZERO);
    }

    proptest! {
        #[test]
        fn a_delay_is_never_longer_than_the_bound(lives in proptest::collection::vec(0u64..20_000, 0..200), jitter in 0.0..1.0) {
            let policy = RestartPolicy::default();
            let mut failures = Failures::default();
            let mut last = Duration::ZERO;
            for life in lives {
                let life = Duration::from_millis(life);
                failures = failures.ended(life, &policy);
                let delay = failures.delay(jitter, &policy);
                prop_assert!(delay <= policy.max);
                prop_assert!(life < policy.healthy_after || delay.is_zero());
                prop_assert!(life >= policy.healthy_after || delay >= last);
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
