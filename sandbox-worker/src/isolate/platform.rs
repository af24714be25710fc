//! V8 for the whole process: flags, platform, foreground tasks.

use std::{
    collections::VecDeque,
    ffi::c_void,
    sync::{Mutex, Once, OnceLock, PoisonError},
    task::{Context, Poll, Waker},
};

/// Background threads that V8 gets for compilation and garbage collection. A worker shares its machine with many others,
/// so one: it takes work off the isolate's thread without adding a stack and a cache for each core.
const BACKGROUND_THREADS: u32 = 1;

/// Tasks that V8 wants to have run on the isolate's thread.
#[derive(Default)]
struct Foreground {
    tasks: VecDeque<v8::Task>,
    waker: Option<Waker>,
}

static FOREGROUND: OnceLock<Mutex<Foreground>> = OnceLock::new();

fn foreground() -> std::sync::MutexGuard<'static, Foreground> {
    FOREGROUND.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

struct Platform;

impl v8::PlatformImpl for Platform {
    fn post_task(&self, _: *mut c_void, task: v8::Task) {
        let waker = {
            let mut foreground = foreground();
            foreground.tasks.push_back(task);
            foreground.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn post_non_nestable_task(&self, isolate: *mut c_void, task: v8::Task) {
        // Foreground tasks only ever run from `poll_foreground`, which is never nested.
        self.post_task(isolate, task);
    }

    fn post_delayed_task(&self, isolate: *mut c_void, task: v8::Task, _: f64) {
        // Delayed tasks are V8's housekeeping (memory reduction after a pause); soon is as good as later.
        self.post_task(isolate, task);
    }

    fn post_non_nestable_delayed_task(&self, isolate: *mut c_void, task: v8::Task, _: f64) {
        self.post_task(isolate, task);
    }

    fn post_idle_task(&self, _: *mut c_void, task: v8::IdleTask) {
        // Idle tasks are not enabled on this platform.
        drop(task);
    }
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
        for flag in flags {
            v8::V8::set_flags_from_string(flag);
        }
        // There is no /dev/urandom here.
        v8::V8::set_entropy_source(fill_random);
        let platform = v8::new_custom_platform(BACKGROUND_THREADS, false, false, Platform).make_shared();
        v8::V8::initialize_platform(platform);
        v8::V8::initialize();
    });
}

/// Fills `buffer` from the kernel's random numbers; says whether it could.
fn fill_random(buffer: &mut [u8]) -> bool {
    let wanted = buffer.len();
    rustix::rand::getrandom(buffer, rustix::rand::GetRandomFlags::empty()).is_ok_and(|count| count == wanted)
}

/// Takes the next foreground task, or registers to be woken for one.
pub(crate) fn poll_foreground(cx: &mut Context<'_>) -> Poll<v8::Task> {
    let mut foreground = foreground();
    match foreground.tasks.pop_front() {
        Some(task) => Poll::Ready(task),
        None => {
            foreground.waker = Some(cx.waker().clone());
            Poll::Pending
        }
    }
}
