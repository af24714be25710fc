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
    /// When the clock was set, since then.
    static SET: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Sets the clock of this thread.
pub(super) fn set(clock: Clock) {
    CLOCK.set(clock);
    SET.set(ORIGIN.with(Instant::elapsed));
}

/// When a timer is due that script sets now. By a clock that stands still it is due at a whole millisecond after the clock
/// was set, so that the order of timers does not say how long script ran between setting them.
pub(crate) fn due(delay: Duration) -> Instant {
    match CLOCK.get() {
        Clock::Running => Instant::now() + delay,
        // Never early, and what has no delay is due at once.
        Clock::Frozen(_) if delay.is_zero() => {
            ORIGIN.with(|origin| *origin)
                + Duration::from_millis(u64::try_from(SET.get().as_millis()).unwrap_or(u64::MAX))
        }
        Clock::Frozen(_) => align(ORIGIN.with(|origin| *origin) + SET.get() + delay),
    }
}

/// The next whole millisecond, as timers count them.
pub(crate) fn align(at: Instant) -> Instant {
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
