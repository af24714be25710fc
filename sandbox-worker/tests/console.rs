//! What `console.log` prints, against the reference: the corpus that `js/tests/console_oracle.mjs` recorded.

mod support;

use std::{collections::BTreeMap, fmt::Write as _};

use support::eval_logged;

#[test]
fn prints_as_the_reference() {
    // The arguments of one call, and what the reference prints.
    let corpus: Vec<BTreeMap<String, String>> =
        serde_json::from_str(include_str!("../js/tests/data/console-corpus.json")).expect("a list of cases");
    let corpus: Vec<(&String, &String)> = corpus.iter().map(|case| (&case["expression"], &case["text"])).collect();
    assert!(corpus.len() > 100);
    let mut script = String::new();
    for (expression, _) in &corpus {
        writeln!(script, "console.log({expression});").expect("a string takes everything");
    }
    let (result, lines) = eval_logged(&script);
    assert_eq!(lines.len(), corpus.len(), "{result}");
    let mut wrong = String::new();
    for ((expression, text), line) in corpus.into_iter().zip(lines) {
        let found = line.strip_prefix("Log ").expect("the level");
        if found != text {
            writeln!(wrong, "{expression}\n  reference: {text}\n       ours: {found}")
                .expect("a string takes everything");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn a_message_is_bounded() {
    let (_, lines) = eval_logged(
        "const wide = Array.from({ length: 100 }, () => Array.from({ length: 100 }, () => ({ text: 'x'.repeat(9000) })));
        console.log(wide); console.log('x'.repeat(1 << 24));",
    );
    assert_eq!(lines.len(), 2);
    assert!(lines.iter().all(|line| line.len() < 66 * 1024));
}
