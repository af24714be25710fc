//! What a client may cost, and which connection has used its time up.
//!
//! The decisions here are pure: they take what is known about a connection and a clock that counts in ticks.

use std::time::Duration;

/// Limits of one HTTP socket. They apply to each connection, except [`Limits::connections`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request's first line and headers together. More gets `431`.
    pub head_bytes: usize,
    /// Headers of a request. More gets `431`.
    pub headers: usize,
    /// From the connection's first byte, or its acceptance, to the end of a request's head.
    pub head_time: Duration,
    /// How long a connection may lie idle between two requests.
    pub idle_time: Duration,
    /// How long a client may leave a body unfinished without sending a byte, while somebody is waiting for it.
    pub body_stall: Duration,
    /// How long a client may take no byte of a response that is waiting to be sent.
    pub write_stall: Duration,
    /// Connections of one shard, over all its sockets. At the limit, the one that has been waiting for its client the
    /// longest makes room; if all are at work, new ones wait in the kernel's queue.
    pub connections: usize,
    /// How long requests in flight may go on after a shutdown was asked for.
    pub drain_time: Duration,
    /// How often the limits above are looked at: the precision of each of them.
    pub tick: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            head_bytes: 128 * 1024,
            headers: 100,
            head_time: Duration::from_secs(15),
            idle_time: Duration::from_secs(15),
            body_stall: Duration::from_secs(60),
            write_stall: Duration::from_secs(60),
            connections: 10_000,
            drain_time: Duration::from_secs(30),
            tick: Duration::from_secs(1),
        }
    }
}

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// No byte of the next request is here.
    Idle,
    /// A part of a request's head is here, or the connection is new.
    Head,
    /// A request is being answered.
    Busy,
}

/// What is known about a connection. Ticks count from the start of the shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Activity {
    /// What it is doing.
    pub(crate) phase: Phase,
    /// When that began.
    pub(crate) since: u64,
    /// Since when somebody has been waiting for the client to send more of a body.
    pub(crate) awaiting_body: Option<u64>,
    /// Since when the client has taken no byte of what is ready to be sent.
    pub(crate) awaiting_write: Option<u64>,
}

/// [`Limits`] in ticks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TickLimits {
    pub(crate) head: u64,
    pub(crate) idle: u64,
    pub(crate) body: u64,
    pub(crate) write: u64,
}

impl TickLimits {
    pub(crate) fn new(limits: &Limits) -> TickLimits {
        // One more than the quotient: a tick that has just begun must not count as a whole one.
        let ticks = |time: Duration| {
            u64::try_from(time.as_nanos().div_ceil(limits.tick.as_nanos().max(1))).unwrap_or(u64::MAX).saturating_add(1)
        };
        TickLimits {
            head: ticks(limits.head_time),
            idle: ticks(limits.idle_time),
            body: ticks(limits.body_stall),
            write: ticks(limits.write_stall),
        }
    }
}

/// Why a connection is closed by us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overdue {
    Head,
    Idle,
    Body,
    Write,
}

/// Whether a connection has used its time up.
pub(crate) fn overdue(activity: &Activity, now: u64, limits: &TickLimits) -> Option<Overdue> {
    let over = |since: u64, limit: u64| now.saturating_sub(since) >= limit;
    if activity.awaiting_write.is_some_and(|since| over(since, limits.write)) {
        return Some(Overdue::Write);
    }
    match activity.phase {
        Phase::Head => over(activity.since, limits.head).then_some(Overdue::Head),
        Phase::Idle => over(activity.since, limits.idle).then_some(Overdue::Idle),
        Phase::Busy => activity.awaiting_body.is_some_and(|since| over(since, limits.body)).then_some(Overdue::Body),
    }
}

/// Which of these connections makes room for a new one: the one whose client has kept us waiting the longest, idle ones
/// first. `None` when all are being served.
pub(crate) fn make_room(connections: impl Iterator<Item = (usize, Activity)>) -> Option<usize> {
    connections
        .filter_map(|(key, activity)| match activity.phase {
            Phase::Idle => Some(((0, activity.since), key)),
            Phase::Head => Some(((1, activity.since), key)),
            Phase::Busy => activity.awaiting_body.or(activity.awaiting_write).map(|since| ((2, since), key)),
        })
        .min()
        .map(|(_, key)| key)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: TickLimits = TickLimits { head: 3, idle: 5, body: 7, write: 9 };

    fn activity(phase: Phase, since: u64) -> Activity {
        Activity { phase, since, awaiting_body: None, awaiting_write: None }
    }

    #[test]
    fn each_limit_ends_its_phase_and_no_other() {
        for (phase, limit, why) in [(Phase::Head, 3, Overdue::Head), (Phase::Idle, 5, Overdue::Idle)] {
            assert_eq!(overdue(&activity(phase, 10), 10 + limit - 1, &LIMITS), None);
            assert_eq!(overdue(&activity(phase, 10), 10 + limit, &LIMITS), Some(why));
        }
        assert_eq!(overdue(&activity(Phase::Busy, 0), u64::MAX, &LIMITS), None, "a handler may take its time");
        let body = Activity { awaiting_body: Some(4), ..activity(Phase::Busy, 0) };
        assert_eq!(overdue(&body, 10, &LIMITS), None);
        assert_eq!(overdue(&body, 11, &LIMITS), Some(Overdue::Body));
        let write = Activity { awaiting_write: Some(4), ..activity(Phase::Busy, 0) };
        assert_eq!(overdue(&write, 12, &LIMITS), None);
        assert_eq!(overdue(&write, 13, &LIMITS), Some(Overdue::Write));
    }

    #[test]
    fn a_limit_is_never_cut_short_by_a_tick_that_has_begun() {
        let limits =
            Limits { head_time: Duration::from_millis(1500), tick: Duration::from_secs(1), ..Limits::default() };
        assert_eq!(TickLimits::new(&limits).head, 3);
    }

    #[test]
    fn the_idlest_makes_room_and_work_is_never_evicted() {
        let stalled = Activity { awaiting_body: Some(1), ..activity(Phase::Busy, 0) };
        let all = [
            activity(Phase::Busy, 0),
            stalled,
            activity(Phase::Head, 1),
            activity(Phase::Idle, 9),
            activity(Phase::Idle, 8),
        ];
        assert_eq!(make_room(all.into_iter().enumerate()), Some(4));
        assert_eq!(make_room(all[..3].iter().copied().enumerate()), Some(2));
        assert_eq!(make_room(all[..2].iter().copied().enumerate()), Some(1));
        assert_eq!(make_room(all[..1].iter().copied().enumerate()), None);
    }
}
