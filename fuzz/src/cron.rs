//! Cron expressions, and a clock that goes where it likes.

use std::collections::HashSet;

use bulkhead_ipc::scheduled::MAX_CRON;
use bulkhead_supervisor::schedule::{Expression, Look, Minute, Plan};

/// Expressions of one input.
const MAX_EXPRESSIONS: usize = 4;

/// Looks at the clock of one input.
const MAX_LOOKS: usize = 256;

/// What the clock passes at once is counted by the minute up to as many.
const COUNTED: u64 = 2000;

/// Expressions, up to the first end of a line, with `;` between them. Then the clock: four bytes for the minute in which it
/// begins, and for each look one for how it goes on, with what that needs.
pub fn cron(bytes: &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let text = String::from_utf8_lossy(&bytes[..end]);
    let expressions: Vec<_> = text.split(';').take(MAX_EXPRESSIONS).filter_map(expression).collect();
    let mut clock = bytes.get(end + 1..).unwrap_or_default();
    let Some(start) = number(&mut clock) else { return };
    if !expressions.is_empty() {
        look(expressions, Minute(start), clock);
    }
}

fn expression(text: &str) -> Option<Expression> {
    let parsed = match text.parse::<Expression>() {
        Ok(parsed) => parsed,
        Err(error) => {
            assert!(!error.to_string().is_empty(), "refused without a word");
            return None;
        }
    };
    assert_eq!(parsed.text(), text);
    // It does not matter how its fields are separated.
    let spread = format!("\t{} ", text.replace(' ', " \t "));
    if spread.len() <= MAX_CRON {
        let spread: Expression = spread.parse().expect("the same fields");
        for minute in (0..527_040).step_by(997).map(|minute| Minute(29_000_000 + minute)) {
            assert_eq!(parsed.has(minute), spread.has(minute), "{text} at {minute}");
        }
    }
    Some(parsed)
}

/// The next four bytes.
fn number(clock: &mut &[u8]) -> Option<u64> {
    let (number, rest) = clock.split_first_chunk()?;
    *clock = rest;
    Some(u32::from_le_bytes(*number).into())
}

/// Where the clock is at the next look. One in milliseconds goes no further than [`u64::MAX`].
fn next(last: Minute, clock: &mut &[u8]) -> Option<Minute> {
    let (how, rest) = clock.split_first()?;
    *clock = rest;
    let few = u64::from(how >> 3);
    let end = Minute::of(u64::MAX);
    let now = match how % 8 {
        0..4 => last.0 + 1,
        4 => last.0 + few * few * few,
        5 => last.0.saturating_sub(few * few * few),
        6 => number(clock)?,
        _ => end.0 - few,
    };
    Some(Minute(now).min(end))
}

fn look(expressions: Vec<Expression>, start: Minute, mut clock: &[u8]) {
    let mut plan = Plan::new(expressions.clone(), start);
    let mut ran = HashSet::new();
    // The latest minute that was looked at.
    let mut latest = start;
    for _ in 0..MAX_LOOKS {
        let last = plan.last();
        let Some(now) = next(last, &mut clock) else { return };
        let Look { due, missed } = plan.look(now);
        assert_eq!(plan.last(), now);
        for index in &due {
            assert!(expressions[*index].has(now), "{} does not run at {now}", expressions[*index].text());
            assert!(ran.insert((*index, now.0)), "{} ran twice at {now}", expressions[*index].text());
        }
        for (index, count) in &missed {
            let passed = now.0.saturating_sub(last.0).saturating_sub(1);
            assert!((1..=passed).contains(count), "{} missed {count} of {passed}", expressions[*index].text());
        }
        // Where the clock has never been, everything runs, and what it passes on its way is missed.
        if now > latest {
            let all: Vec<_> = (0..expressions.len()).filter(|index| expressions[*index].has(now)).collect();
            assert_eq!(due, all, "at {now}, after {last}");
            if last == latest && now.0 - last.0 <= COUNTED {
                let count = |one: &Expression| (last.0 + 1..now.0).filter(|minute| one.has(Minute(*minute))).count();
                let counts = expressions.iter().map(|one| count(one) as u64).enumerate();
                assert_eq!(missed, counts.filter(|(_, count)| *count > 0).collect::<Vec<_>>(), "{last} to {now}");
            }
            latest = now;
        }
    }
}
