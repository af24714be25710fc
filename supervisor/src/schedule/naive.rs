//! The same answers as the rest of this directory, slowly: a calendar that is counted day by day, and expressions as lists of
//! values. For tests.

use std::sync::LazyLock;

use proptest::{collection::vec, prelude::*, sample::select};

use super::Minute;

/// A day, counted from 1 January 1970.
#[derive(Debug, Clone, Copy)]
pub(super) struct Date {
    pub(super) year: u64,
    pub(super) month: u64,
    pub(super) day: u64,
    /// From 1, which is Sunday.
    pub(super) weekday: u64,
    /// Days of its month.
    pub(super) last: u64,
}

/// All days of 1970 to 2110.
pub(super) static DAYS: LazyLock<Vec<Date>> = LazyLock::new(|| {
    let mut days = Vec::new();
    // A Thursday.
    let mut weekday = 5;
    for year in 1970..=2110 {
        let leap = year % 400 == 0 || year % 4 == 0 && year % 100 != 0;
        for (month, last) in (1..).zip([31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]) {
            for day in 1..=last {
                days.push(Date { year, month, day, weekday, last });
                weekday = weekday % 7 + 1;
            }
        }
    }
    days
});

/// The minute of a day at an hour and a minute.
pub(super) fn minute(year: u64, month: u64, day: u64, hour: u64, minute: u64) -> Minute {
    let same = |date: &Date| (date.year, date.month, date.day) == (year, month, day);
    let days = DAYS.iter().position(same).expect("a day that exists") as u64;
    Minute((days * 24 + hour) * 60 + minute)
}

/// A value, a range or a step: start, end, step.
type Part = (u64, u64, u64);

/// One field.
#[derive(Debug, Clone)]
pub(super) enum Field {
    Every,
    List(Vec<Part>),
    Last(u64),
    Nearest(u64),
    NearestFromLast(u64),
    LastWeekday(u64),
    Nth(u64, u64),
}

/// An expression as what its fields mean.
#[derive(Debug, Clone)]
pub(super) struct Naive {
    fields: [Field; 5],
}

const MONTHS: [&str; 12] = ["JAN", "feb", "Mar", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "dec"];
const WEEKDAYS: [&str; 7] = ["SUN", "mon", "Tue", "WED", "THU", "FRI", "SAT"];

/// The lowest and highest value of each field.
const BOUNDS: [(u64, u64); 5] = [(0, 59), (0, 23), (1, 31), (1, 12), (1, 7)];

impl Naive {
    /// As an operator would write it.
    pub(super) fn text(&self) -> String {
        let field = |index: usize| {
            let value = |value: u64| match index {
                3 if value.is_multiple_of(2) => MONTHS[value as usize - 1].to_owned(),
                4 if value.is_multiple_of(2) => WEEKDAYS[value as usize - 1].to_owned(),
                _ => value.to_string(),
            };
            let part = |&(start, end, step): &Part| match (start, end, step) {
                (start, end, 1) if start == end => value(start),
                (start, end, 1) => format!("{}-{}", value(start), value(end)),
                (start, end, step) if (start, end) == BOUNDS[index] => format!("*/{step}"),
                (start, end, step) if end == BOUNDS[index].1 => format!("{}/{step}", value(start)),
                (start, end, step) => format!("{}-{}/{step}", value(start), value(end)),
            };
            match &self.fields[index] {
                Field::Every => "*".to_owned(),
                Field::List(parts) => parts.iter().map(part).collect::<Vec<_>>().join(","),
                Field::Last(0) => "L".to_owned(),
                Field::Last(before) => format!("L-{before}"),
                Field::Nearest(day) => format!("{day}W"),
                Field::NearestFromLast(0) => "LW".to_owned(),
                Field::NearestFromLast(before) => format!("L-{before}W"),
                Field::LastWeekday(weekday) => format!("{}L", value(*weekday)),
                Field::Nth(weekday, nth) => format!("{}#{nth}", value(*weekday)),
            }
        };
        (0..5).map(field).collect::<Vec<_>>().join(" ")
    }

    /// Whether it means this minute.
    pub(super) fn has(&self, minute: Minute) -> bool {
        let date = DAYS[(minute.0 / 1440) as usize];
        let [minutes, hours, days, months, weekdays] = &self.fields;
        let list = |index: usize, field: &Field, value: u64| match field {
            Field::Every => true,
            Field::List(parts) => parts.iter().any(|part| values(index, *part).contains(&value)),
            _ => unreachable!("a list"),
        };
        let day = || match days {
            Field::Last(before) => date.day + before == date.last,
            Field::Nearest(day) => nearest(date, *day as i64) == Some(date.day),
            Field::NearestFromLast(before) => nearest(date, date.last as i64 - *before as i64) == Some(date.day),
            field => list(2, field, date.day),
        };
        let weekday = || match weekdays {
            // None of the same follows.
            Field::LastWeekday(weekday) => date.weekday == *weekday && date.day + 7 > date.last,
            Field::Nth(weekday, nth) => {
                date.weekday == *weekday && (1..=date.day).rev().step_by(7).count() as u64 == *nth
            }
            field => list(4, field, date.weekday),
        };
        list(0, minutes, minute.0 % 60)
            && list(1, hours, minute.0 / 60 % 24)
            && list(3, months, date.month)
            && match (matches!(days, Field::Every), matches!(weekdays, Field::Every)) {
                (false, false) => day() || weekday(),
                _ => day() && weekday(),
            }
    }
}

/// What a part means: counted from its start, past the field's end if need be.
fn values(index: usize, (start, end, step): Part) -> Vec<u64> {
    let (min, max) = BOUNDS[index];
    let mut values = Vec::new();
    let (mut value, mut past) = (start, 0);
    loop {
        if past % step == 0 {
            values.push(value);
        }
        if value == end {
            return values;
        }
        value = if value == max { min } else { value + 1 };
        past += 1;
    }
}

/// The weekday nearest to a day, of those in the month.
fn nearest(date: Date, day: i64) -> Option<u64> {
    let weekday = |other: i64| (date.weekday as i64 - 1 + other - date.day as i64).rem_euclid(7);
    let exists = |day: i64| (1..=date.last as i64).contains(&day);
    [0, -1, 1, -2, 2]
        .into_iter()
        .map(|away| day + away)
        .find(|other| exists(day) && exists(*other) && (1..=5).contains(&weekday(*other)))
        .map(|day| day as u64)
}

/// Any expression that runs at midnight only.
pub(super) fn any_days() -> impl Strategy<Value = Naive> {
    let midnight = || Field::List(vec![(0, 0, 1)]);
    any().prop_map(move |naive| {
        let [_, _, days, months, weekdays] = naive.fields;
        Naive { fields: [midnight(), midnight(), days, months, weekdays] }
    })
}

/// Any expression that the language has. Some of them never run.
pub(super) fn any() -> impl Strategy<Value = Naive> {
    let list = |index: usize| {
        let (min, max) = BOUNDS[index];
        let part =
            (min..=max, min..=max, select(vec![1, 1, 2, 3, 5]), 0..4u8).prop_map(move |(start, end, step, kind)| {
                match kind {
                    0 => (start, start, 1),
                    1 => (start, end, if start == end { 1 } else { step }),
                    2 => (start, max, if start == max { 1 } else { step }),
                    _ => (min, max, step),
                }
            });
        prop_oneof![1 => Just(Field::Every), 2 => vec(part, 1..3).prop_map(Field::List)]
    };
    let days = prop_oneof![
        3 => list(2),
        1 => (0..=30u64).prop_map(Field::Last),
        1 => (1..=31u64).prop_map(Field::Nearest),
        1 => (0..=30u64).prop_map(Field::NearestFromLast),
    ];
    let weekdays = prop_oneof![
        3 => list(4),
        1 => (1..=7u64).prop_map(Field::LastWeekday),
        1 => (1..=7u64, 1..=5u64).prop_map(|(weekday, nth)| Field::Nth(weekday, nth)),
    ];
    (list(0), list(1), days, list(3), weekdays)
        .prop_map(|(minutes, hours, days, months, weekdays)| Naive { fields: [minutes, hours, days, months, weekdays] })
}
