//! Minutes and days in UTC.

use std::fmt;

use bulkhead_ipc::compatibility::Date;

/// Minutes of a day.
pub(super) const DAY: u64 = 24 * 60;

/// A minute in UTC, counted from the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Minute(pub u64);

impl Minute {
    /// The minute that a moment, in milliseconds since the Unix epoch, falls into.
    pub fn of(milliseconds: u64) -> Self {
        Self(milliseconds / 60_000)
    }

    /// Its beginning, in milliseconds since the Unix epoch.
    pub fn start(self) -> u64 {
        self.0 * 60_000
    }

    /// The minute after it.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// Its day, the hour and the minute of the hour.
    pub(super) fn parts(self) -> (Day, u32, u32) {
        let of_day = (self.0 % DAY) as u32;
        (Day::of(self.0 / DAY), of_day / 60, of_day % 60)
    }
}

impl fmt::Display for Minute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (day, hour, minute) = self.parts();
        write!(f, "{} {hour:02}:{minute:02} UTC", day.date)
    }
}

/// A day of the Gregorian calendar.
#[derive(Debug, Clone, Copy)]
pub(super) struct Day {
    date: Date,
    /// From 0, which is Sunday.
    pub(super) weekday: u8,
}

impl Day {
    /// The day so many days after 1 January 1970.
    pub(super) fn of(days: u64) -> Self {
        // The epoch was a Thursday.
        Self { date: Date::from_unix_seconds(days * 86_400), weekday: ((days + 4) % 7) as u8 }
    }

    /// From 1.
    pub(super) fn month(self) -> u8 {
        self.date.month()
    }

    /// From 1.
    pub(super) fn day(self) -> u8 {
        self.date.day()
    }

    /// Days of its month.
    pub(super) fn days_in_month(self) -> u8 {
        let year = self.date.year();
        match self.date.month() {
            4 | 6 | 9 | 11 => 30,
            2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
            2 => 28,
            _ => 31,
        }
    }

    /// The weekday of another day of its month.
    pub(super) fn weekday_of(self, day: u8) -> u8 {
        (i16::from(self.weekday) + i16::from(day) - i16::from(self.day())).rem_euclid(7) as u8
    }
}
