//! What workers may use, as a user writes it.

use std::{fs, path::PathBuf, time::Duration};

use bulkhead_supervisor::config::{
    Config, Diagnostics, Loaded, Options, Source, Worker, encode_text, load, load_text_from_bytes, policy::WorkerPolicy,
};

use super::{PRELUDE, options};

/// Three workers.
const CONFIG: &str = r#"
const config :Workerd.Config = (services = [
  (name = "a", worker = .worker), (name = "b", worker = .worker), (name = "c", worker = .worker),
]);
const worker :Workerd.Worker = (serviceWorkerScript = "", compatibilityDate = "2024-01-01");
"#;

const IMPORT: &str = "using Bulkhead = import \"/bulkhead/policy.capnp\";\n";

fn policies(config: &Config) -> Vec<WorkerPolicy> {
    config.workers().map(|(_, worker)| worker.policy).collect()
}

fn load_with(policy: &str, options: &Options) -> Result<Loaded, Diagnostics> {
    load_text_from_bytes(format!("{PRELUDE}{CONFIG}{IMPORT}{policy}").as_bytes(), [], options)
}

/// The policies of the workers a, b and c.
fn read(policy: &str) -> [WorkerPolicy; 3] {
    let loaded = load_with(policy, &options()).unwrap_or_else(|error| panic!("{error}"));
    policies(&loaded.config).try_into().expect("three workers")
}

#[test]
fn without_a_policy_every_worker_has_the_defaults() {
    let defaults = [(); 3].map(|()| WorkerPolicy::default());
    for policy in [
        "",
        "const policy :Bulkhead.Policy = ();",
        "const policy :Bulkhead.Policy = (default = (), workers = [(name = \"a\"), (name = \"b\", limits = ())]);",
        // A constant of another type is no policy.
        "const limits :Bulkhead.Limits = (threads = 8);",
    ] {
        assert_eq!(read(policy), defaults, "{policy}");
    }
}

#[test]
fn each_field_sets_its_limit() {
    let [a, b, _] = read(
        "const policy :Bulkhead.Policy = (workers = [(name = \"a\", limits = (
            cpuTimeMs = 1, wallTimeMs = 2, waitUntilMs = 3, startUpCpuTimeMs = 86400000, heapBytes = 8388608,
            bufferBytes = 1048576, memoryBytes = 67108864, requestBodyBytes = 1, responseBodyBytes = 1099511627776,
            responseHeadBytes = 1024, logBufferBytes = 2048, logBytesPerSecond = 4096, threads = 5, subrequests = 7,
            connections = 3, jitless = yes))]);",
    );
    let expected = WorkerPolicy {
        cpu_time: Duration::from_millis(1),
        wall_time: Duration::from_millis(2),
        wait_until: Duration::from_millis(3),
        start_up_cpu_time: Duration::from_secs(86_400),
        heap_bytes: 8 << 20,
        buffer_bytes: 1 << 20,
        memory_bytes: 64 << 20,
        request_body_bytes: 1,
        response_body_bytes: 1 << 40,
        response_head_bytes: 1024,
        log_buffer_bytes: 2048,
        log_bytes_per_second: 4096,
        threads: 5,
        subrequests: 7,
        connections: 3,
        jitless: true,
    };
    assert_eq!(a, expected);
    assert_eq!(b, WorkerPolicy::default());
}

#[test]
fn zero_is_no_limit_and_not_the_default() {
    let [a, b, _] = read(
        "const policy :Bulkhead.Policy = (
            default = (cpuTimeMs = 5, heapBytes = 16777216),
            workers = [(name = \"a\", limits = (cpuTimeMs = 0, wallTimeMs = 0, waitUntilMs = 0, startUpCpuTimeMs = 0,
                heapBytes = 0, bufferBytes = 0, memoryBytes = 0, requestBodyBytes = 0, responseBodyBytes = 0,
                logBytesPerSecond = 0))]);",
    );
    let unlimited = WorkerPolicy {
        cpu_time: Duration::ZERO,
        wall_time: Duration::ZERO,
        wait_until: Duration::ZERO,
        start_up_cpu_time: Duration::ZERO,
        heap_bytes: 0,
        buffer_bytes: 0,
        memory_bytes: 0,
        request_body_bytes: 0,
        response_body_bytes: 0,
        log_bytes_per_second: 0,
        ..WorkerPolicy::default()
    };
    assert_eq!(a, unlimited);
    assert_eq!((b.cpu_time, b.heap_bytes), (Duration::from_millis(5), 16 << 20));
}

#[test]
fn what_an_entry_does_not_set_has_the_value_of_the_default() {
    let [a, b, c] = read(
        "const policy :Bulkhead.Policy = (
            default = (cpuTimeMs = 50, threads = 8, jitless = yes, logBytesPerSecond = 0),
            workers = [
                (name = \"c\", limits = (threads = 32, jitless = no)),
                # What a field means when it is not set can be written too.
                (name = \"a\", limits = (cpuTimeMs = 4294967295, jitless = inherit, waitUntilMs = 7)),
            ]);",
    );
    let default = WorkerPolicy {
        cpu_time: Duration::from_millis(50),
        threads: 8,
        jitless: true,
        log_bytes_per_second: 0,
        ..WorkerPolicy::default()
    };
    assert_eq!(a, WorkerPolicy { wait_until: Duration::from_millis(7), ..default });
    assert_eq!(b, default);
    assert_eq!(c, WorkerPolicy { threads: 32, jitless: false, ..default });
}

#[test]
fn the_memory_that_a_heap_needs_is_that_of_its_own_worker() {
    // The entry repairs neither what is wrong in the default nor needs what the default has.
    let [a, ..] = read(
        "const policy :Bulkhead.Policy = (default = (heapBytes = 33554432, memoryBytes = 67108864),
            workers = [(name = \"a\", limits = (heapBytes = 268435456, memoryBytes = 536870912))]);",
    );
    assert_eq!((a.heap_bytes, a.memory_bytes), (256 << 20, 512 << 20));
    let [a, ..] = read(
        "const policy :Bulkhead.Policy = (default = (memoryBytes = 0),
            workers = [(name = \"a\", limits = (heapBytes = 4294967296))]);",
    );
    assert_eq!((a.heap_bytes, a.memory_bytes), (4 << 30, 0));
}

#[test]
fn a_policy_is_chosen_by_name() {
    let text = "const strict :Bulkhead.Policy = (default = (threads = 5));
        const loose :Bulkhead.Policy = (default = (threads = 200)); using Other = import \"other.capnp\";";
    let other = format!("{IMPORT}const third :Bulkhead.Policy = (default = (threads = 7));");
    for (name, threads) in [("strict", 5), ("loose", 200), ("Other.third", 7)] {
        let options = Options { policy_const: Some(name.into()), ..options() };
        let files = [(PathBuf::from("/other.capnp"), other.clone().into_bytes())];
        let loaded =
            load_text_from_bytes(format!("{PRELUDE}{CONFIG}{IMPORT}{text}").as_bytes(), files, &options).expect(name);
        assert_eq!(policies(&loaded.config)[0].threads, threads, "{name}");
    }
}

#[test]
fn a_policy_file_holds_whatever_the_configuration_says() {
    // Neither are the configuration's two policies a reason to ask which.
    let own =
        "const one :Bulkhead.Policy = (default = (threads = 99, cpuTimeMs = 1)); const two :Bulkhead.Policy = ();";
    let files = [(
        PathBuf::from("/etc/limits.capnp"),
        format!("{IMPORT}const x :Bulkhead.Policy = (default = (threads = 5), workers = .w); using W = import \"w.capnp\"; const w :List(Bulkhead.WorkerLimits) = W.w;").into_bytes(),
    ), (
        PathBuf::from("/etc/w.capnp"),
        format!("{IMPORT}const w :List(Bulkhead.WorkerLimits) = [(name = \"b\", limits = (threads = 6))];").into_bytes(),
    )];
    let options = Options { policy: Some("/etc/limits.capnp".into()), ..options() };
    let text = format!("{PRELUDE}{CONFIG}{IMPORT}{own}");
    let loaded = load_text_from_bytes(text.as_bytes(), files, &options).unwrap_or_else(|error| panic!("{error}"));
    let threads: Vec<_> = policies(&loaded.config).iter().map(|policy| policy.threads).collect();
    assert_eq!(threads, [5, 6, 5]);
    assert_eq!(policies(&loaded.config)[0].cpu_time, WorkerPolicy::default().cpu_time);
    assert_eq!(loaded.files, ["/config.capnp", "/etc/limits.capnp", "/etc/w.capnp"].map(PathBuf::from));
}

#[test]
fn the_policy_file_can_be_the_configuration_or_a_part_of_it() {
    let text = "const a :Bulkhead.Policy = (default = (threads = 5)); const b :Bulkhead.Policy = ();
        using Part = import \"part.capnp\"; const c :UInt32 = Part.number;";
    let part = "using import \"/bulkhead/policy.capnp\".Policy; const number :UInt32 = 1;
        const policy :Policy = (default = (threads = 6));";
    for (file, name, threads) in [("/config.capnp", Some("a"), 5), ("/part.capnp", None, 6)] {
        let options = Options { policy: Some(file.into()), policy_const: name.map(str::to_owned), ..options() };
        let files = [(PathBuf::from("/part.capnp"), part.as_bytes().to_vec())];
        let loaded = load_text_from_bytes(format!("{PRELUDE}{CONFIG}{IMPORT}{text}").as_bytes(), files, &options)
            .unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(policies(&loaded.config)[2].threads, threads);
        assert_eq!(loaded.files, ["/config.capnp", "/part.capnp"].map(PathBuf::from));
    }
}

#[test]
fn a_binary_configuration_takes_its_policy_from_a_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    let (text, binary, policy) = (root.join("config.capnp"), root.join("config.bin"), root.join("policy.capnp"));
    fs::write(&text, format!("{PRELUDE}{CONFIG}")).unwrap();
    fs::write(&binary, encode_text(&text, &options()).expect("bytes")).unwrap();
    fs::write(
        &policy,
        format!("{IMPORT}const p :Bulkhead.Policy = (workers = [(name = \"b\", limits = (threads = 6))]);"),
    )
    .unwrap();
    let source = Source::Binary(binary.clone());
    let plain = load(&source, &options()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(policies(&plain.config), [(); 3].map(|()| WorkerPolicy::default()));
    assert_eq!(plain.files, std::slice::from_ref(&binary));

    let with_policy = Options { policy: Some(policy.clone()), ..options() };
    let loaded = load(&source, &with_policy).unwrap_or_else(|error| panic!("{error}"));
    let threads: Vec<_> = policies(&loaded.config).iter().map(|policy| policy.threads).collect();
    assert_eq!(threads, [16, 6, 16]);
    assert_eq!(loaded.files, [binary.clone(), policy.clone()]);
    assert_eq!(load(&Source::Text(text), &with_policy).expect("the same as text").config, loaded.config);

    fs::write(&policy, format!("{IMPORT}const p :Bulkhead.Policy = (workers = [(name = \"d\"), (name = 1)]);"))
        .unwrap();
    let error = load(&source, &with_policy).unwrap_err().to_string();
    let (policy_name, line) =
        (policy.display(), "  2 | const p :Bulkhead.Policy = (workers = [(name = \"d\"), (name = 1)]);");
    assert_eq!(
        error,
        format!(
            "{policy_name}:2:48: error: there is no worker `d` in the configuration\n{line}\n    | {0:47}^^^\n\
             {policy_name}:2:62: error: expected a text between double quotes, or `embed`, found a number\n{line}\n    \
             | {0:61}^",
            ""
        )
    );

    // The binary and the policy are both wrong, and both are read.
    fs::write(&binary, "nothing").unwrap();
    let error = load(&source, &with_policy).unwrap_err().to_string();
    assert!(error.contains("this is not a binary configuration") && error.contains("found a number"), "{error}");

    fs::write(&policy, [0xff]).unwrap();
    let error = load(&source, &with_policy).unwrap_err().to_string();
    assert!(error.contains("line 1 is not valid UTF-8\n   = a policy is written as text"), "{error}");
}

fn schedules(policy: &str) -> Vec<Vec<String>> {
    let loaded = load_with(policy, &options()).unwrap_or_else(|error| panic!("{error}"));
    let of = |worker: &Worker| worker.schedules.iter().map(|expression| expression.text().to_owned()).collect();
    loaded.config.workers().map(|(_, worker)| of(worker)).collect()
}

#[test]
fn schedules_belong_to_their_workers() {
    let none = schedules("const policy :Bulkhead.Policy = (default = (cpuTimeMs = 5));");
    assert_eq!(none, [const { Vec::<String>::new() }; 3]);
    let some = schedules(
        "const policy :Bulkhead.Policy = (
            workers = [(name = \"a\", limits = (cpuTimeMs = 5))],
            schedules = [(worker = \"b\", crons = [\"*/30 * * * *\", \"59 23 LW * *\"]), (worker = \"a\", crons = [])]);",
    );
    assert_eq!(some, [vec![], vec!["*/30 * * * *".to_owned(), "59 23 LW * *".to_owned()], vec![]]);
}

#[test]
fn schedules_that_mean_nothing_are_refused_at_their_place() {
    let many = (0..65).map(|minute| format!("\"{minute} * * * *\"")).collect::<Vec<_>>().join(", ");
    let cases = [
        (
            "(worker = \"a\", crons = [\"0 0 * * *\", \"0 25 * * *\"])",
            "9:39: error: `0 25 * * *` is not a schedule: `25` is no hour: it takes 0 to 23",
        ),
        (
            "(worker = \"a\", crons = [\"0 0 31 2 *\"])",
            "9:26: error: `0 0 31 2 *` is not a schedule: no day of any year",
        ),
        (
            "(worker = \"a\", crons = [\"0 0 * * *\", \"0 0 * * *\"])",
            "9:39: error: the schedule `0 0 * * *` is there twice",
        ),
        ("(worker = \"d\", crons = [\"0 0 * * *\"])", "there is no worker `d` in the configuration"),
        ("(crons = [\"0 0 * * *\"])", "this needs the name of a `worker`"),
        ("(worker = \"a\"), (worker = \"a\")", "`a` has schedules already"),
        (&format!("(worker = \"a\", crons = [{many}])"), "a worker has at most 64 schedules, and these are 65"),
    ];
    for (text, expected) in cases {
        let policy = format!("const policy :Bulkhead.Policy = (schedules = [\n {text}]);");
        let said = load_with(&policy, &options()).expect_err(text).to_string();
        assert!(said.contains(expected), "{text}: {said}");
    }
}

#[test]
fn only_the_policy_permits_the_paths_of_handlers() {
    let load = |policy: &str, experimental: bool| {
        let socket = CONFIG
            .replace("]);", "], sockets = [(name = \"http\", service = \"a\"), (name = \"x\", service = \"a\")]);");
        let text = format!("{PRELUDE}{socket}{IMPORT}{policy}");
        load_text_from_bytes(text.as_bytes(), [], &Options { experimental, ..options() })
    };
    let paths = |policy: &str| -> Vec<bool> {
        let loaded = load(policy, true).unwrap_or_else(|error| panic!("{error}"));
        loaded
            .config
            .sockets
            .iter()
            .map(|socket| socket.protocol.http().is_some_and(|http| http.handler_paths))
            .collect()
    };
    let permitted = "const policy :Bulkhead.Policy = (sockets = [(name = \"x\", handlerPaths = true)]);";
    assert_eq!(paths(""), [false, false]);
    assert_eq!(paths(permitted), [false, true]);
    assert_eq!(paths("const policy :Bulkhead.Policy = (sockets = [(name = \"x\")]);"), [false, false]);
    let said = load(permitted, false).expect_err("not without the option").to_string();
    assert!(said.contains("`handlerPaths` is experimental") && said.contains("--experimental"), "{said}");
    for (entries, expected) in [
        ("(name = \"htpp\")", "there is no socket `htpp` in the configuration"),
        ("(name = \"x\"), (name = \"x\")", "`x` has permissions already"),
        ("(handlerPaths = true)", "this needs the `name` of a socket"),
    ] {
        let policy = format!("const policy :Bulkhead.Policy = (sockets = [{entries}]);");
        let said = load(&policy, true).expect_err(entries).to_string();
        assert!(said.contains(expected), "{entries}: {said}");
    }
}
