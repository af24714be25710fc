//! Bindings beside the reference: their values, and what they end a start with.

use bulkhead_test_support::{
    Runtime, Server, Setup,
    expectations::{Observation, check},
    http, process,
};

const EXTENSIONS: &str = "
    export default (env) => ({ keys: Object.keys(env), plain: Object.getPrototypeOf(env) === Object.prototype, env });
    export const named = (env) => `named ${env.x}`;
    export const same = (env) => env;
    export const makes = (env) => () => `made of ${env.x}`;
    export const asynchronous = async () => 5;
    export const nothing = () => {};
    export function received() { return [arguments.length, this === globalThis, this === undefined]; }
    let calls = 0;
    export const counts = () => ++calls;
    export const late = await (async () => 6)();
    export const isLate = () => late;
    export const noFunction = 5;
    export class Made { constructor(env) { this.env = env; } }
    export function throws() { throw new TypeError('boom'); }
    export const evaluates = () => eval('1');";

fn setup(bindings: &str, script: &str) -> Setup {
    Setup::config(&format!(
        "using Workerd = import \"/workerd/workerd.capnp\";
         const config :Workerd.Config = (
           services = [(name = \"main\", worker = .main)],
           sockets = [(name = \"http\", address = \"127.0.0.1:0\", http = (), service = \"main\")],
           extensions = [(modules = [
             (name = \"ext:inner\", internal = true, esModule = embed \"inner.js\"),
             (name = \"ext:public\", esModule = \"export default (env) => env\"),
             (name = \"ext:faulty\", internal = true, esModule = \"export default 1 +\"),
             (name = \"ext:throws\", internal = true, esModule = \"export default () => 1; throw new Error('top')\"),
             (name = \"ext:waits\", internal = true, esModule = \"export default () => 1; await new Promise(() => {{}})\")])]);
         const main :Workerd.Worker = (modules = [(name = \"main.js\", esModule = embed \"main.js\")],
           compatibilityDate = \"2026-07-01\", bindings = [{bindings}]);"
    ))
    .file("main.js", script)
    .file("inner.js", EXTENSIONS)
    .environment("BULKHEAD_TEST_TOLD", "told, ü")
    .environment("BULKHEAD_TEST_EMPTY", "")
    .environment("BULKHEAD_TEST_SECRET", "kept to itself")
}

fn both<T>(each: impl Fn(Runtime) -> T) -> [T; 2] {
    [Runtime::workerd(), bulkhead_test_support::supervisor!()].map(each)
}

/// The pairs of a name and a text that both give.
fn pairs(area: &str, at_least: usize, serve: impl Fn(Runtime) -> Server) {
    let [reference, ours] = both(|runtime| {
        let text = http::get(serve(runtime).port(), "/").expect("a response").text();
        serde_json::from_str::<Vec<(String, String)>>(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    });
    assert!(ours.len() == reference.len() && ours.len() >= at_least, "{area}: {} cases", ours.len());
    let observations = reference.into_iter().zip(ours).map(|((name, reference), (again, ours))| {
        assert_eq!(name, again);
        Observation { key: format!("{area}/{name}"), reference, ours }
    });
    check(area, &observations.collect::<Vec<_>>());
}

#[test]
fn values_that_are_made_at_the_start() {
    let wrapped = |name: &str, entrypoint: &str, inner: &str| {
        format!(
            "(name = \"{name}\", wrapped = (moduleName = \"ext:inner\", entrypoint = \"{entrypoint}\", innerBindings = [{inner}]))"
        )
    };
    let x = "(name = \"x\", text = \"X\")";
    let nested = wrapped("nest", "same", &wrapped("deep", "named", x));
    let service = wrapped("behind", "same", "(name = \"s\", service = \"main\")");
    let bindings = [
        format!("(name = \"whole\", wrapped = (moduleName = \"ext:inner\", innerBindings = [{x}, (name = \"j\", json = \"[1]\"), {nested}]))"),
        wrapped("named", "named", x),
        wrapped("makes", "makes", x),
        wrapped("asynchronous", "asynchronous", ""),
        wrapped("nothing", "nothing", ""),
        wrapped("received", "received", x),
        wrapped("first", "counts", ""),
        wrapped("second", "counts", ""),
        wrapped("isLate", "isLate", ""),
        wrapped("inside", "same", "(name = \"e\", fromEnvironment = \"BULKHEAD_TEST_TOLD\"), (name = \"d\", data = \"abc\")"),
        // Its channel comes between those of the bindings around it.
        "(name = \"before\", service = (name = \"main\", entrypoint = \"before\"))".to_owned(),
        service,
        "(name = \"after\", service = (name = \"main\", entrypoint = \"after\"))".to_owned(),
        "(name = \"told\", fromEnvironment = \"BULKHEAD_TEST_TOLD\")".to_owned(),
        "(name = \"empty\", fromEnvironment = \"BULKHEAD_TEST_EMPTY\")".to_owned(),
        "(name = \"unset\", fromEnvironment = \"BULKHEAD_TEST_UNSET\")".to_owned(),
        "(name = \"nameless\", fromEnvironment = \"\")".to_owned(),
        "(name = \"noName\", fromEnvironment = \"A=B\")".to_owned(),
    ]
    .join(", ");
    let script = "
        import { env as imported } from 'cloudflare:workers';
        const atStart = Object.keys(imported).join();
        const show = async (value) => {
          if (value instanceof Promise) return `a promise of ${await show(await value)}`;
          if (typeof value === 'function') return `a function that gives ${value()}`;
          return `${typeof value} ${JSON.stringify(value)}`;
        };
        export const before = { fetch: () => new Response('before') };
        export const after = { fetch: () => new Response('after') };
        export default { async fetch(request, env) {
          if (request.url.endsWith('/inner')) return new Response('from inside');
          const seen = [['at the start', atStart]];
          for (const name of Object.keys(env)) seen.push([name, await show(env[name])]);
          for (const [name, to] of [['before', env.before], ['behind', env.behind.s], ['after', env.after]])
            seen.push([`fetch of ${name}`, await (await to.fetch('http://h/inner')).text()]);
          return Response.json(seen);
        } };";
    pairs("bindings", 22, |runtime| runtime.serve(setup(&bindings, script)));
}

#[test]
fn code_that_is_made_of_strings() {
    let script = include_str!("bindings_unsafe_eval.js");
    pairs("bindings unsafeEval", 50, |runtime| {
        runtime.serve(setup("(name = \"EVAL\", unsafeEval = void)", script).argument("--experimental"))
    });
}

/// What both end a start with; ours may say more.
#[test]
fn bindings_that_cannot_be_made() {
    let module = |fields: &str| format!("(name = \"w\", wrapped = ({fields}))");
    let inner = |entrypoint: &str| module(&format!("moduleName = \"ext:inner\", entrypoint = \"{entrypoint}\""));
    // Where the reference has an internal error, ours says what is wrong.
    let internal = "Uncaught Error: internal error; reference =";
    let cases: [(&str, String, &str, &str); 14] = [
        ("no such module", module("moduleName = \"nope\""), internal, "Uncaught Error: No such module \"nope\"."),
        ("no module", module(""), internal, "a `wrapped` binding needs a `moduleName`"),
        ("a public module", module("moduleName = \"ext:public\""), internal, "No such module \"ext:public\"."),
        ("the worker's module", module("moduleName = \"main.js\""), internal, "No such module \"main.js\"."),
        ("a module of Node's", module("moduleName = \"node:buffer\""), internal, "No such module \"node:buffer\"."),
        (
            "no such export",
            inner("nope"),
            internal,
            "Uncaught TypeError: The export \"nope\" of \"ext:inner\" is not a function",
        ),
        ("no function", inner("noFunction"), internal, "The export \"noFunction\" of \"ext:inner\" is not a function"),
        (
            "a class",
            inner("Made"),
            "Class constructor Made cannot be invoked without 'new'",
            "Class constructor Made cannot be invoked without 'new'",
        ),
        ("throws", inner("throws"), "Uncaught TypeError: boom\n  at ext:inner:15:38 in throws", "Uncaught TypeError: boom\n  at ext:inner:15:38 in throws"),
        ("evaluates", inner("evaluates"), "Code generation from strings disallowed", "Code generation from strings disallowed"),
        (
            "does not parse",
            module("moduleName = \"ext:faulty\""),
            "Uncaught SyntaxError: Unexpected end of input\n  at ext:faulty:1:18",
            "Uncaught SyntaxError: Unexpected end of input\n  at ext:faulty:1:18",
        ),
        ("a module that throws", module("moduleName = \"ext:throws\""), "Uncaught Error: top", "Uncaught Error: top"),
        (
            "a module that waits",
            module("moduleName = \"ext:waits\""),
            "Top-level await in module is unsettled.",
            "Top-level await in module is unsettled.",
        ),
        (
            "without the option",
            "(name = \"e\", unsafeEval = void)".to_owned(),
            "Unsafe eval bindings are an experimental feature which may change or go away in the future.",
            "Unsafe eval bindings are an experimental feature which may change or go away in the future.",
        ),
    ];
    for (name, bindings, reference, ours) in &cases {
        let [theirs, own] = both(|runtime| runtime.serve_to_exit(setup(bindings, "export default {}")));
        // Ours marks lines that go on.
        let said: Vec<&str> = own.stderr.lines().map(|line| line.trim_start_matches([' ', '|'])).collect();
        let (said, ours) = (said.join("\n"), ours.replace("\n  ", "\n"));
        assert!(theirs.code == Some(1) && theirs.stderr.contains(reference), "{name}: {}", theirs.stderr);
        assert!(own.code == Some(1) && said.contains(&ours), "{name}: {}", own.stderr);
    }
}

/// No process of a worker has more of the environment than its worker was given.
#[test]
fn the_environment_is_the_supervisors() {
    let bindings = "(name = \"told\", fromEnvironment = \"BULKHEAD_TEST_TOLD\")";
    let script = "export default { fetch: (request, env) => new Response(env.told) };";
    let server = bulkhead_test_support::supervisor!().serve(setup(bindings, script));
    assert_eq!(http::get(server.port(), "/").expect("a response").text(), "told, ü");
    let workers = process::workers(server.pid());
    assert!(!workers.is_empty(), "the server has processes");
    for worker in workers {
        let environment = std::fs::read(format!("/proc/{worker}/environ")).expect("the process's environment");
        let environment = String::from_utf8_lossy(&environment).into_owned();
        assert!(!environment.contains("BULKHEAD_TEST_"), "{environment:?}");
    }
}
