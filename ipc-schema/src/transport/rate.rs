//! How much somebody may do over time.

use std::time::{Duration, Instant};

/// A token bucket: a burst at once, and then so much for each second. Time is passed in.
#[derive(Debug, Clone)]
pub struct Bucket {
    burst: u64,
    per_second: u64,
    /// When the bucket will be full again, if it is not.
    full_at: Option<Instant>,
}

impl Bucket {
    /// A full bucket. `per_second` is at least 1.
    pub fn new(burst: u64, per_second: u64) -> Self {
        Self { burst, per_second: per_second.max(1), full_at: None }
    }

    /// Takes `amount`, whether it is there or not, and says how long it takes until nothing is owed any more: zero when
    /// it was there.
    pub fn take(&mut self, amount: u64, now: Instant) -> Duration {
        let full_at = self.full_at.filter(|at| *at > now).unwrap_or(now) + self.time(amount);
        self.full_at = Some(full_at);
        full_at.duration_since(now).saturating_sub(self.time(self.burst))
    }

    /// Takes `amount` if it is there, and says whether it was.
    pub fn try_take(&mut self, amount: u64, now: Instant) -> bool {
        let before = self.full_at;
        let is_there = self.take(amount, now).is_zero();
        if !is_there {
            self.full_at = before;
        }
        is_there
    }

    /// The time in which `amount` comes in. At most about 500 years.
    fn time(&self, amount: u64) -> Duration {
        let nanoseconds = u128::from(amount) * 1_000_000_000 / u128::from(self.per_second);
        Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_burst_is_free_and_then_time_is_the_price() {
        let now = Instant::now();
        let mut bucket = Bucket::new(100, 10);
        assert_eq!(bucket.take(100, now), Duration::ZERO);
        assert_eq!(bucket.take(5, now), Duration::from_millis(500));
        assert!(!bucket.try_take(1, now));
        assert_eq!(bucket.take(0, now), Duration::from_millis(500), "what was refused is not owed");
        assert!(!bucket.try_take(1, now + Duration::from_millis(500)));
        assert!(bucket.try_take(1, now + Duration::from_millis(600)));
        assert!(bucket.take(u64::MAX, now + Duration::from_secs(1000)).as_secs() > 1 << 30, "as long as can be said");
    }

    proptest! {
        #[test]
        fn over_any_time_no_more_passes_than_burst_and_rate(
            burst in 1u64..1000, per_second in 1u64..1000, steps in proptest::collection::vec((0u64..100, 0u64..2000), 1..200)
        ) {
            let start = Instant::now();
            let mut bucket = Bucket::new(burst, per_second);
            let (mut now, mut taken) = (Duration::ZERO, 0);
            for (amount, pause) in steps {
                now += Duration::from_millis(pause);
                if bucket.try_take(amount, start + now) {
                    taken += amount;
                }
                let most = burst + (now.as_nanos() * u128::from(per_second) / 1_000_000_000) as u64 + 1;
                prop_assert!(taken <= most, "{taken} of {most}");
            }
        }
    }
}
