//! The second registry of modules, `new_module_registry`, in both runtimes: names are URLs.

use super::{ATTEMPT, Case, Module, WASM, answers, case, refusals};
use bulkhead_test_support::{
    Runtime, Setup,
    expectations::{Observation, check},
    http,
};

const FLAGS: &[&str] = &["new_module_registry", "nodejs_compat"];

fn by_url(name: &'static str, modules: &[Module]) -> Case {
    // Before the date that brings the flag.
    case(name, modules).on("2026-11-10").flag(FLAGS)
}

/// What a script can show of something, in `AT`.
const AT: &str = r#"
const show = (value) => {
  if (value === undefined || typeof value === "function" || typeof value === "bigint") return String(value);
  if (value?.[Symbol.toStringTag] === "Module") return ["namespace", Object.keys(value).slice(0, 4)];
  return value instanceof ArrayBuffer ? [...new Uint8Array(value)] : value;
};
const at = async (get) => { try { return show(await get()); } catch (error) { return [String(error), error?.stack?.split("\n")[1]]; } };
"#;

/// A worker whose response is `found`, which the statements `script` fill.
fn finds(name: &'static str, script: &str, others: &[Module]) -> Case {
    let main = format!(
        "{AT} export default {{ meta: () => [import.meta.url, import.meta.main], async fetch() {{ const found = {{}};\n{script};\nreturn Response.json(found); }} }};"
    );
    let mut modules: Vec<Module> = vec![("main.js", "esModule", main.leak())];
    modules.extend(others);
    by_url(name, &modules)
}

/// In any module: what `import()` gives for each of some specifiers.
const FINDER: &str = r#"
const specifiers = ["./b", "b", "../b", "/b", "./d/b", "./d/../b", "b?q", "./b#h", "%62", "./%62", "../../b", "./%2e/b", "./d%2fb", "file:///bundle/b",
  "FILE:///bundle/b?x", "file:/bundle/b", "file:///b", "//bundle/b", "/bundle/b", "bundle/b", "node:own", "cloudflare:own", "workerd:none", "x:own", "X:own",
  "y:own", ".", "./", "/", "./s p", "./s%20p", "./é", "é", "./%C3%A9", "http://h/x", "http://h/y/../x?z", "https://h/x", "data:text/javascript,1", "blob:x",
  "node:buffer", "NODE:buffer", "node:Buffer", "node:buffer#x", "./node:buffer", "buffer", "node:nope", "cloudflare:nope", "http://[", "file://host/b"];
export default { async fetch() {
  const found = {};
  for (const specifier of specifiers) {
    try { const { default: value } = await import(specifier); found[specifier] = typeof value === "string" ? value : typeof value; }
    catch (error) { found[specifier] = String(error); }
  }
  let itself;
  try { itself = (await import("")).default.fetch === undefined; } catch (error) { itself = String(error); }
  return Response.json([found, itself, import.meta, Object.getPrototypeOf(import.meta), new Error().stack.split("\n")[1]]);
} };"#;

const TEXTS: &[Module] = &[
    ("b", "text", "b"),
    ("d/b", "text", "d/b"),
    ("s/b", "text", "s/b"),
    ("node:own", "text", "node:own"),
    ("x:own", "text", "x:own"),
    ("s p", "text", "s p"),
    ("é", "text", "é"),
    ("http://h/x", "text", "http"),
];

#[test]
fn what_specifiers_come_to() {
    let names =
        ["a", "./s/a", "s/x/../a", "a?q=1", "a#h", "%61", "s/a é", "s%2Fa", "s\\a", "file:///bundle/q/a", "http://h/p"];
    let cases = names.map(|name| {
        let mut modules = vec![(name, "esModule", FINDER)];
        modules.extend(TEXTS);
        by_url(name, &modules)
    });
    answers("modules by URL/found by", &cases);
    let mut cases = vec![
        finds(
            "percent-encoding",
            r#"for (let byte = 0; byte < 256; byte++) {
              const code = `%${byte.toString(16).padStart(2, "0")}`;
              found[code] = await at(() => import(`./Q${code}R?${code}#${code}`));
            }
            for (const specifier of ["./%2e%2e/x", "./a%2f%2e%2e/x", "./%zz", "./%", "./a%2", "./%e9", "./%C3", "./%F0%9F%98%80", "./%66%2f%66", "node:%62uffer",
              "x:%61", "http://h/%61", "http://h/%2f%61", "./a;b|c^d`{}", "./x%5cy"])
              found[specifier] = await at(() => import(specifier));"#,
            &[],
        ),
        finds(
            "percent-encoding in names",
            r#"for (const specifier of ["./a%2fb", "./a%2Fb", "./q%3Fx", "./q?x", "./h%23x", "./%25", "./%3a"])
              found[specifier] = await at(() => import(specifier).then((module) => module.default));"#,
            &[
                ("a%2fb", "text", "1"),
                ("q%3fx", "text", "2"),
                ("h%23x", "text", "3"),
                ("%", "text", "4"),
                (":", "text", "5"),
            ],
        ),
        finds(
            "names of Node's modules",
            r#"for (const specifier of ["path", "./path", "path?x", "node:path", "node:path?x", "sys", "./sys", "node:sys", "util"])
              found[specifier] = await at(() => import(specifier).then((module) => typeof module.default === "string" ? module.default : "built in"));
            found.same = [(await import("sys")) === (await import("node:util")), (await import("path")) === (await import("node:path"))];"#,
            &[("path", "text", "own path"), ("sys", "text", "own sys"), ("node:sys", "text", "own node:sys")],
        ),
    ];
    let bare = r#"for (const specifier of ["path", "./path", "buffer", "node:buffer", "node:process", "process", "async_hooks"])
      found[specifier] = await at(() => import(specifier).then((module) => typeof module.default === "string" ? module.default : "built in"));"#;
    let own: &[Module] = &[("path", "text", "own path"), ("buffer", "text", "own buffer")];
    cases.push(finds("names of Node's modules, 2024, v1", bare, own).on("2024-01-01"));
    cases.push(finds("names of Node's modules, without them", bare, own).on("2024-01-01").flag(&FLAGS[..1]));
    answers("modules by URL/specifiers", &cases);
}

#[test]
fn what_a_module_knows_of_itself() {
    let cases = [
        finds(
            "import.meta",
            r#"found.properties = Object.getOwnPropertyDescriptors(import.meta);
            found.of = Object.getOwnPropertyDescriptors(import.meta.resolve);
            found.same = import.meta.resolve === import.meta.resolve;
            import.meta.own = 1;
            found.keys = Object.keys(import.meta);
            for (const specifier of ["m", "./m?1", "s/m", "http://h/p/m", "x:m"])
              found[specifier] = await at(async () => { const { url, main, filename, dirname } = await import(specifier); return [url, main, filename, dirname]; });
            found.another = (await import("./main.js?1")).default.meta();"#,
            &[
                ("m", "esModule", "export const { url, main, filename, dirname } = import.meta;"),
                ("s/m", "esModule", "export const { url, main, filename, dirname } = import.meta;"),
                ("http://h/p/m", "esModule", "export const { url, main, filename, dirname } = import.meta;"),
                ("x:m", "esModule", "export const { url, main, filename, dirname } = import.meta;"),
            ],
        ),
        finds(
            "import.meta.resolve()",
            r##"const { resolve } = import.meta;
            for (const specifier of ["./x", "x", "/x", "../x", "node:fs", "fs", "buffer", "sys", "node:sys", "node:nope", "nope", "http://[", "", ".", "./a b", "./%61",
              "./a%2Fb", "?q", "#h", "./x?y#z", "cloudflare:workers", undefined, null, 5, {}, Symbol()])
              found[String(specifier)] = await at(() => resolve(specifier));
            found.none = await at(() => resolve());"##,
            &[],
        ),
        finds(
            "CommonJS",
            r#"for (const specifier of ["c", "s/c", "s/é c", "http://h/p/c", "x:c", "c?1", "s/%2f"]) found[specifier] = await at(async () => (await import(specifier)).default);"#,
            &[
                ("c", "commonJsModule", "module.exports = [__filename, __dirname, new Error().stack.split('\\n')[1]];"),
                ("s/c", "commonJsModule", "module.exports = [__filename, __dirname];"),
                ("s/é c", "commonJsModule", "module.exports = [__filename, __dirname];"),
                ("http://h/p/c", "commonJsModule", "module.exports = [__filename, __dirname];"),
                ("x:c", "commonJsModule", "module.exports = [__filename, __dirname];"),
                ("s/%2f", "commonJsModule", "module.exports = [__filename, __dirname];"),
            ],
        ),
    ];
    answers("modules by URL/itself", &cases);
}

#[test]
fn a_query_is_another_instance() {
    let cases = [
        finds(
            "instances",
            r#"for (const specifier of ["./e", "./e?1", "./e?1", "./e?2", "./e#a", "./e#a", "./e?1#a", "./e?", "./c", "./c?1", "./j", "./j?1", "t?1"])
              found[specifier] = await at(async () => { const { default: value, url } = await import(specifier); return [value, url]; });
            const same = async (a, b) => { const [one, two] = await Promise.all([import(a), import(b)]); return [one === two, one.default === two.default]; };
            found.same = [await same("./e", "./e?1"), await same("./j", "./j?1"), await same("./e", "./e#a"), await same("./c", "./c?1"), await same("./%65", "./e"),
              await same("./e?a", "./%65?a"), await same("./e?a", "./e?%61"), await same("./d", "./d"), await same("./d", "./d?1"), await same("./w", "./w?1")];
            found.counts = [globalThis.es, globalThis.cjs];"#,
            &[
                ("e", "esModule", "export default globalThis.es = (globalThis.es ?? 0) + 1; export const { url } = import.meta;"),
                ("c", "commonJsModule", "module.exports = { n: globalThis.cjs = (globalThis.cjs ?? 0) + 1 };"),
                ("j", "json", "{\"a\":1}"),
                ("t?unused", "text", "t"),
                ("d", "data", "d"),
                ("w", "wasm", WASM),
            ],
        ),
        finds(
            "of the module that imports",
            r#"for (const specifier of ["./e", "./e?1", "./e?1#z"]) found[specifier] = await at(async () => { const e = await import(specifier); return [e.default, e.at, await e.later()]; });"#,
            &[(
                "e",
                "esModule",
                "export const { url } = import.meta; import { url as of } from '#x'; export default of; export const at = new Error().stack.split('\\n')[1];
                export const later = async () => [(await import('')).url, (await import('?2')).url, (await import('#y')).url];",
            )],
        ),
        finds("of a built-in module", "found.same = (await import('node:buffer')) === (await import('node:buffer?x'));", &[]),
    ];
    answers("modules by URL/instance", &cases);
}

/// A module whose default export requires what it is told.
const REQUIRES: Module = ("r.js", "commonJsModule", "module.exports = (specifier) => require(specifier);");

const KINDS: &[Module] = &[
    REQUIRES,
    ("e", "esModule", "export const a = 1; export default 3;"),
    ("named", "esModule", "export const a = 1;"),
    ("marked", "esModule", "export const __esModule = true; export default 1;"),
    ("whole", "esModule", "const x = 8; export { x as 'module.exports' }; export const y = 1;"),
    ("c", "commonJsModule", "exports.x = 1; exports.default = 9;"),
    ("five", "commonJsModule", "module.exports = 5;"),
    ("j", "json", "{\"a\":1}"),
    ("t", "text", "t"),
    ("d", "data", "bytes"),
    ("waits", "esModule", "globalThis.ran = true; await 0; export default 1;"),
    ("rejects", "esModule", "await 0; throw new Error('e');"),
    ("faulty.json", "json", "{a"),
    ("faulty.wasm", "wasm", "00"),
    ("faulty", "esModule", "let x = 1 +"),
    ("faulty.cjs", "commonJsModule", "let x = 1 +"),
    (
        "throws",
        "esModule",
        "globalThis.runs = (globalThis.runs ?? 0) + 1; throw globalThis.thrown = new RangeError(`run ${globalThis.runs}`);",
    ),
    (
        "throws.cjs",
        "commonJsModule",
        "globalThis.runs = (globalThis.runs ?? 0) + 1; exports.half = 1; throw new RangeError(`run ${globalThis.runs}`);",
    ),
    ("lacks", "esModule", "import { z } from './e';"),
    ("needs", "esModule", "import './missing';"),
    ("s/b", "text", "s/b"),
];

#[test]
fn what_is_required_and_imported() {
    let require = "const { default: require } = await import('r.js');";
    let requires = |name: &'static str, specifiers: &str| {
        let script = format!(
            "{require} for (const specifier of [{specifiers}]) found[`${{specifier}} ${{Object.keys(found).length}}`] = await at(() => require(specifier)); \
             found.ran = [globalThis.ran, globalThis.runs];"
        );
        finds(name, &script, KINDS)
    };
    let kinds = "'./e', 'named', 'marked', 'whole', 'c', 'five', 'j', 't', 'd', 'e?1', '/bundle/t', 'file:///bundle/t', 'cloudflare:workers', './main.js'";
    let cases = [
        requires("kinds", kinds),
        requires("kinds, 2021", kinds).on("2021-06-01"),
        requires("kinds, with what flags say in the first registry", kinds).flag(&[
            "new_module_registry",
            "require_returns_namespace",
            "export_commonjs_namespace",
            "enable_top_level_await_in_require",
        ]),
        requires("a built-in module", "'node:util', 'util', 'node:nope'"),
        requires("nothing", "'./missing', '/t', '../../t', '', '.', './', 'http://[', 'x:y', undefined, 5"),
        requires("waiting", "'waits', 'rejects', 'waits'"),
        requires("faults", "'faulty.json', 'faulty.json', 'faulty.wasm', 'faulty', 'faulty', 'faulty.cjs', 'throws', 'throws', 'throws.cjs', 'throws.cjs'"),
        requires("what cannot be linked", "'lacks', 'needs'"),
        finds(
            "imported faults",
            "for (const specifier of ['faulty.json', 'faulty.json', 'faulty.wasm', 'faulty', 'faulty', 'faulty.cjs', 'faulty.cjs', 'throws', 'throws', 'throws?1',
              'throws.cjs', 'throws.cjs', 'lacks', 'lacks', 'needs', 'needs', 'rejects', 'rejects', 'missing'])
              found[`${specifier} ${Object.keys(found).length}`] = await at(() => import(specifier));
            const reason = (specifier) => import(specifier).catch((error) => error);
            found.same = [await reason('throws') === await reason('throws'), await reason('faulty') === await reason('faulty')];",
            KINDS,
        ),
        finds("imported waiting", "found.waits = await at(() => import('waits')); found.order = []; await Promise.all([import('e').then(() => found.order.push('e')), found.order.push('now')]);", KINDS),
        finds(
            "imported, then required, while it waits",
            &format!("{require} const pending = import('waits'); found.early = await at(() => require('waits')); await pending; found.late = await at(() => require('waits'));"),
            KINDS,
        ),
        finds(
            "createRequire()",
            "const { createRequire } = await import('node:module');
            for (const from of ['/bundle/s/q', '/s/q', '/', 'file:///bundle/s/q', 'file:///s/q', import.meta.url, new URL('file:///bundle/s/q'), '/bundle/s/', '/bundle/s/q?1'])
              for (const specifier of ['./b', 'b', '/t', '../t', '/bundle/t', './e', '../e', './nope'])
                found[`${from} ${specifier}`] = await at(() => createRequire(from)(specifier));",
            KINDS,
        ),
    ];
    answers("modules by URL/kinds", &cases);
}

#[test]
fn cycles() {
    let e = "import c from './c.js'; export const a = 1; export default c;";
    let c = "try { exports.e = Object.keys(require('./e.js')); } catch (error) { exports.error = String(error); }";
    let cases = [
        finds(
            "CommonJS",
            "found.p = await at(() => import('p.js').then((p) => p.default));",
            &[
                ("p.js", "commonJsModule", "exports.before = 1; exports.q = require('./q.js'); exports.after = 1;"),
                ("q.js", "commonJsModule", "exports.seen = Object.keys(require('./p.js'));"),
            ],
        ),
        finds(
            "ES and CommonJS",
            "found.e = await at(() => import('e.js')); found.c = await at(() => import('c.js').then((c) => c.default));",
            &[("e.js", "esModule", e), ("c.js", "commonJsModule", c)],
        ),
        finds(
            "ES and CommonJS, required",
            "const { default: require } = await import('r.js'); found.e = await at(() => require('e.js')); found.c = await at(() => require('c.js')); found.again = await at(() => require('e.js'));",
            &[("e.js", "esModule", e), ("c.js", "commonJsModule", c), REQUIRES],
        ),
        finds(
            "of which one throws",
            "const { default: require } = await import('r.js'); for (const name of ['./p.js', 'p.js', './q.js']) found[name] = await at(() => require(name));",
            &[
                ("p.js", "commonJsModule", "exports.a = 1; require('./q.js'); throw new Error('p');"),
                ("q.js", "commonJsModule", "exports.seen = Object.keys(require('./p.js'));"),
                REQUIRES,
            ],
        ),
        by_url(
            "main and a module that it imports later",
            &[
                (
                    "main.js",
                    "esModule",
                    "export default { async fetch() { return new Response((await import('./e.js')).default); } };",
                ),
                ("e.js", "esModule", "import main from './main.js'; export default Object.keys(main);"),
            ],
        ),
    ];
    answers("modules by URL/cycle", &cases);
}

#[test]
fn import_attributes() {
    let script = "for (const [specifier, attributes] of [['j', { type: 'json' }], ['t', { type: 'json' }], ['e', { type: 'json' }], ['c', { type: 'json' }], ['d', { type: 'json' }],
          ['j', { type: 'text' }], ['t', { type: 'text' }], ['j', { type: 'bytes' }], ['e', { type: 'css' }], ['e', { type: '' }], ['j', { type: 'JSON' }], ['e', {}],
          ['j', { foo: 'x' }], ['j', { type: 'json', foo: 'x' }], ['j', { foo: 'x', type: 'json' }], ['j', { a: '1', b: '2' }], ['missing', { type: 'json' }],
          ['missing', { type: 'text' }], ['missing', { type: 'css' }], ['missing', { foo: 'x' }], ['node:buffer', { type: 'json' }], ['faulty.json', { type: 'json' }],
          ['faulty', { type: 'json' }], ['http://[', { foo: 'x' }]])
          found[`${specifier} ${JSON.stringify(attributes)}`] = await at(() => import(specifier, { with: attributes }));
        found.same = (await import('j')) === (await import('j', { with: { type: 'json' } }));";
    answers(
        "modules by URL/attributes",
        &[finds("2026", script, KINDS), finds("2021", script, KINDS).on("2021-06-01").flag(&FLAGS[..1])],
    );
}

#[test]
fn starts_that_fail() {
    let main = "export default {};";
    let importing = "import './b'; export default {};";
    let start = |name, main, others: &[Module]| {
        let mut modules = vec![("s/main", "esModule", main)];
        modules.extend(others);
        by_url(name, &modules).flag(&FLAGS[..1])
    };
    let cases = [
        start("unknown", importing, &[]),
        start("unknown to a module", importing, &[("s/b", "esModule", "\nimport x from '/c';")]),
        start("unknown in Node", "import 'node:nope';", &[]),
        start("no URL", "import 'http://[';", &[]),
        start("no such export", "import { x } from './b';", &[("s/b", "esModule", "export const y = 1;")]),
        start("throws", importing, &[("s/b", "esModule", "\nthrow new RangeError('x');")]),
        start("does not parse", importing, &[("s/b", "esModule", "let x = 1 +")]),
        start("CommonJS does not parse", importing, &[("s/b", "commonJsModule", "let x = 1 +")]),
        start("CommonJS throws", importing, &[("s/b", "commonJsModule", "throw new RangeError('y');")]),
        start("CommonJS requires", importing, &[("s/b", "commonJsModule", "require('./z');")]),
        start("CommonJS requires the main module", importing, &[("s/b", "commonJsModule", "require('./main');")]),
        start("WebAssembly that is none", importing, &[("s/b", "wasm", "00")]),
        start("waits for ever", "await new Promise(() => {}); export default {};", &[]),
        start("rejects", "await 0; throw new RangeError('z');", &[]),
        start("attribute", "import './b' with { foo: 'x' };", &[("s/b", "json", "{}")]),
        start("type", "import './b' with { type: 'json' };", &[("s/b", "text", "{}")]),
        start("no source phase", "import source b from './b';", &[("s/b", "text", "")]),
    ];
    refusals("modules by URL/refused", &cases);
    let starts = "export default { fetch: () => new Response('started') };";
    let cases = [
        start(
            "what nobody imports is not compiled",
            starts,
            &[("a", "esModule", "1 +"), ("b", "commonJsModule", "1 +"), ("c", "json", "{"), ("d", "wasm", "00")],
        ),
        start("awaits", "await 0; export default { fetch: () => new Response('awaited') };", &[]),
        start(
            "type",
            "import b from './b' with { type: 'json' }; export default { fetch: () => Response.json(b) };",
            &[("s/b", "json", "[1]")],
        ),
        start(
            "source phase",
            "import source b from './b'; export default { fetch: () => new Response(String(b)) };",
            &[("s/b", "wasm", WASM)],
        ),
    ];
    answers("modules by URL/started", &cases);
    // The reference has internal errors for these; or goes on without the worker.
    for (name, text) in [
        ("cloudflare:own", "the cloudflare: protocol is reserved"),
        ("workerd:own", "the workerd: protocol is reserved"),
        ("data:text/javascript,1", "the data: protocol cannot be used in module bundles"),
        ("http://[", "Module name \"http://[\" is no URL"),
        ("a/..", "Module name \"a/..\" is empty"),
        ("s/%6dain", "Module \"file:///bundle/s/main\" already added to bundle"),
    ] {
        let refused = start("", main, &[(name, "text", "")]);
        for runtime in [Runtime::workerd(), bulkhead_test_support::supervisor!()] {
            let exit = runtime.serve_to_exit(refused.setup());
            assert_eq!(exit.code, Some(1), "{} with {name}: {}", runtime.name, exit.stderr);
            assert!(runtime.name != "supervisor" || exit.stderr.contains(text), "{exit:?}");
        }
    }
}

/// One worker and what else its configuration has.
fn configured(worker: &str, rest: &str) -> Setup {
    Setup::config(&format!(
        "using Workerd = import \"/workerd/workerd.capnp\";
         const config :Workerd.Config = (
           services = [(name = \"main\", worker = .main)],
           sockets = [(name = \"http\", address = \"127.0.0.1:0\", http = (), service = \"main\")]{rest});
         const main :Workerd.Worker = ({worker}, compatibilityDate = \"2026-11-10\",
           compatibilityFlags = [\"new_module_registry\", \"no_nodejs_compat\", \"no_nodejs_compat_v2\"]);"
    ))
}

fn quote(text: &str) -> String {
    serde_json::to_string(text).expect("a string")
}

/// What both runtimes answer with this set-up.
fn observed(key: &str, setup: impl Fn() -> Setup) -> Observation {
    let [reference, ours] = [Runtime::workerd(), bulkhead_test_support::supervisor!()]
        .map(|runtime| http::get(runtime.serve(setup()).port(), "/").expect("a response").text());
    Observation { key: key.to_owned(), reference, ours }
}

#[test]
fn code_that_is_no_module() {
    let script = format!(
        "{AT} addEventListener('fetch', (event) => event.respondWith((async () => {{
            const found = [];
            for (const specifier of ['./x', 'node:process', 'cloudflare:workers', 'http://[', 'data:text/javascript,1'])
              found.push(await at(() => import(specifier)));
            return Response.json(found); }})()));"
    );
    let main = format!(
        "{AT} const early = [await at(() => eval('import(\"./x\")')), await at(() => new Function('return import(\"./x\")')())];
        export default {{ async fetch(request, {{ made }}) {{ return Response.json([early,
          await at(() => made.eval('import(\"./x\")')), await at(() => made.eval('import(\"./x\")', 's/n')),
          await at(() => made.eval('import(\"./x\")', 'file:///bundle/s/n')), await at(() => made.eval('import(\"./x\")', 'file:///bundle/s/main').then((x) => x.default)),
          await at(() => made.newFunction('return import(\"file:///bundle/x\")')()), await at(() => made.eval('new Error().stack.split(\"\\\\n\")[1]', 's/n'))]); }} }};"
    );
    let worker = format!(
        "modules = [(name = \"s/main\", esModule = {}), (name = \"x\", text = \"x\"), (name = \"s/x\", text = \"s/x\")],
         bindings = [(name = \"made\", unsafeEval = void)]",
        quote(&main)
    );
    let script = format!("serviceWorkerScript = {}", quote(&script));
    let observations = [
        observed("modules by URL/no module/a script", || configured(&script, "")),
        observed("modules by URL/no module/from strings", || configured(&worker, "").argument("--experimental")),
    ];
    check("modules by URL/no module", &observations);
}

#[test]
fn extensions() {
    let main = |specifiers: &str| {
        let code = format!(
            "{AT} import {{ load, resolve }} from 'ext:loads';
            export default {{ async fetch(request, env) {{
              const found = {{ env }};
              for (const specifier of [{specifiers}]) {{
                found[specifier] = await at(async () => {{ const module = await import(specifier); return module.default ?? module; }});
                found[`from an extension: ${{specifier}}`] = await at(async () => {{ const module = await load(specifier); return module.default ?? module; }});
                found[`resolved: ${{specifier}}`] = await at(() => resolve(specifier));
              }}
              return Response.json(found);
            }} }};"
        );
        format!(
            "modules = [(name = \"main.js\", esModule = {}), (name = \"x\", text = \"x\"), (name = \"ext:hidden\", text = \"the worker's\")],
             bindings = [(name = \"made\", wrapped = (moduleName = \"ext:makes\", innerBindings = [(name = \"a\", text = \"b\")]))]",
            quote(&code)
        )
    };
    let module = |name: &str, internal: bool, code: &str| {
        format!("(name = {}, internal = {internal}, esModule = {})", quote(name), quote(code))
    };
    let modules = [
        module(
            "ext:loads",
            false,
            "export const load = (specifier) => import(specifier); export const resolve = (specifier) => import.meta.resolve(specifier);",
        ),
        module(
            "ext:pub",
            false,
            "import inner from 'ext:inner'; export default [inner, import.meta, new Error().stack.split('\\n')[1]];",
        ),
        module("ext:inner", true, "export default 'inner';"),
        module("ext:hidden", false, "export default 'the extension\\'s';"),
        module("ext:makes", true, "export default (env) => [Object.keys(env), import.meta.url];"),
        module("ext:faulty", false, "1 +"),
        module("ext:relative", false, "import './x';"),
        module("ext:of-the-bundle", false, "import 'file:///bundle/x';"),
        module("http://e/a/b", false, "import c from './c'; export default c;"),
        module("http://e/a/c", true, "export default 'c';"),
        module("x://e/a//b", false, "export default import.meta.url;"),
        module("node:own", false, "export default import.meta.url;"),
    ];
    let rest = format!(", extensions = [(modules = [{}])]", modules.join(", "));
    let found = "'ext:pub', 'EXT:pub', 'ext:inner', 'ext:hidden', 'ext:faulty', 'ext:relative', 'ext:of-the-bundle', 'ext:nope', 'http://e/a/b', 'http://e/a/c',
        'x://e/a//b', 'x://e/a/b', 'node:own', './x', 'x', 'file:///bundle/x', 'node:process', 'cloudflare:workers', 'http://['";
    let observations = [
        observed("modules by URL/extensions/found", || configured(&main(found), &rest)),
        observed("modules by URL/extensions/another instance", || configured(&main("'ext:pub?1'"), &rest)),
    ];
    check("modules by URL/extensions", &observations);
    // What has no URL has no name.
    for name in ["plain", "a/b", "http://[", "file:///x"] {
        let rest = format!(", extensions = [(modules = [{}])]", module(name, false, ""));
        let worker = "modules = [(name = \"main.js\", esModule = \"export default {};\")]";
        for runtime in [Runtime::workerd(), bulkhead_test_support::supervisor!()] {
            let exit = runtime.serve_to_exit(configured(worker, &rest));
            assert_eq!(exit.code, Some(1), "{} with {name}: {}", runtime.name, exit.stderr);
            let text = if name == "file:///x" {
                "file: protocol is reserved".to_owned()
            } else {
                format!("Invalid extension module name \"{name}\": when")
            };
            assert!(exit.stderr.contains(&text), "{exit:?}");
        }
    }
}

/// The reference ends with an error of V8's.
#[test]
fn a_module_that_imports_itself_while_it_runs() {
    let script =
        format!("{ATTEMPT} module.exports = async () => Object.keys((await require('./c.js').later).default);");
    let main = "import a from './a.js'; const itself = await import('./main.js'); const e = await import('./e.js');
        export default { fetch: async () => Response.json([await a(), Object.keys(itself), Object.keys(await e.later)]) };";
    let case = by_url(
        "",
        &[
            ("main.js", "esModule", main),
            ("a.js", "commonJsModule", script.leak()),
            ("c.js", "commonJsModule", "exports.later = import('./c.js');"),
            ("e.js", "esModule", "export const a = 1; export const later = import('./e.js');"),
        ],
    );
    let server = bulkhead_test_support::supervisor!().serve(case.setup());
    let text = http::get(server.port(), "/").expect("a response").text();
    assert_eq!(text, r#"[["later"],["default"],["a","later"]]"#);
}
