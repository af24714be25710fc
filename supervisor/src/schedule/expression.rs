//! One cron expression: five fields, in UTC, with the meaning that the Cloudflare platform gives them.
//!
//! `docs/schedules.md` describes the language for operators.

use std::str::FromStr;

use bulkhead_ipc::scheduled::MAX_CRON;

use super::calendar::{DAY, Day, Minute};

/// A day is looked for in as many as after which the calendar repeats: 400 years.
const CALENDAR: u64 = 146_097;

/// When a schedule runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression {
    text: String,
    /// Bits 0 to 59.
    minutes: u64,
    /// Bits 0 to 23.
    hours: u64,
    days: Days,
    /// Bits 1 to 12.
    months: u64,
    weekdays: Weekdays,
}

/// Days of the month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Days {
    Every,
    /// Bits 1 to 31.
    Of(u64),
    /// The last day of the month, or so many before it.
    FromLast(u8),
    /// The weekday (Monday to Friday) of the month that is nearest to this day.
    Nearest(u8),
    /// The same, to the last day or so many before it.
    NearestFromLast(u8),
}

/// Days of the week, from 0, which is Sunday.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weekdays {
    Every,
    /// Bits 0 to 6.
    Of(u64),
    /// Its last one of the month.
    Last(u8),
    /// The nth one of the month, from 1.
    Nth(u8, u8),
}

/// What is wrong with an expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpressionError {
    /// Longer than the wire carries.
    #[error("it is longer than {MAX_CRON} bytes")]
    TooLong,
    /// Not five fields.
    #[error("it has {0} fields and not five: minute, hour, day of the month, month, day of the week")]
    Fields(usize),
    /// A part of a field that means nothing there.
    #[error("`{part}` is no {field}: {allowed}")]
    Part {
        /// As written.
        part: String,
        /// Which of the five.
        field: &'static str,
        /// What it takes.
        allowed: &'static str,
    },
    /// A step of zero, or one that is longer than the field.
    #[error("`{part}`: a step of the {field} is from 1 to {max}")]
    Step {
        /// As written.
        part: String,
        /// Which of the five.
        field: &'static str,
        /// The longest.
        max: u8,
    },
    /// No day of the calendar is meant.
    #[error("no day of any year is meant: it would never run")]
    Never,
}

/// One of the five fields.
struct Field {
    name: &'static str,
    allowed: &'static str,
    min: u8,
    max: u8,
    /// Names for the values from `min` on.
    names: &'static [&'static str],
}

const MINUTE: Field =
    Field { name: "minute", allowed: "it takes 0 to 59 with `*` `,` `-` `/`", min: 0, max: 59, names: &[] };
const HOUR: Field =
    Field { name: "hour", allowed: "it takes 0 to 23 with `*` `,` `-` `/`", min: 0, max: 23, names: &[] };
const DAY_OF_MONTH: Field = Field {
    name: "day of the month",
    allowed: "it takes 1 to 31 with `*` `,` `-` `/`, or alone `L`, `L-3`, `LW`, `L-3W` or `15W`",
    min: 1,
    max: 31,
    names: &[],
};
const MONTH: Field = Field {
    name: "month",
    allowed: "it takes 1 to 12 or JAN to DEC with `*` `,` `-` `/`",
    min: 1,
    max: 12,
    names: &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
};
const DAY_OF_WEEK: Field = Field {
    name: "day of the week",
    allowed: "it takes 1 (Sunday) to 7 (Saturday) or SUN to SAT with `*` `,` `-` `/`, or alone `L`, `6L` or `6#3`",
    min: 1,
    max: 7,
    names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
};

impl Field {
    fn fault(&self, part: &str) -> ExpressionError {
        ExpressionError::Part { part: part.to_owned(), field: self.name, allowed: self.allowed }
    }

    /// A number or a name.
    fn value(&self, text: &str) -> Option<u8> {
        if let Some(index) = self.names.iter().position(|name| name.eq_ignore_ascii_case(text)) {
            return Some(self.min + index as u8);
        }
        number(text).filter(|value| (self.min..=self.max).contains(value))
    }

    /// A list of values, ranges and steps; `None` for a plain star.
    fn set(&self, text: &str) -> Result<Option<u64>, ExpressionError> {
        if text == "*" {
            return Ok(None);
        }
        text.split(',').try_fold(0, |set, part| Ok(set | self.part(part)?)).map(Some)
    }

    /// A range whose end is before its start goes on from the field's first value.
    fn part(&self, part: &str) -> Result<u64, ExpressionError> {
        let fault = || self.fault(part);
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (part, None),
        };
        let (start, end) = match range.split_once('-') {
            // Alone in its field it is every value; in a list it would say less than it seems to.
            None if range == "*" && step.is_some() => (self.min, self.max),
            None => {
                let start = self.value(range).ok_or_else(fault)?;
                (start, if step.is_some() { self.max } else { start })
            }
            Some((start, end)) => (self.value(start).ok_or_else(fault)?, self.value(end).ok_or_else(fault)?),
        };
        let max = self.max - self.min;
        let step = match step {
            None => 1,
            Some(step) => match number(step) {
                Some(step) if (1..=max).contains(&step) => step,
                Some(_) => return Err(ExpressionError::Step { part: part.to_owned(), field: self.name, max }),
                None => return Err(fault()),
            },
        };
        let count = max + 1;
        let length = if start <= end { end - start } else { end + count - start };
        let values = (0..=length).step_by(usize::from(step)).map(|past| (start - self.min + past) % count + self.min);
        Ok(values.fold(0, |set, value| set | 1 << value))
    }
}

/// Digits only, which `u8::from_str` does not insist on. More than a `u8` holds is out of every range.
fn number(text: &str) -> Option<u8> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().unwrap_or(u8::MAX))
}

fn days(text: &str) -> Result<Days, ExpressionError> {
    let fault = || DAY_OF_MONTH.fault(text);
    if let Some(rest) = text.strip_prefix('L') {
        let (rest, weekday) = match rest.strip_suffix('W') {
            Some(rest) => (rest, true),
            None => (rest, false),
        };
        let before = match rest.strip_prefix('-') {
            Some(before) => number(before).filter(|before| (1..=30).contains(before)).ok_or_else(fault)?,
            None if rest.is_empty() => 0,
            None => return Err(fault()),
        };
        return Ok(if weekday { Days::NearestFromLast(before) } else { Days::FromLast(before) });
    }
    if let Some(day) = text.strip_suffix('W') {
        return DAY_OF_MONTH.value(day).map(Days::Nearest).ok_or_else(fault);
    }
    Ok(DAY_OF_MONTH.set(text)?.map_or(Days::Every, Days::Of))
}

fn weekdays(text: &str) -> Result<Weekdays, ExpressionError> {
    let fault = || DAY_OF_WEEK.fault(text);
    let weekday = |text: &str| DAY_OF_WEEK.value(text).map(|value| value - 1);
    if text == "L" {
        return Ok(Weekdays::Of(1 << 6));
    }
    if let Some(day) = text.strip_suffix('L') {
        return weekday(day).map(Weekdays::Last).ok_or_else(fault);
    }
    if let Some((day, nth)) = text.split_once('#') {
        let nth = number(nth).filter(|nth| (1..=5).contains(nth)).ok_or_else(fault)?;
        return weekday(day).map(|day| Weekdays::Nth(day, nth)).ok_or_else(fault);
    }
    Ok(DAY_OF_WEEK.set(text)?.map_or(Weekdays::Every, |set| Weekdays::Of(set >> 1)))
}

impl FromStr for Expression {
    type Err = ExpressionError;

    fn from_str(text: &str) -> Result<Self, ExpressionError> {
        if text.len() > MAX_CRON {
            return Err(ExpressionError::TooLong);
        }
        let fields: Vec<&str> = text.split([' ', '\t']).filter(|field| !field.is_empty()).collect();
        let &[minute, hour, day, month, weekday] = fields.as_slice() else {
            return Err(ExpressionError::Fields(fields.len()));
        };
        let expression = Self {
            text: text.to_owned(),
            minutes: MINUTE.set(minute)?.unwrap_or(u64::MAX),
            hours: HOUR.set(hour)?.unwrap_or(u64::MAX),
            days: days(day)?,
            months: MONTH.set(month)?.unwrap_or(u64::MAX),
            weekdays: weekdays(weekday)?,
        };
        if (0..CALENDAR).any(|day| expression.has_day(Day::of(day))) {
            Ok(expression)
        } else {
            Err(ExpressionError::Never)
        }
    }
}

impl Expression {
    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it runs in this minute.
    pub fn has(&self, minute: Minute) -> bool {
        let (day, hour, minute) = minute.parts();
        has(self.minutes, minute) && has(self.hours, hour) && self.has_day(day)
    }

    /// In how many of the minutes from `from` on, without `to`, it runs.
    pub(super) fn count(&self, from: Minute, to: Minute) -> u64 {
        let a_day = ((0..60).filter(|minute| has(self.minutes, *minute)).count()
            * (0..24).filter(|hour| has(self.hours, *hour)).count()) as u64;
        let (mut at, to) = (from.0, to.0);
        let mut count = 0;
        while at < to {
            let next_day = (at / DAY + 1) * DAY;
            let end = next_day.min(to);
            if self.has_day(Day::of(at / DAY)) {
                let minutes = || (at..end).filter(|minute| self.has(Minute(*minute))).count() as u64;
                count += if end - at == DAY { a_day } else { minutes() };
            }
            at = end;
        }
        count
    }

    /// Where both fields for days say something, either is enough.
    fn has_day(&self, day: Day) -> bool {
        has(self.months, day.month().into())
            && match (self.days, self.weekdays) {
                (days, Weekdays::Every) => days.has(day),
                (Days::Every, weekdays) => weekdays.has(day),
                (days, weekdays) => days.has(day) || weekdays.has(day),
            }
    }
}

fn has(set: u64, value: u32) -> bool {
    set & 1 << value != 0
}

impl Days {
    fn has(self, today: Day) -> bool {
        let (day, last) = (today.day(), today.days_in_month());
        match self {
            Days::Every => true,
            Days::Of(set) => has(set, day.into()),
            Days::FromLast(before) => day + before == last,
            Days::Nearest(to) => nearest(today, to) == Some(day),
            Days::NearestFromLast(before) => last.checked_sub(before).and_then(|to| nearest(today, to)) == Some(day),
        }
    }
}

/// The weekday of this month that is nearest to the day `to` of it, if it has that day.
fn nearest(today: Day, to: u8) -> Option<u8> {
    let last = today.days_in_month();
    if !(1..=last).contains(&to) {
        return None;
    }
    Some(match today.weekday_of(to) {
        6 if to > 1 => to - 1,
        6 => to + 2,
        0 if to < last => to + 1,
        0 => to - 2,
        _ => to,
    })
}

impl Weekdays {
    fn has(self, today: Day) -> bool {
        let day = today.day();
        match self {
            Weekdays::Every => true,
            Weekdays::Of(set) => has(set, today.weekday.into()),
            Weekdays::Last(weekday) => today.weekday == weekday && day + 7 > today.days_in_month(),
            Weekdays::Nth(weekday, nth) => today.weekday == weekday && (day - 1) / 7 + 1 == nth,
        }
    }
}

#[cfg(test)]
mod tests;
