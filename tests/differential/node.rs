//! The modules `node:…`, beside the reference: one script for each, run by both.

use std::collections::HashSet;

use bulkhead_test_support::{
    Runtime, Setup,
    expectations::{Observation, check},
    http,
};

/// What both say of each case of a script.
fn beside_the_reference(area: &str, script: &str, at_least: usize) {
    beside_the_reference_with(area, script, "compatibilityDate = \"2026-07-01\"", at_least);
}

/// Likewise, of a worker with further fields.
fn beside_the_reference_with(area: &str, script: &str, fields: &str, at_least: usize) {
    let [reference, ours] = [Runtime::workerd(), bulkhead_test_support::supervisor!()].map(|runtime| {
        let worker = format!(
            "modules = [(name = \"main.js\", esModule = embed \"main.js\"), (name = \"show.js\", esModule = embed \"show.js\")], \
             compatibilityFlags = [\"nodejs_compat\"], {fields}"
        );
        let setup = Setup::worker(&worker).file("main.js", script).file("show.js", include_str!("node_show.js"));
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

#[test]
fn utilities() {
    beside_the_reference("node:util", include_str!("node_util.js"), 150);
}

#[test]
fn more_utilities() {
    beside_the_reference("node:util (more)", include_str!("node_util_more.js"), 215);
}

#[test]
fn emitters_of_events() {
    beside_the_reference("node:events", include_str!("node_events.js"), 110);
}

#[test]
fn paths() {
    beside_the_reference("node:path", include_str!("node_path.js"), 550);
}

#[test]
fn addresses_and_queries() {
    beside_the_reference("node:url", include_str!("node_url.js"), 440);
}

#[test]
fn texts_in_parts() {
    beside_the_reference("node:string_decoder", include_str!("node_string_decoder.js"), 220);
}

#[test]
fn timers() {
    beside_the_reference("node:timers", include_str!("node_timers.js"), 65);
}

#[test]
fn channels() {
    beside_the_reference("node:diagnostics_channel", include_str!("node_channels.js"), 54);
}

#[test]
fn mocks() {
    beside_the_reference("node:test", include_str!("node_mock.js"), 58);
}

#[test]
fn what_is_of_the_system() {
    beside_the_reference("node:os", include_str!("node_system.js"), 75);
}

/// The global `process` and its module, with and without the bindings in its environment and what came to it later.
#[test]
fn processes() {
    for date in ["2024-10-01", "2025-05-01", "2026-07-01"] {
        let bindings = "(name = \"TEXT\", text = \"T\"), (name = \"JSON\", json = \"{\\\"a\\\": [1]}\"), (name = \"STRING\", json = \"\\\"s\\\"\"), \
                        (name = \"NUMBER\", json = \"5\"), (name = \"LIST\", json = \"[1]\"), (name = \"DATA\", data = \"abc\"), (name = \"SELF\", service = \"main\"), \
                        (name = \"UNSET\", fromEnvironment = \"BULKHEAD_TEST_UNSET\")";
        let fields = format!("compatibilityDate = \"{date}\", bindings = [{bindings}]");
        let area = format!("node:process since {date}");
        beside_the_reference_with(&area, include_str!("node_process.js"), &fields, 45);
    }
}

#[test]
fn processes_as_emitters() {
    beside_the_reference("node:process (emitter)", include_str!("node_process_more.js"), 145);
}

#[test]
fn consoles() {
    beside_the_reference("node:console", include_str!("node_console.js"), 28);
}

#[test]
fn performance_timelines() {
    beside_the_reference("node:perf_hooks", include_str!("node_perf_hooks.js"), 50);
}

/// The modules that hardly do more than be there.
#[test]
fn stand_ins() {
    beside_the_reference("node:child_process and others", include_str!("node_stubs.js"), 450);
}

#[test]
fn streams_of_node() {
    beside_the_reference("node:stream", include_str!("node_stream.js"), 1100);
}

#[test]
fn hashes_of_node() {
    beside_the_reference("node:crypto (hashes)", include_str!("node_hashes.js"), 130);
}

/// The larger modules: what each exports, and what there is of those that are there in part.
#[test]
fn larger_modules() {
    beside_the_reference("node:crypto and others", include_str!("node_larger.js"), 850);
}

/// What is not there yet says so when it is used, and not when it is imported or extended.
#[test]
fn stand_ins_say_what_is_not_there_yet() {
    let script = "import fs, { readFileSync } from 'node:fs';
        import { Server } from 'node:net';
        import zlib from 'node:zlib';
        class Own extends Server {}
        const said = async (run) => { try { return await run(); } catch (error) { return `${error.code} ${error.message}`; } };
        export default { async fetch() { return Response.json([
            await said(() => zlib.deflateSync('x')), await said(() => readFileSync('/x')), await said(() => new Own()),
            await said(() => fs.promises.readFile('/x').catch((error) => `rejected ${error.message}`)),
            await said(() => Server()), Own.prototype instanceof Server, typeof zlib.constants.Z_OK,
        ]); } };";
    let worker = "modules = [(name = \"main.js\", esModule = embed \"main.js\")], compatibilityDate = \"2026-07-01\", \
                  compatibilityFlags = [\"nodejs_compat\"]";
    let server = bulkhead_test_support::supervisor!().serve(Setup::worker(worker).file("main.js", script));
    let text = http::get(server.port(), "/").expect("a response").text();
    let not_yet = |name: &str| format!("ERR_METHOD_NOT_IMPLEMENTED node:{name} is not implemented yet");
    let said = serde_json::json!([
        not_yet("zlib.deflateSync"),
        not_yet("fs.readFileSync"),
        not_yet("net.Server"),
        "rejected node:fs/promises.readFile is not implemented yet",
        "undefined Class constructors cannot be invoked without 'new'",
        true,
        "number"
    ]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&text).expect("an array"), said);
}

/// The names of all modules that a flag brings, and of some more.
const NAMES: &str = "_http_agent _http_client _http_common _http_incoming _http_outgoing _http_server _stream_duplex \
    _stream_passthrough _stream_readable _stream_transform _stream_wrap _stream_writable _tls_common _tls_wrap assert \
    assert/strict async_hooks buffer child_process cluster console constants crypto dgram diagnostics_channel dns dns/promises \
    domain events fs fs/promises http http2 https inspector module net nope os path perf_hooks process punycode querystring \
    readline repl sea sqlite stream stream/consumers stream/promises stream/web string_decoder sys test test/reporters timers \
    tls trace_events tty url util v8 vm wasi worker_threads zlib";

/// Which modules there are, on which dates and with which flags.
#[test]
fn what_can_be_imported() {
    let script = format!(
        "const names = '{NAMES}'.split(/ +/);
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
        ("2025-08-15", "\"nodejs_compat\""),
        ("2025-09-01", "\"nodejs_compat\""),
        ("2025-09-15", "\"nodejs_compat\""),
        ("2026-01-29", "\"nodejs_compat\""),
        ("2026-03-17", "\"nodejs_compat\""),
        ("2026-10-01", ""),
        ("2026-10-01", "\"no_nodejs_compat\", \"no_nodejs_compat_v2\""),
        ("2023-01-01", "\"nodejs_als\""),
        ("2023-01-01", "\"enable_nodejs_http_modules\", \"enable_nodejs_tty_module\""),
        ("2023-01-01", "\"enable_nodejs_http_server_modules\", \"enable_nodejs_fs_module\""),
        ("2023-01-01", "\"enable_nodejs_stream_wrap_module\", \"enable_nodejs_worker_threads_module\""),
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
        assert_eq!(ours, reference, "{date} {flags}");
    }
}
