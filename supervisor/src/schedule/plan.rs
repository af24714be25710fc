//! Which schedules are due: a function of what was looked at before and of what the clock says now.

use super::{
    calendar::{DAY, Minute},
    expression::Expression,
};

/// Ranges of minutes that are remembered. There is one more each time that the clock is set to where it has not been.
const MAX_RANGES: usize = 16;

/// What was missed is counted so far back: a clock that goes further at once was wrong before.
const COUNTED: u64 = 366 * DAY;

/// A number of schedules, and the minutes that were looked at.
///
/// A minute that was looked at is never looked at again, wherever the clock goes: so nothing runs twice for one minute.
/// What is due is due in the minute that the clock says, so nothing runs for a minute that the clock has passed.
#[derive(Debug)]
pub struct Plan {
    expressions: Vec<Expression>,
    /// The minute that was looked at last.
    last: Minute,
    /// Apart from each other and in order; both ends belong to them.
    looked: Vec<(u64, u64)>,
}

/// What comes of a look at the clock. Expressions are told by their positions.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// To be run now, for the minute that was looked at.
    pub due: Vec<usize>,
    /// Runs that the clock has passed since the last look, and how many of them: at least one. They are not made up for.
    pub missed: Vec<(usize, u64)>,
}

impl Plan {
    /// Schedules that begin `now`: the minute that has begun is left to whoever ran before.
    pub fn new(expressions: Vec<Expression>, now: Minute) -> Self {
        Self { expressions, last: now, looked: vec![(now.0, now.0)] }
    }

    /// The minute that was looked at last.
    pub fn last(&self) -> Minute {
        self.last
    }

    /// To be called with the clock's minute at the beginning of each minute; a call too many does no harm, and calls that
    /// are left out, or a clock that jumps, show in [`Look::missed`].
    pub fn look(&mut self, now: Minute) -> Look {
        let mut look = Look::default();
        for (index, expression) in self.expressions.iter().enumerate() {
            let missed = self.unseen(now).map(|(from, to)| expression.count(from, to)).sum();
            if missed > 0 {
                look.missed.push((index, missed));
            }
        }
        if !self.has_looked(now) {
            look.due = (0..self.expressions.len()).filter(|index| self.expressions[*index].has(now)).collect();
        }
        // Where nothing was missed nothing is lost by calling it looked at, and the range stays one.
        let from = if look.missed.is_empty() && self.last < now { self.last.next() } else { now };
        self.remember(from, now);
        self.last = now;
        look
    }

    fn has_looked(&self, minute: Minute) -> bool {
        self.looked.iter().any(|(from, to)| (*from..=*to).contains(&minute.0))
    }

    /// The minutes between the last look and `now` that were never looked at, as ranges without their ends.
    fn unseen(&self, now: Minute) -> impl Iterator<Item = (Minute, Minute)> {
        let start = (self.last.0 + 1).max(now.0.saturating_sub(COUNTED));
        let starts = std::iter::once(start).chain(self.looked.iter().map(move |(_, to)| (to + 1).max(start)));
        let ends = self.looked.iter().map(|(from, _)| *from).chain(std::iter::once(now.0));
        starts.zip(ends).map(move |(from, to)| (Minute(from), Minute(to.min(now.0)))).filter(|(from, to)| from < to)
    }

    fn remember(&mut self, from: Minute, to: Minute) {
        self.looked.push((from.0, to.0));
        self.looked.sort_unstable();
        let mut merged: Vec<(u64, u64)> = Vec::with_capacity(self.looked.len());
        for &(from, to) in &self.looked {
            match merged.last_mut() {
                Some(before) if from <= before.1 + 1 => before.1 = before.1.max(to),
                _ => merged.push((from, to)),
            }
        }
        if merged.len() > MAX_RANGES {
            // What lies between counts as looked at from here on: it may be missed, and nothing runs twice.
            let (_, to) = merged.remove(1);
            merged[0].1 = to;
        }
        self.looked = merged;
    }
}

#[cfg(test)]
mod tests;
