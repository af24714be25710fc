//! `supervisor test`: the cases in `tests/cases/`, which pass with the reference too, and what is said of tests of every kind.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::thread;

use bulkhead_test_support::{Exit, Runtime, Setup, tools};

/// What fails with the reference, and passes with ours, by `service:entrypoint`: why.
const OURS_ALONE: &str = include_str!("../cases/ours-alone.json");

fn cases() -> PathBuf {
    tools::repository().join("tests/cases")
}

/// The lines about tests, without durations, and all that comes last.
fn results(exit: &Exit) -> Vec<String> {
    let is_result =
        |line: &&str| line.starts_with("workerd/server/server/run.rs:") || line.starts_with("Tests failed!");
    exit.stderr.lines().filter(is_result).map(without_duration).collect()
}

/// ` (1.5ms)` is taken off the end; anything else stays.
fn without_duration(line: &str) -> String {
    let number = |text: &str| text.chars().all(|c| c.is_ascii_digit() || c == '.') && !text.is_empty();
    let is_duration =
        |text: &str| ["ns", "µs", "ms", "s"].iter().any(|unit| text.strip_suffix(unit).is_some_and(number));
    match line.rsplit_once(" (") {
        Some((before, duration)) if duration.strip_suffix(')').is_some_and(is_duration) => format!("{before} (…)"),
        _ => line.to_owned(),
    }
}

/// Runs one file of cases.
fn run(runtime: &Runtime, file: &str) -> Exit {
    let scratch = tempfile::tempdir().expect("a directory");
    let setup = Setup::config("")
        .directory(&cases())
        .config_file(file)
        .argument("--experimental")
        .argument(format!("-dTEST_TMPDIR={}", scratch.path().display()));
    runtime.test(setup).wait()
}

#[test]
fn every_case_passes_and_passes_with_the_reference() {
    let ours_alone: BTreeMap<String, String> = serde_json::from_str(OURS_ALONE).expect("an object of texts");
    let mut files: Vec<String> = std::fs::read_dir(cases())
        .expect("the cases")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("text"))
        .filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "wd-test"))
        .collect();
    files.sort();
    let (ours, reference) = (bulkhead_test_support::supervisor!(), Runtime::workerd());
    let (mut faults, mut passed, mut failing) = (Vec::new(), 0, Vec::new());
    for file in &files {
        let (exit, theirs) = thread::scope(|scope| {
            let theirs = scope.spawn(|| run(&reference, file));
            (run(&ours, file), theirs.join().expect("the reference"))
        });
        let (lines, their_lines) = (results(&exit), results(&theirs));
        passed += lines.iter().filter(|line| line.contains("[ PASS ]")).count();
        if exit.code != Some(0) {
            faults.push(format!("{file}: ours gave {:?}\n{}", exit.status, exit.stderr));
        }
        let failed = |lines: &[String]| -> Vec<String> {
            let failed = lines.iter().filter_map(|line| line.split_once("[ FAIL ] "));
            failed.map(|(_, test)| test.trim_end_matches(" (…)").to_owned()).collect()
        };
        failing.extend(failed(&their_lines));
        if failed(&their_lines).is_empty() && (lines != their_lines || theirs.code != Some(0)) {
            faults.push(format!("{file}: the reference said {their_lines:#?}, ours {lines:#?}\n{}", theirs.stderr));
        }
    }
    for test in &failing {
        if !ours_alone.contains_key(test) {
            faults.push(format!("{test} fails with the reference, and tests/cases/ours-alone.json does not say why"));
        }
    }
    for test in ours_alone.keys().filter(|test| !failing.contains(test)) {
        faults.push(format!("{test} passes with the reference, and is in tests/cases/ours-alone.json"));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(passed >= 400, "there are {passed} cases");
}

/// Tests of every kind, in several services.
const KINDS: &str = r#"
import { WorkerEntrypoint, DurableObject } from 'cloudflare:workers';
export const passes = { async test() { await scheduler.wait(1); } };
export const throws = { test() { throw new Error('boom'); } };
export const throwsText = { test() { throw 'text'; } };
export const rejects = { async test() { await scheduler.wait(1); throw new TypeError('later'); } };
export const hangs = { async test() { await new Promise(() => {}); } };
export const waits = { test(controller, env, ctx) { ctx.waitUntil(scheduler.wait(5)); } };
export const waitFails = { test(controller, env, ctx) { ctx.waitUntil(Promise.reject(new Error('behind'))); } };
export const waitHangs = { test(controller, env, ctx) { ctx.waitUntil(new Promise(() => {})); } };
export const givesThenable = { test() { return { then(resolve) { resolve(); } }; } };
export const givesBadThenable = { test() { return { then(resolve, reject) { reject(new Error('no')); } }; } };
export const getter = { get test() { return () => {}; } };
export const number = { test: 5 };
export const undef = { test: undefined };
export const inherits = Object.create({ test() {} });
export const nothing = { fetch() {} };
export const writes = { test() { console.log('written'); console.error('to the other'); } };
export class Class extends WorkerEntrypoint { test() { if (!this.ctx) throw new Error('no ctx'); } }
export class ClassThrows extends WorkerEntrypoint { test() { throw new Error('class'); } }
export class ClassWithout extends WorkerEntrypoint { fetch() {} }
export class Actor extends DurableObject { test() {} }
export const outside = { async test() { setTimeout(() => { throw new Error('from a timer'); }, 1); await scheduler.wait(10); } };
export const nobodyCatches = { async test() { Promise.reject(new Error('nobody')); await scheduler.wait(5); } };
export const throwsNull = { test() { throw null; } };
export const throwsSymbol = { test() { throw Symbol('s'); } };
export const throwsHostile = { test() { throw { get message() { throw 1; }, get stack() { throw 2; } }; } };
export const throwsControls = { test() { throw new Error('\u0000\u001b[31m\u0007 ]]> \ufffe\nTests failed!\n[ PASS ]'); } };
export const recurses = { test() { (function again() { again(); })(); } };
export const writesMuch = { test() {
  console.debug('d'); console.info('i'); console.warn('w', { a: 1 }); console.group('g'); console.log('one\ntwo'); console.groupEnd();
  console.assert(false, 'not so'); console.table([1]); console.log('%s is %d', 'x', 5);
} };
const odd = { test() {} };
export { odd as "odd name — ü <&>\"'", odd as "with:colon" };
export default { test() {} };
"#;

const CLASS: &str = "import { WorkerEntrypoint } from 'cloudflare:workers';
export default class extends WorkerEntrypoint { test() {} }";

fn kinds() -> Setup {
    Setup::config(
        r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (services = [
  (name = "kinds", worker = (modules = [(name = "worker", esModule = embed "kinds.js")],
    compatibilityDate = "2026-01-01")),
  (name = "none", worker = (modules = [(name = "worker", esModule = "export default { fetch() {} };")],
    compatibilityDate = "2026-01-01")),
  (name = "script", worker = (serviceWorkerScript = "addEventListener('fetch', () => {}); addEventListener('test', () => {});",
    compatibilityDate = "2026-01-01")),
  (name = "class", worker = (modules = [(name = "worker", esModule = embed "class.js")], compatibilityDate = "2026-01-01")),
]);"#,
    )
    .file("kinds.js", KINDS)
    .file("class.js", CLASS)
}

#[test]
fn what_is_said_of_tests_is_what_the_reference_says() {
    let (ours, reference) = (bulkhead_test_support::supervisor!(), Runtime::workerd());
    let mut seen = Vec::new();
    let filters = [
        "",
        "kinds:[a-p]*",
        "kinds:default",
        "class",
        "none",
        "no-such",
        "config:kin*:?ass??",
        "kinds:odd*",
        "a:b:c:d",
        "no:kinds:*",
        "kinds:[",
    ];
    for filter in filters {
        let run = |runtime: &Runtime| {
            let setup = kinds();
            runtime.test(if filter.is_empty() { setup } else { setup.constant(filter) }).wait()
        };
        let (exit, theirs) = thread::scope(|scope| {
            let theirs = scope.spawn(|| run(&reference));
            (run(&ours), theirs.join().expect("the reference"))
        });
        let (lines, expected) = (results(&exit), results(&theirs));
        assert_eq!(lines, expected, "{filter}: {}", exit.stderr);
        assert_eq!((exit.code, &exit.stdout), (theirs.code, &theirs.stdout), "{filter}");
        seen.extend(lines);
    }
    for option in ["--no-verbose", "--predictable", "--all-autogates", "--experimental", "--gc-stress"] {
        let run = |runtime: &Runtime| runtime.test(kinds().constant("kinds:[w-z]*").argument(option)).wait();
        let (exit, theirs) = (run(&ours), run(&reference));
        assert_eq!(
            (results(&exit), exit.code, &exit.stdout),
            (results(&theirs), theirs.code, &theirs.stdout),
            "{option}"
        );
    }
    for kind in ["[ PASS ]", "[ FAIL ]", "No tests found!", "Tests failed!"] {
        assert!(seen.iter().any(|line| line.contains(kind)), "{kind} was not seen");
    }
}

#[test]
fn what_workers_write_stands_between_the_lines_of_their_tests() {
    let exit = bulkhead_test_support::supervisor!().test(kinds().constant("kinds:writes")).wait();
    assert_eq!(exit.stdout, "written\n");
    let lines: Vec<String> = exit.stderr.lines().map(without_duration).collect();
    let run = "workerd/server/server/run.rs";
    assert_eq!(
        lines,
        [
            format!("{run}:642: debug: [ TEST ] kinds:writes"),
            "to the other".to_owned(),
            format!("{run}:649: debug: [ PASS ] kinds:writes (…)")
        ]
    );
}

#[test]
fn a_failure_says_why_unless_nobody_wants_to_know() {
    let run = |setup: Setup| bulkhead_test_support::supervisor!().test(setup.constant("kinds:throws")).wait().stderr;
    let said = run(kinds());
    assert!(said.contains("worker \"kinds\": Uncaught Error: boom\n    at Object.test (worker:4:"), "{said}");
    let said = run(kinds().argument("--no-verbose"));
    assert!(!said.contains("boom") && said.contains("[ FAIL ] kinds:throws"), "{said}");
}

#[test]
fn dates_are_given_to_all_workers() {
    let source =
        "export default { test() { console.log(typeof navigator, Response.prototype.hasOwnProperty('ok')); } };";
    let setup = |worker: &str, date: &str| {
        let text = format!(
            "using Workerd = import \"/workerd/workerd.capnp\";
const config :Workerd.Config = (services = [(name = \"w\", worker = (modules = [(name = \"w\", esModule = embed \"w.js\")]{worker}))]);"
        );
        Setup::config(&text).file("w.js", source).argument(format!("--compat-date={date}"))
    };
    let (ours, reference) = (bulkhead_test_support::supervisor!(), Runtime::workerd());
    for date in ["2000-01-01", "2022-02-02", "2999-12-31", "1999-12-31", "3000-01-01", "tomorrow"] {
        let (exit, theirs) = (ours.test(setup("", date)).wait(), reference.test(setup("", date)).wait());
        assert_eq!((exit.code, &exit.stdout), (theirs.code, &theirs.stdout), "{date}: {}", exit.stderr);
        assert_eq!(results(&exit), results(&theirs), "{date}");
        let refused = "Invalid compatibility date: ";
        assert_eq!(exit.stderr.contains(refused), theirs.stderr.contains(refused), "{date}: {}", exit.stderr);
    }
    // The reference's help has these two, and it refuses them.
    let oldest = ours.test(setup("", "0000-00-00")).wait();
    assert_eq!((oldest.code, oldest.stdout.as_str()), (Some(0), "undefined false\n"), "{}", oldest.stderr);
    let newest = ours.test(setup("", "9999-12-31")).wait();
    assert_eq!((newest.code, newest.stdout.as_str()), (Some(0), "object true\n"), "{}", newest.stderr);
    let both = ours.test(setup(", compatibilityDate = \"2024-01-01\"", "2024-01-01")).wait();
    assert!(both.code == Some(1) && both.stderr.contains("Worker specifies compatibilityDate but"), "{}", both.stderr);
}

#[test]
fn what_is_asked_for_is_done() {
    let source = "export default { async test() {
  console.log(typeof gc, Math.random(), Math.random());
  const ref = new WeakRef({});
  for (let i = 0; i < 3; i++) await scheduler.wait(1);
  console.log(ref.deref() === undefined);
} };";
    let run = |argument: Option<&str>| {
        let text = "using Workerd = import \"/workerd/workerd.capnp\";
const config :Workerd.Config = (services = [(name = \"w\", worker = (modules = [(name = \"w\", esModule = embed \"w.js\")],
  compatibilityDate = \"2026-01-01\"))]);";
        let setup = Setup::config(text).file("w.js", source);
        let setup = argument.into_iter().fold(setup, Setup::argument);
        let exit = bulkhead_test_support::supervisor!().test(setup).wait();
        assert_eq!(exit.code, Some(0), "{}", exit.stderr);
        let (first, second) = exit.stdout.trim_end().split_once('\n').expect("two lines");
        (first.to_owned(), second.to_owned())
    };
    let (plain, kept) = run(None);
    assert!(plain.starts_with("undefined "), "{plain}");
    assert_ne!(plain, run(None).0);
    assert_eq!(kept, "false");
    let (predictable, _) = run(Some("--predictable"));
    assert!(predictable.starts_with("function "), "{predictable}");
    assert_eq!(predictable, run(Some("--predictable")).0);
    assert_eq!(run(Some("--gc-stress")).1, "true");
}

#[test]
fn an_order_that_is_asked_for_is_the_same_each_time() {
    let run = |seed: &str| {
        let setup = kinds().argument(format!("--shuffle={seed}"));
        results(&bulkhead_test_support::supervisor!().test(setup).wait())
    };
    let (first, again, other) = (run("1"), run("1"), run("2"));
    assert_eq!(first, again);
    assert_ne!(first, other);
    let sorted = |mut lines: Vec<String>| {
        lines.sort();
        lines
    };
    assert_eq!(sorted(first), sorted(other));
}

#[test]
fn what_is_not_there_fails_where_it_is_used() {
    let text = "using Workerd = import \"/workerd/workerd.capnp\";
const config :Workerd.Config = (services = [(name = \"w\", worker = (modules = [(name = \"w\", esModule = embed \"w.js\")],
  bindings = [(name = \"KV\", kvNamespace = \"w\")], tails = [\"w\"], compatibilityDate = \"2026-01-01\")),
  (name = \"node\", worker = (modules = [(name = \"w\", esModule = \"import 'node:no_such_module'; export default { test() {} };\")],
  compatibilityDate = \"2026-01-01\")),
  (name = \"python\", worker = (modules = [(name = \"w.py\", pythonModule = \"pass\"), (name = \"numpy\", obsoletePythonRequirement = \"\")],
  compatibilityDate = \"2026-01-01\", compatibilityFlags = [\"python_workers\"]))]);";
    let source =
        "export const uses = { async test(_, env) { await env.KV.get('a'); } }; export const without = { test() {} };";
    let exit = bulkhead_test_support::supervisor!().test(Setup::config(text).file("w.js", source)).wait();
    let lines = results(&exit);
    for expected in ["[ FAIL ] w:uses (…)", "[ PASS ] w:without (…)", "[ FAIL ] node (…)", "[ FAIL ] python (…)"]
    {
        assert!(lines.iter().any(|line| line.ends_with(expected)), "{expected}: {}", exit.stderr);
    }
    for expected in [
        "warning: KV namespaces are not supported yet",
        "Uncaught Error: KV namespaces are not supported yet.",
        "warning: tail workers are not supported yet: they are told nothing",
        "service node: Uncaught Error: No such module \"node:no_such_module\"",
        "service python: The module \"w.py\" is written in Python, and there are no workers in Python here.",
    ] {
        assert!(exit.stderr.contains(expected), "{expected}: {}", exit.stderr);
    }
}

/// A configuration of what is not there, or is wrong, and of one worker that needs nothing of it.
const BROKEN: &str = r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "sound", worker = (modules = [(name = "w", esModule = "export default { test() {} };")], compatibilityDate = "2026-01-01")),
    (name = "assets", assets = (path = ".", config = "{}", compatibilityDate = "2026-01-01")),
    (name = "bucket", bucket = (path = "a")),
    (name = "nowhere", external = (address = "no such address", http = ())),
    (name = "rpc", external = (address = "loopback:front", http = (capnpConnectHost = "rpc"))),
    (name = "tls", network = (allow = ["public"], tlsOptions = (cipherList = "NOPE"))),
    (name = "bundled", worker = (modules = [(name = "kv", bundled = "/workerd/kv.js")], compatibilityDate = "2026-01-01")),
    (name = "site", worker = (modules = [(name = "w", esModule = "export default { fetch() { return new Response('site'); } };")],
      compatibilityDate = "2026-01-01")),
    (name = "uses", worker = (modules = [(name = "w", esModule = embed "w.js")], compatibilityDate = "2026-01-01",
      globalOutbound = "bundled", bindings = [(name = "assets", service = (name = "assets", entrypoint = "AssetWorker")),
      (name = "bucket", service = "bucket"), (name = "nowhere", service = "nowhere"), (name = "rpc", service = "rpc"),
      (name = "tls", service = "tls"), (name = "flag", service = "flag")])),
    (name = "flag", worker = (modules = [(name = "w", esModule = "export default { test() {} };")], compatibilityDate = "2026-01-01",
      compatibilityFlags = ["no_such_flag_at_all"])),
    (name = "imports", worker = (modules = [(name = "w", esModule = "import './kv'; export default { test() {} };"),
      (name = "kv", bundled = "/workerd/kv.js")], compatibilityDate = "2026-01-01")),
    (name = "importsNot", worker = (modules = [(name = "w", esModule = "export default { test() {} };"),
      (name = "kv", bundled = "/workerd/kv.js")], compatibilityDate = "2026-01-01")),
  ],
  sockets = [
    (name = "datagrams", address = "127.0.0.1:0", udp = (), service = "sound"),
    (name = "front", address = "loopback:front", http = (), service = "site"),
    (name = "files", address = "127.0.0.1:0", http = (), service = (name = "assets", entrypoint = "AssetWorker")),
  ],
);"#;

const USES: &str = "
const uses = (name) => ({ async test(_, env) { await env[name].fetch('http://a/'); } });
export const assets = uses('assets');
export const bucket = uses('bucket');
export const nowhere = uses('nowhere');
export const tls = uses('tls');
export const flag = uses('flag');
export const outbound = { async test() { await fetch('http://a/'); } };
export const connects = { async test(_, env) { await env.assets.connect('a:1').opened; } };
export const external = { async test(_, env) {
  if (await (await env.rpc.fetch('http://a/')).text() !== 'site') throw new Error('it is another');
} };
export const rpc = { async test(_, env) { await env.rpc.add(1, 2); } };
";

#[test]
fn what_is_wrong_with_a_service_fails_nothing_but_what_needs_it() {
    let setup = |filter: &str| Setup::config(BROKEN).file("w.js", USES).constant(filter);
    let exit = bulkhead_test_support::supervisor!().test(setup("*")).wait();
    let failed = ["assets", "bucket", "nowhere", "tls", "flag", "outbound", "connects", "rpc"];
    let failed: Vec<String> = failed.iter().map(|name| format!("[ FAIL ] uses:{name} (…)")).collect();
    let others = ["[ FAIL ] flag (…)", "[ FAIL ] imports (…)"].map(str::to_owned);
    let passed = ["sound", "uses:external", "importsNot"].map(|name| format!("[ PASS ] {name} (…)"));
    let mut expected: Vec<String> = failed.into_iter().chain(others).chain(passed).collect();
    expected.sort();
    let said = results(&exit);
    let ended =
        said.iter().filter_map(|line| Some(line.split_once("debug: ")?.1)).filter(|line| !line.contains("TEST"));
    let mut ended: Vec<String> = ended.map(str::to_owned).collect();
    ended.sort();
    assert_eq!(ended, expected, "{}", exit.stderr);
    for text in [
        "warning: `services[1].assets` is not supported yet",
        "Uncaught Error: The service \"assets\" does not work: config.capnp:5:23: `services[1].assets` is not supported yet",
        "Uncaught Error: The service \"bucket\" does not work: config.capnp:6:23: `services[2].bucket`",
        "Uncaught Error: The service \"nowhere\" does not work: service nowhere: the address `no such address`",
        "Uncaught Error: The service \"tls\" does not work: config.capnp:9:78: `NOPE` names no cipher suite",
        "Uncaught Error: The service \"flag\" does not work: config.capnp:",
        "Uncaught Error: The service \"bundled\" does not work: config.capnp:",
        "service flag: config.capnp:18:29: No such compatibility flag: no_such_flag_at_all",
        "service imports: Uncaught Error: the module `kv` is one of those that come with workerd, which are not supported yet",
        "= the service `bucket` does not work: what needs it fails",
        "warning: sockets for datagrams are not supported yet: this one is not opened",
        "warning: `services[4].external.http.capnpConnectHost` is not supported yet, and left out",
    ] {
        assert!(exit.stderr.contains(text), "{text}: {}", exit.stderr);
    }
    let sound = bulkhead_test_support::supervisor!().test(setup("sound")).wait();
    assert_eq!(sound.code, Some(0), "{}", sound.stderr);
    // Nobody serves it.
    let served = bulkhead_test_support::supervisor!().serve_to_exit(Setup::config(BROKEN).file("w.js", USES));
    for text in ["5:23: error: `services[1].assets` is not supported yet", "18:29: error: No such compatibility flag"] {
        assert!(served.code == Some(1) && served.stderr.contains(text), "{text}: {}", served.stderr);
    }
}

/// Cases of every kind, in several entrypoints.
const BENCHES: &str = r#"
const refused = (run) => { try { run(); return 'taken'; } catch (error) { return `${error.name}: ${error.message}`; } };
export default { async bench(b, env, ctx) {
  await scheduler.wait(1);
  console.log(String(b), JSON.stringify(b.options), b.blackBox(5), typeof env, 'exports' in ctx);
  b.run('sync', () => b.blackBox(1));
  b.run('async', async () => { await null; }, { samples: 2, minTime: '1ms', warmup: 0 });
  b.run('skipped', () => {}, { skip: true });
  b.run('throws', () => { throw new RangeError('far'); });
  b.run('rejects', async () => { await null; throw new TypeError('later'); });
  b.run('setup', (state) => { if (state !== 7) throw new Error('no state'); }, { batch: 3, samples: 4, setup: () => 7, teardown() {} });
  b.run('setupThrows', () => {}, { setup() { throw new Error('su'); } });
  const tries = [
    () => b.run('sync', () => {}), () => b.run('x'), () => b.run(() => {}), () => b.run('x', {}), () => b.run('x', () => {}, 5), () => b.blackBox(),
    ...[{ minTime: '1x' }, { minTime: null }, { minTime: '-1s' }, { samples: 0 }, { samples: 'x' }, { batch: 0 }, { warmup: -1 }].map(
      (options) => () => b.run('x', () => {}, options)),
  ];
  for (const one of tries) console.log(refused(one));
  b.run('late', () => { if (!b.told) console.log(b.told = refused(() => b.run('more', () => {}))); }, { samples: 1, minTime: 0 });
} };
export const failing = { bench() { throw new Error('boom'); } };
export const empty = { async bench() {} };
export const named = { bench(b) { b.run('one/two', () => {}, { samples: 1 }); } };
export const nothing = { test() {}, fetch() {} };
"#;

/// What is said of benchmarks, without times: of a row of the table its name, how many samples it has, or what became of it.
fn without_times(text: &str) -> Vec<String> {
    let row = |line: &str| -> String {
        let is_overhead = line.trim_start().starts_with("overhead per call");
        let is_head = line.starts_with("bulkhead ") || line.starts_with("workerd 2");
        match line.trim_start().split_once(' ') {
            _ if is_overhead || is_head => "…".to_owned(),
            Some((name, rest)) if rest.contains(" x ") => {
                let samples = rest.split(" x ").next().and_then(|before| before.rsplit(' ').next()).unwrap_or_default();
                format!("{name} {samples} samples")
            }
            // Columns are as wide as their numbers.
            _ => line.split_whitespace().collect::<Vec<_>>().join(" "),
        }
    };
    text.lines().map(row).collect()
}

#[test]
fn what_is_said_of_benchmarks_is_what_the_reference_says() {
    let setup = |arguments: &[&str]| {
        let text = "using Workerd = import \"/workerd/workerd.capnp\";
const config :Workerd.Config = (services = [
  (name = \"b\", worker = (modules = [(name = \"worker\", esModule = embed \"b.js\")], compatibilityDate = \"2026-01-01\")),
  (name = \"none\", worker = (modules = [(name = \"worker\", esModule = \"export default { fetch() {} };\")],
    compatibilityDate = \"2026-01-01\"))]);";
        let setup = Setup::config(text).file("b.js", BENCHES).argument("--quick").argument("--no-startup");
        arguments.iter().fold(setup, |setup, argument| setup.argument(*argument))
    };
    let lines = |exit: &Exit| -> Vec<String> {
        let is_result =
            |line: &&str| line.starts_with("workerd/server/server/") || line.starts_with("Benchmarks failed!");
        exit.stderr.lines().filter(is_result).map(without_duration).collect()
    };
    let (ours, reference) = (bulkhead_test_support::supervisor!(), Runtime::workerd());
    for filter in
        ["", "b:named", "b:named/one*", "b:named/t?o", "b:default/s*", "b:empty", "none", "no-such", "a:b:c:d", "b/["]
    {
        let run = |runtime: &Runtime| {
            let setup = setup(&[]);
            runtime.bench(if filter.is_empty() { setup } else { setup.constant(filter) }).wait()
        };
        let (exit, theirs) = (run(&ours), run(&reference));
        assert_eq!(lines(&exit), lines(&theirs), "{filter}: {}", exit.stderr);
        assert_eq!(exit.code, theirs.code, "{filter}: {}", exit.stderr);
        assert_eq!(without_times(&exit.stdout), without_times(&theirs.stdout), "{filter}");
    }
    let json = ours.bench(setup(&["--format=json"]).constant("b:named")).wait();
    let report: serde_json::Value =
        serde_json::from_str(&json.stdout).unwrap_or_else(|error| panic!("{error}: {json:?}"));
    let case = &report["groups"][0]["cases"][0];
    assert_eq!((case["name"].as_str(), case["status"].as_str()), (Some("one/two"), Some("ok")), "{report}");
    assert_eq!(case["wallNs"]["samples"].as_array().map(Vec::len), Some(1), "{report}");
    let refused = ours.bench(setup(&["--trace"])).wait();
    assert!(refused.code == Some(1) && refused.stderr.contains("--trace is not supported yet"), "{}", refused.stderr);
}
