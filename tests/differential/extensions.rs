//! Modules of extensions: who finds which, beside the reference.

use bulkhead_test_support::{
    Runtime, Setup,
    expectations::{Observation, check},
    http, process,
};

/// The fields of a module of an extension.
fn module(name: &str, internal: bool, source: &str) -> String {
    let quote = |text: &str| serde_json::to_string(text).expect("a string");
    format!("(name = {}, internal = {internal}, esModule = {})", quote(name), quote(source))
}

fn setup(extensions: &[String], worker: &str) -> Setup {
    Setup::config(&format!(
        "using Workerd = import \"/workerd/workerd.capnp\";
         const config :Workerd.Config = (
           services = [(name = \"main\", worker = .main)],
           sockets = [(name = \"http\", address = \"127.0.0.1:0\", http = (), service = \"main\")],
           extensions = [(modules = [{}])],
         );
         const main :Workerd.Worker = ({worker}, compatibilityDate = \"2026-07-01\", compatibilityFlags = [\"nodejs_compat\"]);",
        extensions.join(", ")
    ))
}

fn both<T>(each: impl Fn(Runtime) -> T) -> [T; 2] {
    [Runtime::workerd(), bulkhead_test_support::supervisor!()].map(each)
}

const EXTENSIONS: &str = "
    const seen = [];
    for (const name of ['inner', 'main.js', 'ext:pub', 'ext:twice', './inner', 'node:buffer', 'nope', 'internal:node_errors', 'native:scripts']) {
        try { seen.push([name, JSON.stringify(await import(name))]); } catch (e) { seen.push([name, String(e)]); }
    }
    export default seen;";

#[test]
fn extensions_are_found_as_in_the_reference() {
    let extensions = [
        module("inner", true, "export default 'an internal one'"),
        module("ext:pub", false, "import inner from 'inner'; export const more = 1; export default inner + '!';"),
        module("ext:twice", true, "export default 'internal'"),
        module("ext:twice", false, "import twice from 'ext:twice'; export default twice + ', by way of the other';"),
        module("ext:late", false, "export default await (async () => 5)();"),
        module("ext:own", false, "export default 'hidden by one of the worker'"),
        module("./ext//short", false, "export default 'short'"),
        module("ext:meta", false, "export default [Object.keys(import.meta), import.meta.url];"),
        module("ext:throws", false, "export default 1; throw new Error('boom');"),
        module("ext:faulty", false, "export default 1 +"),
        module("ext:stack", false, "export default () => { throw new Error('e'); }"),
        module("ext:sees", false, EXTENSIONS),
        module(
            "ext:assert",
            false,
            "import assert from 'node-internal:internal_assert'; export default Object.keys(assert);",
        ),
        module(
            "ext:buffer",
            false,
            "import * as all from 'node-internal:internal_buffer'; export default Object.keys(all);",
        ),
        module("ext:tenants", false, "import main from 'main.js'; export default main;"),
        module("ext:builtin", false, "import { Buffer } from 'node:buffer'; export default Buffer;"),
    ];
    let names = [
        "inner",
        "ext:pub",
        "ext:twice",
        "ext:late",
        "ext:own",
        "ext/short",
        "./ext:pub",
        "/ext:pub",
        "pub",
        "ext:none",
        "ext:meta",
        "ext:throws",
        "ext:throws",
        "ext:faulty",
        "ext:sees",
        "ext:assert",
        "ext:buffer",
        "ext:tenants",
        "ext:builtin",
        "x/ext:pub",
        "node-internal:internal_buffer",
    ];
    let script = format!(
        "import nested from 'dir/nested.js'; import commonjs from 'common.js'; import fails from 'ext:stack';
         export default {{ async fetch() {{
           const seen = [];
           for (const name of {names:?}) {{
             try {{ seen.push([name, JSON.stringify(await import(name))]); }} catch (e) {{ seen.push([name, String(e)]); }}
           }}
           try {{ fails(); }} catch (e) {{ seen.push(['a stack', e.stack.split('\\n')[1]]); }}
           return Response.json([...seen, ...nested, ...commonjs]);
         }} }}"
    );
    let nested = "const seen = [];
        for (const name of ['ext:pub', '../ext:pub', '/ext:pub', './ext:pub', 'dir/ext:pub'])
            try { seen.push(['nested ' + name, (await import(name)).default]); } catch (e) { seen.push(['nested ' + name, String(e)]); }
        export default seen;";
    let commonjs = "module.exports = ['ext:pub', 'ext:twice', 'inner', 'ext:none', 'ext:late'].map((name) => {
        try { return ['required ' + name, JSON.stringify(require(name))]; } catch (e) { return ['required ' + name, String(e)]; }
    });";
    let worker = "modules = [(name = \"main.js\", esModule = embed \"main.js\"), (name = \"dir/nested.js\", esModule = embed \"nested.js\"), \
                  (name = \"common.js\", commonJsModule = embed \"common.js\"), (name = \"ext:own\", text = \"the worker's\")]";
    let [reference, ours] = both(|runtime| {
        let setup =
            setup(&extensions, worker).file("main.js", &script).file("nested.js", nested).file("common.js", commonjs);
        let text = http::get(runtime.serve(setup).port(), "/").expect("a response").text();
        serde_json::from_str::<Vec<(String, String)>>(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    });
    assert!(ours.len() == reference.len() && ours.len() >= 30, "{ours:?}");
    let observations = reference.into_iter().zip(ours).enumerate().map(|(index, ((name, reference), (_, ours)))| {
        Observation { key: format!("extensions/{index} {name}"), reference, ours }
    });
    check("extensions", &observations.collect::<Vec<_>>());
}

#[test]
fn what_an_import_of_an_extension_can_end_a_start_with() {
    let cases: [(&str, Vec<String>, &str); 4] = [
        ("internal", vec![module("inner", true, "export default 1")], "import 'inner'; export default {};"),
        ("does not parse", vec![module("ext:a", false, "export default 1 +")], "import 'ext:a'; export default {};"),
        (
            "throws",
            vec![module("ext:a", false, "export {}; throw new Error('boom')")],
            "import 'ext:a'; export default {};",
        ),
        (
            "imports the worker's",
            vec![module("ext:a", false, "import 'main.js'")],
            "import 'ext:a'; export default {};",
        ),
    ];
    let mut observations = Vec::new();
    for (name, extensions, script) in cases {
        let [reference, ours] = both(|runtime| {
            let worker = "modules = [(name = \"main.js\", esModule = embed \"main.js\")]";
            let exit = runtime.serve_to_exit(setup(&extensions, worker).file("main.js", script));
            // Ours says what is missing of the flag, and marks lines that go on.
            let said: Vec<&str> = exit.stderr.lines().map(str::trim_start).collect();
            let start = said.iter().position(|line| line.starts_with("service main:")).unwrap_or_default();
            format!("{:?} {}", exit.code, said[start..].join("\n"))
        });
        observations.push(Observation { key: format!("extensions at start/{name}"), reference, ours });
    }
    check("extensions at start", &observations);
}

/// A script imports nothing, an extension's modules neither.
#[test]
fn scripts_find_no_extensions() {
    let script = "addEventListener('fetch', (event) => event.respondWith((async () => {
        try { return new Response(JSON.stringify(await import('ext:pub'))); } catch (e) { return new Response(String(e)); }
    })()));";
    let [reference, ours] = both(|runtime| {
        let setup = setup(&[module("ext:pub", false, "export default 1")], "serviceWorkerScript = embed \"main.js\"");
        http::get(runtime.serve(setup.file("main.js", script)).port(), "/").expect("a response").text()
    });
    assert_eq!(ours, reference);
}

/// However much there is of them, and although the name of what is imported is known late.
#[test]
fn a_worker_has_of_extensions_what_it_imports() {
    const LENGTH: usize = 24 << 20;
    let extensions = [
        module("ext:first", false, "export default 'the first';"),
        "(name = \"ext:long\", esModule = embed \"long.js\")".to_owned(),
        module("ext:last", true, "export default 'the last, héhé';"),
        module("ext:by-way", false, "import last from 'ext:last'; export default last;"),
    ];
    let script = "import first from 'ext:first';
        export default { async fetch(request) {
            const name = new URL(request.url).searchParams.get('name');
            return new Response(name === null ? first : String((await import('ext:' + name)).default));
        } }";
    let long = format!("/*{}*/ export default 'the long one';", "x".repeat(LENGTH));
    let setup = setup(&extensions, "modules = [(name = \"main.js\", esModule = embed \"main.js\")]");
    let server = bulkhead_test_support::supervisor!().serve(setup.file("main.js", script).file("long.js", &long));
    let get = |path: &str| http::get(server.port(), path).expect("a response").text();
    let own = || {
        let kilobytes = |worker: &u32| {
            let field = process::status_field(*worker, None, "RssAnon").expect("the worker lives");
            field.trim_end_matches(" kB").trim().parse::<usize>().expect("a number")
        };
        process::workers(server.pid()).iter().map(kilobytes).max().expect("there are workers") << 10
    };
    assert_eq!(get("/"), "the first");
    assert_eq!(get("/?name=by-way"), "the last, héhé");
    assert!(own() < LENGTH, "{}", own());
    assert_eq!(get("/?name=long"), "the long one");
}
