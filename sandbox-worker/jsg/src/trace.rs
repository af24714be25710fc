//! What wrapped objects hold, made visible to the garbage collector.

use std::{
    cell::{Cell, OnceCell, RefCell},
    collections::{BTreeMap, HashMap, VecDeque},
    rc::Rc,
};

use v8::cppgc::Visitor;

/// Shows every reference to a JavaScript value that `self` holds to the garbage collector. Derive it.
///
/// The C++ heap marks atomically on the isolate's own thread ([`crate::Registry`] makes it so), so a `RefCell` is never
/// traced while another thread changes it; one that is mutably borrowed while V8 allocates is a bug of its author, and
/// ends the process rather than freeing what is in use.
pub trait Trace {
    /// Visits all references.
    fn trace(&self, visitor: &mut Visitor);
}

/// A reference to a JavaScript value from a wrapped object.
///
/// Only for fields of types that are traced; anything else keeps a `v8::Global`.
pub struct JsRef<T = v8::Value>(v8::TracedReference<T>);

impl<T> JsRef<T> {
    /// Refers to this value.
    pub fn new<'s>(scope: &v8::PinScope<'s, '_, ()>, value: v8::Local<'s, T>) -> Self {
        JsRef(v8::TracedReference::new(scope, value))
    }

    /// The value.
    pub fn get<'s>(&self, scope: &v8::PinScope<'s, '_, ()>) -> v8::Local<'s, T> {
        self.0.get(scope).expect("a JsRef is never empty")
    }
}

impl<T> std::fmt::Debug for JsRef<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JsRef")
    }
}

impl<T> Trace for JsRef<T> {
    fn trace(&self, visitor: &mut Visitor) {
        visitor.trace(&self.0);
    }
}

macro_rules! nothing_to_trace {
    ($($ty:ty),* $(,)?) => { $(impl Trace for $ty { fn trace(&self, _: &mut Visitor) {} })* };
}
nothing_to_trace!(
    (),
    bool,
    u8,
    u16,
    u32,
    u64,
    usize,
    i8,
    i16,
    i32,
    i64,
    isize,
    f64,
    String,
    crate::ByteString,
    &'static str
);

impl<T> Trace for Rc<T> {
    /// What sits behind an `Rc` is shared with code outside the heap and must hold no traced reference.
    fn trace(&self, _: &mut Visitor) {}
}

impl<T: Copy> Trace for Cell<T> {
    fn trace(&self, _: &mut Visitor) {}
}

impl<T: Trace> Trace for RefCell<T> {
    fn trace(&self, visitor: &mut Visitor) {
        self.try_borrow().expect("a traced cell was mutably borrowed across a call into V8").trace(visitor);
    }
}

impl<T: Trace> Trace for OnceCell<T> {
    fn trace(&self, visitor: &mut Visitor) {
        if let Some(value) = self.get() {
            value.trace(visitor);
        }
    }
}

impl<T: Trace> Trace for Option<T> {
    fn trace(&self, visitor: &mut Visitor) {
        if let Some(value) = self {
            value.trace(visitor);
        }
    }
}

impl<T: Trace> Trace for Box<T> {
    fn trace(&self, visitor: &mut Visitor) {
        (**self).trace(visitor);
    }
}

macro_rules! trace_all {
    ($($ty:ident),*) => { $(impl<T: Trace> Trace for $ty<T> {
        fn trace(&self, visitor: &mut Visitor) {
            self.iter().for_each(|value| value.trace(visitor));
        }
    })* };
}
trace_all!(Vec, VecDeque);

impl<K, T: Trace> Trace for HashMap<K, T> {
    fn trace(&self, visitor: &mut Visitor) {
        self.values().for_each(|value| value.trace(visitor));
    }
}

impl<K, T: Trace> Trace for BTreeMap<K, T> {
    fn trace(&self, visitor: &mut Visitor) {
        self.values().for_each(|value| value.trace(visitor));
    }
}

impl<A: Trace, B: Trace> Trace for (A, B) {
    fn trace(&self, visitor: &mut Visitor) {
        self.0.trace(visitor);
        self.1.trace(visitor);
    }
}

thread_local! {
    static ALLOCATED: Cell<usize> = const { Cell::new(0) };
}

/// Says that a wrapped object has come to own this many bytes that the collector does not see: buffers, lists, texts.
///
/// They are freed when the object is collected, and V8 by itself would see no reason to hurry.
pub fn allocated(bytes: usize) {
    ALLOCATED.set(ALLOCATED.get().saturating_add(bytes));
}

/// The sum of what was [`allocated`] since the last call.
pub fn take_allocated() -> usize {
    ALLOCATED.take()
}
