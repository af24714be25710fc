use proptest::prelude::*;

use super::{super::naive, *};

fn parsed(text: &str) -> Expression {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The days of a year on which an expression runs, as month and day.
fn days_of(text: &str, year: u64) -> Vec<(u64, u64)> {
    let expression = parsed(text);
    let days = naive::DAYS.iter().enumerate().filter(|(_, date)| date.year == year);
    days.filter(|(index, _)| expression.has_day(Day::of(*index as u64)))
        .map(|(_, date)| (date.month, date.day))
        .collect()
}

#[test]
fn the_examples_of_the_platform_mean_what_it_says() {
    let minute = |hour, minute| naive::minute(2026, 11, 26, hour, minute);
    assert!((0..60).all(|of_hour| parsed("* * * * *").has(minute(3, of_hour))));
    let half_hours = parsed("*/30 * * * *");
    assert!((0..60).all(|of_hour| half_hours.has(minute(3, of_hour)) == (of_hour % 30 == 0)));
    let once = parsed("45 * * * *");
    assert!((0..60).all(|of_hour| once.has(minute(3, of_hour)) == (of_hour == 45)));
    // 1 November 2026 is a Sunday.
    for sundays in ["0 17 * 11 sun", "0 17 * 11 1", "0 17 * NOV SUN"] {
        assert_eq!(days_of(sundays, 2026), [1, 8, 15, 22, 29].map(|day| (11, day)), "{sundays}");
        assert!(parsed(sundays).has(naive::minute(2026, 11, 1, 17, 0)));
        assert!(!parsed(sundays).has(naive::minute(2026, 11, 1, 18, 0)));
    }
    for weekdays in ["10 7 1-10 11 *", "10 7 * nov *"] {
        assert!(days_of(weekdays, 2026).contains(&(11, 7)));
    }
    for weekdays in ["10 7 * 11 mon-fri", "10 7 * 11 2-6"] {
        let days = days_of(weekdays, 2026);
        assert_eq!(days[..6], [2, 3, 4, 5, 6, 9].map(|day| (11, day)), "{weekdays}");
    }
    assert_eq!(days_of("0 15 1 * *", 2026), (1..=12).map(|month| (month, 1)).collect::<Vec<_>>());
    for last_friday in ["0 18 * 11 6L", "0 18 * 11 friL", "0 18 * 11 FRIL"] {
        assert_eq!(days_of(last_friday, 2026), [(11, 27)], "{last_friday}");
    }
    // January's last day is a Saturday, February's too, May's is a Sunday.
    let last_weekdays = days_of("59 23 LW * *", 2026);
    assert_eq!(last_weekdays[..5], [(1, 30), (2, 27), (3, 31), (4, 30), (5, 29)]);
}

#[test]
fn month_ends_and_leap_days() {
    assert_eq!(days_of("0 0 L 2 *", 2024), [(2, 29)]);
    assert_eq!(days_of("0 0 L 2 *", 2026), [(2, 28)]);
    assert_eq!(days_of("0 0 29 2 *", 2026), []);
    assert_eq!(days_of("0 0 29 2 *", 2028), [(2, 29)]);
    // 2100 is no leap year, 2000 was one.
    assert_eq!(days_of("0 0 29 2 *", 2100), []);
    assert_eq!(days_of("0 0 29 2 *", 2000), [(2, 29)]);
    assert_eq!(days_of("0 0 31 * *", 2026).len(), 7);
    assert_eq!(days_of("0 0 L-2 4 *", 2026), [(4, 28)]);
    // 1 August 2026 is a Saturday, 31 May a Sunday; the other month is never entered.
    assert_eq!(days_of("0 0 1W 8 *", 2026), [(8, 3)]);
    assert_eq!(days_of("0 0 31W 5 *", 2026), [(5, 29)]);
    assert_eq!(days_of("0 0 31W 4,5 *", 2026), [(5, 29)]);
    assert_eq!(days_of("0 0 15W 8 *", 2026), [(8, 14)]);
    assert_eq!(days_of("0 0 16W 8 *", 2026), [(8, 17)]);
    assert_eq!(days_of("0 0 * 11 5#4", 2026), [(11, 26)]);
    assert_eq!(days_of("0 0 * 2 1#5", 2026), []);
    assert_eq!(days_of("0 0 * 2 1#5", 2032), [(2, 29)]);
    // Either field for days is enough.
    assert_eq!(days_of("0 0 13 11 6#1", 2026), [(11, 6), (11, 13)]);
    // Past the end of the field and on from its start.
    assert_eq!(days_of("0 0 30-2 11 *", 2026), [1, 2, 30].map(|day| (11, day)));
    assert_eq!(days_of("0 0 1-7 11 FRI-SUN", 2026)[..9], [1, 2, 3, 4, 5, 6, 7, 8, 13].map(|day| (11, day)));
    assert!(parsed("50-10/10 * * * *").has(naive::minute(2026, 1, 1, 0, 0)));
    assert_eq!(days_of("0 0 * 11 L", 2026), [7, 14, 21, 28].map(|day| (11, day)));
}

#[test]
fn what_means_nothing_is_refused_with_the_place() {
    let cases = [
        ("", "it has 0 fields and not five"),
        ("* * * *", "it has 4 fields"),
        ("* * * * * *", "it has 6 fields"),
        ("60 * * * *", "`60` is no minute: it takes 0 to 59"),
        ("* 24 * * *", "`24` is no hour"),
        ("* * 0 * *", "`0` is no day of the month"),
        ("* * 32 * *", "`32` is no day of the month"),
        ("* * * 13 *", "`13` is no month"),
        ("* * * FEBR *", "`FEBR` is no month"),
        ("* * * * 0", "`0` is no day of the week: it takes 1 (Sunday) to 7 (Saturday)"),
        ("* * * * 8", "`8` is no day of the week"),
        ("* * * * MO", "`MO` is no day of the week"),
        ("1,,2 * * * *", "`` is no minute"),
        ("1,* * * * *", "`*` is no minute"),
        ("*-5 * * * *", "`*-5` is no minute"),
        ("1-2-3 * * * *", "`1-2-3` is no minute"),
        ("-1 * * * *", "`-1` is no minute"),
        ("+1 * * * *", "`+1` is no minute"),
        ("*/0 * * * *", "`*/0`: a step of the minute is from 1 to 59"),
        ("*/60 * * * *", "`*/60`: a step of the minute is from 1 to 59"),
        ("* * * * */7", "`*/7`: a step of the day of the week is from 1 to 6"),
        ("*/ * * * *", "`*/` is no minute"),
        ("*/1/2 * * * *", "`*/1/2` is no minute"),
        ("L * * * *", "`L` is no minute"),
        ("* * L,15 * *", "`L,15` is no day of the month"),
        ("* * 1,15W * *", "`1,15W` is no day of the month"),
        ("* * 0W * *", "`0W` is no day of the month"),
        ("* * W * *", "`W` is no day of the month"),
        ("* * L-31 * *", "`L-31` is no day of the month"),
        ("* * L- * *", "`L-` is no day of the month"),
        ("* * l * *", "`l` is no day of the month"),
        ("* * * * 2#6", "`2#6` is no day of the week"),
        ("* * * * 2#0", "`2#0` is no day of the week"),
        ("* * * * 2#", "`2#` is no day of the week"),
        ("* * * * 2,6L", "`2,6L` is no day of the week"),
        ("* * * * *L", "`*L` is no day of the week"),
        ("@daily", "it has 1 fields"),
        ("* * * * ?", "`?` is no day of the week"),
        ("* * * * \u{e4}", "`\u{e4}` is no day of the week"),
        ("999999999999 * * * *", "`999999999999` is no minute"),
        ("0 0 31 2 *", "no day of any year is meant"),
        ("0 0 30W 2 *", "no day of any year is meant"),
        ("0 0 31 2,4,6,9,11 *", "no day of any year is meant"),
    ];
    for (text, error) in cases {
        let said = text.parse::<Expression>().expect_err(text).to_string();
        assert!(said.starts_with(error), "{text}: {said}");
    }
    let long = format!("{}* * * * *", " ".repeat(MAX_CRON));
    assert_eq!(long.parse::<Expression>(), Err(ExpressionError::TooLong));
    // Once in forty years is not never.
    assert!("0 0 * 2 6#5".parse::<Expression>().is_ok());
}

proptest! {
    #[test]
    fn every_expression_means_what_counting_says(
        naive in naive::any(),
        at in 0..naive::DAYS.len() as u64 * 1440 - 3000,
        length in 0..3000u64,
    ) {
        let text = naive.text();
        let meant: Vec<u64> = (at..at + length).filter(|minute| naive.has(Minute(*minute))).collect();
        match text.parse::<Expression>() {
            Ok(expression) => {
                let said: Vec<u64> = (at..at + length).filter(|minute| expression.has(Minute(*minute))).collect();
                prop_assert_eq!(&said, &meant, "{}", text);
                prop_assert_eq!(expression.count(Minute(at), Minute(at + length)), meant.len() as u64);
            }
            Err(ExpressionError::Never) => prop_assert!(meant.is_empty(), "{}", text),
            Err(error) => prop_assert!(false, "{}: {}", text, error),
        }
    }

}

proptest! {
    // Each looks at all days of 140 years.
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_day_is_the_day_that_counting_gives(days in naive::any_days()) {
        let text = days.text();
        if let Ok(expression) = text.parse::<Expression>() {
            for day in 0..naive::DAYS.len() as u64 {
                let midnight = Minute(day * DAY);
                prop_assert_eq!(expression.has(midnight), days.has(midnight), "{} on {}", text, midnight);
            }
        }
    }

}

proptest! {
    #[test]
    fn no_text_is_a_panic(text in "[-0-9LW#*/, A-Za-z]{0,40}") {
        let _ = text.parse::<Expression>();
    }
}
