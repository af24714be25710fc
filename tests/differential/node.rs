//! The modules `node:…`, beside the reference: one script for each, run by both.

use std::collections::HashSet;

use bulkhead_test_support::{
    Runtime, Setup,
    expectations::{Observation, check},
    http,
};

/// What both say of each case of a script.
fn beside_the_reference(area: &str, script: &str, at_least: usize) {
    let [reference, ours] = [Runtime::workerd(), bulkhead_test_support::supervisor!()].map(|runtime| {
        let worker = "modules = [(name = \"main.js\", esModule = embed \"main.js\"), (name = \"show.js\", esModule = embed \"show.js\")], \
                      compatibilityDate = \"2026-07-01\", compatibilityFlags = [\"nodejs_compat\"]";
        let setup = Setup::worker(worker).file("main.js", script).file("show.js", include_str!("node_show.js"));
        let server = runtime.serve(setup);
        let text = http::get(server.port(), "/").expect("a response").text();
        serde_json::from_str::<Vec<(String, String)>>(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    });
    assert_eq!(reference.len(), ours.len(), "{area}: both run the same cases");
    let names: HashSet<&String> = ours.iter().map(|(name, _)| name).collect();
    assert!(names.len() == ours.len() && names.len() >= at_least, "{area}: {} cases of {}", names.len(), ours.len());
    let observations = reference.into_iter().zip(ours).map(|((name, reference), (again, ours))| {
        assert_eq!(name, again);
        Observation { key: format!("{area}/{name}"), reference, ours }
    });
    check(area, &observations.collect::<Vec<_>>());
}

#[test]
fn buffers() {
    beside_the_reference("node:buffer", include_str!("node_buffer.js"), 350);
}

#[test]
fn assertions() {
    beside_the_reference("node:assert", include_str!("node_assert.js"), 350);
}

/// Which modules there are, and what is said of those that are not there yet.
#[test]
fn what_can_be_imported() {
    let names =
        "assert assert/strict async_hooks buffer crypto events fs nope path process stream sys test timers util vm";
    let script = format!(
        "const names = '{names}'.split(' ');
         export default {{ async fetch() {{
           const seen = [];
           for (const name of names) for (const specifier of [`node:${{name}}`, name])
             try {{ await import(specifier); seen.push([specifier, 'there']); }} catch (e) {{ seen.push([specifier, String(e)]); }}
           return Response.json(seen);
         }} }}"
    );
    for (date, flags) in [
        ("2023-01-01", "\"nodejs_compat\""),
        ("2024-10-01", "\"nodejs_compat\""),
        ("2026-10-01", ""),
        ("2026-10-01", "\"no_nodejs_compat\", \"no_nodejs_compat_v2\""),
        ("2023-01-01", "\"nodejs_als\""),
    ] {
        let [reference, ours] = [Runtime::workerd(), bulkhead_test_support::supervisor!()].map(|runtime| {
            let worker = format!(
                "modules = [(name = \"main.js\", esModule = embed \"main.js\")], compatibilityDate = \"{date}\", \
                 compatibilityFlags = [{flags}]"
            );
            let server = runtime.serve(Setup::worker(&worker).file("main.js", &script));
            let text = http::get(server.port(), "/").expect("a response").text();
            serde_json::from_str::<Vec<(String, String)>>(&text).expect("pairs")
        });
        for ((specifier, reference), (_, ours)) in reference.into_iter().zip(ours) {
            let name = specifier.strip_prefix("node:").unwrap_or(&specifier);
            let not_yet = format!("Error: The module \"node:{name}\" is not implemented yet.");
            assert!(
                ours == reference || reference == "there" && ours == not_yet,
                "{date} {flags} {specifier}: {reference} but {ours}"
            );
        }
    }
}
