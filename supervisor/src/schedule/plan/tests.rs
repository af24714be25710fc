use std::collections::HashSet;

use proptest::{collection::vec, prelude::*};

use super::{super::naive, *};

fn plan(texts: &[&str], now: Minute) -> Plan {
    let expressions = texts.iter().map(|text| text.parse().unwrap_or_else(|error| panic!("{text}: {error}")));
    Plan::new(expressions.collect(), now)
}

fn due(indexes: &[usize]) -> Look {
    Look { due: indexes.to_vec(), missed: Vec::new() }
}

#[test]
fn a_clock_that_goes_on_runs_everything_once() {
    let at = |minute| naive::minute(2026, 11, 26, 10, minute);
    let mut plan = plan(&["* * * * *", "*/2 * * * *"], at(0));
    // The minute in which it begins has begun before.
    assert_eq!(plan.look(at(0)), Look::default());
    assert_eq!(plan.look(at(1)), due(&[0]));
    assert_eq!(plan.look(at(1)), Look::default());
    assert_eq!(plan.look(at(2)), due(&[0, 1]));
    assert_eq!(plan.look(at(2)), Look::default());
}

#[test]
fn what_the_clock_passes_is_missed_and_not_made_up_for() {
    let at = |minute| naive::minute(2026, 11, 26, 10, minute);
    let mut plan = plan(&["* * * * *", "*/10 * * * *", "0 0 1 1 *"], at(0));
    assert_eq!(plan.look(at(1)), due(&[0]));
    assert_eq!(plan.look(at(10)), Look { due: vec![0, 1], missed: vec![(0, 8)] });
    assert_eq!(plan.look(at(21)), Look { due: vec![0], missed: vec![(0, 10), (1, 1)] });
    assert_eq!(plan.look(at(22)), due(&[0]));
}

#[test]
fn a_clock_that_is_set_back_runs_nothing_twice() {
    let at = |minute| naive::minute(2026, 11, 26, 10, minute);
    let mut plan = plan(&["* * * * *"], at(10));
    for minute in 11..=30 {
        assert_eq!(plan.look(at(minute)), due(&[0]));
    }
    for minute in 15..=30 {
        assert_eq!(plan.look(at(minute)), Look::default());
    }
    assert_eq!(plan.look(at(31)), due(&[0]));
    // Further back than where it began: those minutes were never there.
    assert_eq!(plan.look(at(8)), due(&[0]));
    assert_eq!(plan.look(at(9)), due(&[0]));
    assert_eq!(plan.look(at(10)), Look::default());
    // Forward over what has run: nothing of it is missed.
    assert_eq!(plan.look(at(34)), Look { due: vec![0], missed: vec![(0, 2)] });
}

#[test]
fn a_clock_that_was_years_ahead_does_not_stop_the_schedules() {
    let mut plan = plan(&["0 * * * *"], naive::minute(2035, 1, 1, 0, 30));
    assert_eq!(plan.look(naive::minute(2035, 1, 1, 1, 0)), due(&[0]));
    assert_eq!(plan.look(naive::minute(2026, 11, 26, 9, 59)), Look::default());
    assert_eq!(plan.look(naive::minute(2026, 11, 26, 10, 0)), due(&[0]));
    // And one that comes from the epoch misses no more than can be missed in a year.
    let look = plan.look(naive::minute(2090, 1, 1, 0, 0));
    assert_eq!(look, Look { due: vec![0], missed: vec![(0, 366 * 24)] });
}

#[test]
fn a_restart_runs_no_minute_again() {
    let at = |minute| naive::minute(2026, 12, 31, 23, minute);
    let mut before = plan(&["* * * * *"], at(57));
    assert_eq!(before.look(at(58)), due(&[0]));
    let mut after = plan(&["* * * * *"], at(58));
    assert_eq!(after.look(at(58)), Look::default());
    assert_eq!(after.look(at(59)), due(&[0]));
    assert_eq!(after.look(naive::minute(2027, 1, 1, 0, 0)), due(&[0]));
}

#[test]
fn no_clock_makes_it_grow_or_overflow() {
    let mut plan = plan(&["* * * * *"], Minute(1 << 20));
    let mut seen = HashSet::from([1 << 20]);
    for round in 0..1000u64 {
        let now = Minute(round.wrapping_mul(7_919) % 1_000_003);
        let first = seen.insert(now.0);
        let look = plan.look(now);
        assert!(look.due.is_empty() || first, "{now} a second time");
        assert!(plan.looked.len() <= MAX_RANGES);
    }
    for now in [u64::MAX, 0, u64::MAX, u64::MAX - 60_000] {
        plan.look(Minute::of(now));
    }
}

/// Where the clock is at each look: mostly the next minute, at times somewhere else.
fn clock(jumps: usize) -> impl Strategy<Value = Vec<u64>> {
    let steps = vec((prop_oneof![4 => Just(0i64), 1 => -300..300i64, 1 => -40_000..40_000i64], 1..60usize), 1..=jumps);
    (0..naive::DAYS.len() as u64 * 1440, steps).prop_map(|(start, steps)| {
        let mut now = start as i64;
        let mut minutes = Vec::new();
        for (jump, steady) in steps {
            now += jump;
            for _ in 0..steady {
                now += 1;
                minutes.push(now.clamp(0, naive::DAYS.len() as i64 * 1440 - 1) as u64);
            }
        }
        minutes
    })
}

fn plans() -> impl Strategy<Value = Vec<(naive::Naive, Expression)>> {
    vec(naive::any(), 1..4)
        .prop_map(|all| all.into_iter().filter_map(|one| one.text().parse().ok().map(|parsed| (one, parsed))).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn it_runs_what_a_matcher_that_looks_at_every_minute_runs(expressions in plans(), minutes in clock(MAX_RANGES - 2)) {
        let mut plan = Plan::new(expressions.iter().map(|(_, parsed)| parsed.clone()).collect(), Minute(minutes[0]));
        let (mut last, mut looked) = (minutes[0], HashSet::from([minutes[0]]));
        for now in minutes {
            let look = plan.look(Minute(now));
            for (index, (naive, parsed)) in expressions.iter().enumerate() {
                let is_due = !looked.contains(&now) && naive.has(Minute(now));
                prop_assert_eq!(look.due.contains(&index), is_due, "{} at {}", parsed.text(), Minute(now));
                let missed = (last + 1..now).filter(|at| !looked.contains(at) && naive.has(Minute(*at))).count() as u64;
                let said = look.missed.iter().find(|(other, _)| *other == index).map_or(0, |(_, count)| *count);
                prop_assert_eq!(said, missed, "{} from {} to {}", parsed.text(), Minute(last), Minute(now));
            }
            prop_assert!(look.due.is_sorted() && look.due.windows(2).all(|two| two[0] != two[1]));
            looked.insert(now);
            last = now;
        }
    }

    #[test]
    fn nothing_runs_twice_and_nothing_is_invented(expressions in plans(), minutes in clock(200)) {
        let mut plan = Plan::new(expressions.iter().map(|(_, parsed)| parsed.clone()).collect(), Minute(minutes[0]));
        let mut ran = HashSet::new();
        for now in minutes {
            for index in plan.look(Minute(now)).due {
                prop_assert!(ran.insert((index, now)), "twice at {}", Minute(now));
                prop_assert!(expressions[index].0.has(Minute(now)));
            }
        }
    }
}
