//! The one isolate of the process: its heap, its context, its built-ins, its modules.
//!
//! This room knows no class of the API and no wire: what scripts see is handed in as a [`Surface`].

pub(crate) mod builtins;
pub(crate) mod clock;
pub(crate) mod continuations;
pub mod eval;
mod exceptions;
pub(crate) mod flags;
pub mod modules;
pub mod platform;
pub(crate) mod script;
pub mod snapshot;
mod stack;
pub(crate) mod watch;

use std::{
    any::Any,
    cell::{Cell, OnceCell, RefCell},
    rc::{Rc, Weak},
    time::Duration,
};

use bulkhead_ipc::compatibility::{CompatibilityFlags, Flag};
use clock::Clock;
use continuations::Continuations;
pub use exceptions::{Described, describe, report_exception};
use jsg::Registry;
use snapshot::Snapshot;

use crate::{
    limits::{self, Limit, Reporter, WorkerPolicy, bound},
    log::{Level, Logger, Source},
};

/// What scripts see, which the isolate is given and knows nothing else about. All functions are called with the one context
/// entered, before any tenant's code runs.
#[derive(Debug)]
pub struct Surface {
    /// All classes in Rust.
    pub classes: &'static [jsg::Describe],
    /// Puts what the built-in scripts need from native code on the object that they get, before they are evaluated.
    pub install_internal: for<'s> fn(&mut v8::PinScope<'s, '_>, v8::Local<'s, v8::Object>),
    /// What a snapshot of the isolate refers to beside the classes' members.
    pub references: fn() -> Vec<v8::ExternalReference>,
    /// Exposes what scripts find in the global scope; the object is what the built-in scripts list for it. A snapshot is made of
    /// that, so that it makes no object of a class in Rust, and keeps nothing in the isolate.
    pub expose: for<'s> fn(&mut v8::PinScope<'s, '_>, v8::Local<'s, v8::Object>),
    /// What a snapshot cannot hold, at each start.
    pub start: fn(&mut v8::PinScope<'_, '_>),
    /// Takes away what a worker with these flags does not have.
    pub apply: fn(&mut v8::PinScope<'_, '_>, &CompatibilityFlags),
    /// The exports of a native module, which built-in modules import as `native:` and this name; `None` if there is none.
    pub native_module: for<'s> fn(&mut v8::PinScope<'s, '_>, &str) -> Option<v8::Local<'s, v8::Object>>,
    /// Has objects carry what is on prototypes since `workers_api_getters_setters_on_prototype`.
    pub move_accessors_to_objects: fn(&mut v8::PinScope<'_, '_>),
}

/// What the isolate asks of those on whose behalf its script runs. It does not know them: `io` does, and answers.
pub trait Events: Any {
    /// Whether script of the event with this number may run.
    fn is_live(&self, number: u64) -> bool;

    /// Whether a continuation is of the event that asked for it. Before the compatibility flag
    /// `handle_cross_request_promise_resolution` it is of the one that settles the promise.
    fn set_follows_frames(&self, follows: bool);

    /// One of V8's own tasks has run. Events may have waited for it.
    fn task_has_run(&self);
}

/// An isolate with one context in it.
pub struct Isolate {
    v8: RefCell<v8::OwnedIsolate>,
    context: v8::Global<v8::Context>,
    surface: &'static Surface,
    /// The code of built-in modules; empty where there is none.
    pub(crate) code_caches: &'static [u8],
    events: Rc<dyn Events>,
    pub(crate) continuations: Continuations,
    pub(crate) modules: RefCell<modules::Modules>,
    pub(crate) rejections: RefCell<exceptions::Rejections>,
    flags: OnceCell<CompatibilityFlags>,
    limits: Cell<WorkerPolicy>,
    testing: Cell<Testing>,
    logger: Rc<Logger>,
    reporter: Rc<Reporter>,
    /// Bytes that wrapped objects have come to own since the collector was last told.
    allocated: Cell<usize>,
    /// Processor time that V8's tasks have taken since the last event began, less what events have taken.
    tasks_used: Cell<Duration>,
}

const CROSS_REQUEST: Flag = Flag::named("handle_cross_request_promise_resolution");
const PRECISE_TIMERS: Flag = Flag::named("precise_timers");

/// The collector is asked to look when wrapped objects have come to own this much memory that it does not see, in bytes.
/// A collection of a small heap takes about a millisecond; ten thousand requests bring it about once.
const COLLECT_AFTER: usize = 16 << 20;

impl std::fmt::Debug for Isolate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Isolate")
    }
}

/// What an isolate may use.
#[derive(Debug, Clone, Copy, Default)]
pub struct HeapLimits {
    /// V8 heap in bytes; 0 leaves V8's own default.
    pub heap_bytes: usize,
}

/// How a worker is run by its tests; nothing of it when it serves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Testing {
    /// The clock that script sees runs while script does.
    pub running_clock: bool,
    /// All garbage is collected each time that an event goes on.
    pub gc_stress: bool,
}

/// Sets the limit of what Rust code allocates, contents of buffers aside: three eighths of the memory that the process may have,
/// for the heap and the buffers have their parts. By default that is as many bodies as a shard may have events in flight, each
/// with what is left of a chunk of 64 KiB when the first 16 KiB were asked for: clients that do not read what they asked for
/// cannot exhaust a worker that streams in such chunks.
/// Script that exceeds it is interrupted, and the isolate counts as exhausted. 0 sets none.
pub fn limit_native_memory(process_bytes: usize) {
    if process_bytes != 0 {
        jsg::set_memory_limit(process_bytes / 8 * 3, watch::exhaust);
    }
}

/// What every isolate is made with.
fn params() -> v8::CreateParams {
    let heap = v8::cppgc::Heap::create(v8::V8::get_current_platform(), Registry::heap_params());
    v8::CreateParams::default().cpp_heap(heap).array_buffer_allocator(jsg::buffer_allocator())
}

impl Isolate {
    /// Makes the isolate, from a snapshot or by evaluating the built-ins. No tenant code is needed for that, and none runs.
    pub fn new(
        limits: HeapLimits,
        logger: Rc<Logger>,
        surface: &'static Surface,
        snapshot: Option<&Snapshot>,
        events: Rc<dyn Events>,
    ) -> Rc<Self> {
        let mut params = params();
        if limits.heap_bytes != 0 {
            params = params.heap_limits(0, limits.heap_bytes);
        }
        if let Some(snapshot) = snapshot {
            params = snapshot.load(params);
        }
        let mut v8 = v8::Isolate::new(params);
        v8.set_microtasks_policy(v8::MicrotasksPolicy::Explicit);
        // A thread that waits in script cannot be told to stop serving.
        v8.set_allow_atomics_wait(false);
        v8.set_capture_stack_trace_for_uncaught_exceptions(true, 10);
        v8.set_oom_error_handler(exceptions::out_of_memory);
        watch::attach(&mut v8);
        v8.set_promise_reject_callback(exceptions::promise_rejected);
        v8.set_host_import_module_dynamically_callback(modules::import_dynamically);
        v8.set_host_import_module_with_phase_dynamically_callback(modules::import_phase_dynamically);
        v8.set_host_initialize_import_meta_object_callback(modules::describe_import_meta);
        Registry::install(&mut v8);
        eval::install(&mut v8);
        let (context, continuations) = {
            v8::scope!(let scope, &mut v8);
            let context = v8::Context::new(scope, v8::ContextOptions::default());
            let scope = &mut v8::ContextScope::new(scope, context);
            context.set_allow_generation_from_strings(false);
            match snapshot {
                Some(snapshot) => snapshot.restore(scope, surface),
                None => builtins::evaluate(scope, surface),
            }
            builtins::start(scope, surface);
            let continuations = Continuations::install(scope, platform::stack_bytes());
            (v8::Global::new(scope, context), continuations)
        };
        let isolate = Rc::new_cyclic(|this: &Weak<Isolate>| {
            v8.set_slot(this.clone());
            Isolate {
                v8: RefCell::new(v8),
                context,
                surface,
                code_caches: snapshot.map_or(&[], Snapshot::code_caches),
                events,
                continuations,
                modules: RefCell::default(),
                rejections: RefCell::default(),
                flags: OnceCell::new(),
                limits: Cell::new(WorkerPolicy::unlimited()),
                testing: Cell::default(),
                logger,
                reporter: Rc::default(),
                allocated: Cell::new(0),
                tasks_used: Cell::default(),
            }
        });
        // Not before: it asks the isolate for its built-ins.
        isolate.v8.borrow_mut().set_prepare_stack_trace_callback(stack::prepare);
        isolate
    }

    /// The isolate that a scope belongs to.
    pub fn of(scope: &v8::PinScope<'_, '_>) -> Rc<Isolate> {
        Self::complete(scope).expect("the isolate is complete and alive")
    }

    /// As [`Self::of`]; `None` while a snapshot is made.
    pub fn complete(scope: &v8::PinScope<'_, '_>) -> Option<Rc<Isolate>> {
        scope.get_slot::<Weak<Isolate>>().and_then(Weak::upgrade)
    }

    /// Enters the isolate and its context for what is no event's and has no limit. The clock stands at 0, as in the
    /// reference's global scope.
    ///
    /// # Panics
    ///
    /// If script is running: there is one way in, from the event loop.
    pub fn enter<R>(&self, body: impl FnOnce(&mut v8::PinScope<'_, '_>) -> R) -> R {
        self.slice(Clock::Frozen(0), None, body).0
    }

    /// Enters the isolate for the worker's start, which has a limit of its own; gives what of it was exceeded too.
    pub fn start_up<R>(&self, body: impl FnOnce(&mut v8::PinScope<'_, '_>) -> R) -> (R, Option<Limit>) {
        let allowance = bound(self.limits.get().start_up_cpu_time).map(|limit| (limit, limit));
        let (result, ended) = self.slice(Clock::Frozen(0), allowance, body);
        let breach = ended.breach.map(|limit| if limit == Limit::CpuTime { Limit::StartUp } else { limit });
        if let Some(limit) = breach {
            self.reporter.exceeded(limit);
        }
        (result, breach)
    }

    /// Enters the isolate on behalf of an event that has used `used` processor time before; gives what it has used since
    /// then, and the limit that it exceeded. The clock stands at the present, or runs if the worker's flags or its tests ask for that.
    pub(crate) fn enter_event<R>(
        &self,
        used: Duration,
        body: impl FnOnce(&mut v8::PinScope<'_, '_>) -> R,
    ) -> (R, Duration, Option<Limit>) {
        let precise = self.flags.get().is_some_and(|flags| flags.is_on(PRECISE_TIMERS));
        let Testing { running_clock, gc_stress } = self.testing.get();
        if gc_stress {
            self.v8.try_borrow_mut().expect("no script runs").low_memory_notification();
        }
        let clock = if precise || running_clock { Clock::Running } else { Clock::Frozen(clock::real_milliseconds()) };
        let (result, ended) = self.slice(clock, self.allowance(used), body);
        (result, ended.time, ended.breach)
    }

    /// Runs native work outside of the isolate on behalf of an event, as [`Self::enter_event`] runs script. What exceeds its
    /// limit finds that it [is interrupted](jsg::is_interrupted).
    pub(crate) fn work<R>(&self, used: Duration, body: impl FnOnce() -> R) -> (R, Duration, Option<Limit>) {
        let mut v8 = self.v8.try_borrow_mut().expect("no script runs");
        let slice = watch::begin(self.allowance(used));
        let result = body();
        let ended = slice.end(&mut v8);
        (result, ended.time, ended.breach)
    }

    /// What an event that has used `used` processor time has left, and the limit.
    fn allowance(&self, used: Duration) -> Option<(Duration, Duration)> {
        bound(self.limits.get().cpu_time).map(|limit| (limit.saturating_sub(used), limit))
    }

    /// The one way in.
    fn slice<R>(
        &self,
        clock: Clock,
        allowance: Option<(Duration, Duration)>,
        body: impl FnOnce(&mut v8::PinScope<'_, '_>) -> R,
    ) -> (R, watch::Ended) {
        let mut v8 = self.v8.try_borrow_mut().expect("script is entered from the event loop only");
        clock::set(clock);
        let slice = watch::begin(allowance);
        let result = {
            v8::scope!(let scope, &mut *v8);
            let context = v8::Local::new(scope, &self.context);
            let scope = &mut v8::ContextScope::new(scope, context);
            let result = body(scope);
            if watch::breach().is_some() {
                self.continuations.resume(scope);
                self.abandon(scope);
                // Script that has put something there has not taken it back.
                let undefined = v8::undefined(scope).into();
                scope.set_continuation_preserved_embedder_data(undefined);
            }
            result
        };
        let ended = slice.end(&mut v8);
        if let Some(place) = watch::take_place() {
            self.logger.write(Level::Error, Source::Runtime, &format!("script was interrupted\n{place}"));
        }
        if ended.breach.is_some() {
            v8::scope!(let scope, &mut *v8);
            let context = v8::Local::new(scope, &self.context);
            let scope = &mut v8::ContextScope::new(scope, context);
            // Script that is interrupted again leaves nothing that the next slice could find.
            let _ = script::call(scope, |script| &script.forget, &[]);
        }
        clock::set(Clock::Running);
        (result, ended)
    }

    /// Drops what interrupted script has left to be done: it would be done in the next slice, at another event's expense.
    fn abandon(&self, scope: &mut v8::PinScope<'_, '_>) {
        // The first microtask is interrupted, and with it V8 drops the others.
        scope.terminate_execution();
        scope.perform_microtask_checkpoint();
        self.rejections.borrow_mut().clear();
    }

    /// Sets the compatibility flags of the worker, and gives classes and globals the look that they ask for; once, before
    /// its code runs.
    pub fn set_flags(&self, flags: CompatibilityFlags) {
        let first = self.flags.set(flags).is_ok();
        assert!(first, "a process is bound once");
        self.events.set_follows_frames(flags.is_on(CROSS_REQUEST));
        self.enter(|scope| flags::apply(scope, &flags, self.surface));
    }

    /// The compatibility flags of the worker.
    pub fn flags(&self) -> &CompatibilityFlags {
        self.flags.get().expect("the worker is bound")
    }

    /// Sets the limits of the worker, before its code runs.
    pub fn set_limits(&self, limits: WorkerPolicy) {
        self.limits.set(limits);
    }

    /// Says how the worker is tested, before its code runs.
    pub fn set_testing(&self, testing: Testing) {
        self.testing.set(testing);
        if testing != Testing::default() {
            watch::explain_interruptions();
        }
    }

    /// Whether the worker is run by its tests, or benchmarks.
    pub fn is_tested(&self) -> bool {
        self.testing.get() != Testing::default()
    }

    /// What the worker may use.
    pub fn limits(&self) -> WorkerPolicy {
        self.limits.get()
    }

    /// Whether the worker has exhausted its heap. It takes no further event.
    pub fn is_exhausted(&self) -> bool {
        watch::is_exhausted()
    }

    /// Those on whose behalf script runs.
    pub(crate) fn events(&self) -> &Rc<dyn Events> {
        &self.events
    }

    /// Where breaches of limits are reported.
    pub fn reporter(&self) -> &Rc<Reporter> {
        &self.reporter
    }

    /// Where the worker's output goes.
    pub fn logger(&self) -> &Logger {
        &self.logger
    }

    /// Runs the microtasks, unless the slice has exceeded a limit.
    pub(crate) fn run_microtasks(&self, scope: &mut v8::PinScope<'_, '_>) {
        if watch::breach().is_none() {
            scope.perform_microtask_checkpoint();
            self.continuations.resume(scope);
        }
    }

    /// What must follow every microtask checkpoint: rejections that nobody handled are reported.
    pub(crate) fn after_microtasks(&self, scope: &mut v8::PinScope<'_, '_>) {
        // Listeners may have settled promises, and rejected more.
        while exceptions::report_rejections(self, scope) {
            self.run_microtasks(scope);
        }
        let allocated = self.allocated.get() + jsg::take_allocated();
        self.allocated.set(allocated);
        if allocated > COLLECT_AFTER {
            self.allocated.set(0);
            scope.memory_pressure_notification(v8::MemoryPressureLevel::Moderate);
        }
    }

    /// Takes back that a rejection is unhandled: the event that waited for the promise has seen it.
    pub(crate) fn forget_rejection(&self, scope: &mut v8::PinScope<'_, '_>, promise: v8::Local<'_, v8::Promise>) {
        let promise = v8::Global::new(scope, promise);
        self.rejections.borrow_mut().retain(|known| known.promise != promise);
    }

    /// An event begins, or has taken processor time: so much may V8's tasks take on top.
    pub(crate) fn allow_tasks(&self, time: Duration) {
        self.tasks_used.set(self.tasks_used.get().saturating_sub(time));
    }

    /// Whether V8 has something under way that may settle a promise: WebAssembly that is compiled, `Atomics.waitAsync` with a
    /// time-out.
    pub(crate) fn has_work(&self) -> bool {
        platform::has_tasks() || self.v8.borrow().has_pending_background_tasks()
    }

    /// Runs V8's own tasks, for as long as it is polled: compilation that ended, garbage collection, finalization.
    pub(crate) async fn run_tasks(self: Rc<Self>) {
        loop {
            let task = platform::next_task().await;
            self.run_task(task);
            // A task may have brought the next one, and that must not keep events and questions waiting.
            tokio::task::yield_now().await;
        }
    }

    /// Runs one of V8's own tasks. Some run script: callbacks of a `FinalizationRegistry`, and what follows
    /// `Atomics.waitAsync`. Such script may cause the next task, also when its event is long over, so that what tasks take is
    /// limited all together. They take as much as an event may, and beyond that as much as events do, for V8 collects
    /// their garbage in tasks too. What is over that has no script run until there is an event again.
    fn run_task(&self, task: v8::Task) {
        let before = self.tasks_used.get();
        let spent = bound(self.limits.get().cpu_time).is_some_and(|limit| before >= limit);
        let ((), used, breach) = self.enter_event(before, |scope| {
            if spent {
                scope.terminate_execution();
            }
            task.run();
            self.run_microtasks(scope);
            self.after_microtasks(scope);
        });
        self.tasks_used.set(before + used);
        self.events.task_has_run();
        // Once, and not for each task that comes after.
        if let Some(limit) = breach
            && !spent
        {
            self.reporter.exceeded(limit);
            self.logger.write(Level::Error, Source::Runtime, limits::text(limit));
        }
    }
}
