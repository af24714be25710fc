//! Owners of I/O and events: what runs, on whose behalf, and what ends with it.
//!
//! An [`IoContext`] owns I/O: timers, tasks, half-read bodies. An [`Event`] starts them, and script runs on its behalf. A stateless event
//! has an owner of its own; an actor is one owner for many events. While script of an event runs, the event is current; a [frame] carries
//! that through promises.
//!
//! Invariants:
//!
//! - An owner is not an event. What is owned goes with the owner: dropping it is cancelling.
//! - The number of an event is never used twice. What is left of an event that is over does not run, whoever settles its promise.
//! - A task comes into script by [`Event::run`] or [`EventHandle::run`] and in no other way, and has to be able to wait there.
//! - What an owner owns refers to owner and event weakly.
//! - `io` knows no class, and nothing of the wire but the connection that answers go out by ([`Outlet`]) and the capabilities that
//!   came by it (`channels`), whose use is counted there and nowhere else. `isolate` does not know `io`.

mod bell;
mod channels;
mod context;
mod deadlines;
mod event;
pub mod frame;
mod live;
mod outlet;
mod own;
mod promise;
mod rest;
#[cfg(test)]
mod tests;
mod timers;

pub(crate) use bell::Bell;
pub(crate) use channels::{Channels, Revoke, UnderWay};
pub use context::{Hold, IoContext, IoContextHandle};
pub(crate) use event::Frame;
pub use event::{Event, EventHandle};
pub use live::{find_hung, live_events};
pub use outlet::Outlet;
pub use own::{IoOwn, OwnedBy};
pub(crate) use promise::Reaction;
pub use promise::{JsFuture, Settled, js_future};
pub(crate) use rest::{Remainder, Rest};
