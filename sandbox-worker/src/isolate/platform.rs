//! V8 for the whole process: flags, platform, foreground tasks.

use std::{
    collections::{BTreeMap, VecDeque},
    ffi::c_void,
    sync::{Mutex, Once, OnceLock, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::time::Instant;

use super::clock::{self, Begun};

/// Background threads that V8 gets for compilation and garbage collection. A worker shares its machine with many others,
/// so one: it takes work off the isolate's thread without adding a stack and a cache for each core.
const BACKGROUND_THREADS: u32 = 1;

/// Tasks that V8 wants to have run on the isolate's thread.
#[derive(Default)]
struct Foreground {
    tasks: VecDeque<v8::Task>,
    /// By when they are due, and the order among those that are due at the same time.
    delayed: BTreeMap<(Instant, u64), Delayed>,
    /// Those that were posted since the next task was last looked for, and their delays.
    begun: Vec<(Begun, Delayed)>,
    /// How many were ever put among those that are due.
    count: u64,
    /// How many tasks were posted so far.
    posted: u64,
    waker: Option<Waker>,
}

struct Delayed {
    task: v8::Task,
    /// A time-out of `Atomics.waitAsync`, which settles a promise: the only delayed tasks that must not nest. Others are
    /// the collector's.
    settles: bool,
}

static FOREGROUND: OnceLock<Mutex<Foreground>> = OnceLock::new();

fn foreground() -> std::sync::MutexGuard<'static, Foreground> {
    FOREGROUND.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

struct Platform;

impl v8::PlatformImpl for Platform {
    fn post_task(&self, _: *mut c_void, task: v8::Task) {
        post(|foreground| foreground.tasks.push_back(task));
    }

    fn post_non_nestable_task(&self, isolate: *mut c_void, task: v8::Task) {
        // Foreground tasks only ever run from the event loop, which is never nested.
        self.post_task(isolate, task);
    }

    fn post_delayed_task(&self, _: *mut c_void, task: v8::Task, delay_in_seconds: f64) {
        post_delayed(task, delay_in_seconds, false);
    }

    fn post_non_nestable_delayed_task(&self, _: *mut c_void, task: v8::Task, delay_in_seconds: f64) {
        post_delayed(task, delay_in_seconds, true);
    }

    fn post_idle_task(&self, _: *mut c_void, task: v8::IdleTask) {
        // Idle tasks are not enabled on this platform.
        drop(task);
    }
}

fn post(add: impl FnOnce(&mut Foreground)) {
    let waker = {
        let mut foreground = foreground();
        foreground.posted += 1;
        add(&mut foreground);
        foreground.waker.take()
    };
    if let Some(waker) = waker {
        waker.wake();
    }
}

fn post_delayed(task: v8::Task, delay_in_seconds: f64, settles: bool) {
    let begun = clock::begin(Duration::try_from_secs_f64(delay_in_seconds).unwrap_or_default());
    post(|foreground| foreground.begun.push((begun, Delayed { task, settles })));
}

/// Whether a task waits that may have script run or settle a promise.
pub(super) fn has_tasks() -> bool {
    let foreground = foreground();
    !foreground.tasks.is_empty()
        || foreground.begun.iter().any(|(_, delayed)| delayed.settles)
        || foreground.delayed.values().any(|delayed| delayed.settles)
}

/// V8's own default for `--stack-size`, in KiB.
const STACK_KIB: usize = 984;

static STACK: OnceLock<usize> = OnceLock::new();

/// How much of the stack script may use, in bytes.
pub(super) fn stack_bytes() -> usize {
    STACK.get().copied().unwrap_or(STACK_KIB) << 10
}

/// What flags say about the size of the stack, in KiB.
fn stack_size(flags: &[String]) -> Option<usize> {
    let mut words =
        flags.iter().flat_map(|flag| flag.split(|character: char| character == '=' || character.is_whitespace()));
    let mut size = None;
    while let Some(word) = words.next() {
        if word.trim_start_matches('-').replace('_', "-") == "stack-size" {
            size = words.next().and_then(|size| size.parse().ok()).or(size);
        }
    }
    size
}

/// Starts V8, once in a process, on its main thread, before any other thread exists (threads that are older than V8's
/// memory protection keys cannot enter it).
///
/// `flags` are V8 flags of the operator's choice.
pub fn initialize(flags: &[String]) {
    static START: Once = Once::new();
    START.call_once(|| {
        // What the reference does not have, we do not have; and what no tenant needs stays out of the way.
        v8::V8::set_flags_from_string("--no-harmony-temporal");
        // And what it has, we have: `import source`.
        v8::V8::set_flags_from_string("--js-source-phase-imports");
        for flag in flags {
            v8::V8::set_flags_from_string(flag);
        }
        if let Some(size) = stack_size(flags) {
            STACK.get_or_init(|| size);
        }
        // There is no /dev/urandom here.
        v8::V8::set_entropy_source(fill_random);
        let platform = v8::new_custom_platform(BACKGROUND_THREADS, false, false, Platform).make_shared();
        v8::V8::initialize_platform(platform);
        v8::V8::initialize();
        super::watch::start();
    });
}

/// Fills `buffer` from the kernel's random numbers; says whether it could.
fn fill_random(buffer: &mut [u8]) -> bool {
    let wanted = buffer.len();
    rustix::rand::getrandom(buffer, rustix::rand::GetRandomFlags::empty()).is_ok_and(|count| count == wanted)
}

/// The next task that V8 wants to have run on the isolate's thread, when it is due.
pub(crate) async fn next_task() -> v8::Task {
    loop {
        let (deadline, seen) = {
            let foreground = &mut *foreground();
            if let Some(task) = foreground.tasks.pop_front() {
                return task;
            }
            for (at, delayed) in clock::due(std::mem::take(&mut foreground.begun)) {
                foreground.delayed.insert((at, foreground.count), delayed);
                foreground.count += 1;
            }
            let deadline = foreground.delayed.first_key_value().map(|(key, _)| key.0);
            if deadline.is_some_and(|deadline| deadline <= Instant::now())
                && let Some((_, delayed)) = foreground.delayed.pop_first()
            {
                return delayed.task;
            }
            (deadline, foreground.posted)
        };
        // Any task that is posted ends the wait: it may be due before the one that is slept for.
        let posted = std::future::poll_fn(|cx: &mut Context<'_>| {
            let mut foreground = foreground();
            if foreground.posted != seen {
                return Poll::Ready(());
            }
            foreground.waker = Some(cx.waker().clone());
            Poll::Pending
        });
        match deadline {
            Some(deadline) => {
                let _ = tokio::time::timeout_at(deadline, posted).await;
            }
            None => posted.await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_the_stack_is_what_flags_say() {
        let size = |flags: &[&str]| stack_size(&flags.iter().map(|flag| (*flag).to_owned()).collect::<Vec<_>>());
        assert_eq!(size(&[]), None);
        assert_eq!(size(&["--expose-gc", "--stack-size=2000"]), Some(2000));
        assert_eq!(size(&["--stack_size 500 --expose-gc"]), Some(500));
        assert_eq!(size(&["-stack-size=1", "--stack-size=2"]), Some(2));
        assert_eq!(size(&["--stack-size-limit=7"]), None);
    }
}
