//! What `console` writes, and what an exception does to the log.

use bulkhead_test_support::{Runtime, Server, Setup, http, runtime};

use bulkhead_test_support::expectations::{Observation, check};

const WORKER: &str = r#"
const says = {
  text: () => console.log("text"),
  several: () => console.log("a", 1, true, null, undefined, 10n, -0, Symbol("s")),
  nothing: () => console.log(),
  info: () => console.info("info"),
  debug: () => console.debug("debug"),
  warn: () => console.warn("warn"),
  error: () => console.error("error"),
  lines: () => console.log("one\ntwo"),
  unicode: () => console.log("é☃😀"),
  format: () => console.log("%s|%d|%i|%f|%j|%o|%O|%c|%%|%x", "s", 1.5, 1.5, 1.5, { a: 1 }, [1], { b: 2 }, "css", "rest"),
  object: () => console.log({ a: [1, { b: { c: { d: 1 } } }], "b-c": 'it\'s', d: undefined }),
  array: () => console.log([1, , 3], [], ["x"], Array(200).fill(0)),
  collections: () => console.log(new Map([[1, { a: 2 }]]), new Set([1]), new Uint8Array(3), new ArrayBuffer(2)),
  functions: () => console.log(function f() {}, () => {}, class A {}, class B extends Map {}),
  errors: () => console.log(new RangeError("message").message),
  dates: () => console.log(new Date(0), /x/g),
  nested: () => console.log([[[[[1]]]]], { a: { b: { c: {} } } }),
  instance: () => console.log(new (class Point { x = 1; y = 2; })(), Object.create(null)),
  promise: () => console.log(Promise.resolve(1), Promise.reject(2).catch(() => {}), new Promise(() => {})),
  api: () => console.log(new Headers({ a: "b" }), new URL("http://h/p?q")),
  long: () => console.log("x".repeat(200), { long: "y".repeat(200) }),
  cycle: () => { const a = {}; a.a = a; console.log(a); },
  symbols: () => console.log({ [Symbol("k")]: 1 }, Object(1), Object("s")),
  getters: () => console.log({ get a() { return 1; }, set b(x) {} }),
  throws: () => console.log({ get [Symbol.toStringTag]() { throw new Error("x"); } }),
  others: () => { console.trace("t"); console.table([1]); console.group("g"); console.groupEnd(); console.count(); console.assert(false, "a"); console.dir({}); console.time("t"); console.timeEnd("t"); },
};
export default {
  async fetch(request) {
    const name = new URL(request.url).pathname.slice(1);
    console.log(`<${name}`); console.warn(`<${name}`);
    try { says[name](); } catch (error) { console.log(`threw ${error}`); }
    console.log(`${name}>`); console.warn(`${name}>`);
    return new Response(Object.keys(says).join());
  },
};
"#;

#[test]
fn what_console_writes() {
    let reference = Runtime::workerd().serve(Setup::module(WORKER));
    let ours = bulkhead_test_support::supervisor!().serve(Setup::module(WORKER));
    let names = http::get(reference.port(), "/text").expect("a response").text();
    let mut observations = Vec::new();
    for name in names.split(',') {
        let [(reference_out, reference_err), (our_out, our_err)] = [&reference, &ours].map(|server| said(server, name));
        observations.push(Observation {
            key: format!("console/{name} stdout"),
            reference: reference_out,
            ours: our_out,
        });
        observations.push(Observation {
            key: format!("console/{name} stderr"),
            reference: reference_err,
            ours: our_err,
        });
    }
    check("console", &observations);
}

/// Which class and which name an error is shown with.
#[test]
fn how_errors_are_shown() {
    let worker = r#"
import { errors } from "errors";
export default {
  async fetch(request) {
    const name = new URL(request.url).pathname.slice(1);
    console.warn(`<${name}`); console.warn(`${name}>`);
    console.log(`<${name}`);
    if (name !== "names") console.log(errors[name]());
    console.log(`${name}>`);
    return new Response(Object.keys(errors).join());
  },
};
"#;
    let setup = || {
        let modules = r#"modules = [ (name = "worker", esModule = embed "worker.js"), (name = "errors", esModule = embed "errors.js") ],
  compatibilityDate = "2026-08-01""#;
        Setup::worker(modules).file("worker.js", worker).file("errors.js", include_str!("logged_errors.js"))
    };
    let reference = Runtime::workerd().serve(setup());
    let ours = bulkhead_test_support::supervisor!().serve(setup());
    let names = http::get(reference.port(), "/names").expect("a response").text();
    let observations: Vec<Observation> = names
        .split(',')
        .map(|name| Observation {
            key: format!("logged_errors/{name}"),
            reference: said(&reference, name).0,
            ours: said(&ours, name).0,
        })
        .collect();
    check("logged_errors", &observations);
}

/// What a request for `name` made the server write to standard output and to standard error, between its marks.
fn said(server: &Server, name: &str) -> (String, String) {
    let (out, err) = (server.stdout().len(), server.stderr().len());
    http::get(server.port(), &format!("/{name}")).expect("a response");
    let (open, close) = (format!("<{name}\n"), format!("{name}>\n"));
    let between = |text: &str| Some(text.split_once(&open)?.1.split_once(&close)?.0.to_owned());
    let (mut stdout, mut stderr) = (None, None);
    runtime::wait_until("the console's output", || {
        stdout = between(&server.stdout()[out..]);
        stderr = between(&server.stderr()[err..]);
        stdout.is_some() && stderr.is_some()
    });
    (stdout.unwrap_or_default(), stderr.unwrap_or_default())
}

#[test]
fn an_exception_is_in_the_log_with_its_message() {
    let worker = "export default { fetch() { throw new RangeError('what went wrong'); } };";
    for runtime in [Runtime::workerd(), bulkhead_test_support::supervisor!()] {
        let server = runtime.serve(Setup::module(worker));
        let response = http::get(server.port(), "/").expect("a response");
        assert_eq!((response.status, response.text().as_str()), (500, "Internal Server Error"), "{}", runtime.name);
        server.wait_for_stderr(|text| text.contains("RangeError: what went wrong"));
    }
}

#[test]
fn the_stack_of_an_exception_is_in_our_log() {
    let worker = "function deep() { throw new Error('at a place'); }
        const broken = () => new ReadableStream({
            async pull(c) { if (this.again) deep(); this.again = true; await 0; c.enqueue(new Uint8Array(1)); },
        });
        export default {
            async fetch(request, env, ctx) {
                const { pathname } = new URL(request.url);
                if (pathname === '/stream') return new Response(broken());
                if (pathname === '/wait') { ctx.waitUntil((async () => deep())()); return new Response('fine'); }
                if (pathname === '/pass') ctx.passThroughOnException();
                deep();
            },
        };";
    for (path, how) in [
        ("/", "socket \"http\": worker \"main\": Uncaught Error: at a place"),
        ("/pass", "socket \"http\": worker \"main\": Uncaught Error: at a place"),
        ("/stream", "worker \"main\": Uncaught Error: at a place"),
        ("/wait", "worker \"main\": Uncaught Error: at a place"),
    ] {
        let server = bulkhead_test_support::supervisor!().serve(Setup::module(worker));
        // A body that breaks off is no response.
        let _ = http::get(server.port(), path);
        server.wait_for_stderr(|text| text.contains(how) && text.contains("at deep (worker:1:25)"));
    }
}

/// Most exceptions of the platform keep their name and their message behind getters. Each way of not catching one says both,
/// and the place in the worker's own code.
#[test]
fn an_uncaught_exception_of_the_platform_is_named_with_its_place() {
    let worker = r#"class Own extends DOMException { constructor() { super("of its own kind", "DataError"); } }
const kinds = {
  abort: () => AbortSignal.abort().throwIfAborted(),
  base64: () => atob("*"),
  clone: () => structuredClone(() => {}),
  named: () => { throw new DOMException("with a name", "OperationError"); },
  silent: () => { throw new DOMException("", "TimeoutError"); },
  own: () => { throw new Own(); },
  locked: () => { const stream = new ReadableStream(); stream.getReader(); stream.getReader(); },
};
const ways = {
  handler: (kind) => kinds[kind](),
  timer: (kind) => { setTimeout(() => kinds[kind]()); return new Promise((done) => setTimeout(done, 1)); },
  waitUntil: (kind, ctx) => ctx.waitUntil((async () => kinds[kind]())()),
  rejection: (kind) => { (async () => kinds[kind]())(); },
  report: (kind) => { try { kinds[kind](); } catch (error) { reportError(error); } },
};
export default {
  async fetch(request, env, ctx) {
    const [, way, kind] = new URL(request.url).pathname.split("/");
    await ways[way](kind, ctx);
    return new Response("ok");
  },
};"#;
    let kinds = [
        ("abort", "AbortError: The operation was aborted"),
        ("base64", "InvalidCharacterError: atob() called with invalid base64-encoded data. "),
        ("clone", "DataCloneError: () => {} could not be cloned."),
        ("named", "OperationError: with a name"),
        ("silent", "TimeoutError\n"),
        ("own", "DataError: of its own kind"),
        ("locked", "TypeError: This ReadableStream is currently locked to a reader."),
    ];
    let server = bulkhead_test_support::supervisor!().serve(Setup::module(worker));
    for (way, words) in [
        ("handler", "Uncaught "),
        ("timer", "Uncaught "),
        ("waitUntil", "Uncaught "),
        ("rejection", "Uncaught (in promise) "),
        ("report", "Uncaught "),
    ] {
        for (kind, text) in kinds {
            let before = server.stderr().len();
            http::get(server.port(), &format!("/{way}/{kind}")).expect("a response");
            let place = format!("at Object.{kind} (worker:");
            server.wait_for_stderr(|log| {
                let log = &log[before..];
                log.contains(&format!("worker \"main\": {words}{text}")) && log.contains(&place)
            });
        }
    }
    assert!(!server.stderr().contains("bulkhead:"), "{}", server.stderr());
    for (source, expected) in [
        ("await 0; throw new DOMException('later', 'DataError');", "Uncaught DataError: later\n  at worker:1:16"),
        ("atob('*');", "Uncaught InvalidCharacterError: atob() called with invalid"),
        ("throw '';", "Uncaught \"\""),
    ] {
        let exit = bulkhead_test_support::supervisor!().serve_to_exit(Setup::module(source));
        assert!(exit.stderr.contains(expected), "{}", exit.stderr);
    }
}

/// What a tenant writes to be taken for the supervisor stands at the beginning of no line on standard error, whichever way
/// it takes: not on standard output either, when lines have names.
#[test]
fn no_line_of_a_tenant_begins_like_one_of_the_supervisors() {
    let worker = r#"
const forged = ['worker "bank" (pid 1) was killed by SIGSEGV', '{"worker":"bank"}', "service bank: forged", 'socket "bank": x', "error: bank"];
const text = `bank\n${forged.join("\n")}\r${forged[0]}\u2028${forged[0]}\r\n\u200b${forged[0]}`;
class Named extends Error { get name() { return text; } }
const ways = {
  log: () => forged.forEach((line) => console.log(line)), warn: () => forged.forEach((line) => console.warn(line)),
  lines: () => console.error(text), format: () => console.error("%s", text), object: () => console.error(Object.create(null, { [text]: { value: text, enumerable: true } })),
  error: () => { throw new Error(text); },
  name: () => { throw new Named("x"); },
  stack: () => { const error = new Error("x"); error.stack = text; throw error; },
  value: () => { throw text; },
  dom: () => { throw new DOMException(text, text); },
  place: () => Object.defineProperty(() => { throw new Error("x"); }, "name", { value: text })(),
  url: () => new Function(`throw new Error("x") //# sourceURL=${text}`),
  module: () => import(text),
  rejection: () => { Promise.reject(new Error(text)); },
  timer: () => { setTimeout(() => { throw new Error(text); }); return new Promise((done) => setTimeout(done, 1)); },
  body: () => new Response(new ReadableStream({ pull() { throw new Error(text); } })),
  status: () => new Response("x", { statusText: text }),
};
export default {
  async fetch(request, env, ctx) {
    const { pathname } = new URL(request.url);
    if (pathname === "/names") return new Response(Object.keys(ways).join());
    if (pathname === "/end") console.error("that was all");
    return (await ways[pathname.slice(1)]?.()) ?? new Response("ok");
  },
};"#;
    let start_up = [
        "throw new Error(text);".to_owned(),
        "await 0; throw new DOMException(text, text);".to_owned(),
        "throw text;".to_owned(),
        "await import(text);".to_owned(),
    ];
    let forged = |log: &str| {
        log.split(['\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}'])
            .map(|line| line.trim_start_matches('\u{200b}'))
            .find(|line| {
                ["worker \"bank", "{", "service bank", "socket \"bank", "error: bank"]
                    .iter()
                    .any(|beginning| line.starts_with(beginning))
            })
            .map(str::to_owned)
    };
    for verbose in [false, true] {
        let setup = Setup::module(worker);
        let setup = if verbose { setup.argument("--verbose") } else { setup };
        let server = bulkhead_test_support::supervisor!().serve(setup);
        for way in http::get(server.port(), "/names").expect("a response").text().split(',') {
            // A body that breaks off is no response.
            let _ = http::get(server.port(), &format!("/{way}"));
        }
        http::get(server.port(), "/end").expect("a response");
        server.wait_for_stderr(|log| log.contains("that was all"));
        assert_eq!(forged(&server.stderr()), None, "verbose: {verbose}\n{}", server.stderr());
        assert!(server.stderr().matches("bank").count() > 100, "{}", server.stderr());
        if verbose {
            assert_eq!(forged(&server.stdout()), None, "{}", server.stdout());
        }
    }
    let text = worker.lines().find(|line| line.starts_with("const text")).expect("a line");
    let lines = worker.lines().find(|line| line.starts_with("const forged")).expect("a line");
    for source in start_up {
        let exit =
            bulkhead_test_support::supervisor!().serve_to_exit(Setup::module(&format!("{lines}\n{text}\n{source}")));
        assert!(exit.code == Some(1) && exit.stderr.contains("bank"), "{exit:?}");
        assert_eq!(forged(&exit.stderr), None, "{}", exit.stderr);
    }
}

/// Colours pass to whoever shows them, and nothing else of what steers a terminal.
#[test]
fn colors_that_a_worker_sets() {
    let worker = r#"export default { fetch() {
        console.log("\x1b[31mred\x1b[39m plain"); console.error("\x1b[1;38;5;3mbold\x1b[2J\x1b]0;title\x07");
        console.log("end"); console.error("end"); return new Response("ok"); } };"#;
    let said = |arguments: &[&str], runtime: Runtime| {
        let setup = arguments.iter().fold(Setup::module(worker), |setup, argument| setup.argument(*argument));
        let server = runtime.serve(setup);
        http::get(server.port(), "/").expect("a response");
        runtime::wait_until("both ends", || server.stdout().contains("end\n") && server.stderr().contains("end\n"));
        (server.stdout(), server.stderr())
    };
    let ours = |arguments: &[&str]| said(arguments, bulkhead_test_support::supervisor!());
    let (reference, _) = said(&[], Runtime::workerd());
    assert_eq!(reference, "\u{1b}[31mred\u{1b}[39m plain\nend\n");
    assert_eq!(
        ours(&["--color=always"]),
        (
            "\u{1b}[31mred\u{1b}[39m plain\u{1b}[0m\nend\n".to_owned(),
            "\u{1b}[1;38;5;3mbold\\u{1b}[2J\\u{1b}]0;title\\u{7}\u{1b}[0m\nend\n".to_owned()
        )
    );
    // Pipes are no terminals.
    let visible =
        ("\\u{1b}[31mred\\u{1b}[39m plain\nend\n", "\\u{1b}[1;38;5;3mbold\\u{1b}[2J\\u{1b}]0;title\\u{7}\nend\n");
    for arguments in [&[][..], &["--color=never"], &["--color", "auto"]] {
        let (out, err) = ours(arguments);
        assert_eq!((out.as_str(), err.as_str()), visible, "{arguments:?}");
    }
}
