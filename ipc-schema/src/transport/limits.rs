//! The bounds of a connection, and the one number that those of an honest worker follow from.
//!
//! A bound that an honest worker's clients could reach would let them end its process. So the supervisor bounds the events
//! that are in flight ([`MAX_EVENTS`]), and each other bound is at least what so many events can cause.

use super::BATCH_MESSAGES;

/// Events that one shard of the supervisor has in flight at one worker at the same time.
///
/// An event is in flight from before it is sent until its response is over, what was given up of it is answered, and the
/// worker has let go of its request's body. Further requests wait, and get 503 if they wait too long or too many do.
///
/// So many event streams may be open at once. A plain one costs a worker 10 to 20 KiB: all of them are half of what its
/// heap may have by default.
pub const MAX_EVENTS: u32 = 4096;

/// Connections that were upgraded, each of which one event has been answered with, that one shard of the supervisor has open at one worker
/// at the same time. They are not in flight as other events are: most of them are silent most of the time, and what goes back and forth
/// for one is one pull in each direction, in short pieces. More than a shard has connections of clients, for other workers' are upgraded too.
/// As many again may be open that requests of the worker's own were answered with, so that each can be passed on.
pub const MAX_EXCHANGES: u32 = 16_384;

/// All that are upgraded: those that events were answered with, and those that requests of the worker's own were.
const ALL_EXCHANGES: u32 = 2 * MAX_EXCHANGES;

/// Events that may live in one worker process, over all shards, those included whose response is over and whose
/// `waitUntil` goes on, but not those that were answered with a connection. The process itself refuses more: what they hold is its own
/// memory.
pub const MAX_LIVE_EVENTS: u32 = 2 * MAX_EVENTS;

/// Most bytes of a body that one `pull` brings, in either direction.
pub const MAX_CHUNK: u32 = 256 << 10;

/// Messages that a call of ours allows the peer beside its answer: what it may have to ask and to let go of meanwhile.
pub const MESSAGES_FOR_A_CALL: u64 = 16;

/// Calls of a worker that an event can have open: one pull of its request's body, and the word that it wants no more of it.
const CALLS_FOR_AN_EVENT: u32 = 2;

/// Requests that a worker may have under way by one connection, from the call to the last byte of the response, all its events
/// together. Further ones wait. As many as events, so that each can pass its request on.
pub const MAX_SUBREQUESTS: u32 = MAX_EVENTS;

/// Calls of a worker that a request of its own can have open: the request itself or, after that, one pull of the response's body;
/// and the word that it wants no more of it.
const CALLS_FOR_A_SUBREQUEST: u32 = 2;

/// Calls of a worker that an upgraded connection can have open: one pull of what comes from the other side, the word that it wants no
/// more of it, and that it goes on inside of TLS.
const CALLS_FOR_AN_EXCHANGE: u32 = 3;

/// Capabilities of a worker that an upgraded connection keeps: what goes to the other side, and what will inside of TLS.
const EXPORTS_FOR_AN_EXCHANGE: u32 = 2;

/// Messages that an upgraded connection allows beside those of its pulls and of their answers, with those of going on inside of TLS.
const MESSAGES_FOR_AN_EXCHANGE: u64 = 6;

/// The longest answer to a pull that waits for its turn on an upgraded connection: longer pieces take room that is lent, of which there is
/// not as much.
const MAX_EXCHANGE_ANSWER_BYTES: usize = 24 << 10;

/// Workers that may have called one another before a request comes to one more.
pub const MAX_DEPTH: u8 = 32;

/// Capabilities of a worker that an event can keep: its response's body.
const EXPORTS_FOR_AN_EVENT: u32 = 1;

/// Capabilities of a worker that a request of its own can keep: its body.
const EXPORTS_FOR_A_SUBREQUEST: u32 = 1;

/// Capabilities of a worker that belong to no event: one for each entrypoint and its parameters that sockets name.
const STANDING_EXPORTS: u32 = 1024;

/// A number is free again when the other side has heard that it is; until then the next event may have taken another.
const NUMBERS_ON_THEIR_WAY: u32 = 2;

/// The longest message of a worker: a response's head (128 KiB) with a body inside (64 KiB), a chunk of a body, 512 KiB of
/// its log.
const MAX_MESSAGE_BYTES: usize = 512 << 10;

/// The longest answer of an honest worker to an event or to a pull.
const MAX_ANSWER_BYTES: usize = MAX_CHUNK as usize + (8 << 10);

/// A message that carries neither a head nor bytes of a body, such as a pull, or the word that something is let go of.
const SHORT_MESSAGE_BYTES: usize = 1 << 10;

/// Below this, another long message may be queued.
const WRITABLE_BELOW_BYTES: usize = 1 << 20;

/// The short messages of all events in flight at once, and of all upgraded connections: two pulls, their finishes and a cancellation take a
/// kilobyte together.
const SHORT_MESSAGES_BYTES: usize = MAX_EVENTS as usize * MESSAGES_FOR_A_CALL as usize * SHORT_MESSAGE_BYTES
    + ALL_EXCHANGES as usize * SHORT_MESSAGE_BYTES;

/// One answer for each of both.
const HELD_BYTES: usize = MAX_EVENTS as usize * MAX_ANSWER_BYTES + ALL_EXCHANGES as usize * MAX_EXCHANGE_ANSWER_BYTES;

/// Bounds of one connection. What exceeds one ends the connection with
/// [`TransportError::Violation`](super::TransportError::Violation), but for the rates, which slow the peer down.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Whether messages are checked before they are interpreted.
    pub peer: Peer,
    /// Bytes that may wait for the peer to read them: the short messages of all events, which do not ask for room, and the
    /// long ones, which do ([`Handle::reserve`](super::Handle::reserve)) or are the answers to what one turn brought.
    pub max_queued_bytes: usize,
    /// [`Handle::reserve`](super::Handle::reserve) resolves while fewer bytes than this wait.
    pub writable_below_bytes: usize,
    /// Size of one incoming message, all segments together, in words of 8 bytes.
    pub max_message_words: usize,
    /// Segments of one incoming message.
    pub max_segments: usize,
    /// Depth of pointers in an incoming message.
    pub max_nesting: i32,
    /// Bytes of incoming messages that are alive at the same time: the parameters of open calls and the results that
    /// the program still holds. One answer for each event; whoever waits for it takes it when it comes, so that much less
    /// is there in practice.
    pub max_held_bytes: usize,
    /// Calls by the peer that are open at the same time, counted from the call to its finish. Enforced as the largest
    /// question number that the peer may use.
    pub max_open_calls: u32,
    /// Capabilities of the peer that we hold at the same time. Enforced as the largest export number it may use.
    pub max_imports: u32,
    /// Capabilities in one message.
    pub max_capabilities: u32,
    /// Steps from a promised answer to the capability in it that is called. 0: no calls on promised answers, which is what
    /// the wire permits (docs/design/pipelining.md).
    pub max_transform: u32,
    /// Messages of a hostile peer that nobody asked for: at once, and for each second after that; at least one. What comes
    /// sooner waits in its socket. At once: what all events in flight allow.
    pub messages_burst: u64,
    /// See [`Self::messages_burst`].
    pub messages_per_second: u64,
    /// As [`Self::messages_burst`], in bytes.
    pub bytes_burst: u64,
    /// See [`Self::bytes_burst`].
    pub bytes_per_second: u64,
}

/// Whom a connection leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// The supervisor, as seen by a worker. Only sizes are bounded.
    Trusted,
    /// A worker, as seen by the supervisor.
    Hostile,
}

impl Limits {
    /// What the supervisor grants a worker on one connection.
    pub const fn for_worker() -> Self {
        Self {
            peer: Peer::Hostile,
            max_queued_bytes: SHORT_MESSAGES_BYTES + WRITABLE_BELOW_BYTES + 2 * MAX_MESSAGE_BYTES,
            writable_below_bytes: WRITABLE_BELOW_BYTES,
            max_message_words: MAX_MESSAGE_BYTES / 8,
            max_segments: 64,
            max_nesting: 32,
            max_held_bytes: HELD_BYTES,
            max_open_calls: NUMBERS_ON_THEIR_WAY
                * (CALLS_FOR_AN_EVENT * MAX_EVENTS
                    + CALLS_FOR_A_SUBREQUEST * MAX_SUBREQUESTS
                    + CALLS_FOR_AN_EXCHANGE * ALL_EXCHANGES),
            max_imports: NUMBERS_ON_THEIR_WAY
                * (EXPORTS_FOR_AN_EVENT * MAX_EVENTS
                    + EXPORTS_FOR_A_SUBREQUEST * MAX_SUBREQUESTS
                    + EXPORTS_FOR_AN_EXCHANGE * ALL_EXCHANGES)
                + STANDING_EXPORTS,
            max_capabilities: 8,
            max_transform: 0,
            messages_burst: MAX_EVENTS as u64 * MESSAGES_FOR_A_CALL + ALL_EXCHANGES as u64 * MESSAGES_FOR_AN_EXCHANGE,
            messages_per_second: 20_000,
            bytes_burst: SHORT_MESSAGES_BYTES as u64,
            bytes_per_second: 16 << 20,
        }
    }

    /// What a worker grants the supervisor, whom it trusts: room for a bundle with what travels with it of its modules.
    pub const fn for_supervisor() -> Self {
        Self {
            peer: Peer::Trusted,
            max_queued_bytes: SHORT_MESSAGES_BYTES + WRITABLE_BELOW_BYTES + (BATCH_MESSAGES + 2) * MAX_MESSAGE_BYTES,
            writable_below_bytes: WRITABLE_BELOW_BYTES,
            max_message_words: (64 << 20) / 8,
            max_segments: 512,
            max_nesting: 64,
            max_held_bytes: HELD_BYTES + (64 << 20),
            max_open_calls: u32::MAX,
            max_imports: u32::MAX,
            max_capabilities: u32::MAX,
            max_transform: u32::MAX,
            messages_burst: u64::MAX,
            messages_per_second: u64::MAX,
            bytes_burst: u64::MAX,
            bytes_per_second: u64::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::{HeadLimits, MAX_STATUS_TEXT};

    /// A body that travels with its head, at most.
    const INLINE: usize = 64 << 10;

    #[test]
    fn no_bound_is_less_than_what_events_in_flight_can_cause() {
        let (worker, supervisor) = (Limits::for_worker(), Limits::for_supervisor());
        let events = MAX_EVENTS as usize;
        // Each pulls its request's body and then has no use for the rest; each answers with a body.
        assert!(worker.max_open_calls >= 2 * (MAX_EVENTS + MAX_SUBREQUESTS + ALL_EXCHANGES));
        assert!(worker.max_imports > MAX_EVENTS + MAX_SUBREQUESTS + ALL_EXCHANGES);
        // Each is called, pulled from and cancelled, and each of these calls allows what belongs to it.
        assert!(worker.messages_burst >= MAX_EVENTS as u64 * MESSAGES_FOR_A_CALL);
        // The texts of a head, and two pointers and a length for each header.
        let head = HeadLimits::default();
        let head = head.max_bytes + head.max_headers as usize * 40 + MAX_STATUS_TEXT + (1 << 10);
        assert!(worker.max_message_words * 8 >= (head + INLINE).max(MAX_CHUNK as usize + 1024));
        assert!(MAX_ANSWER_BYTES >= MAX_CHUNK as usize + 1024 && MAX_ANSWER_BYTES >= head + INLINE);
        assert!(worker.max_held_bytes >= events * MAX_ANSWER_BYTES + ALL_EXCHANGES as usize * (16 << 10));
        for limits in [worker, supervisor] {
            // A pull, its finish, a cancellation with its finish, an answer without bytes, two releases: twice over.
            let short = (events * 16 + ALL_EXCHANGES as usize) * SHORT_MESSAGE_BYTES;
            let long = limits.max_message_words.min(MAX_MESSAGE_BYTES / 8) * 8;
            assert!(limits.max_queued_bytes >= short + limits.writable_below_bytes + 2 * long);
        }
        assert!(supervisor.max_queued_bytes >= worker.max_queued_bytes + BATCH_MESSAGES * MAX_MESSAGE_BYTES);
        // What a worker is asked before it has to have read anything is less than what it may ask back.
        assert!(u64::from(worker.max_open_calls) <= worker.messages_burst);
    }
}
