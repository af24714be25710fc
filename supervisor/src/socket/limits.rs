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
    /// From the connection's acceptance to the end of its TLS handshake.
    pub handshake_time: Duration,
    /// TLS handshakes that go on at once on one socket of a shard. Beyond that, the one that has lasted the longest is ended
    /// for a new one.
    pub handshakes: usize,
    /// From the connection's first byte, its acceptance or its handshake, to the end of a request's head.
    pub head_time: Duration,
    /// How long a connection may lie idle between two requests.
    pub idle_time: Duration,
    /// How long a client may leave a body unfinished without sending a byte, while somebody is waiting for it.
    pub body_stall: Duration,
    /// How long a client may take no byte of a response that is waiting to be sent.
    pub write_stall: Duration,
    /// How long a client that was sending when its connection ended may go on, so that it gets to read the answer.
    pub linger_time: Duration,
    /// Connections of one shard, over all its sockets. Half of them are divided among the sockets, each of which has its
    /// share to itself; the others are for whoever comes first. At the limit, the one that has been waiting for its client
    /// the longest makes room; if all are at work, new ones wait in the kernel's queue.
    pub connections: usize,
    /// Bytes that a shard may hold for its connections beyond what each of them has to itself, [`CONNECTION_BUFFER`]: long
    /// one half for long heads and larger pieces of bodies that are received, the other for responses. They
    /// are divided among the sockets as the connections are. Where there are none left, a longer head is not read on, and
    /// bodies travel in small pieces.
    pub buffer_bytes: usize,
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
            handshake_time: Duration::from_secs(15),
            handshakes: 512,
            head_time: Duration::from_secs(15),
            idle_time: Duration::from_secs(15),
            body_stall: Duration::from_secs(60),
            write_stall: Duration::from_secs(60),
            linger_time: Duration::from_secs(10),
            connections: 10_000,
            buffer_bytes: 128 << 20,
            drain_time: Duration::from_secs(30),
            tick: Duration::from_secs(1),
        }
    }
}

/// Bytes that are read from, or pulled for, any connection at once. What one has buffered is at most twice that in each
/// direction.
pub const CONNECTION_BUFFER: usize = 16 << 10;

/// Where so many bytes of a body may be read from a client at once, hyper's own bound, which is a little more, is all that holds:
/// a part of hyper's buffer would have to be zeroed first.
pub(crate) const MAX_READ: usize = 128 << 10;

/// Descriptors that the supervisor itself has open: standard streams, the event loops, the log, files while they are read.
const OWN_DESCRIPTORS: usize = 64;

/// Descriptors of one worker process beside its event connections: the control connection, the process, its diagnostics and
/// cgroup, and what is open while it is started.
const WORKER_DESCRIPTORS: usize = 12;

impl Limits {
    /// Lowers [`Limits::connections`] to what the process's limit on descriptors leaves to each of so many shards, when
    /// each of `workers` workers can have two processes at once, an old one and its successor.
    ///
    /// At least a quarter of the descriptors is for connections, whatever the number of workers.
    pub fn fit_descriptors(mut self, descriptors: usize, shards: usize, workers: usize, sockets: usize) -> Limits {
        // A socket listens once for each shard, and holds one accepted connection that waits for a place.
        let sockets = 2 * sockets * shards + 4 * shards;
        let fleet = 2 * workers * (WORKER_DESCRIPTORS + shards);
        let left = descriptors.saturating_sub(OWN_DESCRIPTORS + sockets + fleet).max(descriptors / 4);
        self.connections = self.connections.min(left / shards.max(1)).max(1);
        self
    }
}

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// No byte of the next request is here.
    Idle,
    /// The TLS handshake is not over.
    Handshake,
    /// A part of a request's head is here, or the connection is new.
    Head,
    /// A request is being answered, or the rest of its body read.
    Busy,
    /// Everything is sent; what the client still sends is read away until it closes its side.
    Linger,
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
    /// Since when the client sends no more, while a request of its is being answered.
    pub(crate) half_closed: Option<u64>,
}

/// [`Limits`] in ticks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TickLimits {
    pub(crate) handshake: u64,
    pub(crate) head: u64,
    pub(crate) idle: u64,
    pub(crate) body: u64,
    pub(crate) write: u64,
    pub(crate) linger: u64,
}

impl TickLimits {
    pub(crate) fn new(limits: &Limits) -> TickLimits {
        // One more than the quotient: a tick that has just begun must not count as a whole one.
        let ticks = |time: Duration| {
            u64::try_from(time.as_nanos().div_ceil(limits.tick.as_nanos().max(1))).unwrap_or(u64::MAX).saturating_add(1)
        };
        TickLimits {
            handshake: ticks(limits.handshake_time),
            head: ticks(limits.head_time),
            idle: ticks(limits.idle_time),
            body: ticks(limits.body_stall),
            write: ticks(limits.write_stall),
            linger: ticks(limits.linger_time),
        }
    }
}

/// Why a connection is closed by us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overdue {
    Handshake,
    Head,
    Idle,
    Body,
    Write,
    Linger,
}

/// Whether a connection has used its time up.
pub(crate) fn overdue(activity: &Activity, now: u64, limits: &TickLimits) -> Option<Overdue> {
    let over = |since: u64, limit: u64| now.saturating_sub(since) >= limit;
    if activity.awaiting_write.is_some_and(|since| over(since, limits.write)) {
        return Some(Overdue::Write);
    }
    match activity.phase {
        Phase::Handshake => over(activity.since, limits.handshake).then_some(Overdue::Handshake),
        Phase::Head => over(activity.since, limits.head).then_some(Overdue::Head),
        Phase::Idle => over(activity.since, limits.idle).then_some(Overdue::Idle),
        Phase::Busy => activity.awaiting_body.is_some_and(|since| over(since, limits.body)).then_some(Overdue::Body),
        Phase::Linger => over(activity.since, limits.linger).then_some(Overdue::Linger),
    }
}

/// Which of these connections makes room for a new one: the one whose client has kept us waiting the longest, idle ones
/// first, and last those that are being served but whose clients have perhaps gone. `None` when all are being served.
pub(crate) fn make_room(connections: impl Iterator<Item = (usize, Activity)>) -> Option<usize> {
    connections
        .filter_map(|(key, activity)| match activity.phase {
            Phase::Idle | Phase::Linger => Some(((0, activity.since), key)),
            Phase::Handshake | Phase::Head => Some(((1, activity.since), key)),
            Phase::Busy => {
                let stalled = activity.awaiting_body.or(activity.awaiting_write).map(|since| (2, since));
                stalled.or(activity.half_closed.map(|since| (3, since))).map(|order| (order, key))
            }
        })
        .min()
        .map(|(_, key)| key)
}

/// How much of a common good each of several holders has: half of it is divided among them, so that none of them can keep
/// another from its share, and half is for whoever comes first.
#[derive(Debug)]
pub(crate) struct Shares {
    total: usize,
    /// What each holder has to itself; nothing where it is about to go.
    reserved: Vec<usize>,
    /// What is for all.
    common: usize,
    /// What is taken of that.
    common_taken: usize,
    /// What each holder has.
    taken: Vec<usize>,
}

impl Shares {
    /// Divides `total` among `holders`. Each gets at least one, whatever the total.
    pub(crate) fn new(total: usize, holders: usize) -> Shares {
        let mut shares = Shares { total, reserved: Vec::new(), common: 0, common_taken: 0, taken: Vec::new() };
        shares.divide(&vec![true; holders]);
        shares
    }

    /// Divides it anew, among those that stay; the others keep what they have taken until they give it back. A holder is left out
    /// only when it has nothing.
    pub(crate) fn divide(&mut self, stays: &[bool]) {
        let holders = stays.iter().filter(|stays| **stays).count();
        let each = (self.total / 2 / holders.max(1)).max(1);
        self.reserved = stays.iter().map(|stays| if *stays { each } else { 0 }).collect();
        self.taken.resize(stays.len(), 0);
        self.common = self.total.saturating_sub(each * holders);
        self.common_taken =
            (0..stays.len()).map(|holder| self.taken[holder].saturating_sub(self.reserved[holder])).sum();
    }

    /// Sets how much there is. To be divided anew.
    pub(crate) fn set_total(&mut self, total: usize) {
        self.total = total;
    }

    /// Whether a holder has nothing.
    pub(crate) fn is_bare(&self, holder: usize) -> bool {
        self.taken[holder] == 0
    }

    /// Whether a holder can have `amount` more.
    pub(crate) fn has(&self, holder: usize, amount: usize) -> bool {
        let beyond = self.beyond(holder, amount);
        // What is for all may be overdrawn by one that is about to go.
        beyond == 0 || self.common_taken + beyond <= self.common
    }

    /// Whether a holder has more than what it has to itself.
    pub(crate) fn exceeds(&self, holder: usize) -> bool {
        self.taken[holder] > self.reserved[holder]
    }

    /// Gives a holder `amount`, whether there is that much or not.
    pub(crate) fn take(&mut self, holder: usize, amount: usize) {
        self.common_taken += self.beyond(holder, amount);
        self.taken[holder] += amount;
    }

    /// Takes `amount` back from a holder.
    pub(crate) fn give_back(&mut self, holder: usize, amount: usize) {
        self.taken[holder] -= amount;
        self.common_taken -= self.beyond(holder, amount);
    }

    /// How much of `amount` more would be of what is for all.
    fn beyond(&self, holder: usize, amount: usize) -> usize {
        amount.saturating_sub(self.reserved[holder].saturating_sub(self.taken[holder]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: TickLimits = TickLimits { handshake: 2, head: 3, idle: 5, body: 7, write: 9, linger: 11 };

    fn activity(phase: Phase, since: u64) -> Activity {
        Activity { phase, since, awaiting_body: None, awaiting_write: None, half_closed: None }
    }

    #[test]
    fn no_holder_can_take_the_share_of_another() {
        let mut shares = Shares::new(100, 2);
        while shares.has(0, 1) {
            shares.take(0, 1);
        }
        assert_eq!(shares.taken, [75, 0]);
        assert!(shares.has(1, 25) && !shares.has(1, 26) && shares.exceeds(0));
        shares.take(1, 20);
        shares.give_back(0, 10);
        assert!(shares.has(1, 15) && !shares.has(1, 16) && !shares.exceeds(1));
        shares.take(1, 15);
        shares.give_back(1, 35);
        shares.give_back(0, 65);
        assert_eq!((shares.taken, shares.common_taken), (vec![0, 0], 0));
        assert!(Shares::new(100, 1).has(0, 100) && !Shares::new(100, 1).has(0, 101), "one holder has all of it");
        assert!(Shares::new(2, 8).has(7, 1), "each has something");
    }

    #[test]
    fn what_is_divided_anew_is_never_lost() {
        let mut shares = Shares::new(100, 2);
        shares.take(0, 60);
        shares.take(1, 5);
        shares.divide(&[false, true, true]);
        assert!(shares.has(2, 25), "a new one has its share");
        assert!(!shares.has(0, 1) && !shares.has(2, 26), "what the one that goes still has is of what is for all");
        shares.give_back(0, 60);
        assert!(shares.is_bare(0) && shares.has(2, 75) && !shares.has(2, 76));
        shares.set_total(40);
        shares.divide(&[false, true]);
        assert!(shares.has(1, 35) && !shares.has(1, 36), "one holder has all that there is");
        shares.give_back(1, 5);
        assert_eq!((shares.taken, shares.common_taken), (vec![0, 0], 0));
    }

    #[test]
    fn connections_leave_descriptors_to_the_fleet() {
        let connections = |descriptors, shards, workers, sockets| {
            Limits::default().fit_descriptors(descriptors, shards, workers, sockets).connections
        };
        // 1000 - 64 - (2 * 1 * 1 + 4 * 1) - 2 * 1 * (12 + 1)
        assert_eq!(connections(1000, 1, 1, 1), 904);
        assert_eq!(connections(1000, 2, 1, 1), (1000 - 64 - 12 - 28) / 2);
        assert_eq!(connections(1000, 1, 100, 1), 250, "a quarter at least");
        assert_eq!(connections(1 << 20, 4, 10, 10), 10_000, "never more than the limit says");
        assert_eq!(connections(0, 64, 1, 1), 1);
    }

    #[test]
    fn each_limit_ends_its_phase_and_no_other() {
        for (phase, limit, why) in [
            (Phase::Handshake, 2, Overdue::Handshake),
            (Phase::Head, 3, Overdue::Head),
            (Phase::Idle, 5, Overdue::Idle),
            (Phase::Linger, 11, Overdue::Linger),
        ] {
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
        let half_closed = Activity { half_closed: Some(0), ..activity(Phase::Busy, 0) };
        assert_eq!(make_room([half_closed, activity(Phase::Busy, 0)].into_iter().enumerate()), Some(0));
        assert_eq!(make_room([half_closed, stalled].into_iter().enumerate()), Some(1));
        let all = [
            activity(Phase::Busy, 0),
            stalled,
            activity(Phase::Handshake, 1),
            activity(Phase::Idle, 9),
            activity(Phase::Idle, 8),
        ];
        assert_eq!(make_room(all.into_iter().enumerate()), Some(4));
        assert_eq!(make_room(all[..3].iter().copied().enumerate()), Some(2));
        assert_eq!(make_room(all[..2].iter().copied().enumerate()), Some(1));
        assert_eq!(make_room(all[..1].iter().copied().enumerate()), None);
    }
}
