//! `URL`, encoding, `crypto`, `performance`, `structuredClone` and generated code against what the reference answers.
//!
//! `data/web-api.json` holds function bodies and the text that the reference gave for each (`throws …` for exceptions),
//! recorded at compatibility date 2026-08-01. `DIFFERENCES` lists where this runtime means to answer otherwise.

use std::fmt::Write as _;

use bulkhead_sandbox_worker::testing::eval;

/// Function bodies with our own answer, and why it is not the reference's.
const DIFFERENCES: &[(&str, &str)] = &[];

#[test]
fn as_the_reference() {
    let table: Vec<(String, String)> =
        serde_json::from_str(include_str!("data/web-api.json")).expect("the table is a list of pairs of texts");
    assert!(table.len() > 300);
    let mut script = String::from(
        "(async () => { const out = []; const run = async (f) => { let r; \
         try { r = String(await f()) } catch (e) { try { r = 'throws ' + e } catch { r = 'throws ?' } } out.push(r) };\n",
    );
    for (body, _) in &table {
        writeln!(script, "await run(async () => {{{body}\n}});").expect("a string takes everything");
    }
    script.push_str("return out; })()");
    let answers = eval(&script);
    let answers: Vec<String> = serde_json::from_str(&answers).unwrap_or_else(|_| panic!("not a list: {answers}"));
    assert_eq!(answers.len(), table.len());
    let mut wrong = String::new();
    for ((body, expected), found) in table.iter().zip(&answers) {
        let own = DIFFERENCES.iter().find(|(other, _)| other == body).map(|(_, own)| *own);
        let expected = own.unwrap_or(expected);
        if found != expected {
            write!(wrong, "\n{body}\n  expected {expected:?}\n  found    {found:?}")
                .expect("a string takes everything");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
