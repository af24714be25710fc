//! The glue between Rust and V8.
//!
//! A Rust type becomes a JavaScript class with [`macro@class`] on its inherent `impl`; its arguments are converted by the
//! rules of Web IDL in one place ([`FromJs`]), its results in another ([`ToJs`]), and its errors become the right
//! `TypeError`, `RangeError` or `DOMException` in a third ([`Error`]).
//!
//! ```text
//! #[derive(jsg::Trace)]
//! pub struct Counter { step: Cell<u32>, total: Cell<u32> }
//!
//! #[jsg::class]
//! impl Counter {
//!     #[constructor]
//!     fn new(step: Option<u32>) -> Self { … }
//!     #[method]
//!     fn add_many(&self, scope: &mut v8::PinScope<'_, '_>, times: u32) -> Result<u32, jsg::Error> { … }
//!     #[getter]
//!     fn step(&self) -> u32 { self.step.get() }
//!     #[setter]
//!     fn set_step(&self, value: u32) { self.step.set(value) }
//!     #[static_method]
//!     fn zero() -> Counter { … }
//! }
//! ```
//!
//! Rules for authors:
//!
//! * `self` is always `&self`; state that changes sits in a `Cell` or `RefCell`. Wrapped objects live on V8's C++ heap and
//!   may be traced whenever V8 allocates, so never hold a `borrow_mut` of something traced across a call into V8.
//! * A parameter named `scope` (or `_scope`) is the V8 scope; a parameter of type [`Receiver`] is the JavaScript object
//!   that wraps `self`. All others come from the arguments, in order. `Option<T>` may be left out or be `undefined`;
//!   [`Rest<T>`] takes what is left.
//! * Names become camel case (`get_set_cookie` → `getSetCookie`); `name = "…"` overrides. The lifetime of handles in a
//!   signature is called `'s`.
//! * `#[method(promise)]` turns every error into a rejected promise, as Web IDL asks of operations that return one.
//! * Native work has no limit of its own: what can take long for what a script gives looks at [`is_interrupted`] every
//!   [`STRIDE`] bytes, and at [`check`] for every element of a list.
//! * Each class has its line in the program's one list, [`classes!`]; one that has none does not compile.
//! * A class without `#[constructor]` answers `new` with "Illegal constructor".
//! * References to other objects that a wrapped object keeps are [`JsRef`] and [`Ref`], and its type derives [`macro@Trace`];
//!   a `v8::Global` in a wrapped object would be a leak.

// The macros name this crate by its name, in here too.
extern crate self as jsg;

mod base64;
mod buffer;
mod class;
mod convert;
mod error;
pub mod glue;
mod iter;
mod memory;
pub mod own;
mod strings;
mod to_js;
mod trace;

pub use base64::{decode_base64, encode_base64};
pub use buffer::{
    ArrayBufferBytes, BufferSource, Reserved, Uint8ArrayBytes, buffer_allocator, count_resizable, count_resized,
    has_resizable, is_resizable, make_room, set_buffer_limit,
};
pub use class::{
    Class, ClassInfo, Condition, Describe, Global, Illegal, Listed, Look, Members, Ref, Registry, Upcast, instantiate,
    references, unwrap, unwrap_value,
};
pub use convert::{Clamp, EnforceRange, Finite, FromJs, Nullable, Object, Place, Record, Rest, Sequence, field};
pub use error::{Error, Hooks};
pub use glue::Receiver;
#[doc(hidden)]
pub use iter::OWN_CLASSES;
pub use iter::{Pair, PairIterable, inherit_iterator_prototype, iterator};
pub use jsg_macros::{Dict, Enum, Trace, Union, class};
pub use memory::{Counted, External, STRIDE, check, is_interrupted, set_interrupted, set_memory_limit};
pub use strings::{ByteString, Characters, DomString, latin1_to_string, lend, one_byte, string, utf8};
pub use to_js::{OrUndefined, ToJs, resolved};
pub use trace::{JsRef, Trace, allocated, take_allocated};

/// The result of everything that may throw into JavaScript.
pub type Result<T, E = Error> = std::result::Result<T, E>;
