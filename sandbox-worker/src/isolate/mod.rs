//! The one isolate of the process: its heap, its context, its built-ins, its modules.

pub mod builtins;
mod exceptions;
pub mod modules;
pub mod platform;

use std::{
    cell::{Cell, OnceCell, RefCell},
    rc::{Rc, Weak},
};

use bulkhead_ipc::compatibility::CompatibilityFlags;
pub use exceptions::{Described, describe, report_exception};
use jsg::Registry;

use crate::{io::Contexts, log::Logger};

/// An isolate with one context in it.
pub struct Isolate {
    v8: RefCell<v8::OwnedIsolate>,
    context: v8::Global<v8::Context>,
    pub(crate) contexts: Rc<Contexts>,
    pub(crate) internal: v8::Global<v8::Object>,
    pub(crate) modules: RefCell<modules::Modules>,
    pub(crate) rejections: RefCell<exceptions::Rejections>,
    flags: OnceCell<CompatibilityFlags>,
    logger: Rc<Logger>,
    /// Bytes that wrapped objects have come to own since the collector was last told.
    allocated: Cell<usize>,
}

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

impl Isolate {
    /// Makes the isolate and evaluates the built-ins. No tenant code is needed for that, and none runs.
    pub fn new(limits: HeapLimits, logger: Rc<Logger>) -> Rc<Self> {
        let heap = v8::cppgc::Heap::create(v8::V8::get_current_platform(), Registry::heap_params());
        let mut params = v8::CreateParams::default().cpp_heap(heap);
        if limits.heap_bytes != 0 {
            params = params.heap_limits(0, limits.heap_bytes);
        }
        let mut v8 = v8::Isolate::new(params);
        v8.set_microtasks_policy(v8::MicrotasksPolicy::Explicit);
        // A thread that waits in script cannot be told to stop serving.
        v8.set_allow_atomics_wait(false);
        v8.set_capture_stack_trace_for_uncaught_exceptions(true, 10);
        v8.set_oom_error_handler(exceptions::out_of_memory);
        v8.set_promise_reject_callback(exceptions::promise_rejected);
        v8.set_host_import_module_dynamically_callback(modules::import_dynamically);
        Registry::install(&mut v8);
        crate::api::install(&mut v8);
        let (context, internal) = {
            v8::scope!(let scope, &mut v8);
            let context = v8::Context::new(scope, v8::ContextOptions::default());
            let scope = &mut v8::ContextScope::new(scope, context);
            context.set_allow_generation_from_strings(false);
            let internal = builtins::evaluate(scope);
            (v8::Global::new(scope, context), v8::Global::new(scope, internal))
        };
        Rc::new_cyclic(|this: &Weak<Isolate>| {
            v8.set_slot(this.clone());
            Isolate {
                v8: RefCell::new(v8),
                context,
                contexts: Rc::default(),
                internal,
                modules: RefCell::default(),
                rejections: RefCell::default(),
                flags: OnceCell::new(),
                logger,
                allocated: Cell::new(0),
            }
        })
    }

    /// The isolate that a scope belongs to.
    pub fn of(scope: &v8::PinScope<'_, '_>) -> Rc<Isolate> {
        scope.get_slot::<Weak<Isolate>>().and_then(Weak::upgrade).expect("the isolate is complete and alive")
    }

    /// Enters the isolate and its context.
    ///
    /// # Panics
    ///
    /// If script is running: there is one way in, from the event loop.
    pub fn enter<R>(&self, body: impl FnOnce(&mut v8::PinScope<'_, '_>) -> R) -> R {
        let mut v8 = self.v8.try_borrow_mut().expect("script is entered from the event loop only");
        v8::scope!(let scope, &mut *v8);
        let context = v8::Local::new(scope, &self.context);
        let scope = &mut v8::ContextScope::new(scope, context);
        body(scope)
    }

    /// Sets the compatibility flags of the worker; once, before its code runs.
    pub fn set_flags(&self, flags: CompatibilityFlags) {
        let first = self.flags.set(flags).is_ok();
        assert!(first, "a process is bound once");
    }

    /// The compatibility flags of the worker.
    pub fn flags(&self) -> &CompatibilityFlags {
        self.flags.get().expect("the worker is bound")
    }

    /// Where the worker's output goes.
    pub fn logger(&self) -> &Logger {
        &self.logger
    }

    /// What must follow every microtask checkpoint: rejections that nobody handled are reported.
    pub(crate) fn after_microtasks(&self, scope: &mut v8::PinScope<'_, '_>) {
        exceptions::report_rejections(self, scope);
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
        self.rejections.borrow_mut().retain(|(known, _)| *known != promise);
    }

    /// Runs one of V8's own tasks.
    pub(crate) fn run_task(&self, task: v8::Task) {
        self.enter(|scope| {
            task.run();
            scope.perform_microtask_checkpoint();
            self.after_microtasks(scope);
        });
    }
}
