//! Configurations as a user writes them: what is refused and with which words, what is accepted and as which bytes.

#[path = "config/policy.rs"]
mod policy;
#[path = "config/tls.rs"]
mod tls;

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use bulkhead_ipc::compatibility::{Date, Flag};
use bulkhead_supervisor::config::{
    self, BindingValue, Diagnostics, ExternalKind, HttpStyle, Loaded, ModuleKind, NotYet, Options, Protocol,
    ServiceKind, Severity, Source, WorkerSource, load_binary_from_bytes, load_text_from_bytes,
};
use proptest::prelude::*;

/// Every text of a table begins with this line, which the tables leave out.
const PRELUDE: &str = "using Workerd = import \"/workerd/workerd.capnp\";\n";

fn options() -> Options {
    Options::on(Date::new(2026, 11, 20))
}

fn here() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/config")
}

fn load(text: &str) -> Result<Loaded, Diagnostics> {
    load_text_from_bytes(format!("{PRELUDE}{text}").as_bytes(), [], &options())
}

/// One section of `faulty.txt`.
struct Case {
    title: String,
    text: String,
    files: Vec<(String, String)>,
    expected: String,
}

fn read_cases(table: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    for section in table.split("\n=== ").skip(1) {
        let (title, rest) = section.split_once('\n').expect("a title");
        let (source, expected) = rest.split_once("--- gives\n").expect("an expectation");
        let mut parts = source.split("--- file ");
        let text = parts.next().expect("a text").to_owned();
        let files = parts
            .map(|part| part.split_once('\n').expect("a file name"))
            .map(|(name, text)| (name.to_owned(), text.to_owned()))
            .collect();
        cases.push(Case { title: title.to_owned(), text, files, expected: expected.trim_end().to_owned() });
    }
    cases
}

fn run_case(case: &Case) -> String {
    let files = case.files.iter().map(|(name, text)| (PathBuf::from(format!("/{name}")), text.clone().into_bytes()));
    let mut options = options();
    let named = |what: &str| Some(case.title.split_once(what)?.1.to_owned());
    options.const_name = named(", constant: ");
    options.policy = named(", policy: ").map(|name| PathBuf::from(format!("/{name}")));
    options.policy_const = named(", policy constant: ");
    match load_text_from_bytes(format!("{PRELUDE}{}", case.text).as_bytes(), files, &options) {
        Ok(loaded) => format!("accepted: {loaded:?}"),
        Err(diagnostics) => diagnostics.to_string(),
    }
}

/// `UPDATE_EXPECTED=1` writes what comes out into the table, to be read before it is committed.
#[test]
fn faulty_configurations_get_their_diagnostics() {
    let path = here().join("faulty.txt");
    let table = fs::read_to_string(&path).expect("the table");
    let cases = read_cases(&table);
    assert!(cases.len() >= 60, "only {} cases", cases.len());
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        let mut updated = table.split("\n=== ").next().expect("an introduction").to_owned();
        for case in &cases {
            let files: String = case.files.iter().map(|(name, text)| format!("--- file {name}\n{text}")).collect();
            write!(updated, "\n=== {}\n{}{files}--- gives\n{}\n", case.title, case.text, run_case(case)).unwrap();
        }
        fs::write(&path, updated).expect("the table");
        return;
    }
    let mut wrong = String::new();
    for case in &cases {
        let actual = run_case(case);
        if actual != case.expected {
            writeln!(wrong, "=== {}\n{}--- expected\n{}\n--- got\n{actual}\n", case.title, case.text, case.expected)
                .unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn everything_that_exists_is_in_the_model() {
    let text = r#"
const config :Workerd.Config = (
  services = [
    (name = "a", worker = .a),
    (name = "b", worker = (serviceWorkerScript = "addEventListener", compatibilityDate = "2024-01-01",
      bindings = [(name = "W", wasmModule = 0x"00 61 73 6d")])),
  ],
  sockets = [
    (name = "one", address = "*:80", service = "a"),
    (name = "two", service = (name = "b", entrypoint = "e", props = (json = "{\"x\": [1]}")),
      http = (style = proxy, forwardedProtoHeader = "X-Proto", cfBlobHeader = "CF-Blob",
        injectRequestHeaders = [(name = "A", value = "b"), (name = "C")],
        injectResponseHeaders = [(name = "D", value = "")])),
  ],
  v8Flags = ["--expose-gc"],
);
const a :Workerd.Worker = (
  modules = [
    (name = "main", esModule = "export default {}"),
    (name = "c", commonJsModule = "module.exports = 1", namedExports = ["x", "y"]),
    (name = "t", text = "text"),
    (name = "d", data = "data"),
    (name = "w", wasm = 0x"00"),
    (name = "j", json = "1"),
  ],
  compatibilityDate = "2026-11-20",
  compatibilityFlags = ["no_global_navigator"],
  bindings = [(name = "T", text = "t"), (name = "D", data = 0x"ff"), (name = "J", json = "null")],
  globalOutbound = "internet",
);
"#;
    let loaded = load(text).unwrap_or_else(|error| panic!("{error}"));
    let config = loaded.config;
    assert_eq!(loaded.files, [Path::new("/config.capnp")]);
    assert_eq!(config.v8_flags, ["--expose-gc"]);
    let worker = config.services[0].kind.worker().expect("a worker");
    assert_eq!(config.services[1].id.as_str(), "b");
    let WorkerSource::Modules(modules) = &worker.source else { panic!("modules") };
    let kinds: Vec<_> = modules.iter().map(|module| (module.name.as_str(), module.kind.clone())).collect();
    assert_eq!(
        kinds,
        [
            ("main", ModuleKind::EsModule("export default {}".into())),
            (
                "c",
                ModuleKind::CommonJs {
                    source: "module.exports = 1".into(),
                    named_exports: vec!["x".into(), "y".into()]
                }
            ),
            ("t", ModuleKind::Text("text".into())),
            ("d", ModuleKind::Data("data".into())),
            ("w", ModuleKind::Wasm(vec![0].into())),
            ("j", ModuleKind::Json("1".into())),
        ]
    );
    assert!(worker.compatibility.is_on(Flag::named("url_standard")));
    assert!(!worker.compatibility.is_on(Flag::named("global_navigator")));
    assert_eq!(worker.compatibility_date, "2026-11-20");
    assert_eq!(worker.bindings[1].value, BindingValue::Data(vec![255].into()));
    let second = config.services[1].kind.worker().expect("a worker");
    assert_eq!(second.bindings[0].value, BindingValue::WasmModule(b"\0asm".to_vec().into()));
    assert_eq!(config.sockets[0].address.as_deref(), Some("*:80"));
    assert_eq!(config.sockets[0].protocol, Protocol::Http(Default::default()));
    let two = &config.sockets[1];
    assert_eq!((two.address.as_deref(), two.service.service.as_str()), (None, "b"));
    assert_eq!(two.service.entrypoint.as_deref(), Some("e"));
    assert_eq!(two.service.props_json.as_deref(), Some("{\"x\": [1]}"));
    let http = two.protocol.http().expect("HTTP");
    assert_eq!(http.style, HttpStyle::Proxy);
    assert_eq!(http.cf_blob_header.as_ref().map(|name| name.as_str()), Some("cf-blob"));
    assert_eq!(http.inject_request_headers[1].value, None);
    assert_eq!(http.inject_response_headers[0].value.as_ref().map(|value| value.len()), Some(0));
}

#[test]
fn flags_that_are_missing_are_refused_by_name() {
    for (flag, what) in [
        ("allow_irrevocable_stub_storage", "RPC"),
        ("python_workers", "Python workers"),
        ("url_original", "the URL parser of before the URL Standard"),
    ] {
        let text = format!(
            "const c :Workerd.Config = (services = [(name = \"a\", worker = (modules = [(name = \"m\", esModule = \"\")],
        compatibilityDate = \"2026-11-20\",
  compatibilityFlags = [\"no_global_navigator\", \"{flag}\"]))]);"
        );
        let error = load(&text).unwrap_err().to_string();
        let expected = format!(
            "/config.capnp:4:48: error: The compatibility flag {flag} is not implemented: what is missing: {what}."
        );
        assert!(error.contains(&expected), "{error}");
    }
    // Names that ask for what is done anyway.
    let text =
        "const c :Workerd.Config = (services = [(name = \"a\", worker = (modules = [(name = \"m\", esModule = \"\")],
        compatibilityDate = \"2026-11-20\", compatibilityFlags = [\"no_nodejs_compat\", \"url_standard\"]))]);";
    load(text).unwrap_or_else(|error| panic!("{error}"));
}

/// What can only fail when it is used is said at its place, and keeps nobody from being served.
#[test]
fn what_will_fail_when_it_is_used_is_a_warning() {
    let text = "const c :Workerd.Config = (
  services = [(name = \"a\", worker = (modules = [(name = \"m\", esModule = \"\")], compatibilityDate = \"2026-07-01\",
    compatibilityFlags = [\"nodejs_compat\"],
    cacheApiOutbound = \"a\",
    durableObjectNamespaces = [(className = \"C\", uniqueKey = \"k\"), (className = \"L\", ephemeralLocal = void)],
    durableObjectStorage = (localDisk = \"d\"),
    containerEngine = (localDocker = (socketPath = \"/x\")),
    bindings = [(name = \"N\", durableObjectNamespace = \"L\")])),
    (name = \"d\", disk = (path = \"/\", writable = true))],
  extensions = [(modules = [(name = \"x:y\", esModule = \"1\"), (name = \"./x:y\", internal = true, esModule = \"2\")])],
  logging = (structuredLogging = true),
);";
    let loaded = load(text).unwrap_or_else(|error| panic!("{error}"));
    let places: Vec<_> = loaded.warnings.iter().map(|warning| warning.position().expect("a place")).collect();
    assert_eq!(places, [(4, 27), (6, 33), (6, 69), (8, 5), (9, 30)], "{:?}", loaded.warnings);
    assert!(loaded.warnings.iter().all(|warning| warning.severity() == Severity::Warning));
    let second = loaded.warnings[1].to_string();
    assert!(second.starts_with("/config.capnp:6:33: warning: Durable Objects are not there yet"), "{second}");
    assert!(loaded.config.structured_logging);
    let names: Vec<_> = loaded.config.extensions.iter().map(|module| (module.name.as_str(), module.internal)).collect();
    assert_eq!(names, [("x:y", false), ("./x:y", true)]);
    let worker = loaded.config.services[0].kind.worker().expect("a worker");
    let classes: Vec<_> = worker.actor_classes.iter().map(|class| (&*class.name, class.ephemeral)).collect();
    assert_eq!(classes, [("C", false), ("L", true)]);
    assert_eq!(worker.bindings[0].value, BindingValue::ActorNamespace { ephemeral: true });
}

/// So it is with bindings of kinds, with tail workers, with what runs workflows and containers, and with what changes nothing.
#[test]
fn what_cannot_run_yet_is_loaded_with_a_warning() {
    let text = "const c :Workerd.Config = (
  services = [(name = \"a\", worker = (modules = [(name = \"m\", esModule = \"\")], compatibilityDate = \"2026-07-01\",
    durableObjectNamespaces = [(className = \"C\", uniqueKey = \"k\", container = (imageName = \"x\"))],
    durableObjectStorage = (inMemory = void),
    tails = [\"a\"],
    streamingTails = [(name = \"a\", entrypoint = \"e\")],
    workflowsEngine = (actorClass = (name = \"a\", entrypoint = \"C\")),
    bindings = [
      (name = \"a\", kvNamespace = \"a\"),
      (name = \"b\", r2Bucket = \"a\"),
      (name = \"c\", queue = \"a\"),
      (name = \"d\", cryptoKey = (hex = \"00\", algorithm = (name = \"HMAC\"))),
    ]))],
  autogates = [\"workerd-autogate-x\"],
  logging = (stdoutPrefix = \"x\"),
);";
    let loaded = load(text).unwrap_or_else(|error| panic!("{error}"));
    let lines: Vec<_> = loaded.warnings.iter().map(|warning| warning.position().expect("a place").0).collect();
    assert_eq!(lines, [4, 4, 6, 7, 8, 10, 11, 12, 13, 15, 16], "{:?}", loaded.warnings);
    let worker = loaded.config.services[0].kind.worker().expect("a worker");
    let kinds: Vec<_> = worker.bindings.iter().map(|binding| binding.value.clone()).collect();
    let kind = |kind| BindingValue::NotYet(kind);
    assert_eq!(
        kinds,
        [kind(NotYet::KvNamespace), kind(NotYet::R2Bucket), kind(NotYet::Queue), kind(NotYet::CryptoKey)]
    );
    // What they lead to has to be there all the same.
    for wrong in [
        "kvNamespace = \"a\"",
        "queue = \"a\"",
        "tails = [\"a\"]",
        "streamingTails = [(name = \"a\"",
        "(actorClass = (name = \"a\"",
    ] {
        let text = text.replace(wrong, &wrong.replace("\"a\"", "\"nowhere\""));
        let error = load(&text).unwrap_err().to_string();
        assert!(error.contains("refers to a service \"nowhere\", but no such service is defined."), "{error}");
    }
}

#[test]
fn experimental_flags_need_to_be_allowed() {
    let text =
        "const c :Workerd.Config = (services = [(name = \"a\", worker = (modules = [(name = \"m\", esModule = \"\")],
        compatibilityDate = \"2024-01-01\", compatibilityFlags = [\"precise_timers\"]))]);";
    assert!(load(text).unwrap_err().to_string().contains("--experimental"));
    let allowed = Options { experimental: true, ..options() };
    load_text_from_bytes(format!("{PRELUDE}{text}").as_bytes(), [], &allowed).expect("allowed");
}

#[test]
fn a_constant_is_chosen_by_name() {
    let text = "using Lib = import \"lib.capnp\"; const a :Workerd.Config = (); const b :Workerd.Config = (v8Flags = [\"--b\"]);";
    let lib = format!("{PRELUDE}const deep :Workerd.Config = (v8Flags = [\"--deep\"]);");
    for (name, flag) in [("b", "--b"), ("Lib.deep", "--deep")] {
        let options = Options { const_name: Some(name.into()), ..options() };
        let files = [(PathBuf::from("/lib.capnp"), lib.clone().into_bytes())];
        let loaded = load_text_from_bytes(format!("{PRELUDE}{text}").as_bytes(), files, &options).expect("a constant");
        assert_eq!(loaded.config.v8_flags, [flag]);
        assert_eq!(loaded.files, [Path::new("/config.capnp"), Path::new("/lib.capnp")]);
    }
}

#[test]
fn a_compiled_configuration_is_what_it_was_made_of() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("config.capnp");
    let text = r#"using Workerd = import "/workerd/workerd.capnp";
using Bulkhead = import "/bulkhead/policy.capnp";
const config :Workerd.Config = (services = [(name = "w", worker = (compatibilityDate = "2024-01-01",
  modules = [(name = "w", esModule = "export default {}"), (name = "t", text = embed "text")]))]);
const policy :Bulkhead.Policy = (default = (threads = 5));"#;
    fs::write(&path, text).expect("a file");
    fs::write(directory.path().join("text"), "x".repeat(3 << 20)).expect("a file");
    let loaded = config::load(&Source::Text(path.clone()), &options()).expect("it is right");
    let (compiled, warnings) = config::compile(&Source::Text(path), &options()).expect("it is right");
    assert!(warnings.is_empty(), "{warnings:?}");
    // One segment, as whoever reads it in place needs it.
    assert_eq!(compiled.config[..4], [0; 4]);
    assert!(!format!("{compiled:?}").contains("120"), "it shows what it holds");
    directory.close().expect("nothing is needed any more");
    let source = Source::Compiled(compiled.into());
    let again = config::load(&source, &options()).expect("it is right");
    assert_eq!(again.config, loaded.config);
    assert_eq!(again.config.services[0].kind.worker().expect("a worker").policy.threads, 5);
    let (same, _) = config::compile(&source, &options()).expect("it is compiled");
    assert!(matches!(source, Source::Compiled(compiled) if *compiled == same), "it changes when it is compiled");
}

#[test]
fn files_come_from_beside_the_text_and_from_import_directories() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    fs::create_dir_all(root.join("app/sub")).unwrap();
    fs::create_dir_all(root.join("libs/one")).unwrap();
    fs::write(root.join("app/sub/data.bin"), [0xff, 0]).unwrap();
    fs::write(
        root.join("app/sub/part.capnp"),
        format!("{PRELUDE}const main :Workerd.Worker = (modules = [(name = \"m\", esModule = embed \"m.js\"), (name = \"d\", data = embed \"data.bin\")], compatibilityDate = \"2024-01-01\");"),
    )
    .unwrap();
    // An empty file is embedded as an empty text. (The `capnp` tool of Debian crashes on one, so the corpus has none.)
    fs::write(root.join("app/sub/m.js"), "").unwrap();
    fs::write(root.join("libs/one/flags.capnp"), "const flags :List(Text) = [\"--a\", embed \"/one/flag\"];").unwrap();
    fs::write(root.join("libs/one/flag"), "--b").unwrap();
    let config = root.join("app/config.capnp");
    fs::write(
        &config,
        format!(
            "{PRELUDE}using Part = import \"sub/part.capnp\"; using import \"/one/flags.capnp\".flags;
            const config :Workerd.Config = (services = [(name = \"a\", worker = Part.main)], v8Flags = .flags);"
        ),
    )
    .unwrap();
    let options = Options { import_paths: vec![root.join("nowhere"), root.join("libs")], ..options() };
    let loaded = config::load(&Source::Text(config.clone()), &options).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(loaded.config.v8_flags, ["--a", "--b"]);
    let expected = [
        "app/config.capnp",
        "libs/one/flags.capnp",
        "libs/one/flag",
        "app/sub/part.capnp",
        "app/sub/m.js",
        "app/sub/data.bin",
    ];
    let mut read = loaded.files;
    let mut expected: Vec<PathBuf> = expected.iter().map(|name| root.join(name)).collect();
    read.sort();
    expected.sort();
    assert_eq!(read, expected);

    // The same as a binary file.
    let bytes = config::encode_text(&config, &options).expect("bytes");
    let binary = root.join("config.bin");
    fs::write(&binary, bytes).unwrap();
    let again = config::load(&Source::Binary(binary.clone()), &options).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(again.config, loaded.config);
    assert_eq!(again.files, [binary]);
}

/// The paths that a load looks for, and whether it succeeds.
fn looked_for(source: &Source, options: &Options) -> (BTreeSet<PathBuf>, bool) {
    let paths = std::cell::RefCell::new(BTreeSet::new());
    let loaded = config::load_observed(source, options, &|path| {
        paths.borrow_mut().insert(path.to_owned());
    });
    (paths.into_inner(), loaded.is_ok())
}

#[test]
fn what_another_load_may_depend_on_is_told_also_where_it_is_missing() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    let at = |names: &[&str]| names.iter().map(|name| root.join(name)).collect::<BTreeSet<_>>();
    let write = |name: &str, text: &str| fs::write(root.join(name), text).unwrap();
    fs::create_dir(root.join("one")).unwrap();
    fs::create_dir(root.join("two")).unwrap();
    let options = Options { import_paths: vec![root.join("one"), root.join("two")], ..options() };
    let source = Source::Text(root.join("config.capnp"));
    assert_eq!(looked_for(&source, &options), (at(&["config.capnp"]), false));

    write(
        "config.capnp",
        &format!(
            "{PRELUDE}using Part = import \"/part.capnp\"; const config :Workerd.Config = (services = [(name = \"a\", \
             worker = (serviceWorkerScript = embed \"a.js\", compatibilityDate = Part.date))]);"
        ),
    );
    let all = at(&["config.capnp", "one/part.capnp", "two/part.capnp", "a.js"]);
    assert_eq!(
        looked_for(&source, &options),
        (all.clone(), false),
        "both places of the import, and what comes after it"
    );
    write("two/part.capnp", "const date :Text = \"2024-01-01\";");
    write("a.js", "");
    assert_eq!(looked_for(&source, &options), (all, true), "what would be found first is still of interest");
    write("one/part.capnp", "const date :Text = embed \"date\";");
    let (paths, loaded) = looked_for(&source, &options);
    assert!(paths.is_superset(&at(&["one/part.capnp", "one/date", "a.js"])) && !loaded, "{paths:?}");

    let binary = Source::Binary(root.join("config.bin"));
    let options = Options { policy: Some(root.join("policy.capnp")), ..options };
    assert_eq!(looked_for(&binary, &options), (at(&["config.bin", "policy.capnp"]), false));
}

#[test]
fn missing_files_are_named() {
    let missing = here().join("no-such.capnp");
    for source in [Source::Text(missing.clone()), Source::Binary(missing.clone()), Source::Text(here())] {
        let error = config::load(&source, &options()).unwrap_err().to_string();
        assert!(error.contains("cannot read"), "{error}");
    }
}

fn encode(text: &str) -> Vec<u8> {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("config.capnp");
    fs::write(&path, format!("{PRELUDE}{text}")).unwrap();
    config::encode_text(&path, &options()).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn faults_of_a_binary_configuration_are_named_by_their_path() {
    for (text, expected) in [
        (
            "const c :Workerd.Config = (services = [(name = \"a\", worker = (modules = [(name = \"m\", esModule = \"\")],
                compatibilityDate = \"2024-01-01\", bindings = [(name = \"k\", parameter = (optional = true))]))]);",
            "<bytes>: error: `services[0].worker.bindings[0].parameter` is not supported yet",
        ),
        (
            "const c :Workerd.Config = (sockets = [(name = \"s\", service = \"nope\")]);",
            "<bytes>: error: sockets[0].service.name: Socket \"s\" refers to a service \"nope\", but no such service is defined.",
        ),
        (
            "const c :Workerd.Config = (logging = (structuredLogging = true), structuredLogging = true);",
            "",
        ),
        ("const c :Workerd.Config = (structuredLogging = false, autogates = []);", ""),
    ] {
        let actual = load_binary_from_bytes(&encode(text), &options()).err().map(|error| error.to_string());
        assert_eq!(actual.unwrap_or_default(), expected);
    }
}

#[test]
fn a_large_module_fits_in_a_binary_configuration() {
    let text = format!(
        "const c :Workerd.Config = (services = [(name = \"a\", worker = (modules = [(name = \"m\", esModule = \"{}\")],
            compatibilityDate = \"2024-01-01\"))]);",
        "x".repeat(3 << 20)
    );
    let config = load_binary_from_bytes(&encode(&text), &options()).unwrap_or_else(|error| panic!("{error}"));
    let worker = config.services[0].kind.worker().expect("a worker");
    assert!(matches!(&worker.source, WorkerSource::Modules(modules) if modules.len() == 1));
}

#[test]
fn what_is_no_binary_configuration_is_refused() {
    let good = encode("const c :Workerd.Config = (v8Flags = [\"--a\"]);");
    load_binary_from_bytes(&good, &options()).expect("good");
    for (bytes, expected) in [
        (Vec::new(), "it is empty"),
        (b"using Workerd = import".to_vec(), "this is not a binary configuration"),
        (good[..good.len() - 8].to_vec(), "this is not a binary configuration"),
        ([good.as_slice(), &[0; 8]].concat(), "8 bytes follow the message"),
        (vec![0xff; 64], "this is not a binary configuration"),
    ] {
        let error = load_binary_from_bytes(&bytes, &options()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

fn capnp_tool() -> bool {
    let found = Command::new("capnp").arg("--version").output().is_ok();
    if !found {
        assert!(std::env::var_os("CI").is_none(), "CI needs the `capnp` tool (Debian: capnproto)");
        eprintln!("skipped: no `capnp` tool on this machine");
    }
    found
}

/// The canonical form of a message of type `T`.
fn canonical<T: capnp::traits::Owned>(bytes: &[u8]) -> Vec<u8> {
    let mut options = capnp::message::ReaderOptions::new();
    options.traversal_limit_in_words(None);
    let message = capnp::serialize::read_message_from_flat_slice(&mut &bytes[..], options).expect("a message");
    let root: T::Reader<'_> = message.get_root().expect("a root");
    let mut builder = capnp::message::Builder::new_default();
    builder.set_root_canonical(root).expect("canonical");
    builder.get_segments_for_output().concat()
}

/// Copies a directory; what a sample's build would make is made up.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, target).unwrap();
        }
    }
    if to.join("app.js").exists() && !to.join("bundle.js").exists() {
        fs::write(to.join("bundle.js"), "export default {};").unwrap();
    }
}

fn texts_below(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            texts_below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "capnp") {
            found.push(path);
        }
    }
    found.sort();
}

/// Our bytes are those of the `capnp` tool. Debian's does not know that a bare string can stand for a struct, so that is
/// written out for it; everything else goes to it as it is.
#[test]
fn samples_and_corpus_encode_as_the_capnp_tool_encodes_them() {
    if !capnp_tool() {
        return;
    }
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let copied = tempfile::tempdir().expect("a directory");
    copy(&manifest.join("../samples"), &copied.path().join("samples"));
    copy(&here().join("corpus"), &copied.path().join("corpus"));
    // Whoever tries this sample makes its key and certificate; what is in them does not matter here.
    for file in ["key.pem", "cert.pem"] {
        fs::write(copied.path().join("samples/tls-front").join(file), file).unwrap();
    }
    let mut texts = Vec::new();
    texts_below(copied.path(), &mut texts);
    let (mut compared, mut policies) = (0, 0);
    for path in texts {
        let text = fs::read_to_string(&path).unwrap();
        // Parts that others import have no configuration of their own.
        if !text.contains("const config ") {
            continue;
        }
        let options = Options {
            const_name: Some("config".into()),
            policy_const: Some("policy".into()),
            import_paths: vec![copied.path().join("corpus/include")],
            ..options()
        };
        let ours = config::encode_text(&path, &options).unwrap_or_else(|error| panic!("{error}"));
        let written_out = config::write_out_shorthands(&path, &options).unwrap_or_else(|error| panic!("{error}"));
        let plain = path.with_extension("plain.capnp");
        let id = if text.lines().any(|line| line.starts_with("@0x")) { "" } else { "@0xd0c5a1f3b7e92468;\n" };
        fs::write(&plain, format!("{id}{written_out}")).unwrap();
        let theirs = |constant: &str| {
            let output = Command::new("capnp")
                .args(["eval", "--binary", "--no-standard-import", "-I"])
                .arg(manifest.join("../ipc-schema/schema/config"))
                .arg("-I")
                .arg(copied.path().join("corpus/include"))
                .arg(&plain)
                .arg(constant)
                .output()
                .expect("the capnp tool");
            assert!(output.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&output.stderr));
            output.stdout
        };
        use bulkhead_ipc::{policy_capnp::policy, workerd_capnp};
        let same = canonical::<workerd_capnp::config::Owned>(&ours)
            == canonical::<workerd_capnp::config::Owned>(&theirs("config"));
        assert!(same, "{} differs", path.display());
        compared += 1;
        if text.contains("const policy ") {
            let ours = config::encode_policy_text(&path, &options).unwrap_or_else(|error| panic!("{error}"));
            let same = canonical::<policy::Owned>(&ours) == canonical::<policy::Owned>(&theirs("policy"));
            assert!(same, "the policy of {} differs", path.display());
            policies += 1;
        }
    }
    assert!(compared >= 10 && policies >= 2, "only {compared} texts and {policies} policies compared");
}

/// Nothing that follows may take more than this much text to say what is wrong.
const LONGEST_REPORT: usize = 200_000;

fn survives(text: &[u8], files: Vec<(PathBuf, Vec<u8>)>) -> Option<String> {
    let report = load_text_from_bytes(text, files, &options()).err().map(|error| error.to_string());
    if let Some(report) = &report {
        assert!(!report.is_empty() && report.len() < LONGEST_REPORT, "{} bytes", report.len());
    }
    report
}

#[test]
fn bombs_are_refused() {
    let deep = |open: &str, close: &str| {
        format!("{PRELUDE}const c :Workerd.Config = {}{};", open.repeat(200_000), close.repeat(200_000))
    };
    let doubling: String = (1..60).fold("const c0 :List(Text) = [\"x\"];\n".to_owned(), |mut text, index| {
        writeln!(text, "const c{index} :List(Workerd.Service) = [(name = \"a\", worker = (bindings = [(name = \"b\", wrapped = (innerBindings = .b{index}))]))];").unwrap();
        text
    });
    let exponential: String = (1..60).fold(
        "const b0 :List(Workerd.Worker.Binding) = [(name = \"x\"), (name = \"y\")];\n".to_owned(),
        |mut text, index| {
            let previous = index - 1;
            writeln!(text, "const b{index} :List(Workerd.Worker.Binding) = [.w{index}, .w{index}, .w{index}, .w{index}]; const w{index} :Workerd.Worker.Binding = (wrapped = (innerBindings = .b{previous}));").unwrap();
            text
        },
    );
    let aliases: String = (1..200).fold("using A0 = import \"/config.capnp\";\n".to_owned(), |mut text, index| {
        let previous = index - 1;
        writeln!(text, "using A{index} = A{previous}.A{previous}.A{previous};").unwrap();
        text
    });
    let cycle = "const c :Workerd.Config = (services = .s); const s :List(Workerd.Service) = [(name = \"a\", worker = .w)];
        const w :Workerd.Worker = (bindings = [(name = \"x\", wrapped = (innerBindings = .v))]); const v :List(Workerd.Worker.Binding) = [(wrapped = .u)]; const u :Workerd.Worker.Binding.WrappedBinding = (innerBindings = .v);";
    let many = format!("const c :Workerd.Config = (v8Flags = [{}]);", "\"-\",".repeat(700_000));
    let garbage = "\u{1}\u{301}é(".repeat(300_000);
    let services: String = (0..500).fold(String::new(), |mut text, index| {
        write!(text, "(name = \"service-{index}\", worker = .w),").unwrap();
        text
    });
    let strangers = format!(
        "const c :Workerd.Config = (services = [{services}]);
        const w :Workerd.Worker = (serviceWorkerScript = \"\", compatibilityDate = \"2024-01-01\");
        const p :import \"/bulkhead/policy.capnp\".Policy = (workers = [{}]);",
        (0..50_000).map(|index| format!("\"serving-{index}\",")).collect::<String>()
    );
    let commas = format!("const c :Workerd.Config = ({});", ",".repeat(2_000_000));
    let shared = format!(
        "const big :Text = \"{}\"; const c :Workerd.Config = (v8Flags = [{}]);",
        "-".repeat(1_000_000),
        ".big, ".repeat(2_000)
    );
    for (what, text, expected) in [
        ("parentheses", deep("(", ")"), "nested more than"),
        ("brackets", deep("[", "]"), "nested more than"),
        ("structs", deep("(services=[(worker=(bindings=[(wrapped=(innerBindings=[", "])])])])"), ""),
        ("types", format!("{PRELUDE}const c :{} = 1;", "List(".repeat(200_000)), "nested more than"),
        ("doubling", format!("{PRELUDE}{doubling}"), "has no member"),
        (
            "exponential",
            format!(
                "{PRELUDE}{exponential}const c :Workerd.Config = (services = [(name = \"a\", worker = (bindings = .b59))]);"
            ),
            "nested more than",
        ),
        (
            "half as deep",
            format!(
                "{PRELUDE}{exponential}const c :Workerd.Config = (services = [(name = \"a\", worker = (bindings = .b11))]);"
            ),
            "values once constants are put in their places",
        ),
        ("aliases", format!("{PRELUDE}{aliases}const c :A199.Workerd.Config = ();"), ""),
        ("cycle", format!("{PRELUDE}{cycle}"), "needs its own value"),
        ("many", format!("{PRELUDE}{many}"), "more than"),
        ("garbage", garbage, "means nothing"),
        ("commas", format!("{PRELUDE}{commas}"), "expected"),
        ("strangers", format!("{PRELUDE}{strangers}"), "and 49900 more"),
        ("shared text", format!("{PRELUDE}{shared}"), "bytes once constants are put in their places"),
        ("long text", format!("{PRELUDE}const c :Text = \"{}\";", "x".repeat(5 << 20)), "more than"),
    ] {
        let report = survives(text.as_bytes(), Vec::new()).unwrap_or_else(|| panic!("{what} was accepted"));
        assert!(report.contains(expected), "{what}: {}", &report[..report.len().min(500)]);
    }
}

#[test]
fn import_bombs_are_refused() {
    // Each file imports two more.
    let files: Vec<_> = (0..5_000)
        .map(|index| {
            let text = format!(
                "using A = import \"{}.capnp\"; using B = import \"{}.capnp\"; const x :List(Text) = A.x; const y :List(Text) = B.x;",
                index * 2 + 1,
                index * 2 + 2
            );
            (PathBuf::from(format!("/{index}.capnp")), text.into_bytes())
        })
        .collect();
    let text = format!("{PRELUDE}using Zero = import \"0.capnp\"; const c :Workerd.Config = (v8Flags = Zero.x);");
    assert!(survives(text.as_bytes(), files).is_some());
    // Files that import each other are fine as long as no value needs itself.
    let other = format!("{PRELUDE}using Main = import \"config.capnp\"; const x :Text = Main.y;").into_bytes();
    let text = "using Other = import \"other.capnp\"; const y :Text = \"--y\"; const c :Workerd.Config = (v8Flags = [Other.x]);";
    let files = [(PathBuf::from("/other.capnp"), other)];
    let loaded = load_text_from_bytes(format!("{PRELUDE}{text}").as_bytes(), files, &options());
    assert_eq!(loaded.unwrap_or_else(|error| panic!("{error}")).config.v8_flags, ["--y"]);
}

/// The bombs again, in a process that may not have more than 2.5 GB of addresses. The largest configuration that is
/// accepted has 512 MiB, and is held once as files, once as a message.
#[test]
#[cfg(target_os = "linux")]
fn bombs_take_a_bounded_amount_of_memory() {
    let output = Command::new("sh")
        .args([
            "-c",
            "ulimit -v 2500000; exec \"$0\" --exact bombs_are_refused import_bombs_are_refused --test-threads 1",
        ])
        .arg(std::env::current_exe().expect("this program"))
        .output()
        .expect("a shell");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(String::from_utf8_lossy(&output.stdout).contains("2 passed"));
}

fn corpus() -> Vec<String> {
    let mut texts = Vec::new();
    texts_below(&here().join("corpus"), &mut texts);
    let mut texts: Vec<String> = texts.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    texts.extend(
        read_cases(&fs::read_to_string(here().join("faulty.txt")).unwrap())
            .into_iter()
            .map(|case| format!("{PRELUDE}{}", case.text)),
    );
    texts
}

/// Pieces of the language, to be put together without sense.
fn token() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "using",
            "const",
            "import",
            "embed",
            "struct",
            "enum",
            "=",
            ":",
            ";",
            ",",
            ".",
            "(",
            ")",
            "[",
            "]",
            "{",
            "}",
            "$",
            "@",
            "-",
            "@0xd0c5a1f3b7e92468;",
            "Workerd",
            "Workerd.Config",
            "Workerd.Worker",
            "import \"/bulkhead/policy.capnp\".Policy",
            "default",
            "workers",
            "threads",
            "jitless",
            "inherit",
            "List",
            "Text",
            "Data",
            "config",
            "services",
            "sockets",
            "worker",
            "modules",
            "name",
            "bindings",
            "http",
            "style",
            "proxy",
            "host",
            "inf",
            "nan",
            "void",
            "true",
            "0x",
            "0x\"",
            "0x\"61\"",
            "1e",
            "1.5",
            "07",
            "09",
            "0xffffffffffffffff",
            "18446744073709551616",
            "\"",
            "\"/workerd/workerd.capnp\"",
            "\"config.capnp\"",
            "\"\\x\"",
            "\"\\",
            "#",
            "\n",
            "\"text\"",
            "wrapped",
            "innerBindings",
            "hyperdrive",
            "memoryCache",
            "limits",
            "maxKeys",
        ])
        .prop_map(str::to_owned),
        "[a-zA-Z0-9_]{0,6}",
        any::<char>().prop_map(String::from),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_of_tokens_harms(tokens in prop::collection::vec(token(), 0..80)) {
        survives(tokens.join(" ").as_bytes(), Vec::new());
        survives(format!("{PRELUDE}const config :Workerd.Config = {};", tokens.join(" ")).as_bytes(), Vec::new());
        let policy = "const policy :import \"/bulkhead/policy.capnp\".Policy";
        let text = format!("{PRELUDE}const c :Workerd.Config = (); {policy} = {};", tokens.join(" "));
        survives(text.as_bytes(), Vec::new());
    }

    #[test]
    fn no_bytes_harm(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        survives(&bytes, Vec::new());
        let _ = load_binary_from_bytes(&bytes, &options()).map_err(|error| error.to_string());
    }

    #[test]
    fn no_change_to_a_real_text_harms(
        which in any::<prop::sample::Index>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0usize..12, token()), 1..6),
    ) {
        let texts = corpus();
        let mut text: Vec<char> = which.get(&texts).chars().collect();
        for (place, length, insert) in edits {
            let start = place.index(text.len() + 1);
            let end = (start + length).min(text.len());
            text.splice(start..end, insert.chars());
        }
        survives(text.into_iter().collect::<String>().as_bytes(), vec![("/config.capnp".into(), Vec::new())]);
    }

    #[test]
    fn no_change_to_a_real_message_harms(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
    ) {
        static MESSAGE: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
        let mut bytes = MESSAGE.get_or_init(|| encode("const c :Workerd.Config = (
            services = [(name = \"a\", worker = (modules = [(name = \"m\", esModule = \"x\"), (name = \"d\", data = \"y\")],
              compatibilityDate = \"2024-01-01\", compatibilityFlags = [\"url_standard\"], bindings = [(name = \"t\", text = \"u\")]))],
            sockets = [(name = \"s\", address = \"*:1\", service = \"a\", http = (injectRequestHeaders = [(name = \"h\", value = \"v\")]))]);")).clone();
        for (place, byte) in edits {
            let index = place.index(bytes.len());
            bytes[index] = byte;
        }
        let _ = load_binary_from_bytes(&bytes, &options()).map_err(|error| error.to_string());
    }
}

#[test]
fn a_service_is_the_same_wherever_it_stands() {
    let ids = |names: [&str; 2]| {
        let service = |name| format!("(name = \"{name}\", worker = .w)");
        let text = format!(
            "{PRELUDE}const config :Workerd.Config = (services = [{}, {}]);
             const w :Workerd.Worker = (serviceWorkerScript = \"\", compatibilityDate = \"2024-01-01\");",
            service(names[0]),
            service(names[1])
        );
        let loaded = load_text_from_bytes(text.as_bytes(), [], &options()).unwrap_or_else(|error| panic!("{error}"));
        loaded.config.services.into_iter().map(|service| service.id).collect::<Vec<_>>()
    };
    let (before, after) = (ids(["a", "b"]), ids(["new", "a"]));
    assert_eq!(before[0], after[1]);
    assert_ne!(before[1], after[1]);
}

#[test]
fn services_that_go_out_are_in_the_model() {
    let loaded = load(
        r#"
const config :Workerd.Config = (services = [
  (name = "near", network = (allow = ["private"], deny = ["10.0.0.0/8"])),
  (name = "back", external = (address = "back:1", http = (style = proxy, cfBlobHeader = "Cf-Blob"))),
  (name = "nowhere", external = (http = ())),
]);
"#,
    );
    let services = loaded.unwrap_or_else(|error| panic!("{error}")).config.services;
    let names: Vec<_> = services.iter().map(|service| service.id.as_str()).collect();
    assert_eq!(names, ["near", "back", "nowhere", "internet"], "the last one is there by itself");
    let allowed = |index: usize| match &services[index].kind {
        ServiceKind::Network(network) => ["192.168.0.1", "10.0.0.1", "8.8.8.8"]
            .map(|address| network.peers.allows(address.parse().expect("an address"))),
        other => panic!("{other:?}"),
    };
    assert_eq!(allowed(0), [true, false, false]);
    assert_eq!(allowed(3), [false, false, true]);
    let ServiceKind::External(back) = &services[1].kind else { panic!("{:?}", services[1]) };
    let ExternalKind::Http(http) = &back.kind else { panic!("it speaks HTTP") };
    assert_eq!((back.address.as_deref(), http.style), (Some("back:1"), HttpStyle::Proxy));
    let ServiceKind::External(nowhere) = &services[2].kind else { panic!("{:?}", services[2]) };
    assert_eq!(nowhere.address, None);
    let own =
        load(r#"const config :Workerd.Config = (services = [(name = "internet", network = (allow = ["local"]))]);"#);
    assert_eq!(own.unwrap_or_else(|error| panic!("{error}")).config.services.len(), 1);
}
