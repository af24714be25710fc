//! Events: what runs, on whose behalf, and what ends with it.
//!
//! Every event has an [`IoContext`]. It owns all that the event started: timers, tasks, half-read bodies. While script
//! of the event runs, its context is current; V8's continuation-preserved embedder data carries that through promises.
//! When the context is dropped, everything that it owns goes with it.

mod context;
mod outlet;
mod own;
mod promise;
mod timers;

pub(crate) use context::Contexts;
pub use context::{HUNG, Hold, IoContext, IoContextHandle, find_hung};
pub use outlet::Outlet;
pub use own::IoOwn;
pub use promise::{JsFuture, Settled, js_future};
