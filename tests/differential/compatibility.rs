//! What compatibility dates and flags change: every probe of `cases` on six dates, and each implemented flag switched on and
//! off beside the reference.

use std::fs;

use bulkhead_ipc::compatibility::{self, Flag, MAX_DATE, State};
use bulkhead_test_support::expectations::{Observation, check_with};
use bulkhead_test_support::http::Connection;
use bulkhead_test_support::{Runtime, Server, Setup, tools};

use super::probes::{CASES, ON_ONE_DATE};

/// Of each span in which much changed; the newest is the sixth.
const DATES: [&str; 5] = ["2021-09-14", "2022-10-31", "2023-08-01", "2024-09-23", "2025-06-01"];

fn read(path: &str) -> Vec<u8> {
    let path = tools::repository().join("tests/differential").join(path);
    fs::read(&path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()))
}

/// A worker of the modules in `modules` with this date and these flags.
struct Subject {
    date: String,
    flags: Vec<&'static str>,
}

/// All workers behind one socket each.
struct Side(Server);

impl Side {
    /// `modules` is a list of module declarations, `files` what they embed.
    fn start(runtime: &Runtime, subjects: &[Subject], modules: &str, files: &[(String, Vec<u8>)]) -> Side {
        let mut text = String::from(
            "using Workerd = import \"/workerd/workerd.capnp\";\nconst config :Workerd.Config = (services = [\n",
        );
        for (index, subject) in subjects.iter().enumerate() {
            let flags: Vec<String> = subject.flags.iter().map(|flag| format!("\"{flag}\"")).collect();
            text += &format!(
                "(name = \"s{index}\", worker = (modules = [{modules}], compatibilityDate = \"{}\", compatibilityFlags = [{}])),\n",
                subject.date,
                flags.join(", ")
            );
        }
        text += "], sockets = [\n";
        for index in 0..subjects.len() {
            text += &format!(
                "(name = \"{}\", address = \"127.0.0.1:0\", http = (), service = \"s{index}\"),\n",
                socket(index)
            );
        }
        text += "]);\n";
        let mut setup = Setup::config(&text).sockets(subjects.len()).argument("--experimental");
        for (name, contents) in files {
            setup = setup.file(name, contents);
        }
        Side(runtime.serve(setup))
    }

    /// The body of a 200, or what came instead of it.
    fn ask(&self, subject: usize, target: &str) -> String {
        match Connection::open(self.0.port_of(&socket(subject))).request("GET", target, &[], b"") {
            Ok(response) if response.status == 200 => response.text(),
            Ok(response) => format!("{} {}", response.status_line, response.text()),
            Err(error) => format!("no response: {error}"),
        }
    }
}

fn socket(index: usize) -> String {
    if index == 0 { "http".to_owned() } else { format!("http{index}") }
}

fn names(side: &Side) -> Vec<String> {
    serde_json::from_str(&side.ask(0, "/")).expect("a list of names")
}

fn compare_on(date: &str) {
    let mut files = vec![("probe.js".to_owned(), read("probe.js"))];
    let mut modules =
        String::from(r#"(name = "probe", esModule = embed "probe.js"), (name = "case", esModule = embed "case.js")"#);
    let (mut imports, mut lists) = (String::new(), String::new());
    // Code from bytes at start-up came with `allow_eval_during_startup`.
    let cases =
        CASES.iter().filter(|case| !ON_ONE_DATE.contains(case) && (**case != "webassembly" || date >= "2025-06-01"));
    for case in cases {
        // Not the bare name, which could be a module of the reference's own.
        modules += &format!(", (name = \"{case}-case\", esModule = embed \"{case}.js\")");
        files.push((format!("{case}.js"), read(&format!("cases/{case}.js"))));
        imports += &format!("import {case} from \"{case}-case\";\n");
        lists += &format!("  {case},\n");
    }
    let all = format!(
        "{imports}const all = {{}};\nfor (const [area, probes] of Object.entries({{\n{lists}}})) \
         for (const name in probes) all[`${{area}}/${{name}}`] = probes[name];\nexport default all;\n"
    );
    files.push(("case.js".to_owned(), all.into_bytes()));
    let subject = || [Subject { date: date.to_owned(), flags: Vec::new() }];
    let reference = Side::start(&Runtime::workerd(), &subject(), &modules, &files);
    let ours = Side::start(&bulkhead_test_support::supervisor!(), &subject(), &modules, &files);
    let names = names(&reference);
    assert_eq!(ours.ask(0, "/"), reference.ask(0, "/"), "the list of probes");
    let area = format!("on {date}");
    let observations: Vec<Observation> = names
        .iter()
        .enumerate()
        .map(|(index, name)| Observation {
            key: format!("{area}/{name}"),
            reference: reference.ask(0, &format!("/{index}")),
            ours: ours.ask(0, &format!("/{index}")),
        })
        .collect();
    check_with(&area, &observations, |key| key.strip_prefix(&format!("{area}/")).map(str::to_owned));
}

macro_rules! dates {
    ($($name:ident $index:expr),* $(,)?) => { $(#[test] fn $name() { compare_on(DATES[$index]); })* };
}

dates!(probes_on_the_first_date 0, probes_in_2022 1, probes_in_2023 2, probes_in_2024 3, probes_in_2025 4);

#[test]
fn probes_on_the_newest_date() {
    compare_on(&MAX_DATE.to_string());
}

/// The date on which flags are tried one by one: before the reference's second module registry.
const NEUTRAL: &str = "2026-11-10";

/// Flags that hide what another one changes, and how to have them out of the way.
const COMPANIONS: &[(&str, &[&str])] = &[
    ("export_commonjs_default", &["require_returns_namespace"]),
    ("require_returns_default_export", &["export_commonjs_namespace"]),
    ("nodejs_als", &["no_nodejs_compat", "no_nodejs_compat_v2"]),
];

/// How to switch one flag on and off: its two names, or dates around the one that brings it.
fn both_ways(flag: Flag) -> [Subject; 2] {
    let none: &[&str] = &[];
    let date = NEUTRAL.to_owned();
    let by_default = compatibility::resolve(NEUTRAL, none, true).expect("a date").is_on(flag);
    let companions = COMPANIONS.iter().find(|(name, _)| *name == flag.name()).map_or(&[][..], |(_, flags)| *flags);
    let with = |name: &'static str| [name].into_iter().chain(companions.iter().copied()).collect();
    match flag.off_name() {
        Some(off) => [Subject { date: date.clone(), flags: with(flag.name()) }, Subject { date, flags: with(off) }],
        None if by_default => {
            [Subject { date, flags: Vec::new() }, Subject { date: DATES[0].to_owned(), flags: Vec::new() }]
        }
        None => [Subject { date: date.clone(), flags: vec![flag.name()] }, Subject { date, flags: Vec::new() }],
    }
}

#[test]
fn what_a_date_brings_and_is_missing_is_said() {
    let setup = Setup::worker(
        r#"modules = [ (name = "worker", esModule = "export default { fetch() { return new Response(); } }") ],
  compatibilityDate = "2026-08-04""#,
    );
    let server = bulkhead_test_support::supervisor!().serve(setup.argument("--verbose"));
    let lines = server.stderr();
    let said: Vec<&str> = lines.lines().filter(|line| line.contains("its date 2026-08-04 brings")).collect();
    assert_eq!(said.len(), 1, "{lines}");
    assert!(said[0].starts_with("worker \"main\": "), "{lines}");
    assert!(said[0].contains(" nodejs_compat"), "{lines}");
    assert!(!said[0].contains("global_navigator"), "{lines}");
}

/// Flags whose difference no answer shows, and the test that does.
const ELSEWHERE: &[(&str, &str)] = &[
    ("enable_request_signal", "request_signal::a_client_that_leaves"),
    ("strip_authorization_on_cross_origin_redirect", "channels::what_workers_send_and_are_sent"),
    ("cache_option_preserves_cache_control", "channels::what_workers_send_and_are_sent"),
    ("request_signal_passthrough", "request_signal::what_is_fetched_while_the_client_leaves"),
    ("increase_websocket_message_size", "web_sockets::longer_messages"),
    ("memory_cache_delete", "bindings::a_memory_cache_that_forgets"),
    ("connect_handler_starttls", "outgoing/sockets: mail_over_tls_that_begins_later"),
    ("web_socket_compression", "web_sockets::compression_that_is_switched_off"),
    ("nodejs_compat_populate_process_env", "node::processes"),
];

/// Each flag that is said to be implemented has a probe of its name in `flags.js`, which shows the difference.
#[test]
fn each_flag_switched_on_and_off() {
    let none: &[&str] = &[];
    let table = compatibility::resolve(NEUTRAL, none, true).expect("a date");
    let elsewhere = |flag: &Flag| ELSEWHERE.iter().any(|(name, _)| *name == flag.name());
    let implemented = table.iter().map(|(flag, _)| flag).filter(|flag| flag.state() == State::Implemented);
    let flags: Vec<Flag> = implemented.filter(|flag| !elsewhere(flag)).collect();
    let modules = r#"(name = "probe", esModule = embed "probe.js"), (name = "case", esModule = embed "case.js"),
        (name = "common", commonJsModule = embed "common.js"), (name = "waiting", esModule = embed "waiting.js"), (name = "plain", esModule = embed "plain.js"), (name = "text", text = "text")"#;
    let files = [
        ("probe.js".to_owned(), read("probe.js")),
        ("case.js".to_owned(), read("compatibility/flags.js")),
        ("common.js".to_owned(), read("compatibility/common.js")),
        ("waiting.js".to_owned(), read("compatibility/waiting.js")),
        ("plain.js".to_owned(), read("compatibility/plain.js")),
    ];
    let mut observations = Vec::new();
    let mut wrong = String::new();
    for flags in flags.chunks(8) {
        let subjects: Vec<Subject> = flags.iter().flat_map(|flag| both_ways(*flag)).collect();
        let reference = Side::start(&Runtime::workerd(), &subjects, modules, &files);
        let ours = Side::start(&bulkhead_test_support::supervisor!(), &subjects, modules, &files);
        let names = names(&reference);
        for (place, flag) in flags.iter().enumerate() {
            let Some(index) = names.iter().position(|name| name == flag.name()) else {
                wrong += &format!("{}: there is no probe of this name in flags.js\n", flag.name());
                continue;
            };
            let target = format!("/{index}");
            // The second answer counts: some probes need an earlier event.
            let ask = |side: &Side, subject| [side.ask(subject, &target), side.ask(subject, &target)][1].clone();
            let [on, off] = [2 * place, 2 * place + 1].map(|subject| (ask(&reference, subject), ask(&ours, subject)));
            if on.1 == off.1 {
                wrong += &format!("{}: ours gives the same either way: {}\n", flag.name(), on.1);
            }
            for (way, (reference, ours)) in [("on", on), ("off", off)] {
                observations.push(Observation { key: format!("flags/{} {way}", flag.name()), reference, ours });
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    check_with("flags", &observations, |_| None);
}
