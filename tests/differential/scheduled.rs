//! Handlers for `scheduled`: what they are given, and what a run of them comes to.
//!
//! The reference is sent a run by another worker, which tells the outcome; ours by a path. Whether the handler said `noRetry()` does
//! not show there: `sandbox-worker/tests/scheduled.rs` has what the reference told.

use bulkhead_test_support::expectations::{Observation, check};
use bulkhead_test_support::{Runtime, Server, Setup, http};

const CASES: &str = include_str!("scheduled.js");

/// The end of a worker in module syntax.
const MODULE: &str = "\
const isModule = true;
const handler = { scheduled(...given) { return run.apply(this, given); }, fetch: (request) => answer(request, {}) };
cases['this-and-arguments'] = function (...given) { see(this === handler, given.length); };
export default handler;
";

/// The end of a worker in service-worker syntax.
const SCRIPT: &str = "\
const isModule = false;
addEventListener('fetch', (event) => event.respondWith(answer(event.request, listens)));
addEventListener('scheduled', (event) => { if (current in cases) return run(event, { NAME }, event); });
const listeners = [0, 1, 2].map((index) => function (event) { return listens[current?.slice('listeners-'.length)]?.[index]?.call(this, event); });
for (const listener of listeners) addEventListener('scheduled', listener);
";

/// Workers that say in their own way that they have a handler, or have none; they begin with [`SEES`].
const MODULES: &[(&str, &str)] = &[
    ("no-default", "export const other = { scheduled: () => see('other'), fetch: seen };"),
    ("empty", "export default {};"),
    ("only-fetch", "export default { fetch: seen };"),
    ("no-fetch", "export default { scheduled: () => see('called') };"),
    ("undefined", "export default { fetch: seen, scheduled: undefined };"),
    ("null", "export default { fetch: seen, scheduled: null };"),
    ("number", "export default { fetch: seen, scheduled: 5 };"),
    ("object", "export default { fetch: seen, scheduled: {} };"),
    ("class-as-handler", "export default { fetch: seen, scheduled: class A {} };"),
    ("other-case", "export default { fetch: seen, Scheduled: () => see('called') };"),
    ("getter", "export default { fetch: seen, get scheduled() { return () => see('called'); } };"),
    ("inherited", "export default Object.create({ fetch: seen, scheduled: () => see('called') });"),
    ("proxy", "export default new Proxy({ fetch: seen, scheduled: () => see('called') }, {});"),
    ("proxied-handler", "export default { fetch: seen, scheduled: new Proxy(() => see('called'), {}) };"),
    ("bound", "export default { fetch: seen, scheduled: function () { see(this); }.bind('this') };"),
    ("frozen", "export default Object.freeze({ fetch: seen, scheduled: () => see('called') });"),
    (
        "replaced",
        "const it = { fetch: seen, scheduled: () => { see('first'); it.scheduled = () => see('second'); } }; export default it;",
    ),
    (
        "removed",
        "const it = { fetch: seen, scheduled: () => { see('first'); delete it.scheduled; } }; export default it;",
    ),
    (
        "class",
        "import { WorkerEntrypoint } from 'cloudflare:workers'; export default class extends WorkerEntrypoint { fetch = seen; \
         scheduled(...given) { see(given.length, typeof given[1], this.ctx.waitUntil(null), this.env.NAME); } }",
    ),
    (
        "class-without-scheduled",
        "import { WorkerEntrypoint } from 'cloudflare:workers'; export default class extends WorkerEntrypoint { fetch = seen; }",
    ),
    (
        "class-whose-constructor-throws",
        "import { WorkerEntrypoint } from 'cloudflare:workers'; let made = 0; export default class extends WorkerEntrypoint { fetch = seen; \
         constructor(c, e) { super(c, e); see(++made); if (made % 2 === 0) throw new Error('made'); } scheduled() {} }",
    ),
    ("class-without-a-base", "export default class { fetch() { return seen(); } scheduled() { see('called'); } }"),
    ("added", "const it = { fetch: () => { it.scheduled = () => see('added'); return seen(); } }; export default it;"),
    ("with-a-listener", "addEventListener('scheduled', () => see('heard')); export default { fetch: seen };"),
    (
        "with-a-handler-and-a-listener",
        "addEventListener('scheduled', () => see('heard')); export default { fetch: seen, scheduled: () => see('called') };",
    ),
];

/// As [`MODULES`], in service-worker syntax.
const SCRIPTS: &[(&str, &str)] = &[
    ("no-listener", ""),
    ("listener", "addEventListener('scheduled', () => see('heard'));"),
    (
        "same-listener-twice",
        "const it = () => see('heard'); addEventListener('scheduled', it); addEventListener('scheduled', it);",
    ),
    (
        "once",
        "addEventListener('scheduled', () => see('once'), { once: true }); addEventListener('scheduled', () => see('always'));",
    ),
    ("once-alone", "addEventListener('scheduled', () => see('once'), { once: true });"),
    (
        "removed",
        "const it = () => see('heard'); addEventListener('scheduled', it); removeEventListener('scheduled', it);",
    ),
    ("aborted", "addEventListener('scheduled', () => see('heard'), { signal: AbortSignal.abort() });"),
    (
        "object",
        "const it = { handleEvent(event) { see(this === it, event.type, arguments.length); } }; addEventListener('scheduled', it);",
    ),
    ("object-throws", "addEventListener('scheduled', { handleEvent() { throw 1; } });"),
    (
        "object-getter",
        "addEventListener('scheduled', { get handleEvent() { see('asked'); return () => see('heard'); } });",
    ),
    ("attribute", "globalThis.onscheduled = () => see('attribute');"),
    ("global-function", "function scheduled() { see('global'); }"),
    ("other-case", "addEventListener('Scheduled', () => see('heard'));"),
    (
        "added-in-fetch",
        "addEventListener('fetch', () => { addEventListener('scheduled', late); }); const late = () => see('late');",
    ),
    (
        "stops",
        "addEventListener('scheduled', (event) => event.stopImmediatePropagation()); addEventListener('scheduled', () => see('second'));",
    ),
    (
        "passive",
        "addEventListener('scheduled', (event) => { event.preventDefault(); see(event.defaultPrevented); }, { passive: true });",
    ),
];

/// Keeps what the handlers of [`MODULES`] and [`SCRIPTS`] saw until `fetch` is asked for it.
const SEES: &str = "const all = []; const see = (...values) => void all.push(...values.map(String)); \
                    const seen = () => Response.json(all.splice(0));\n";

struct Worker {
    name: String,
    source: String,
    is_module: bool,
}

impl Worker {
    fn new(name: &str, source: &str, is_module: bool) -> Worker {
        let name = format!("{}-{name}", if is_module { "module" } else { "script" });
        Worker { name, source: source.to_owned(), is_module }
    }

    /// One that only says how it has a handler.
    fn form(name: &str, source: &str, is_module: bool) -> Worker {
        let after = if is_module { "" } else { "\naddEventListener('fetch', (event) => event.respondWith(seen()));" };
        Worker::new(name, &format!("{SEES}{source}{after}"), is_module)
    }
}

/// Sends what is asked of it to the worker that the path names.
const FRONT: &str = "\
export default { async fetch(request, env) {
  const { pathname, searchParams } = new URL(request.url);
  const [time, cron] = ['time', 'cron'].map((name) => searchParams.get(name) ?? undefined);
  try {
    return Response.json(await env[pathname.slice(1)].scheduled({ scheduledTime: time && new Date(Number(time)), cron }));
  } catch (error) {
    return Response.json({ outcome: `threw ${error}` });
  }
} };";

/// Every worker behind a socket of its own name; with the reference, one before them that sends runs.
fn setup(workers: &[Worker], front: bool) -> Setup {
    let (mut services, mut sockets, mut bindings, mut permissions) = <(String, String, String, String)>::default();
    for Worker { name, is_module, .. } in workers {
        let code = if *is_module {
            format!("modules = [(name = \"{name}\", esModule = embed \"{name}.js\")]")
        } else {
            format!("serviceWorkerScript = embed \"{name}.js\"")
        };
        services += &format!(
            "(name = \"{name}\", worker = ({code}, compatibilityDate = \"2026-08-01\", bindings = [(name = \"NAME\", text = \"n\")])),"
        );
        sockets += &format!("(name = \"{name}\", address = \"127.0.0.1:0\", http = (), service = \"{name}\"),");
        bindings += &format!("(name = \"{name}\", service = \"{name}\"),");
        permissions += &format!("(name = \"{name}\", handlerPaths = true),");
    }
    let mut policy = format!(
        "using Bulkhead = import \"/bulkhead/policy.capnp\";\nconst policy :Bulkhead.Policy = (sockets = [{permissions}]);"
    );
    if front {
        policy.clear();
        services += &format!(
            "(name = \"front\", worker = (modules = [(name = \"front\", esModule = embed \"front.js\")], compatibilityDate = \
             \"2026-08-01\", compatibilityFlags = [\"service_binding_extra_handlers\"], bindings = [{bindings}])),"
        );
        sockets += "(name = \"front\", address = \"127.0.0.1:0\", http = (), service = \"front\"),";
    }
    let config = format!(
        "using Workerd = import \"/workerd/workerd.capnp\";\n\
         const config :Workerd.Config = (services = [{services}], sockets = [{sockets}]);\n{policy}"
    );
    let setup = Setup::config(&config).argument("--experimental").sockets(workers.len() + usize::from(front));
    let setup = workers.iter().fold(setup, |setup, it| setup.file(&format!("{}.js", it.name), &it.source));
    setup.file("front.js", FRONT)
}

/// What is asked of both.
struct Run<'a> {
    worker: &'a str,
    time: Option<&'a str>,
    cron: Option<&'a str>,
}

impl Run<'_> {
    fn query(&self) -> String {
        let mut query = String::new();
        for (name, value) in [("time", self.time), ("cron", self.cron)] {
            if let Some(value) = value {
                query += &format!("&{name}=");
                query.extend(value.bytes().map(|byte| format!("%{byte:02x}")));
            }
        }
        query
    }
}

/// What a run came to, in the reference's words.
fn outcome(server: &Server, run: &Run) -> String {
    let query = run.query();
    if server.name() == "workerd" {
        let answer = http::get(server.port_of("front"), &format!("/{}?{query}", run.worker)).expect("an answer").text();
        let answer: serde_json::Value = serde_json::from_str(&answer).expect("an outcome");
        return answer["outcome"].as_str().expect("a word").to_owned();
    }
    let path = format!("/cdn-cgi/handler/scheduled?{query}");
    let answer = http::get(server.port_of(run.worker), &path).expect("an answer");
    let text = answer.text();
    match answer.status {
        200 | 500 => text,
        status => format!("{status} {text}"),
    }
}

fn ask(server: &Server, worker: &str, path: &str) -> String {
    let answer = http::get(server.port_of(worker), path).expect("an answer");
    if answer.status == 200 { answer.text() } else { answer.status.to_string() }
}

/// Both programs with the same workers.
fn serve(workers: &[Worker]) -> [Server; 2] {
    [Runtime::workerd().serve(setup(workers, true)), bulkhead_test_support::supervisor!().serve(setup(workers, false))]
}

#[test]
fn what_a_handler_is_given_and_comes_to() {
    let workers = [
        Worker::new("cases", &format!("{CASES}{MODULE}"), true),
        Worker::new("cases", &format!("{CASES}{SCRIPT}"), false),
    ];
    let servers = serve(&workers);
    let mut observations = Vec::new();
    for Worker { name: worker, .. } in &workers {
        let cases: Vec<serde_json::Value> =
            serde_json::from_str(&ask(&servers[1], worker, "/names")).expect("the cases");
        assert!(cases.len() >= 100, "{cases:?}");
        for case in cases {
            let [name, time, cron] = ["name", "time", "cron"].map(|field| case[field].as_str());
            let name = name.expect("a name");
            let [reference, ours] = [&servers[0], &servers[1]].map(|server| {
                ask(server, worker, &format!("/next/{name}"));
                let mut said = String::new();
                for _ in 0..case["runs"].as_u64().expect("how often") {
                    let outcome = outcome(server, &Run { worker, time, cron });
                    said += &format!("{outcome} {} ", ask(server, worker, "/seen"));
                }
                said
            });
            observations.push(Observation { key: format!("scheduled/{worker}/{name}"), reference, ours });
        }
    }
    check("scheduled", &observations);
}

#[test]
fn who_has_a_handler() {
    let workers: Vec<Worker> = [(MODULES, true), (SCRIPTS, false)]
        .into_iter()
        .flat_map(|(forms, is_module)| forms.iter().map(move |(name, source)| Worker::form(name, source, is_module)))
        .collect();
    let servers = serve(&workers);
    let mut observations = Vec::new();
    for Worker { name: worker, .. } in &workers {
        let [reference, ours] = [&servers[0], &servers[1]].map(|server| {
            let mut said = ask(server, worker, "/");
            for _ in 0..2 {
                let outcome = outcome(server, &Run { worker, time: Some("0"), cron: Some("") });
                said += &format!(" {outcome} {}", ask(server, worker, "/"));
            }
            said
        });
        observations.push(Observation { key: format!("scheduled_forms/{worker}"), reference, ours });
    }
    check("scheduled_forms", &observations);
}
