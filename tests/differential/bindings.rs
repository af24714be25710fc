//! Bindings beside the reference: their values, and what they end a start with.

use std::{io::Write as _, os::fd::AsFd as _};

use bulkhead_test_support::{
    Runtime, Server, Setup,
    expectations::{Observation, check},
    http, process,
    runtime::{self, wait_until},
};
use nix::{
    libc,
    sys::{
        signal::{Signal, kill},
        socket::{setsockopt, sockopt},
    },
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
    setup_beside("", bindings, script)
}

/// The same, with more services.
fn setup_beside(services: &str, bindings: &str, script: &str) -> Setup {
    Setup::config(&format!(
        "using Workerd = import \"/workerd/workerd.capnp\";
         const config :Workerd.Config = (
           services = [{services}(name = \"main\", worker = .main)],
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
        (
            "throws",
            inner("throws"),
            "Uncaught TypeError: boom\n  at ext:inner:15:38 in throws",
            "Uncaught TypeError: boom\n  at ext:inner:15:38 in throws",
        ),
        (
            "evaluates",
            inner("evaluates"),
            "Code generation from strings disallowed",
            "Code generation from strings disallowed",
        ),
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

const CACHE: &str = "(name = \"CACHE\", memoryCache = (id = \"a\", limits = (maxKeys = 3, maxValueSize = 100, maxTotalValueSize = 150)))";

#[test]
fn a_memory_cache() {
    pairs("bindings memoryCache", 50, |runtime| {
        runtime.serve(setup(CACHE, include_str!("bindings_memory_cache.js")).argument("--experimental"))
    });
}

#[test]
fn a_memory_cache_that_forgets() {
    let bindings = format!("{CACHE}], compatibilityFlags = [\"memory_cache_delete\"");
    pairs("bindings memoryCache delete", 15, |runtime| {
        runtime.serve(setup(&bindings, include_str!("bindings_memory_cache_delete.js")).argument("--experimental"))
    });
}

/// Three workers, with a socket each, of which two share a cache; `more` are further fields of the configuration's file.
fn sharing(scripts: [&str; 3], more: &str) -> Setup {
    let limits = "limits = (maxKeys = 100, maxValueSize = 1000, maxTotalValueSize = 10000)";
    let worker = |name: &str, bindings: &str| {
        format!(
            "const {name} :Workerd.Worker = (modules = [(name = \"{name}.js\", esModule = embed \"{name}.js\")],
               compatibilityDate = \"2026-07-01\", bindings = [{bindings}]);"
        )
    };
    let socket =
        |name: &str| format!("(name = \"{name}\", address = \"127.0.0.1:0\", http = (), service = \"{name}\")");
    let service = |name: &str| format!("(name = \"{name}\", worker = .{name})");
    let names = ["holder", "other", "stranger"];
    let shared = format!("(name = \"CACHE\", memoryCache = (id = \"shared\", {limits}))");
    let [holder, other] = ["holder", "other"].map(|name| worker(name, &shared));
    let stranger = worker(
        "stranger",
        &format!(
            "(name = \"CACHE\", memoryCache = (id = \"another\", {limits})), (name = \"OWN\", memoryCache = ({limits})), (name = \"OWN2\", memoryCache = ({limits}))"
        ),
    );
    let config = format!(
        "using Workerd = import \"/workerd/workerd.capnp\";
         {more}
         const config :Workerd.Config = (services = [{}], sockets = [{}]);
         {holder} {other} {stranger}",
        names.map(service).join(", "),
        names.map(socket).join(", ")
    );
    let setup = Setup::config(&config).sockets(3).argument("--experimental");
    names.iter().zip(scripts).fold(setup, |setup, (name, script)| setup.file(&format!("{name}.js"), script))
}

#[test]
fn who_was_given_a_cache_shares_it_and_nobody_else() {
    let script = "export default { async fetch(request, env) {
        const { pathname } = new URL(request.url);
        const seen = {};
        for (const name of Object.keys(env)) seen[name] = await env[name].read('k', pathname === '/find' ? () => ({ value: `of ${name}` }) : undefined) ?? null;
        return Response.json(seen);
    } };";
    let [reference, ours] = both(|runtime| {
        let server = runtime.serve(sharing([script; 3], ""));
        let asked = [
            ("other", "/"),
            ("holder", "/find"),
            ("other", "/"),
            ("other", "/find"),
            ("stranger", "/"),
            ("stranger", "/find"),
            ("holder", "/"),
        ];
        asked.map(|(name, path)| http::get(server.port_of(name), path).expect("a response").text())
    });
    assert_eq!(ours, reference);
    assert!(ours[2].contains("of CACHE") && !ours[4].contains("of "), "{ours:?}");
}

/// Whoever was to find a value and throws, leaves, hangs or dies: the next that waits has its turn.
#[test]
fn who_does_not_find_a_value_gives_its_turn_away() {
    let holder = "
        globalThis.weight = new Uint8Array(32 << 20).fill(1);
        let holding = 0;
        let go = false;
        const ways = {
          throws: async () => { while (!go) await new Promise((done) => setTimeout(done, 2)); throw new Error('not found'); },
          hangs: () => new Promise(() => {}),
          leaves: () => new Promise((done) => setTimeout(done, 600_000)),
          computes: () => { for (;;); },
          dies: () => new Promise((done) => setTimeout(done, 600_000)),
        };
        export default { async fetch(request, env) {
          const { pathname } = new URL(request.url);
          if (pathname === '/holding') return new Response(`${holding}`);
          if (pathname === '/go') return new Response(`${go = true}`);
          const key = pathname.slice(1);
          holding = 0;
          await env.CACHE.read(key, () => { holding = 1; return ways[key](); });
          return new Response('found');
        } };";
    let other = "
        let waiting = 0;
        export default { async fetch(request, env) {
          const { pathname } = new URL(request.url);
          if (pathname === '/waiting') return new Response(`${waiting}`);
          waiting++;
          return new Response(await env.CACHE.read(pathname.slice(1), (key) => ({ value: `found by another: ${key}` })));
        } };";
    let idle = "export default { fetch: () => new Response('idle') };";
    let policy = "using Bulkhead = import \"/bulkhead/policy.capnp\";
        const policy :Bulkhead.Policy = (workers = [(name = \"holder\", limits = (cpuTimeMs = 200))]);";
    let server = bulkhead_test_support::supervisor!().serve(sharing([holder, other, idle], policy));
    let (from, to) = (server.port_of("holder"), server.port_of("other"));
    let count =
        |port: u16, path: &str| http::get(port, path).ok().and_then(|response| response.text().parse::<i64>().ok());
    for (round, way) in ["throws", "hangs", "leaves", "computes", "dies"].into_iter().enumerate() {
        let mut held = Some(http::Connection::open(from));
        std::thread::scope(|threads| {
            let path = format!("/{way}");
            let stream = held.as_ref().expect("it is open").stream();
            (&*stream).write_all(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).expect("a request");
            if !matches!(way, "hangs" | "computes") {
                wait_until("the first to look for it", || count(from, "/holding").is_some_and(|holding| holding > 0));
            }
            let waits = threads.spawn(move || http::get(to, &path).expect("a response").text());
            wait_until("the second to wait", || count(to, "/waiting") == Some(round as i64 + 1));
            match way {
                "throws" => drop(http::get(from, "/go").expect("a response")),
                "leaves" => {
                    let held = held.take().expect("it is open");
                    let now = libc::linger { l_onoff: 1, l_linger: 0 };
                    setsockopt(&held.stream().as_fd(), sockopt::Linger, &now).expect("have the connection reset");
                }
                "dies" => {
                    let mut workers = process::workers(server.pid());
                    workers.sort_by_key(|&pid| std::cmp::Reverse(process::resident(pid)));
                    kill(runtime::pid(workers[0]), Signal::SIGKILL).expect("it lives");
                }
                _ => {}
            }
            assert_eq!(waits.join().expect("an answer"), format!("found by another: {way}"));
        });
    }
}

/// What a data point becomes that is sent, and which are not.
#[test]
fn data_points() {
    let script = "
        const points = {
          nothing: [], null: [null], empty: [{}], function: [() => 1],
          all: [{ indexes: ['i'], doubles: [1, 2.5, NaN, Infinity, -Infinity, -0, '5', null, true], blobs: ['b', new Uint8Array([1, 255]), null, new ArrayBuffer(2), new DataView(new ArrayBuffer(3), 1), 5, {}] }],
          'blobs that are left out': [{ blobs: [null, 'b', undefined, 'c'] }],
          'an index that is left out': [{ indexes: [null] }], 'an index of bytes': [{ indexes: [new Uint8Array([7])] }],
          'two indexes': [{ indexes: ['i', 'j'] }], 'a long index': [{ indexes: ['i'.repeat(96)] }], 'too long an index': [{ indexes: ['i'.repeat(97)] }],
          'twenty numbers': [{ doubles: Array(20).fill(1) }], 'more numbers': [{ doubles: Array(21).fill(1) }],
          'twenty blobs': [{ blobs: Array(20).fill('x') }], 'more blobs': [{ blobs: Array(21).fill('x') }],
          'long blobs': [{ blobs: ['x'.repeat(11000), 'y'.repeat(5000)] }], 'too long blobs': [{ blobs: ['x'.repeat(11000), 'y'.repeat(5001)] }],
          'a text that is no number': [{ doubles: ['x'] }], 'no list': [{ doubles: 5 }], 'null for a list': [{ blobs: null }], 'undefined for a list': [{ blobs: undefined }],
          'a number': [5], 'a symbol': [{ blobs: [Symbol('s')] }], 'a text of UTF-8': [{ blobs: ['\u{e9}\u{1f600}\"'] }],
        };
        let received = [];
        export const sink = { async fetch(request) {
          received.push([request.method, new URL(request.url).href, [...request.headers], (await request.text()).replace(/\"timestamp\":\"\\d{19}\"/, 'at')]);
          return new Response('thanks', { status: received.length % 2 ? 500 : 200 });
        } };
        export default { async fetch(request, env) {
          const { A, SINK } = env;
          const seen = [['its class', JSON.stringify([A.constructor.name, String(A), Object.getOwnPropertyNames(Object.getPrototypeOf(A)).sort()])]];
          for (const [name, args] of Object.entries(points)) {
            received = [];
            let given;
            try { given = String(A.writeDataPoint(...args)); } catch (error) { given = String(error); }
            // One that is sent behind it comes behind it.
            await SINK.fetch('http://sink/behind');
            for (let i = 0; i < 100 && received.length < 2; i++) await new Promise((done) => setTimeout(done, 1));
            const points = received.filter(([, url]) => url !== 'http://sink/behind');
            seen.push([name, JSON.stringify([given, points])]);
          }
          return Response.json(seen);
        } };";
    let bindings = "(name = \"A\", analyticsEngine = (name = \"main\", entrypoint = \"sink\")), (name = \"SINK\", service = (name = \"main\", entrypoint = \"sink\"))";
    pairs("bindings analyticsEngine", 24, |runtime| runtime.serve(setup(bindings, script).argument("--experimental")));
}

/// How a database is reached.
#[test]
fn databases() {
    let script = "
        const told = (text) => String(text).replaceAll(/[0-9a-f]{32}\\.hyperdrive/g, 'some.hyperdrive').replace(/^240\\.0\\.\\d+\\.\\d+$/, '240.0.x.y');
        export default { fetch(request, env) {
          const seen = [];
          for (const [name, of] of Object.entries(env)) {
            seen.push([`${name}: its class`, JSON.stringify([of.constructor.name, String(of), Object.keys(of), Object.getOwnPropertyNames(Object.getPrototypeOf(of)).sort()])]);
            for (const key of Object.keys(of)) seen.push([`${name}: ${key}`, `${typeof of[key]} ${told(of[key])}`]);
            seen.push([`${name}: its host is in the whole`, String(of.connectionString.includes(`@${of.host}:${of.port}/`))]);
            let set;
            try { of.host = 'x'; set = 'set'; } catch (error) { set = String(error); }
            seen.push([`${name}: its host is set`, set]);
          }
          seen.push(['two differ', String(env.MY.host === env.POSTGRES.host)]);
          return Response.json(seen);
        } };";
    let bindings = "(name = \"POSTGRES\", hyperdrive = (designator = \"main\", database = \"db\", user = \"us er\", password = \"p@ss/w\", scheme = \"postgresql\")),
        (name = \"MY\", hyperdrive = (designator = \"main\", scheme = \"mysql\")), (name = \"BARE\", hyperdrive = (designator = \"main\"))";
    pairs("bindings hyperdrive", 30, |runtime| runtime.serve(setup(bindings, script)));
}

/// What leads to a database: `connect()` of the binding, and of `cloudflare:sockets` to the addresses that mean it.
#[test]
fn connections_to_databases() {
    let script = "
        import { connect } from 'cloudflare:sockets';
        const told = (text) => String(text).replaceAll(/[0-9a-f]{32}/gi, 'some').replaceAll(/240\\.0\\.\\d+\\.\\d+/g, 'IP');
        const speaks = (name) => ({ async connect(socket) {
          const writer = socket.writable.getWriter();
          await writer.write(new TextEncoder().encode(`${name} ${JSON.stringify(await socket.opened)}`));
          await writer.close();
        } });
        export const postgres = speaks('postgres');
        export const mysql = speaks('mysql');
        export const silent = {};
        const look = async (make) => {
          let socket;
          try { socket = make(); } catch (error) { return `throws ${error}`; }
          const seen = [socket.constructor.name, socket.secureTransport, socket.upgraded];
          try { seen.push(JSON.stringify(await socket.opened)); seen.push(await new Response(socket.readable).text()); } catch (error) { seen.push(`rejects ${error}`); }
          try { await socket.closed; seen.push('closed'); } catch (error) { seen.push(`closed rejects ${error}`); }
          return seen.join(' | ');
        };
        export default { async fetch(request, { POSTGRES: P, MY, GONE, SILENT }) {
          const seen = [];
          const see = async (name, make) => seen.push([name, told(await look(make))]);
          await see('connect', () => P.connect());
          await see('connect with arguments', () => P.connect('x:1', { secureTransport: 'on' }));
          await see('another', () => MY.connect());
          await see('a server that is gone', () => GONE.connect());
          await see('a worker without a handler', () => SILENT.connect());
          await see('detached', () => (0, P.connect)());
          await see('host', () => connect(`${P.host}:${P.port}`));
          await see('host and port', () => connect({ hostname: P.host, port: P.port }));
          await see('host of another', () => connect(`${MY.host}:${MY.port}`, { allowHalfOpen: true }));
          await see('address', () => connect(`${P.ip}:${P.port}`));
          await see('address of another', () => connect(`${MY.ip}:${MY.port}`));
          await see('with TLS', () => connect(`${P.host}:${P.port}`, { secureTransport: 'on' }));
          await see('with TLS later', () => connect(`${P.host}:${P.port}`, { secureTransport: 'starttls' }));
          await see('in capitals', () => connect(`${P.host.toUpperCase()}:${P.port}`));
          await see('another port', () => connect(`${P.host}:1234`));
          await see('host that is gone', () => connect(`${GONE.host}:${GONE.port}`));
          await see('an option that is none', () => connect(`${P.host}:${P.port}`, { secureTransport: 'x' }));
          await see('by way of another', () => P.connect.call(MY));
          try { P.connect().startTls(); seen.push(['TLS', 'begins']); } catch (error) { seen.push(['TLS', String(error)]); }
          return Response.json(seen);
        } };";
    let leads = |name: &str, designator: &str, scheme: &str| {
        format!(
            "(name = \"{name}\", hyperdrive = (designator = {designator}, database = \"d\", user = \"u\", password = \"p\", scheme = \"{scheme}\"))"
        )
    };
    let bindings = [
        leads("POSTGRES", "(name = \"main\", entrypoint = \"postgres\")", "postgresql"),
        "(name = \"between\", service = \"main\")".to_owned(),
        leads("MY", "(name = \"main\", entrypoint = \"mysql\")", "mysql"),
        leads("GONE", "\"gone\"", "mysql"),
        leads("SILENT", "(name = \"main\", entrypoint = \"silent\")", "postgresql"),
    ]
    .join(", ");
    let gone = "(name = \"gone\", external = (address = \"127.0.0.1:1\", tcp = ())), ";
    pairs("bindings hyperdrive connections", 19, |runtime| runtime.serve(setup_beside(gone, &bindings, script)));
}

/// Kinds that cannot be used yet look as in the reference, and say so when they are used.
#[test]
fn bindings_that_cannot_be_used_yet() {
    let bindings = "(name = \"KV\", kvNamespace = \"main\"), (name = \"R2\", r2Bucket = \"main\"), (name = \"QUEUE\", queue = \"main\"),
        (name = \"CLASS\", durableObjectClass = (name = \"main\", entrypoint = \"Actor\")), (name = \"LOADER\", workerLoader = ()),
        (name = \"PORT\", workerdDebugPort = void), (name = \"last\", service = (name = \"main\", entrypoint = \"last\")),
        (name = \"KEY\", cryptoKey = (hex = \"00112233445566778899aabbccddeeff\", algorithm = (name = \"AES-CBC\"), usages = [encrypt]))";
    let look = "
        export class Actor {}
        export const last = { fetch: () => new Response('the last') };
        export default { async fetch(request, env) {
          const seen = [['keys', Object.keys(env).sort().join()]];
          for (const name of ['KV', 'R2', 'QUEUE', 'CLASS', 'LOADER', 'PORT', 'KEY']) {
            const of = env[name];
            const tag = Object.prototype.toString.call(of);
            seen.push([name, `${typeof of} ${of.constructor.name} ${tag} ${typeof globalThis[of.constructor.name] === 'function' && name !== 'KEY'}`]);
            try { seen.push([`new ${name}`, String(new of.constructor())]); } catch (error) { seen.push([`new ${name}`, String(error)]); }
            const members = Object.getOwnPropertyNames(Object.getPrototypeOf(of)).sort();
            if (name !== 'KEY') for (const member of members) seen.push([`${name}.${member}`, `${typeof of[member]} ${of[member].name}`]);
          }
          seen.push(['the channel after them', await (await env.last.fetch('http://h/')).text()]);
          return Response.json(seen);
        } };";
    pairs("bindings that cannot be used yet", 40, |runtime| {
        runtime.serve(setup(bindings, look).argument("--experimental"))
    });
    let calls = "
        export class Actor {}
        export const last = {};
        export default { async fetch(request, env) {
          const seen = [];
          for (const [name, calls] of Object.entries({
            KV: ['get', 'list', 'put', 'getWithMetadata', 'delete'], R2: ['head', 'get', 'put', 'createMultipartUpload', 'delete', 'list'],
            QUEUE: ['metrics', 'send', 'sendBatch'] }))
            for (const call of calls) {
              const given = env[name][call]('key', {});
              try { seen.push([call, given instanceof Promise, String(await given)]); } catch (error) { seen.push([call, given instanceof Promise, String(error)]); }
            }
          for (const call of [() => env.R2.resumeMultipartUpload('a', 'b'), () => env.LOADER.get('a', () => {}), () => env.LOADER.load({}),
            () => env.PORT.connect('a'), () => env.KEY.type, () => env.KEY.algorithm])
            try { seen.push([String(call), true, call()]); } catch (error) { seen.push([String(call), true, String(error)]); }
          return Response.json(seen);
        } };";
    let server = bulkhead_test_support::supervisor!().serve(setup(bindings, calls).argument("--experimental"));
    let text = http::get(server.port(), "/").expect("a response").text();
    let seen: Vec<(String, bool, String)> =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(seen.len(), 20, "{text}");
    for (call, is_promise, told) in seen {
        assert!(
            is_promise && told.starts_with("Error: ") && told.ends_with(" are not supported yet."),
            "{call}: {told}"
        );
    }
    for what in
        ["KV namespaces", "R2 buckets", "queues", "classes of Durable Objects", "worker loaders", "debug ports", "keys"]
    {
        server.wait_for_stderr(|log| log.contains(&format!("warning: {what} are not supported yet")));
    }
}
