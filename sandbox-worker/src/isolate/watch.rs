//! The watch over running script: its processor time and its heap. Who exceeds is interrupted.
//!
//! Script runs in *slices*: from when the event loop enters the isolate until it comes out again. A thread of its own
//! looks at the processor time while a slice runs, and sleeps while the process is idle. A slice costs a few atomic operations and
//! at most two readings of the processor clock, but no system call that wakes the thread, except where that sleeps.
//!
//! There is one isolate in the process, so there is one watch.

use std::{
    cell::Cell,
    ffi::c_void,
    rc::Weak,
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    thread::Thread,
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};

use super::{Isolate, stack};
use crate::limits::Limit;

/// How often the thread looks while script runs: five times within the limit, within these bounds.
const TICK_BOUNDS: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(50));

/// After this many looks without a new slice the thread sleeps until there is one.
const IDLE_TICKS: u32 = 20;

/// For how long a reading of the processor clock serves the slices after it: one that ends by then has used the time that went by. A
/// reading is a system call, and costs as much as a good part of a short slice. The slice in which the next reading is taken is
/// charged with all that the process used since the last one and was not charged with yet.
const FRESH: Duration = Duration::from_micros(50);

/// How far the heap may grow beyond its limit, once: as much again, and no more than this, in bytes. A container that grows
/// takes a multiple of what it has at once, and V8 ends the process if it does not get it; the script is interrupted after.
const MAX_SLACK: usize = 128 << 20;

/// The share of its limit, in percent, from which a heap is full: where V8 begins to find that collecting is of no use.
const FULL_PERCENT: usize = 80;

struct Watch {
    /// The number of the running slice, which is odd; even between slices.
    slice: AtomicU64,
    /// The processor time of the process, in nanoseconds, at which the running slice exceeds its allowance.
    deadline: AtomicU64,
    /// Nanoseconds between two looks.
    tick: AtomicU64,
    /// The last slice that was, or is being, interrupted for its processor time.
    interrupted: AtomicU64,
    /// Whether it is kept where script was when it was interrupted.
    explains: AtomicBool,
    /// The last slice whose script was asked where it is.
    asked: AtomicU64,
    /// Where it was.
    place: Mutex<Option<String>>,
    /// The last slice that exhausted the heap.
    exhausted: AtomicU64,
    /// The limit of the heap if this was raised without being exceeded, in bytes; else 0.
    raised: AtomicUsize,
    /// What the isolate's callback gets.
    pointer: AtomicPtr<c_void>,
    /// The thread sleeps until it is woken.
    parked: AtomicBool,
    thread: OnceLock<Thread>,
    isolate: Mutex<Option<v8::IsolateHandle>>,
}

/// A reading of the processor clock.
#[derive(Debug, Clone, Copy)]
struct Reading {
    taken: Instant,
    /// The processor time then, and what slices were charged with since, in nanoseconds.
    charged: u64,
}

impl Reading {
    fn take(taken: Instant) -> Self {
        Reading { taken, charged: processor_time() }
    }

    fn is_fresh(&self, now: Instant) -> bool {
        now.duration_since(self.taken) < FRESH
    }
}

thread_local! {
    static LAST: Cell<Option<Reading>> = const { Cell::new(None) };
}

static WATCH: Watch = Watch {
    slice: AtomicU64::new(0),
    deadline: AtomicU64::new(u64::MAX),
    tick: AtomicU64::new(0),
    interrupted: AtomicU64::new(0),
    explains: AtomicBool::new(false),
    asked: AtomicU64::new(0),
    place: Mutex::new(None),
    exhausted: AtomicU64::new(0),
    raised: AtomicUsize::new(0),
    pointer: AtomicPtr::new(std::ptr::null_mut()),
    parked: AtomicBool::new(false),
    thread: OnceLock::new(),
    isolate: Mutex::new(None),
};

/// Processor time of all threads of the process, in nanoseconds.
fn processor_time() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Watch {
    fn isolate(&self) -> MutexGuard<'_, Option<v8::IsolateHandle>> {
        self.isolate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the thread does: looks, again and again.
    fn run(&self) {
        let mut seen = 0;
        let mut idle = 0;
        loop {
            let slice = self.slice.load(SeqCst);
            let running = slice % 2 == 1;
            if running && processor_time() >= self.deadline.load(SeqCst) {
                self.interrupt(slice);
            }
            idle = if running || slice != seen { 0 } else { idle + 1 };
            seen = slice;
            if idle < IDLE_TICKS {
                std::thread::sleep(Duration::from_nanos(self.tick.load(SeqCst)));
                continue;
            }
            // Whoever starts a slice after this sees that it must wake the thread; a slice that started before it is seen
            // here.
            self.parked.store(true, SeqCst);
            while self.slice.load(SeqCst) == seen && self.parked.load(SeqCst) {
                std::thread::park();
            }
            self.parked.store(false, SeqCst);
            idle = 0;
        }
    }

    /// Interrupts the script of `slice`, unless that has ended.
    fn interrupt(&self, slice: u64) {
        let isolate = self.isolate();
        // In this order: the slice's end first says that it has ended, then looks whether it was interrupted. Either it is
        // seen here that the slice has ended, or there that the slice was interrupted, which it then waits for.
        self.interrupted.store(slice, SeqCst);
        if self.slice.load(SeqCst) == slice
            && let Some(isolate) = &*isolate
        {
            // Script that does not say where it is before the next look is not asked again.
            if self.explains.load(SeqCst) && self.asked.swap(slice, SeqCst) != slice {
                isolate.request_interrupt(explain, std::ptr::without_provenance_mut(slice as usize));
            } else {
                isolate.terminate_execution();
            }
            jsg::set_interrupted(true);
        }
    }
}

/// From now on it is kept where script was when it was interrupted for its processor time: [`take_place`].
pub(super) fn explain_interruptions() {
    WATCH.explains.store(true, SeqCst);
}

/// Where script was that was interrupted last, as the stack of an error has it; once.
pub(super) fn take_place() -> Option<String> {
    WATCH.place.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Frames that are kept of where script was.
const FRAMES: usize = 10;

/// V8 calls this on the isolate's thread, in the midst of script: of the slice that it was asked for, or of one that came later.
unsafe extern "C" fn explain(isolate: v8::UnsafeRawIsolatePtr, slice: *mut c_void) {
    if WATCH.slice.load(SeqCst) != slice.addr() as u64 {
        return;
    }
    let mut pointer = isolate;
    // SAFETY: V8 gives the isolate that runs on this thread, which lives for longer than this call.
    let v8 = unsafe { v8::Isolate::ref_from_raw_isolate_ptr_mut_unchecked(&mut pointer) };
    if let Some(isolate) = v8.get_slot::<Weak<Isolate>>().and_then(Weak::upgrade) {
        v8::scope!(let scope, v8);
        let context = v8::Local::new(scope, &isolate.context);
        let scope = &mut v8::ContextScope::new(scope, context);
        let place = stack::current(scope, FRAMES);
        *WATCH.place.lock().unwrap_or_else(PoisonError::into_inner) = Some(place);
    }
    v8.terminate_execution();
}

/// Starts the thread. To be called once V8 is initialised, before the sandbox is shut.
pub(super) fn start() {
    // The first reading looks for the kernel's functions, with a system call that the sandbox does not have.
    processor_time();
    let thread = std::thread::Builder::new().name("watch".into()).stack_size(64 << 10);
    let thread = thread.spawn(|| WATCH.run()).expect("the process may have a second thread");
    let first = WATCH.thread.set(thread.thread().clone()).is_ok();
    debug_assert!(first, "there is one thread");
}

/// Makes `isolate` the one that is watched.
pub(super) fn attach(isolate: &mut v8::Isolate) {
    *WATCH.isolate() = Some(isolate.thread_safe_handle());
    WATCH.exhausted.store(0, SeqCst);
    // SAFETY: the pointer is used by the callback alone, which the isolate calls on its own thread. It is never freed: a
    // process has one isolate.
    let pointer = Box::into_raw(Box::new(unsafe { isolate.as_raw_isolate_ptr() }));
    WATCH.pointer.store(pointer.cast(), SeqCst);
    WATCH.raised.store(0, SeqCst);
    isolate.add_near_heap_limit_callback(near_heap_limit, pointer.cast());
}

/// V8 asks what to do about the heap's limit, on the isolate's thread, in one of two cases: the heap is full in spite of all
/// collections; or memory of some kind was not to be had, maybe none of the heap, and V8 tries for a last time.
unsafe extern "C" fn near_heap_limit(isolate: *mut c_void, current: usize, initial: usize) -> usize {
    // SAFETY: `attach` made the pointer, and the isolate is alive and is on this thread: it calls.
    let isolate = unsafe {
        let pointer = &mut *isolate.cast::<v8::UnsafeRawIsolatePtr>();
        v8::Isolate::ref_from_raw_isolate_ptr_mut_unchecked(pointer)
    };
    let slack = initial.min(MAX_SLACK);
    if isolate.get_heap_statistics().used_heap_size() < initial / 100 * FULL_PERCENT {
        // If what was not to be had is a large part of the heap, it gets it, and is over the limit from then on.
        return if WATCH.raised.swap(initial, SeqCst) == 0 { current + slack } else { current };
    }
    // Once. Who needs more than that to come to an end does not come to one: V8 ends the process.
    if WATCH.exhausted.swap(WATCH.slice.load(SeqCst).max(1), SeqCst) != 0 {
        return current;
    }
    isolate.terminate_execution();
    current + slack
}

/// The running script has had native code allocate more than there is for it. Without script nothing happens: what the
/// process does of its own accord has bounds of its own. Does not allocate.
pub(super) fn exhaust() {
    let slice = WATCH.slice.load(SeqCst);
    if slice.is_multiple_of(2) || WATCH.exhausted.load(SeqCst) != 0 {
        return;
    }
    // If the lock is taken, the next allocation finds the same.
    if let Ok(isolate) = WATCH.isolate.try_lock()
        && let Some(isolate) = &*isolate
    {
        WATCH.exhausted.store(slice, SeqCst);
        isolate.terminate_execution();
    }
}

/// Whether the isolate has exhausted its heap at some time. It gets no further event.
pub(crate) fn is_exhausted() -> bool {
    WATCH.exhausted.load(SeqCst) != 0
}

/// The limit that the running slice has exceeded. Its script is interrupted, and no more is to be run.
pub(crate) fn breach() -> Option<Limit> {
    breach_of(WATCH.slice.load(SeqCst))
}

fn breach_of(slice: u64) -> Option<Limit> {
    if WATCH.exhausted.load(SeqCst) == slice {
        Some(Limit::Memory)
    } else if WATCH.interrupted.load(SeqCst) == slice {
        Some(Limit::CpuTime)
    } else {
        None
    }
}

/// A slice that runs.
#[derive(Debug)]
pub(super) struct Slice {
    number: u64,
    /// When it began, and the last reading of the processor clock then; `None` where nobody counts its time.
    start: Option<(Instant, Reading)>,
}

/// Starts a slice. `allowance` is what is left of `limit`; without them the slice may take any time.
pub(super) fn begin(allowance: Option<(Duration, Duration)>) -> Slice {
    let start = allowance.map(|(allowance, limit)| {
        let now = Instant::now();
        let reading = LAST.get().filter(|last| last.is_fresh(now)).unwrap_or_else(|| Reading::take(now));
        LAST.set(Some(reading));
        let tick = (limit / 5).clamp(TICK_BOUNDS.0, TICK_BOUNDS.1);
        WATCH.tick.store(nanoseconds(tick), SeqCst);
        WATCH.deadline.store(reading.charged.saturating_add(nanoseconds(allowance)), SeqCst);
        (now, reading)
    });
    if start.is_none() {
        WATCH.deadline.store(u64::MAX, SeqCst);
    }
    let number = WATCH.slice.fetch_add(1, SeqCst) + 1;
    debug_assert!(number % 2 == 1, "slices do not overlap");
    if start.is_some() && WATCH.parked.load(SeqCst) && WATCH.parked.swap(false, SeqCst) {
        WATCH.thread.get().expect("the thread was started").unpark();
    }
    Slice { number, start }
}

/// How a slice came out.
#[derive(Debug)]
pub(super) struct Ended {
    /// The processor time that it took, where that was counted.
    pub(super) time: Duration,
    /// The limit that it exceeded.
    pub(super) breach: Option<Limit>,
}

impl Slice {
    /// Ends the slice: what comes next in this isolate is not interrupted for it.
    pub(super) fn end(self, isolate: &mut v8::Isolate) -> Ended {
        WATCH.slice.fetch_add(1, SeqCst);
        let raised = WATCH.raised.load(SeqCst);
        if raised != 0 {
            WATCH.raised.store(0, SeqCst);
            isolate.remove_near_heap_limit_callback(near_heap_limit, raised);
            isolate.add_near_heap_limit_callback(near_heap_limit, WATCH.pointer.load(SeqCst));
        }
        let mut breach = breach_of(self.number);
        let time = self.start.map_or(Duration::ZERO, |(began, last)| {
            let now = Instant::now();
            let reading = if last.is_fresh(now) {
                Reading { charged: last.charged + nanoseconds(now.duration_since(began)), ..last }
            } else {
                Reading::take(now)
            };
            LAST.set(Some(reading));
            // It may have been too short for the thread to see, and still have used up what was left.
            if breach.is_none() && reading.charged >= WATCH.deadline.load(SeqCst) {
                breach = Some(Limit::CpuTime);
            }
            Duration::from_nanos(reading.charged.saturating_sub(last.charged))
        });
        if breach.is_some() {
            // Not before the thread is done with this slice.
            drop(WATCH.isolate());
            jsg::set_interrupted(false);
            isolate.cancel_terminate_execution();
        }
        Ended { time, breach }
    }
}
