//! The clock that scripts see. It stands still while script runs, so that nobody can measure with it what the machine does
//! on behalf of others: it moves when the event loop enters the isolate, which is when something came from outside.
//!
//! V8 takes the time for `Date` from its platform, and that takes it from the C library's `gettimeofday`; ICU does too.
//! V8's Rust interface offers no other place to step in, so this program has a `gettimeofday` of its own.

use std::{
    cell::Cell,
    ffi::{c_int, c_void},
    time::Duration,
};

use rustix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

/// What the isolate's thread takes for the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clock {
    /// What the kernel says.
    Running,
    /// Stands still, at this many milliseconds since the Unix epoch.
    Frozen(u64),
}

thread_local! {
    static CLOCK: Cell<Clock> = const { Cell::new(Clock::Running) };
    /// From where milliseconds are counted for timers.
    static ORIGIN: Instant = Instant::now();
    /// How often the clock was set.
    static TURN: Cell<u64> = const { Cell::new(0) };
}

/// Sets the clock of this thread.
pub(super) fn set(clock: Clock) {
    CLOCK.set(clock);
    TURN.set(TURN.get() + 1);
}

/// Begins to count milliseconds for timers here. The event loop of this thread is to be made right after: it counts whole
/// milliseconds too, from when it was made, and a timer whose milliseconds end with its own is not rounded up twice.
pub(crate) fn begin_counting() {
    ORIGIN.with(|_| ());
}

/// When a delay began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Begun {
    delay: Duration,
    /// When it has passed.
    passed: Instant,
    /// Where the clock stood still: for which time. Delays of one time begin at the same instant, as far as script knows.
    turn: Option<u64>,
}

/// A delay begins now.
pub(crate) fn begin(delay: Duration) -> Begun {
    let turn = (CLOCK.get() != Clock::Running).then(|| TURN.get());
    Begun { delay, passed: Instant::now() + delay, turn }
}

/// When timers are due whose delays have begun, in the order in which they are then.
///
/// None is due before its delay has passed, by the real clock. But those that script set while its own clock stood still are
/// due in the order of their delays: else that would say how long script ran between setting them. Whole milliseconds, for
/// more than those the clock does not tell either.
///
/// `delays` is in the order of setting.
pub(crate) fn due<T>(mut delays: Vec<(Begun, T)>) -> impl Iterator<Item = (Instant, T)> {
    for turn in delays.chunk_by_mut(|(one, _), (next, _)| one.turn.is_some() && one.turn == next.turn) {
        turn.sort_by_key(|(begun, _)| begun.delay);
        let mut latest = None;
        for (begun, _) in turn {
            begun.passed = latest.map_or(begun.passed, |latest| begun.passed.max(latest));
            latest = Some(begun.passed);
        }
    }
    delays.into_iter().map(|(begun, timer)| {
        // What has no delay need not wait for the millisecond to end.
        let at = if begun.turn.is_none() || begun.delay.is_zero() { begun.passed } else { align(begun.passed) };
        (at, timer)
    })
}

/// The next whole millisecond, as timers count them.
fn align(at: Instant) -> Instant {
    let origin = ORIGIN.with(|origin| *origin);
    let milliseconds = at.duration_since(origin).as_nanos().div_ceil(1_000_000);
    origin + Duration::from_millis(u64::try_from(milliseconds).unwrap_or(u64::MAX))
}

/// What the kernel says, since the Unix epoch.
fn kernel_time() -> Duration {
    let time = clock_gettime(ClockId::Realtime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Whole milliseconds since the Unix epoch, from the kernel.
pub(super) fn real_milliseconds() -> u64 {
    u64::try_from(kernel_time().as_millis()).unwrap_or(u64::MAX)
}

/// Whole milliseconds since the Unix epoch, as scripts see them.
pub(crate) fn milliseconds() -> u64 {
    match CLOCK.get() {
        Clock::Running => real_milliseconds(),
        Clock::Frozen(milliseconds) => milliseconds,
    }
}

/// `struct timeval` of the C library.
#[repr(C)]
#[derive(Debug)]
struct TimeVal {
    seconds: i64,
    microseconds: i64,
}

/// In place of the C library's function of this name, for V8 and ICU.
///
/// # Safety
///
/// `time` is null or can be written to.
// SAFETY: the signature is the C library's on the 64-bit targets that this program has, and so is what it does.
#[unsafe(no_mangle)]
unsafe extern "C" fn gettimeofday(time: *mut TimeVal, _zone: *mut c_void) -> c_int {
    let now = match CLOCK.get() {
        Clock::Running => kernel_time(),
        Clock::Frozen(milliseconds) => Duration::from_millis(milliseconds),
    };
    // SAFETY: as the caller promises.
    if let Some(time) = unsafe { time.as_mut() } {
        time.seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        time.microseconds = i64::from(now.subsec_micros());
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(delay: u64, set: u64, turn: Option<u64>) -> Begun {
        let delay = Duration::from_millis(delay);
        let origin = ORIGIN.with(|origin| *origin);
        Begun { delay, passed: origin + Duration::from_millis(set) + delay, turn }
    }

    fn order(delays: &[(u64, u64, Option<u64>)]) -> Vec<(usize, u64)> {
        let delays = delays.iter().enumerate().map(|(index, &(delay, set, turn))| (begun(delay, set, turn), index));
        let mut due: Vec<_> = due(delays.collect()).collect();
        due.sort_by_key(|(at, _)| *at);
        let since = |at: Instant| at.duration_since(ORIGIN.with(|origin| *origin)).as_millis() as u64;
        due.into_iter().map(|(at, index)| (index, since(at))).collect()
    }

    #[test]
    fn a_delay_begins_when_it_is_set() {
        assert_eq!(order(&[(200, 300, Some(1))]), [(0, 500)]);
        assert_eq!(order(&[(200, 0, Some(1)), (200, 300, Some(2))]), [(0, 200), (1, 500)]);
        // The second was set after the first, which need not wait for it.
        assert_eq!(order(&[(200, 300, Some(1)), (100, 310, Some(2))]), [(1, 410), (0, 500)]);
    }

    #[test]
    fn delays_of_one_instant_end_in_their_order() {
        assert_eq!(order(&[(200, 0, Some(1)), (100, 300, Some(1))]), [(1, 400), (0, 400)]);
        assert_eq!(order(&[(2, 0, Some(1)), (2, 9, Some(1)), (0, 20, Some(1))]), [(2, 20), (0, 20), (1, 20)]);
        assert_eq!(order(&[(200, 0, None), (100, 300, None)]), [(0, 200), (1, 400)]);
    }
}
