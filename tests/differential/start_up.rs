//! Set-ups that cannot start: exit code and the phrase that tells what is wrong, of both runtimes.

use std::net::TcpListener;

use bulkhead_test_support::{Exit, Runtime, Setup, http};

/// What both sides have to say on standard error. Ours may say more (file, line, caret), so each side has its phrase.
struct Case {
    name: &'static str,
    setup: fn() -> Setup,
    reference: &'static str,
    ours: &'static str,
}

const fn same(name: &'static str, setup: fn() -> Setup, phrase: &'static str) -> Case {
    Case { name, setup, reference: phrase, ours: phrase }
}

fn worker(body: &str) -> Setup {
    Setup::worker(&format!(r#"{body}, compatibilityDate = "2026-08-01""#))
}

fn two_modules(main: &str, other: &str) -> Setup {
    worker(r#"modules = [ (name = "worker", esModule = embed "worker.js"), (name = "other", esModule = embed "other.js") ]"#)
        .file("worker.js", main)
        .file("other.js", other)
}

fn config(rest: &str) -> Setup {
    Setup::config(&format!("using Workerd = import \"/workerd/workerd.capnp\";\n{rest}"))
}

const CASES: &[Case] = &[
    same(
        "module that does not parse",
        || Setup::module("export default {"),
        "Uncaught SyntaxError: Unexpected end of input",
    ),
    same("place of a syntax error", || Setup::module("let x = 1;\nlet x = 2;\n"), "at worker:2:4"),
    same(
        "imported module that does not parse",
        || two_modules("import 'other'; export default {};", "export const y ="),
        "Uncaught SyntaxError: Unexpected end of input",
    ),
    same(
        "module that throws",
        || Setup::module("throw new RangeError('at the top');"),
        "Uncaught RangeError: at the top",
    ),
    same("module that throws in a function", || Setup::module("function f() { null.x }\nf();"), "at worker:1:21 in f"),
    same("unknown import", || Setup::module("import './nope';"), "No such module \"nope\"."),
    same(
        "missing export",
        || two_modules("import { nope } from 'other';", "export const y = 1;"),
        "Uncaught SyntaxError: The requested module 'other' does not provide an export named 'nope'",
    ),
    same(
        "top-level await that never ends",
        || Setup::module("await new Promise(() => {});"),
        "Top-level await in module is unsettled.",
    ),
    same(
        "top-level await that rejects",
        || Setup::module("await Promise.reject(new Error('later'));"),
        "Uncaught Error: later",
    ),
    same(
        "default export of a wrong type",
        || Setup::module("export default 5;"),
        "Incorrect type for map entry 'default': the provided value is not of type 'function or ExportedHandler'.",
    ),
    Case {
        name: "default export that is null",
        setup: || Setup::module("export default null;"),
        // Its name for the type is what its compiler calls it.
        reference: "Uncaught TypeError: Cannot initialize N7workerd3api15ExportedHandlerE with required members from an undefined or null value.",
        ours: "Uncaught TypeError: Cannot initialize ExportedHandler with required members from an undefined or null value.",
    },
    same(
        "export without a prototype",
        || Setup::module("export const a = Object.create(null); export default {};"),
        "Exported value's prototype chain does not end in Object.",
    ),
    same(
        "export whose prototype has none",
        || Setup::module("export default Object.create(Object.create(null, { fetch: { value() {} } }));"),
        "Exported value's prototype chain does not end in Object.",
    ),
    same(
        "module that exports itself",
        || Setup::module("import * as self from 'worker'; export { self as a }; export default {};"),
        "Exported value's prototype chain does not end in Object.",
    ),
    same(
        "class whose instances have no prototype",
        || {
            Setup::module(
                "import { WorkerEntrypoint } from 'cloudflare:workers'; export class A extends WorkerEntrypoint {} \
                 Object.setPrototypeOf(A.prototype, null); export default {};",
            )
        },
        "Exported value's prototype chain does not end in Object.",
    ),
    same(
        "handler behind a getter that throws",
        || Setup::module("export default { get fetch() { throw new RangeError('in the getter'); } };"),
        "Uncaught RangeError: in the getter",
    ),
    same(
        "handler for what never comes behind a getter that throws",
        || {
            Setup::module(
                "export default { fetch() {}, get webSocketClose() { throw new RangeError('in the getter'); } };",
            )
        },
        "at worker:1:59 in get webSocketClose",
    ),
    same(
        "script that listens while events are captured",
        || worker(r#"serviceWorkerScript = "addEventListener('fetch', () => {}, true)""#),
        "Uncaught TypeError: addEventListener(): useCapture must be false.",
    ),
    same(
        "script whose listener cannot handle events",
        || worker(r#"serviceWorkerScript = "addEventListener('fetch', {})""#),
        "Uncaught TypeError: Incorrect type for the 'handleEvent' field on 'HandlerObject': the provided value is not of type 'function'.",
    ),
    same(
        "script that listens to its failures alone",
        || {
            worker(
                r#"serviceWorkerScript = "addEventListener('unhandledrejection', () => {}); addEventListener('rejectionhandled', () => {})""#,
            )
        },
        "No event handlers were registered. This script does nothing.",
    ),
    same(
        "timer at start-up",
        || Setup::module("setTimeout(() => {}, 1);"),
        "Disallowed operation called within global scope.",
    ),
    same("no modules", || worker("modules = []"), "Modules list cannot be empty."),
    same(
        "main module that is text",
        || worker(r#"modules = [ (name = "worker", text = "x") ]"#),
        "Main module must be an ES module.",
    ),
    same(
        "module twice",
        || {
            worker(
                r#"modules = [ (name = "a", esModule = "export default {}"), (name = "a", esModule = "export default {}") ]"#,
            )
        },
        "Module \"a\" already added to bundle",
    ),
    same(
        "json module that is none",
        || {
            worker(
                r#"modules = [ (name = "worker", esModule = "import j from 'j'; export default {}"), (name = "j", json = "{a") ]"#,
            )
        },
        "SyntaxError: Expected property name or '}' in JSON at position 1",
    ),
    same(
        "wasm module that is none",
        || {
            worker(
                r#"modules = [ (name = "worker", esModule = "import j from 'j'; export default {}"), (name = "j", wasm = "abc") ]"#,
            )
        },
        "CompileError",
    ),
    // Ours finds it when it reads the configuration, before a worker exists, and points at it.
    Case {
        name: "json binding that is none",
        setup: || {
            worker(
                r#"modules = [ (name = "worker", esModule = "export default {}") ], bindings = [ (name = "J", json = "{a") ]"#,
            )
        },
        reference: "SyntaxError: Expected property name or '}' in JSON at position 1",
        ours: "error: this is not valid JSON: key must be a string at line 1 column 2",
    },
    same(
        "binding without a value",
        || worker(r#"modules = [ (name = "worker", esModule = "export default {}") ], bindings = [ (name = "J") ]"#),
        "binding \"J\" does not specify any binding value",
    ),
    same(
        "script that does not parse",
        || worker(r#"serviceWorkerScript = "let x = ""#),
        "Uncaught SyntaxError: Unexpected end of input",
    ),
    same(
        "script that throws",
        || worker(r#"serviceWorkerScript = "throw new Error('in the script')""#),
        "Uncaught Error: in the script",
    ),
    same(
        "script without a handler",
        || worker(r#"serviceWorkerScript = "1""#),
        "No event handlers were registered. This script does nothing.",
    ),
    same(
        "no compatibility date",
        || Setup::worker(r#"modules = [ (name = "worker", esModule = "export default {}") ]"#),
        "Worker must specify compatibilityDate.",
    ),
    same(
        "compatibility date in the future",
        || {
            Setup::worker(
                r#"modules = [ (name = "worker", esModule = "export default {}") ], compatibilityDate = "2999-01-01""#,
            )
        },
        "Can't set compatibility date in the future: \"2999-01-01\". Today's date (UTC) is \"",
    ),
    same(
        "compatibility date that is none",
        || {
            Setup::worker(
                r#"modules = [ (name = "worker", esModule = "export default {}") ], compatibilityDate = "20-01""#,
            )
        },
        "Invalid compatibility date: 20-01",
    ),
    same(
        "unknown compatibility flag",
        || {
            worker(
                r#"modules = [ (name = "worker", esModule = "export default {}") ], compatibilityFlags = [ "nope" ]"#,
            )
        },
        "No such compatibility flag: nope",
    ),
    Case {
        name: "missing file",
        setup: || worker(r#"modules = [ (name = "worker", esModule = embed "nope.js") ]"#),
        reference: "Couldn't read file for embed: nope.js",
        ours: "error: cannot read the embedded file \"nope.js\": there is no such file",
    },
    Case {
        name: "unknown field",
        setup: || config("const config :Workerd.Config = ( servces = [] );"),
        reference: "Struct has no field named 'servces'.",
        ours: "error: Config has no field `servces`",
    },
    same(
        "no configuration in the file",
        || config(""),
        "The config file does not define any top-level constants of type 'Config'.",
    ),
    same(
        "several configurations in the file",
        || config("const a :Workerd.Config = ();\nconst b :Workerd.Config = ();"),
        "The options are: a, b",
    ),
    Case {
        name: "missing configuration file",
        setup: || Setup::config("").config_file("nope.capnp"),
        reference: "nope.capnp: No such file.",
        ours: "nope.capnp: error: cannot read the configuration: there is no such file",
    },
    same(
        "unknown service",
        || {
            config(
                r#"const config :Workerd.Config = ( sockets = [ (name = "http", address = "127.0.0.1:0", http = (), service = "nope") ] );"#,
            )
        },
        "Socket \"http\" refers to a service \"nope\", but no such service is defined.",
    ),
    same(
        "unknown entrypoint",
        || {
            config(
                r#"const config :Workerd.Config = (
  services = [ (name = "main", worker = (modules = [ (name = "worker", esModule = "export default {}") ], compatibilityDate = "2026-08-01")) ],
  sockets = [ (name = "http", address = "127.0.0.1:0", http = (), service = (name = "main", entrypoint = "nope")) ]
);"#,
            )
        },
        "Socket \"http\" refers to service \"main\" with a named entrypoint \"nope\", but \"main\" has no such named entrypoint.",
    ),
    same(
        "socket without an address",
        || {
            config(
                r#"const config :Workerd.Config = (
  services = [ (name = "main", worker = (modules = [ (name = "worker", esModule = "export default {}") ], compatibilityDate = "2026-08-01")) ],
  sockets = [ (name = "http", http = (), service = "main") ]
);"#,
            )
        },
        "Socket \"http\" has no address in the config",
    ),
    same(
        "unknown socket on the command line",
        || Setup::module("export default {};").argument("--socket-addr=nope=127.0.0.1:0"),
        "Config did not define any socket named \"nope\" to match the override provided on the command line.",
    ),
    Case {
        name: "unknown option",
        setup: || Setup::module("").argument("--nonsense"),
        reference: "--nonsense",
        ours: "--nonsense",
    },
];

#[test]
fn faults_at_start_up() {
    let ours = bulkhead_test_support::supervisor!();
    let mut report = Vec::new();
    for case in CASES {
        for (runtime, phrase) in [(Runtime::workerd(), case.reference), (ours.clone(), case.ours)] {
            let exit = runtime.serve_to_exit((case.setup)());
            report.extend(complaint(&runtime, case.name, &exit, phrase));
        }
    }
    assert!(report.is_empty(), "{} faults are reported wrongly:\n{}", report.len(), report.join("\n"));
}

/// Texts in a configuration, each as the value of a binding.
const TEXTS: &[&str] = &[
    "`to the end of the line\n",
    "`first\n    # a comment\n\n  `second \\n \"`\n \"and\" \"quoted\"",
    "\"quoted\"`and not\n",
    "`\n`\n",
    "`\t # é\u{1}\0\u{2028}\n",
    "`a\r\n`b\r`c\n",
    "(`in parentheses\n)",
    "embed `file\n",
];

#[test]
fn texts_that_begin_with_a_backtick() {
    let worker = "export default { fetch: (request, env) => Response.json(env) };";
    let bindings: Vec<String> =
        TEXTS.iter().enumerate().map(|(n, text)| format!("(name = \"T{n}\", text = {text})")).collect();
    let [reference, ours] = [Runtime::workerd(), bulkhead_test_support::supervisor!()].map(|runtime| {
        let setup = Setup::worker(&format!(
            r#"modules = [ (name = "worker", esModule = embed "worker.js") ], compatibilityDate = "2026-08-01",
            bindings = [ {}, (name = "D", data = `bytes
            ) ]"#,
            bindings.join(", ")
        ));
        let server = runtime.serve(setup.file("worker.js", worker).file("file\n", "embedded"));
        http::get(server.port(), "/").expect("a response").text()
    });
    assert!(reference.contains(r#""T0":"to the end of the line\n""#), "{reference}");
    assert_eq!(reference, ours);
}

#[test]
fn occupied_port() {
    let occupied = TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = occupied.local_addr().expect("an address");
    for runtime in [Runtime::workerd(), bulkhead_test_support::supervisor!()] {
        let setup = Setup::module("export default {};").argument(format!("--socket-addr=http={address}"));
        let exit = runtime.serve_to_exit(setup);
        assert_eq!(complaint(&runtime, "occupied port", &exit, "Address already in use"), None);
    }
}

fn complaint(runtime: &Runtime, case: &str, exit: &Exit, phrase: &str) -> Option<String> {
    let (name, code, stderr) = (runtime.name, exit.code, &exit.stderr);
    let fine = code == Some(1) && stderr.contains(phrase) && exit.stdout.is_empty();
    (!fine).then(|| format!("{case}: {name} exited with {code:?}; expected 1 and {phrase:?} in\n{stderr}"))
}
