//! How modules find each other, and what comes of one that throws: both runtimes on the same bundle.

mod by_url;

use bulkhead_test_support::{Runtime, Setup, http};

use bulkhead_test_support::expectations::{Observation, check};

/// Name, kind and content.
type Module = (&'static str, &'static str, &'static str);

struct Case {
    name: &'static str,
    /// The first is the main module.
    modules: Vec<Module>,
    date: &'static str,
    flags: &'static [&'static str],
}

fn case(name: &'static str, modules: &[Module]) -> Case {
    Case { name, modules: modules.to_vec(), date: "2026-08-01", flags: &[] }
}

impl Case {
    fn on(self, date: &'static str) -> Case {
        Case { date, ..self }
    }

    fn flag(self, flags: &'static [&'static str]) -> Case {
        Case { flags, ..self }
    }

    fn setup(&self) -> Setup {
        // A JSON string without escapes of its own for other characters is a text of Cap'n Proto too.
        let quote = |text: &str| serde_json::to_string(text).expect("a string");
        let modules = self.modules.iter().map(|(name, kind, content)| match *kind {
            "wasm" => format!("(name = {}, wasm = 0x\"{content}\")", quote(name)),
            kind => format!("(name = {}, {kind} = {})", quote(name), quote(content)),
        });
        let flags = self.flags.iter().map(|flag| quote(flag));
        Setup::worker(&format!(
            "modules = [ {} ], compatibilityDate = \"{}\", compatibilityFlags = [ {} ]",
            modules.collect::<Vec<_>>().join(", "),
            self.date,
            flags.collect::<Vec<_>>().join(", ")
        ))
    }
}

/// What each of `cases` answers to two requests.
fn answers(area: &str, cases: &[Case]) {
    let mut observations = Vec::new();
    for case in cases {
        let [reference, ours] = [Runtime::workerd(), bulkhead_test_support::supervisor!()].map(|runtime| {
            let server = runtime.serve(case.setup());
            let [first, second] = [(); 2].map(|()| http::get(server.port(), "/").expect("a response").text());
            format!("{first}\n{second}")
        });
        observations.push(Observation { key: format!("{area}/{}", case.name), reference, ours });
    }
    check(area, &observations);
}

/// What each of `cases`, none of which starts, says.
fn refusals(area: &str, cases: &[Case]) {
    let mut observations = Vec::new();
    for case in cases {
        let [reference, ours] = [Runtime::workerd(), bulkhead_test_support::supervisor!()].map(|runtime| {
            let exit = runtime.serve_to_exit(case.setup());
            format!("{:?} {}", exit.code, unindented(&exit.stderr))
        });
        observations.push(Observation { key: format!("{area}/{}", case.name), reference, ours });
    }
    check(area, &observations);
}

/// Without the indentation of lines: ours mark that they go on.
fn unindented(text: &str) -> String {
    text.lines().map(str::trim_start).collect::<Vec<_>>().join("\n")
}

/// What `import()` gives for each of some specifiers.
const FINDER: &str = r#"
const found = {};
export default {
  async fetch() {
    for (const specifier of ["./b", "b", "../b", "/b", "./d/b", "./d/../b", "b?q", "./b#h", "%62", "../../b", "/../b",
                             "node:own", "cloudflare:own", "workerd:none", "x:own", "", ".", "./", "/"]) {
      try { found[specifier] = (await import(specifier)).default; } catch (error) { found[specifier] = String(error); }
    }
    return Response.json([found, import.meta.url, Object.keys(import.meta), new Error().stack.split("\n")[1]]);
  },
};"#;

/// What a CommonJS module is told about itself, and what `require()` gives it.
const REQUIRER: &str = r#"
const found = ["./b", "b", "../b", "/b", "./d/b", "./d/../b", "b?q", "../../b", "/../b", "node:own", "x:own", "./"]
  .map((specifier) => { try { return require(specifier); } catch (error) { return String(error); } });
module.exports = [__filename, __dirname, new Error().stack.split("\n")[1], found];"#;

/// Every way of writing a name that means something within the bundle.
const NAMES: &[&str] = &[
    "a",
    "./a",
    "./s/a",
    "s/a",
    "s//a",
    "s/x/../a",
    "s/./a",
    "./x/../a",
    "a?q=1",
    "a#h",
    "%61",
    "s/a b",
    "s/é",
    "s%2Fa",
    "s/",
    "s/.",
    "s\\a",
    "node:main",
    "x:y/z",
    "http://h/x",
];

#[test]
fn a_module_finds_what_it_imports_however_its_name_is_written() {
    let others: &[Module] = &[
        ("b", "text", "b"),
        ("d/b", "text", "d/b"),
        ("s/b", "text", "s/b"),
        ("node:own", "text", "node:own"),
        ("cloudflare:own", "text", "cloudflare:own"),
        ("x:own", "text", "x:own"),
    ];
    let mut cases = Vec::new();
    for name in NAMES {
        let mut modules = vec![(*name, "esModule", FINDER)];
        modules.extend(others);
        cases.push(case(name, &modules));
    }
    answers("modules/found by", &cases);
    let mut cases = Vec::new();
    for name in NAMES {
        // The specifier of the module is its name, which is relative to the root there.
        let main: &'static str =
            format!("import x from {name:?}; export default {{ fetch: () => Response.json(x) }};").leak();
        let mut modules = vec![("./m/../main", "esModule", main), (*name, "commonJsModule", REQUIRER)];
        modules.extend(others);
        cases.push(case(name, &modules));
    }
    answers("modules/required by", &cases);
}

#[test]
fn what_is_not_found_is_named() {
    let main = "export default {};";
    let cases = [
        case("unknown", &[("./x/../s/a", "esModule", "import './b'")]),
        case("unknown in a directory", &[("main", "esModule", "import './s/a'"), ("./s/a", "esModule", "import 'b'")]),
        case("out of the root", &[("main", "esModule", "import '../b'"), ("b", "text", "")]),
        case("out of the root from a directory", &[("s/main", "esModule", "import '../../b'"), ("b", "text", "")]),
        case("the root itself", &[("main", "esModule", "import './'")]),
        case("query", &[("main", "esModule", "import 'b?q'"), ("b", "text", "")]),
        case("built-in", &[("s/main", "esModule", "import 'node:none'")]),
        case("the same twice", &[("main", "esModule", main), ("./s//a", "text", ""), ("s/a", "text", "")]),
        case("required", &[("main", "esModule", "import './s/a'"), ("./s/a", "commonJsModule", "require('b')")]),
        case(
            "required from outside",
            &[("main", "esModule", "import 'a'"), ("a", "commonJsModule", "require('../b')")],
        ),
    ];
    refusals("modules/not found", &cases);
}

/// The reference ends with an internal error where we say what is wrong.
#[test]
fn a_name_that_leads_out_of_the_bundle_is_refused() {
    for name in ["../up", "a/../../b", ".."] {
        let refused = case("", &[("main", "esModule", "export default {};"), (name, "text", "")]);
        for runtime in [Runtime::workerd(), bulkhead_test_support::supervisor!()] {
            let exit = runtime.serve_to_exit(refused.setup());
            assert_eq!(exit.code, Some(1), "{}: {}", runtime.name, exit.stderr);
            if runtime.name == "supervisor" {
                assert!(exit.stderr.contains(&format!("Module name \"{name}\" leads out of the bundle")), "{exit:?}");
            }
        }
    }
}

/// `(module (func (export "f") (result i32) (i32.const 42)))`.
const WASM: &str = "0061736d010000000105016000017f03020100070501016600000a06010400412a0b";

#[test]
fn the_source_phase_of_a_module() {
    let cases = [
        case(
            "declaration",
            &[
                (
                    "main",
                    "esModule",
                    "import source m from './m.wasm'; import same from 'm.wasm';
                    const { f } = new WebAssembly.Instance(m, {}).exports;
                    export default { fetch: () => Response.json([m instanceof WebAssembly.Module, m === same, f()]) };",
                ),
                ("m.wasm", "wasm", WASM),
            ],
        ),
        case(
            "import.source()",
            &[
                (
                    "main",
                    "esModule",
                    "export default { fetch: () => import.source('./m.wasm').then(() => new Response('a module'),
                        (error) => new Response(String(error))) };",
                ),
                ("m.wasm", "wasm", WASM),
            ],
        ),
        case(
            "names that mean something elsewhere",
            &[(
                "main",
                "esModule",
                "import source from './t'; import defer, { default as from } from 't';
                export default { fetch: () => Response.json([source, defer, from, Object.getOwnPropertyNames(WebAssembly).sort()]) };",
            ), ("t", "text", "t")],
        ),
    ];
    answers("modules/source phase", &cases);
    let import = "import source m from './m'; export default {};";
    let cases = [
        case("ES module", &[("main", "esModule", import), ("m", "esModule", "")]),
        case("CommonJS module", &[("main", "esModule", import), ("m", "commonJsModule", "")]),
        case("text", &[("main", "esModule", import), ("m", "text", "")]),
        case("JSON", &[("main", "esModule", import), ("m", "json", "{}")]),
        case("data", &[("s/main", "esModule", import), ("s/m", "data", "")]),
        case("unknown", &[("main", "esModule", import)]),
        case("WebAssembly that is none", &[("main", "esModule", import), ("m", "wasm", "00")]),
        case("deferred", &[("main", "esModule", "import defer * as m from './m';"), ("m", "esModule", "")]),
    ];
    refusals("modules/no source phase", &cases);
}

/// What V8 has behind flags is refused by an exception, and does not end the process.
#[test]
fn import_defer_behind_the_operators_flag() {
    let setup = Setup::config(
        r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [ (name = "main", worker = (compatibilityDate = "2026-08-01", modules = [
    (name = "main", esModule = embed "main.js"), (name = "m", esModule = "export const a = 1") ])) ],
  sockets = [ (name = "http", address = "127.0.0.1:0", http = (), service = "main") ],
  v8Flags = [ "--js-defer-import-eval" ]
);"#,
    );
    let setup = setup.file(
        "main.js",
        "import defer * as m from './m';
        export default { fetch: () => import.defer('./m').catch((error) => new Response(`${m.a} ${error}`)) };",
    );
    let server = bulkhead_test_support::supervisor!().serve(setup);
    assert_eq!(http::get(server.port(), "/").expect("a response").text(), "1 Error: Not supported");
}

/// In a CommonJS module: what functions give or throw, as JSON.
const ATTEMPT: &str =
    "const attempt = (f) => { try { return ['got', f()]; } catch (error) { return ['threw', String(error)]; } };
const later = async (f) => { try { return ['got', await f()]; } catch (error) { return ['threw', String(error)]; } };
";

const BROKEN: &str = "globalThis.runs = (globalThis.runs ?? 0) + 1; exports.half = true;
throw globalThis.thrown = new Error(`run ${globalThis.runs}`);";

/// A set-up in which `module.exports` of `a.js` is a function whose result is the response.
fn attempts(name: &'static str, function: &str, others: &[Module]) -> Case {
    let main = "import a from './a.js'; export default { fetch: async () => Response.json(await a()) };";
    let mut modules = vec![
        ("main.js", "esModule", main),
        ("a.js", "commonJsModule", &*format!("{ATTEMPT}{function}").leak()),
        ("broken.js", "commonJsModule", BROKEN),
    ];
    modules.extend(others);
    case(name, &modules)
}

#[test]
fn a_module_that_threw_throws_for_everybody_and_always() {
    let cases = [
        attempts(
            "every spelling",
            "module.exports = () => ['./broken.js', 'broken.js', '/broken.js', './x/../broken.js']
                .map((name) => attempt(() => require(name))).concat(globalThis.runs);",
            &[],
        ),
        attempts(
            "the same exception",
            "module.exports = () => [1, 2, 3].map(() => {
                try { require('./broken.js'); } catch (error) { return error === globalThis.thrown; }
            });",
            &[],
        ),
        attempts(
            "at start-up",
            "const first = attempt(() => require('./broken.js')); module.exports = () => [first, attempt(() => require('./broken.js'))];",
            &[],
        ),
        attempts(
            "by a dependency",
            "module.exports = () => ['./c.js', 'c.js', 'broken.js'].map((name) => attempt(() => require(name)));",
            &[("c.js", "commonJsModule", "exports.before = 1; require('./broken.js'); exports.after = 1;")],
        ),
        attempts(
            "by a dependency whose exception is caught",
            "module.exports = () => ['./c.js', 'c.js', 'broken.js'].map((name) => attempt(() => require(name)));",
            &[("c.js", "commonJsModule", "try { require('./broken.js'); } catch (error) { exports.error = error.message; }")],
        ),
        attempts(
            "required, then imported",
            "module.exports = async () => [attempt(() => require('./broken.js')), await later(() => import('./broken.js')),
                await later(() => import('broken.js')), attempt(() => require('./broken.js')), globalThis.runs];",
            &[],
        ),
        attempts(
            "imported, then required",
            "module.exports = async () => [await later(() => import('./broken.js')), attempt(() => require('./broken.js')),
                await later(() => import('./broken.js')), globalThis.runs];",
            &[],
        ),
        attempts(
            "imported by an ES module",
            "module.exports = async () => [attempt(() => require('./e.js')), await later(() => import('./e.js')),
                attempt(() => require('./broken.js')), globalThis.runs];",
            &[("e.js", "esModule", "import broken from './broken.js'; export const a = 1;")],
        ),
        attempts(
            "would not throw again",
            "module.exports = () => [1, 2].map(() => attempt(() => require('./c.js')));",
            &[("c.js", "commonJsModule", "if (!globalThis.tried) { globalThis.tried = true; throw 'once'; }")],
        ),
        attempts(
            "undefined",
            "module.exports = () => [1, 2].map(() => attempt(() => require('./c.js')));",
            &[("c.js", "commonJsModule", "throw undefined;")],
        ),
        attempts(
            "what is not there",
            "module.exports = () => [1, 2].map(() => attempt(() => require('./c.js')));",
            &[("c.js", "commonJsModule", "exports.a = 1; require('none');")],
        ),
        attempts(
            "ES module",
            "module.exports = async () => [attempt(() => require('./e.js')), attempt(() => require('e.js')), await later(() => import('./e.js'))];",
            &[("e.js", "esModule", "export const a = 1; throw new Error('e');")],
        ),
        attempts(
            "ES module that awaits",
            "module.exports = async () => [await later(() => import('./e.js')), attempt(() => require('e.js')), await later(() => import('./e.js'))];",
            &[("e.js", "esModule", "await 0; throw new Error('e');")],
        ),
    ];
    answers("modules/threw", &cases);
}

#[test]
fn modules_that_use_each_other() {
    let self_import = "export const a = 1; const self = await import('./main.js');
        export default { fetch: () => Response.json(Object.keys(self)) };";
    let main = "import { later } from './e.js'; export const a = {};
        export default { fetch: async () => Response.json(Object.keys(await later)) };";
    let cases = [
        attempts(
            "CommonJS",
            "module.exports = () => ['./p.js', './q.js'].map((name) => attempt(() => require(name)));",
            &[
                ("p.js", "commonJsModule", "exports.a = 1; exports.q = require('./q.js'); exports.b = 2;"),
                ("q.js", "commonJsModule", "exports.seen = Object.keys(require('./p.js'));"),
            ],
        ),
        attempts(
            "CommonJS of which one throws",
            "module.exports = () => ['./p.js', 'p.js', './q.js'].map((name) => attempt(() => require(name)));",
            &[
                ("p.js", "commonJsModule", "exports.a = 1; require('./q.js'); throw new Error('p');"),
                ("q.js", "commonJsModule", "exports.seen = Object.keys(require('./p.js'));"),
            ],
        ),
        attempts(
            "ES and CommonJS",
            "module.exports = async () => [attempt(() => require('./e.js')), await later(() => import('./e.js'))];",
            &[
                ("e.js", "esModule", "import c from './c.js'; export const a = 1; export default c;"),
                (
                    "c.js",
                    "commonJsModule",
                    "try { exports.e = require('./e.js'); } catch (error) { exports.error = String(error); }",
                ),
            ],
        ),
        attempts(
            "ES and CommonJS, by import()",
            "module.exports = async () => [await later(() => import('./e.js')).then(([how]) => how), (await require('./c.js').later).a];",
            &[
                ("e.js", "esModule", "import c from './c.js'; export const a = 1; export default 2;"),
                ("c.js", "commonJsModule", "exports.later = import('./e.js');"),
            ],
        ),
        attempts(
            "CommonJS that imports itself",
            "module.exports = async () => Object.keys((await require('./c.js').later).default);",
            &[("c.js", "commonJsModule", "exports.later = import('./c.js');")],
        ),
        case(
            "main imports itself",
            &[("main.js", "esModule", &self_import.replace("export const a = 1; ", "").leak()[..])],
        ),
        case(
            "main is imported while it is evaluated",
            &[("main.js", "esModule", main), ("e.js", "esModule", "export const later = import('./main.js');")],
        ),
    ];
    answers("modules/cycle", &cases);
}

/// What `import()` in the root and in a directory, and `require` there, give for each of some specifiers.
const BUILT_IN: &str = r#"
import * as nested from "lib/nested.js";
const specifiers = ["cloudflare:workers", "node:async_hooks", "async_hooks", "./node:async_hooks", "/node:async_hooks", "/async_hooks",
  "lib/../async_hooks", "node:nope", "cloudflare:nope", "nope", "internal:async_context", "native:frame", "native:env", "native:scripts",
  "cloudflare-internal:env", "node-internal:async_hooks", "NODE:async_hooks", "node:async_hooks?x", "node:async%5fhooks", "node:"];
export default {
  async fetch() {
    const found = {};
    for (const [how, load] of [["root", (specifier) => import(specifier)], ["nested", nested.load], ["require", nested.required]]) {
      for (const specifier of specifiers) {
        let shown;
        try { const given = await load(specifier); shown = [Object.prototype.toString.call(given), given && Object.keys(given)]; } catch (error) { shown = String(error); }
        found[`${how} ${specifier}`] = shown;
      }
    }
    return Response.json([found, (await import("cloudflare:workers")) === (await nested.load("cloudflare:workers"))]);
  },
};"#;

#[test]
fn built_in_modules_are_found_as_in_the_reference() {
    let bundle = |hiding: bool| {
        let mut modules: Vec<Module> = vec![
            ("main.js", "esModule", BUILT_IN),
            (
                "lib/nested.js",
                "esModule",
                "import loader from './loader.js'; export const load = (specifier) => import(specifier); \
                 export const required = loader.required;",
            ),
            ("lib/loader.js", "commonJsModule", "module.exports = { required: (specifier) => require(specifier) };"),
        ];
        let own = "export const own = 1; export default { own: 1 };";
        if hiding {
            modules.extend(
                [
                    "cloudflare:workers",
                    "node:async_hooks",
                    "async_hooks",
                    "node:nope",
                    "internal:async_context",
                    "native:frame",
                ]
                .map(|name| (name, "esModule", own)),
            );
        }
        modules
    };
    let named = |name: &'static str, hiding| case(name, &bundle(hiding));
    let cases = [
        named("2021", false).on("2021-06-01"),
        named("2021, nodejs_als", false).on("2021-06-01").flag(&["nodejs_als"]),
        named("2026", false),
        named("2026, nodejs_als", false).flag(&["nodejs_als"]),
        named("2026, namespaces", false).flag(&[
            "nodejs_als",
            "require_returns_namespace",
            "export_commonjs_namespace",
        ]),
        named("2026, nodejs_compat by its date", false).on("2026-10-01"),
        named("2026, nodejs_compat by its date but not the second", false)
            .on("2026-10-01")
            .flag(&["no_nodejs_compat_v2"]),
        named("hidden, 2026", true),
        named("hidden, nodejs_als", true).flag(&["nodejs_als"]),
        named("hidden, nodejs_compat by its date", true).on("2026-10-01"),
    ];
    answers("modules/built in", &cases);
    let missing = |name, code| case(name, &[("lib/main.js", "esModule", code)]);
    let cases = [
        missing("not there", "import 'cloudflare:nope';"),
        missing("without its flag", "import 'node:async_hooks';"),
        missing("an internal one", "import 'internal:async_context';"),
        missing("a native one", "import 'native:env';"),
        missing("no such export", "import { nope } from 'cloudflare:workers';"),
        missing("no default export", "import workers from 'cloudflare:workers';"),
    ];
    refusals("modules/built in, refused", &cases);
}

#[test]
fn what_flags_decide() {
    let shapes = || {
        attempts(
            "",
            "module.exports = () => ['./both.js', './named.js'].map((name) => attempt(() => require(name)));",
            &[
                ("both.js", "esModule", "export const a = 1; export default 3;"),
                ("named.js", "esModule", "export const a = 1;"),
            ],
        )
    };
    let awaits = || {
        attempts(
            "",
            "module.exports = () => ['./settles.js', './rejects.js', './rejects.js', './never.js']
                .map((name) => attempt(() => require(name)));",
            &[
                ("settles.js", "esModule", "await 0; export default 3;"),
                ("rejects.js", "esModule", "await 0; throw new Error('e');"),
                ("never.js", "esModule", "await new Promise(() => {}); export default 3;"),
            ],
        )
    };
    let attributes = || {
        let module = "import('t', { with: { type: 'json' } })";
        attempts("", format!("module.exports = async () => later(() => {module});").leak(), &[("t", "text", "t")])
    };
    let named = |name, case: Case| Case { name, ..case };
    let cases = [
        named("2021", shapes().on("2021-06-01")),
        named("2023", shapes().on("2023-01-01")),
        named("2026", shapes()),
        named("2021, default", shapes().on("2021-06-01").flag(&["require_returns_default_export"])),
        named("2026, namespace", shapes().flag(&["require_returns_namespace"])),
        named("2026, CommonJS namespace", shapes().flag(&["export_commonjs_namespace"])),
        named("attributes, 2025", attributes().on("2025-06-15")),
        named("attributes, 2026", attributes()),
        named("awaits, 2023", awaits().on("2023-01-01")),
        named("awaits, 2026", awaits()),
    ];
    answers("modules/require", &cases);
}
