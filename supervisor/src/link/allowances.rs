//! What the events of one connection may still start, and how deep they are.
//!
//! A worker's process says of each request of its own for which event it makes it. Of an event in flight a row says what is left to it. One
//! whose response is over may go on (`waitUntil`), and nobody tells how long: what such events had left is put together by their depths,
//! and lasts for as long as one of them may go on. So nothing is kept of an event that is over, an honest process is refused nothing that
//! its own limits allow, and a dishonest one can start what its events may start together, and no more.

use std::{
    cell::{Cell, RefCell},
    time::Duration,
};

use bulkhead_ipc::{
    policy::{WorkerPolicy, bound},
    transport::{MAX_DEPTH, MAX_EVENTS, MAX_EXCHANGES},
};
use tokio::time::Instant;

use crate::service::Depth;

/// Bits of an event's number, from the lowest, that say which place it has. Those after them say how deep it is, the others count.
const PLACE_BITS: u32 = (MAX_EVENTS + MAX_EXCHANGES).next_power_of_two().ilog2();
const DEPTH_BITS: u32 = 8;
const COUNT_BITS: u32 = u64::BITS - PLACE_BITS - DEPTH_BITS;
const _: () = assert!(COUNT_BITS >= 40);

/// Different depths.
const DEPTHS: usize = MAX_DEPTH as usize + 1;

/// Why a request is not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Its event is over, and has been for longer than it may go on.
    Over,
    /// No correct worker makes it.
    Violation(&'static str),
}

/// The events of one connection.
pub(super) struct Allowances {
    /// Requests that an event may make.
    subrequests: u64,
    /// Requests of an event that may wait for their answers at a time.
    connections: u32,
    /// After how long an event that goes on may make as many again.
    renewal: Duration,
    /// How long an event may go on after its response; `None`: for ever.
    lasting: Option<Duration>,
    /// Events that have begun.
    begun: Cell<u64>,
    /// Events in flight, by their places.
    rows: RefCell<Vec<Row>>,
    over: RefCell<Over>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Row {
    /// The event's number; 0: there is none.
    event: u64,
    /// Requests that it may still make.
    left: u64,
    /// Requests that wait for their answers.
    waiting: u32,
    /// Since when an event that goes on has what it may make.
    renewed: Option<Instant>,
}

impl Row {
    /// The process has begun anew no more often: it counts from later on, and from when it looks.
    fn renew_with_time(&mut self, renewal: Duration, subrequests: u64, now: Instant) {
        let Some(since) = self.renewed else { return };
        let (passed, renewal) = (now.saturating_duration_since(since).as_nanos(), renewal.as_nanos().max(1));
        if passed >= renewal {
            let times = u64::try_from(passed / renewal).unwrap_or(u64::MAX);
            self.left = self.left.saturating_add(subrequests.saturating_mul(times));
            self.renewed = now.checked_sub(Duration::from_nanos(u64::try_from(passed % renewal).unwrap_or(0)));
        }
    }
}

/// What events had left when their responses were over, by their depths.
struct Over {
    /// Of those that have ended since then …
    since: Instant,
    recent: [u64; DEPTHS],
    /// … and in the time before, which is at least as long as they may go on.
    before: [u64; DEPTHS],
}

impl Allowances {
    /// For a worker with these limits, whose events end up to `grace` later than these say.
    pub(super) fn new(policy: &WorkerPolicy, grace: Duration, now: Instant) -> Self {
        Self {
            subrequests: bound(policy.subrequests).map_or(u64::MAX, u64::from),
            connections: bound(policy.connections).unwrap_or(u32::MAX),
            renewal: policy.renewal(),
            lasting: bound(policy.wait_until).map(|wait_until| wait_until.saturating_add(grace)),
            begun: Cell::new(0),
            rows: RefCell::default(),
            over: RefCell::new(Over { since: now, recent: [0; DEPTHS], before: [0; DEPTHS] }),
        }
    }

    /// An event begins at the place with this index; its number.
    pub(super) fn begin(&self, place: usize, Depth(depth): Depth, now: Instant) -> u64 {
        self.begun.set(self.begun.get() + 1);
        let event = (self.begun.get() << DEPTH_BITS | u64::from(depth)) << PLACE_BITS | place as u64;
        let mut rows = self.rows.borrow_mut();
        if rows.len() <= place {
            rows.resize(place + 1, Row::default());
        }
        rows[place] = Row { event, left: self.subrequests, waiting: 0, renewed: None };
        self.over.borrow_mut().turn(self.lasting, now);
        event
    }

    /// The event goes on for as long as both sides like: with time it may make as many requests again.
    pub(super) fn goes_on(&self, event: u64, now: Instant) {
        if let Some(row) = row(&mut self.rows.borrow_mut(), event) {
            row.renewed = Some(now);
        }
    }

    /// The event's response is over.
    pub(super) fn end(&self, event: u64) {
        if let Some(row) = row(&mut self.rows.borrow_mut(), event) {
            let left = std::mem::take(row).left;
            let recent = &mut self.over.borrow_mut().recent[depth(event)];
            *recent = recent.saturating_add(left);
        }
    }

    /// Something has come for an event by a connection that is upgraded, with which it may begin anew as often as that.
    pub(super) fn renew(&self, event: u64, times: u64) {
        let more = self.subrequests.saturating_mul(times);
        let rows = &mut *self.rows.borrow_mut();
        let over = &mut *self.over.borrow_mut();
        let left = match row(rows, event) {
            Some(row) => &mut row.left,
            None => &mut over.recent[depth(event)],
        };
        *left = left.saturating_add(more);
    }

    /// A request is to be made for an event, whose depth that gives. It waits until [`Self::answered`].
    pub(super) fn take(&self, event: u64, now: Instant) -> Result<Depth, Refusal> {
        let count = event >> (PLACE_BITS + DEPTH_BITS);
        if count == 0 || count > self.begun.get() || depth(event) >= DEPTHS {
            return Err(Refusal::Violation("a request for an event that it was never given"));
        }
        if let Some(row) = row(&mut self.rows.borrow_mut(), event) {
            row.renew_with_time(self.renewal, self.subrequests, now);
            if row.left == 0 {
                return Err(Refusal::Violation("it made more requests for an event than that may make"));
            }
            if row.waiting >= self.connections {
                return Err(Refusal::Violation("it made more requests for an event at a time than that may make"));
            }
            row.left -= 1;
            row.waiting += 1;
        } else {
            let over = &mut *self.over.borrow_mut();
            over.turn(self.lasting, now);
            // First what is kept no longer than the other.
            let left = [&mut over.before, &mut over.recent].map(|left| &mut left[depth(event)]);
            let left = left.into_iter().find(|left| **left > 0).ok_or(Refusal::Over)?;
            *left -= 1;
        }
        Ok(Depth(depth(event) as u8))
    }

    /// A request that was made for an event waits no longer.
    pub(super) fn answered(&self, event: u64) {
        if let Some(row) = row(&mut self.rows.borrow_mut(), event) {
            // One that has ended and begun again has another number.
            row.waiting = row.waiting.saturating_sub(1);
        }
    }
}

impl Over {
    fn turn(&mut self, lasting: Option<Duration>, now: Instant) {
        if lasting.is_some_and(|lasting| now.saturating_duration_since(self.since) >= lasting) {
            self.before = std::mem::replace(&mut self.recent, [0; DEPTHS]);
            self.since = now;
        }
    }
}

/// The row of an event, if that is in flight.
fn row(rows: &mut [Row], event: u64) -> Option<&mut Row> {
    let place = event & ((1 << PLACE_BITS) - 1);
    rows.get_mut(place as usize).filter(|row| row.event == event)
}

fn depth(event: u64) -> usize {
    (event >> PLACE_BITS & ((1 << DEPTH_BITS) - 1)) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn allowances(subrequests: u32, connections: u32, now: Instant) -> Allowances {
        let policy = WorkerPolicy { subrequests, connections, wait_until: 30 * SECOND, ..WorkerPolicy::default() };
        Allowances::new(&policy, 5 * SECOND, now)
    }

    #[test]
    fn an_event_in_flight_has_its_depth_and_its_limits() {
        let now = Instant::now();
        let allowances = allowances(3, 2, now);
        let (one, two) = (allowances.begin(7, Depth(4), now), allowances.begin(0, Depth::default(), now));
        assert_eq!(allowances.take(one, now), Ok(Depth(4)));
        assert_eq!(allowances.take(two, now), Ok(Depth(0)));
        assert_eq!(allowances.take(one, now), Ok(Depth(4)));
        assert!(matches!(allowances.take(one, now), Err(Refusal::Violation(what)) if what.contains("at a time")));
        allowances.answered(one);
        assert_eq!(allowances.take(one, now), Ok(Depth(4)));
        allowances.answered(one);
        assert!(matches!(allowances.take(one, now), Err(Refusal::Violation(what)) if what.contains("more requests")));
        assert_eq!(allowances.take(two, now), Ok(Depth(0)), "what another has left");
    }

    #[test]
    fn nobody_is_believed_to_be_less_deep_than_somebody_was() {
        let now = Instant::now();
        let allowances = allowances(3, 2, now);
        let deep = allowances.begin(0, Depth(9), now);
        let shallow = deep & !(0xff << PLACE_BITS);
        assert_eq!(allowances.take(shallow, now), Err(Refusal::Over), "none of that depth is over");
        allowances.end(allowances.begin(1, Depth::default(), now));
        for _ in 0..3 {
            assert_eq!(allowances.take(shallow, now), Ok(Depth(0)), "there was one");
        }
        assert_eq!(allowances.take(shallow, now), Err(Refusal::Over), "all that it may start was started");
        for never in [0, 5, deep + (1 << (PLACE_BITS + DEPTH_BITS + 8)), deep | 0xff << PLACE_BITS, u64::MAX] {
            assert!(matches!(allowances.take(never, now), Err(Refusal::Violation(_))), "{never:x}");
        }
    }

    #[test]
    fn what_is_over_is_forgotten_in_time() {
        let now = Instant::now();
        let allowances = allowances(10, 0, now);
        let event = allowances.begin(0, Depth(1), now);
        allowances.end(event);
        for seconds in [0, 34, 35, 69] {
            assert_eq!(allowances.take(event, now + seconds * SECOND), Ok(Depth(1)), "after {seconds} s");
        }
        assert_eq!(allowances.take(event, now + 70 * SECOND), Err(Refusal::Over));
        // Ended long after anything else was done.
        let event = allowances.begin(0, Depth(1), now + 70 * SECOND);
        allowances.end(event);
        let late = now + 1000 * SECOND;
        assert_eq!(allowances.take(event, late), Ok(Depth(1)));
        assert_eq!(allowances.take(event, late + 34 * SECOND), Ok(Depth(1)));
    }

    #[test]
    fn what_comes_by_a_connection_has_an_event_begin_anew() {
        let now = Instant::now();
        let allowances = allowances(2, 0, now);
        let event = allowances.begin(0, Depth(1), now);
        let other = allowances.begin(1, Depth(1), now);
        allowances.renew(event, 3);
        for _ in 0..8 {
            assert_eq!(allowances.take(event, now), Ok(Depth(1)));
        }
        assert!(matches!(allowances.take(event, now), Err(Refusal::Violation(_))));
        // What is over had nothing left.
        allowances.end(event);
        assert_eq!(allowances.take(event, now), Err(Refusal::Over));
        allowances.renew(event, 1);
        for _ in 0..2 {
            assert_eq!(allowances.take(event, now), Ok(Depth(1)));
        }
        assert_eq!(allowances.take(event, now), Err(Refusal::Over));
        assert_eq!(allowances.take(other, now), Ok(Depth(1)), "what another has left");
    }

    #[test]
    fn an_event_that_goes_on_begins_anew_with_time() {
        let now = Instant::now();
        let policy = WorkerPolicy {
            subrequests: 2,
            connections: 0,
            wall_time: 10 * SECOND,
            cpu_time: Duration::ZERO,
            ..WorkerPolicy::default()
        };
        let allowances = Allowances::new(&policy, SECOND, now);
        let made =
            |event, seconds| (0..20).take_while(|_| allowances.take(event, now + seconds * SECOND).is_ok()).count();
        let (stream, other) = (allowances.begin(0, Depth(1), now), allowances.begin(1, Depth(1), now));
        allowances.goes_on(stream, now + SECOND);
        for (after, more) in [(0, 2), (10, 0), (11, 2), (20, 0), (41, 6), (50, 0)] {
            assert_eq!(made(stream, after), more, "after {after} s");
        }
        assert_eq!(made(other, 100), 2);
    }

    #[test]
    fn no_limit_is_none() {
        let now = Instant::now();
        let allowances = Allowances::new(&WorkerPolicy::unlimited(), SECOND, now);
        let (one, two) = (allowances.begin(0, Depth(1), now), allowances.begin(1, Depth(1), now));
        for _ in 0..2 {
            for _ in 0..10_000 {
                assert_eq!(allowances.take(one, now + 100_000 * SECOND), Ok(Depth(1)));
            }
            allowances.end(one);
            allowances.end(two);
        }
    }

    proptest! {
        /// An honest worker, which keeps to the limits of each of its events, and whose events go on for as long as they may.
        #[test]
        fn no_honest_request_is_refused(steps in proptest::collection::vec((0u8..5, 0usize..8, 0u32..20), 1..300)) {
            const MOST: u32 = 4;
            let mut now = Instant::now();
            let allowances = allowances(MOST, 0, now);
            // By places: number and requests made. Those that are over with the time when they were.
            let mut flying: Vec<Option<(u64, u32)>> = vec![None; 8];
            let mut over: Vec<(u64, u32, Instant)> = Vec::new();
            for (step, at, seconds) in steps {
                now += seconds * SECOND;
                over.retain(|(.., since)| now - *since < 35 * SECOND);
                match step {
                    0 if flying[at].is_none() => {
                        flying[at] = Some((allowances.begin(at, Depth(at as u8 / 4), now), 0));
                    }
                    1 => if let Some((event, made)) = flying[at].take() {
                        allowances.end(event);
                        over.push((event, made, now));
                    },
                    2 => if let Some((event, made)) = &mut flying[at] && *made < MOST {
                        *made += 1;
                        prop_assert_eq!(allowances.take(*event, now), Ok(Depth(at as u8 / 4)));
                        allowances.answered(*event);
                    },
                    _ => if !over.is_empty() {
                        let index = at % over.len();
                        let (event, made, _) = &mut over[index];
                        if *made < MOST {
                            *made += 1;
                            prop_assert!(allowances.take(*event, now).is_ok());
                        }
                    },
                }
            }
        }

        /// A dishonest one, which says whatever it likes.
        #[test]
        fn no_more_is_made_than_events_may(steps in proptest::collection::vec((0u8..4, 0usize..8, 0u64..20), 1..300)) {
            const MOST: u32 = 4;
            let now = Instant::now();
            let allowances = allowances(MOST, 0, now);
            let mut events: Vec<u64> = Vec::new();
            let mut given = [0u64; DEPTHS];
            let mut made = [0u64; DEPTHS];
            for (step, at, number) in steps {
                match step {
                    0 => {
                        // Its place was left before.
                        events.iter().for_each(|event| if event & 7 == at as u64 { allowances.end(*event) });
                        let depth = Depth(number as u8 % 3);
                        events.push(allowances.begin(at, depth, now));
                        given[usize::from(depth.0)] += 1;
                    }
                    1 => events.get(at).into_iter().for_each(|event| allowances.end(*event)),
                    _ => {
                        let event = events.get(number as usize).copied().unwrap_or(number << PLACE_BITS | at as u64);
                        let forged = if step == 2 { event } else { event ^ 1 << PLACE_BITS };
                        if let Ok(Depth(depth)) = allowances.take(forged, now) {
                            made[usize::from(depth)] += 1;
                        }
                    }
                }
            }
            for (made, given) in made.iter().zip(given) {
                prop_assert!(*made <= given * u64::from(MOST));
            }
        }
    }
}
