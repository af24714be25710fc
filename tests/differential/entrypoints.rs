//! What takes a request: objects, classes, listeners, looked for when and how often; and what is logged where nothing does.

use bulkhead_test_support::expectations::{Observation, check};
use bulkhead_test_support::{Runtime, Server, Setup, http};

/// A worker, and how sockets designate it: the rest of a designator, one for each socket.
struct Form {
    name: &'static str,
    code: Code,
    sockets: &'static [&'static str],
}

enum Code {
    /// A module that begins with [`IMPORTS`].
    Module(&'static str),
    Script(&'static str),
}

const fn module(name: &'static str, source: &'static str) -> Form {
    Form { name, code: Code::Module(source), sockets: &[""] }
}

/// A module that exports something as `A`, which the second socket designates.
const fn named(name: &'static str, source: &'static str) -> Form {
    Form { name, code: Code::Module(source), sockets: &["", ", entrypoint = \"A\""] }
}

const fn script(name: &'static str, source: &'static str) -> Form {
    Form { name, code: Code::Script(source), sockets: &[""] }
}

const IMPORTS: &str = "import { WorkerEntrypoint, DurableObject, RpcTarget } from 'cloudflare:workers';\n\
                       const text = (...values) => new Response(values.map(String).join(' '));\n\
                       const plain = { fetch: () => text('default') };\n";

/// Objects: their methods are what they were when the module had run.
const OBJECTS: &[Form] = &[
    module("changed-at-the-top", "const it = { fetch: () => text(1) }; export default it; it.fetch = () => text(2);"),
    module("replaced", "const it = { fetch() { it.fetch = () => text(2); return text(1); } }; export default it;"),
    module("deleted", "const it = { fetch() { delete it.fetch; return text(1); } }; export default it;"),
    module("added", "const it = {}; export default it; export const other = { fetch() {} }; queueMicrotask(() => {});"),
    module("getter", "let count = 0; export default { get fetch() { count++; return () => text(count); } };"),
    module(
        "getter-changes",
        "let count = 0; export default { get fetch() { return count++ ? undefined : () => text(count); } };",
    ),
    module(
        "asked-in-order",
        "const asked = []; export default new Proxy({ fetch: () => text(asked) }, { get(it, key) { asked.push(key); return it[key]; } });",
    ),
    module(
        "method-of-a-class",
        "class A { fetch() { A.prototype.fetch = () => text('new'); return text(this instanceof A); } } export default new A();",
    ),
    module("receiver", "const it = { fetch() { return text(this === it); } }; export default it;"),
    module(
        "arguments",
        "export default { fetch: (...all) => text(all.map((it) => Object.prototype.toString.call(it))) };",
    ),
    module(
        "inherited-from-a-function",
        "const it = Object.create(function () {}); it.fetch = () => text('ok'); export default it;",
    ),
    module("number", "export default { fetch: 5 };"),
    module("string", "export default { fetch: 'x' };"),
    module("null", "export default { fetch: null };"),
    module("object", "export default { fetch: {} };"),
    module("class", "export default { fetch: class A {} };"),
    module("array", "export default [1];"),
    module("promise", "export default Promise.resolve(plain);"),
    module("none", "export const other = plain;"),
    module("exported-function", "export function fetch() { return text('function'); } export default plain;"),
    named(
        "object-with-two-names",
        "export const A = { fetch() { return text(this === A); } }; export { A as default };",
    ),
    module("gives-nothing", "export default { fetch() {} };"),
    module("gives-null", "export default { fetch: () => null };"),
    module("gives-a-number", "export default { fetch: () => 5 };"),
    module("gives-an-object", "export default { fetch: () => ({}) };"),
    module("gives-a-request", "export default { fetch: (request) => request };"),
    module("gives-a-promise-of-an-object", "export default { fetch: async () => ({}) };"),
    module("gives-what-has-a-then", "export default { fetch: () => ({ then: (done) => done(text('then')) }) };"),
    module("gives-what-has-a-number-for-a-then", "export default { fetch: () => ({ then: 5 }) };"),
    module(
        "gives-what-throws-for-a-then",
        "export default { fetch: () => ({ get then() { throw new RangeError('then'); } }) };",
    ),
];

/// Classes: each request has an instance of its own.
const CLASSES: &[Form] = &[
    module(
        "default",
        "export default class extends WorkerEntrypoint { fetch() { return text(Object.keys(this), this.constructor.name, this); } }",
    ),
    named("named", "export class A extends WorkerEntrypoint { fetch() { return text('A'); } } export default plain;"),
    module(
        "instances",
        "let made = 0; export default class extends WorkerEntrypoint { constructor(...given) { super(...given); this.number = ++made; \
         this.given = given.length; } fetch() { return text(this.number, this.given); } }",
    ),
    module(
        "new-target",
        "export default class A extends WorkerEntrypoint { constructor(c, e) { super(c, e); this.it = new.target === A; } fetch() { return text(this.it); } }",
    ),
    module(
        "arguments",
        "export default class extends WorkerEntrypoint { fetch(...all) { return text(all.length, typeof all[1], typeof all[2]); } }",
    ),
    module(
        "same-env",
        "let before; export default class extends WorkerEntrypoint { fetch() { const same = before === this.env; before = this.env; return text(same); } }",
    ),
    module(
        "subclass",
        "class B extends WorkerEntrypoint { fetch() { return text(this.constructor.name); } } export default class C extends B {}",
    ),
    module("no-fetch", "export default class extends WorkerEntrypoint {}"),
    module("only-scheduled", "export default class extends WorkerEntrypoint { scheduled() {} }"),
    module("fetch-is-a-number", "export default class extends WorkerEntrypoint { get fetch() { return 5; } }"),
    module("fetch-is-null", "export default class extends WorkerEntrypoint { fetch = null }"),
    module("fetch-is-a-field", "export default class extends WorkerEntrypoint { fetch = () => text('field') }"),
    module(
        "fetch-is-behind-a-getter",
        "export default class extends WorkerEntrypoint { get fetch() { return () => text('getter'); } }",
    ),
    module(
        "getter-throws",
        "export default class extends WorkerEntrypoint { get fetch() { throw new Error('in the getter'); } }",
    ),
    module(
        "getter-of-another-throws",
        "export default class extends WorkerEntrypoint { get tail() { throw new Error('tail'); } fetch() { return text('ok'); } }",
    ),
    module(
        "method-replaced",
        "export default class A extends WorkerEntrypoint { fetch() { A.prototype.fetch = () => text('new'); return text('old'); } }",
    ),
    module(
        "constructor-throws",
        "export default class extends WorkerEntrypoint { constructor(c, e) { super(c, e); throw new RangeError('made'); } fetch() {} }",
    ),
    module(
        "constructor-throws-text",
        "export default class extends WorkerEntrypoint { constructor(c, e) { super(c, e); throw 'text'; } fetch() {} }",
    ),
    module(
        "constructor-without-super",
        "export default class extends WorkerEntrypoint { constructor() {} fetch() {} }",
    ),
    module(
        "super-without-arguments",
        "export default class extends WorkerEntrypoint { constructor() { super(); } fetch() {} }",
    ),
    module(
        "super-without-env",
        "export default class extends WorkerEntrypoint { constructor(c) { super(c); } fetch() {} }",
    ),
    module(
        "super-with-other-objects",
        "export default class extends WorkerEntrypoint { constructor() { super({ a: 1 }, { b: 2 }); } fetch() { return text(JSON.stringify(this)); } }",
    ),
    module(
        "constructor-gives-another",
        "export default class extends WorkerEntrypoint { constructor(c, e) { super(c, e); return { fetch: () => text('other') }; } }",
    ),
    module(
        "constructor-gives-nothing-of-use",
        "export default class extends WorkerEntrypoint { constructor(c, e) { super(c, e); return {}; } fetch() {} }",
    ),
    module(
        "constructor-gives-a-proxy",
        "export default class extends WorkerEntrypoint { constructor(c, e) { super(c, e); return new Proxy(this, { get: () => () => text('proxy') }); } }",
    ),
    module(
        "microtask-of-the-constructor",
        "export default class extends WorkerEntrypoint { constructor(c, e) { super(c, e); queueMicrotask(() => { this.ran = true; }); } fetch() { return text(this.ran); } }",
    ),
    module(
        "waits-in-the-constructor",
        "export default class extends WorkerEntrypoint { constructor(c, e) { super(c, e); c.waitUntil(null); } fetch() { return text('ok'); } }",
    ),
    module("gives-nothing", "export default class extends WorkerEntrypoint { fetch() {} }"),
    module("throws", "export default class extends WorkerEntrypoint { fetch() { throw new TypeError('handler'); } }"),
    module(
        "rejects",
        "export default class extends WorkerEntrypoint { async fetch() { throw new TypeError('handler'); } }",
    ),
    module("base-itself", "export default WorkerEntrypoint;"),
    module(
        "bound",
        "class A extends WorkerEntrypoint { fetch() { return text('bound'); } } export default A.bind(null);",
    ),
    module(
        "proxy",
        "class A extends WorkerEntrypoint { fetch() { return text('proxy'); } } export default new Proxy(A, {});",
    ),
    named(
        "traps",
        "const seen = []; const A = new Proxy(class extends WorkerEntrypoint { fetch() { return text(seen); } }, { get(it, key) { \
         seen.push(`get ${String(key)}`); return it[key]; }, getPrototypeOf(it) { seen.push('prototype'); return Reflect.getPrototypeOf(it); }, \
         construct(it, given, to) { seen.push('construct'); return Reflect.construct(it, given, to); } }); export { A }; export default plain;",
    ),
    module(
        "function",
        "function A(c, e) { return Reflect.construct(WorkerEntrypoint, [c, e], A); } Object.setPrototypeOf(A, WorkerEntrypoint); A.prototype.fetch = () => text('function'); export default A;",
    ),
    module(
        "inherits-statics-alone",
        "class A { fetch() { return text('statics'); } } Object.setPrototypeOf(A, WorkerEntrypoint); export default A;",
    ),
    module(
        "inherits-methods-alone",
        "class A { fetch() {} } Object.setPrototypeOf(A.prototype, WorkerEntrypoint.prototype); export default A;",
    ),
    module(
        "base-changed",
        "Object.setPrototypeOf(WorkerEntrypoint, { a: 1 }); export default class extends WorkerEntrypoint { fetch() { return text(this.constructor.a); } }",
    ),
    module("instance", "export default new WorkerEntrypoint({}, {});"),
    module("without-a-base", "export default class { fetch() { return text('ok'); } }"),
    module("a-function", "export default () => text('ok');"),
    named("named-without-a-base", "export class A { fetch() { return text('ok'); } } export default plain;"),
    named("named-function", "export const A = () => text('ok'); export default plain;"),
    named(
        "durable-object",
        "export class A extends DurableObject { fetch() { return text('ok'); } } export default plain;",
    ),
    named("rpc-target", "export class A extends RpcTarget { fetch() { return text('ok'); } } export default plain;"),
    module(
        "fails-open",
        "export default class extends WorkerEntrypoint { fetch() { this.ctx.passThroughOnException(); throw new Error('x'); } }",
    ),
];

/// `ctx.props`.
const PROPS: &[Form] = &[
    Form {
        name: "none",
        code: Code::Module(
            "export default { fetch: (request, env, ctx) => text(JSON.stringify(ctx.props), Object.isFrozen(ctx.props)) };",
        ),
        sockets: &["", ", props = (empty = void)"],
    },
    Form {
        name: "object",
        code: Code::Module(
            "export default { fetch: (request, env, ctx) => text(JSON.stringify(Object.entries(ctx.props)), Object.isFrozen(ctx.props)) };",
        ),
        sockets: &[
            r#", props = (json = "{\"a\":{\"b\":[1,null]}}")"#,
            r#", props = (json = "{\"a\":1,\"a\":2}")"#,
            r#", props = (json = "{\"__proto__\":{\"x\":1}}")"#,
            r#", props = (json = " {\"n\":12345678901234567890} ")"#,
        ],
    },
    Form {
        name: "class",
        code: Code::Module(
            "export class A extends WorkerEntrypoint { fetch() { const { props } = this.ctx; return text(typeof props, \
             JSON.stringify(props), props === this.ctx.props, typeof props === 'object' && A.before === (A.before = props)); } }",
        ),
        sockets: &[
            ", entrypoint = \"A\"",
            r#", entrypoint = "A", props = (json = "{\"a\":1}")"#,
            r#", entrypoint = "A", props = (json = "[1,\"é\"]")"#,
            r#", entrypoint = "A", props = (json = "5")"#,
            r#", entrypoint = "A", props = (json = "\"text\"")"#,
            r#", entrypoint = "A", props = (json = "true")"#,
        ],
    },
];

/// Listeners: they are looked for at each request.
const LISTENERS: &[Form] = &[
    script("custom-alone", "addEventListener('custom', () => {});"),
    script("removed", "const it = () => {}; addEventListener('fetch', it); removeEventListener('fetch', it);"),
    script(
        "added-in-a-microtask",
        "Promise.resolve().then(() => addEventListener('fetch', (event) => event.respondWith(new Response('late'))));",
    ),
    script(
        "replaced",
        "const it = (event) => { removeEventListener('fetch', it); addEventListener('fetch', (event) => event.respondWith(new Response('2'))); event.respondWith(new Response('1')); }; addEventListener('fetch', it);",
    ),
    script("once", "addEventListener('fetch', (event) => event.respondWith(new Response('once')), { once: true });"),
    script(
        "second-hears-nothing",
        "let heard = 0; addEventListener('fetch', (event) => event.respondWith(new Response(heard + ' ' + event.cancelBubble))); addEventListener('fetch', () => { heard++; throw new Error('second'); });",
    ),
    script(
        "answered-twice",
        "addEventListener('fetch', (event) => { event.respondWith(new Response('1')); event.respondWith(new Response('2')); });",
    ),
    script(
        "answered-twice-and-caught",
        "addEventListener('fetch', (event) => { let text; event.respondWith(new Promise((done) => queueMicrotask(() => done(new Response(text))))); try { event.respondWith(new Response('2')); } catch (error) { text = `${error} ${error.constructor.name}`; } });",
    ),
    script(
        "answered-late",
        "addEventListener('fetch', (event) => event.respondWith((async () => { await null; try { event.respondWith(new Response('late')); } catch (error) { return new Response(error); } })()));",
    ),
    script(
        "answered-too-late",
        "addEventListener('fetch', async (event) => { await null; event.respondWith(new Response('late')); });",
    ),
    script(
        "answers",
        "addEventListener('fetch', (event) => { const all = []; for (const value of [undefined, null, 5, 'text', {}, [], () => {}, new Date(0)]) { try { event.respondWith(value); all.push('taken'); } catch (error) { all.push(error); } } event.respondWith({ then: (done) => done(new Response(all.join())) }); });",
    ),
    script("answer-with-a-then", "addEventListener('fetch', (event) => event.respondWith({ then: 5 }));"),
    script(
        "answer-with-a-then-that-throws",
        "addEventListener('fetch', (event) => event.respondWith({ get then() { throw new RangeError('then'); } }));",
    ),
    script("answer-without-arguments", "addEventListener('fetch', (event) => event.respondWith());"),
    script("promise-of-a-number", "addEventListener('fetch', (event) => event.respondWith(Promise.resolve(5)));"),
    script("throws", "addEventListener('fetch', () => { throw new RangeError('listener'); });"),
    script(
        "throws-after-its-answer",
        "addEventListener('fetch', (event) => { event.respondWith(new Response('1')); throw new RangeError('listener'); });",
    ),
    script(
        "handler-object",
        "addEventListener('fetch', { handleEvent(event) { event.respondWith(new Response(this.name)); }, name: 'object' });",
    ),
    script(
        "handler-object-changed",
        "const it = { handleEvent(event) { it.handleEvent = () => {}; event.respondWith(new Response('first')); } }; addEventListener('fetch', it);",
    ),
    script(
        "global-method-replaced",
        "globalThis.dispatchEvent = () => {}; addEventListener('fetch', (event) => event.respondWith(new Response('ok')));",
    ),
];

/// All of them, each socket with the name that [`ask`] is given.
fn setup(forms: &[Form]) -> Setup {
    let (mut services, mut sockets, mut count) = (String::new(), String::new(), 0);
    for Form { name, code, sockets: designators } in forms {
        let code = match code {
            Code::Module(_) => format!("modules = [(name = \"{name}\", esModule = embed \"{name}.js\")]"),
            Code::Script(_) => format!("serviceWorkerScript = embed \"{name}.js\""),
        };
        services += &format!("(name = \"{name}\", worker = ({code}, compatibilityDate = \"2026-08-01\")),");
        for (index, rest) in designators.iter().enumerate() {
            sockets += &format!(
                "(name = \"{name}-{index}\", address = \"127.0.0.1:0\", http = (), service = (name = \"{name}\"{rest})),"
            );
            count += 1;
        }
    }
    let config = format!(
        "using Workerd = import \"/workerd/workerd.capnp\";\n\
         const config :Workerd.Config = (services = [{services}], sockets = [{sockets}]);\n"
    );
    let setup = Setup::config(&config).sockets(count);
    forms.iter().fold(setup, |setup, Form { name, code, .. }| {
        let file = format!("{name}.js");
        match code {
            Code::Module(source) => setup.file(&file, format!("{IMPORTS}{source}")),
            Code::Script(source) => setup.file(&file, source),
        }
    })
}

/// What a log has of failed requests, in words that both have: `TypeError: …`.
fn failures(log: &str) -> Vec<String> {
    let after = |line: &str, mark: &str| line.split_once(mark).map(|(_, rest)| rest.to_owned());
    let reference = |line: &str| {
        let rest = after(&after(line, "Uncaught exception: ")?, ": failed: ")?;
        let rest = rest.trim_start_matches("remote.");
        Some(match rest.strip_prefix("worker_do_not_log; ") {
            Some(text) => format!("Error: {text}"),
            None => rest.trim_start_matches("jsg.").replace("DOMException(InvalidStateError)", "InvalidStateError"),
        })
    };
    // What was thrown, or why a request that nobody answered reached nobody.
    let ours = |line: &str| {
        line.strip_prefix("socket ").and_then(|line| after(line, "\": Uncaught ").or_else(|| after(line, "\": ")))
    };
    log.lines().filter_map(|line| reference(line).or_else(|| ours(line))).collect()
}

/// The answer to a request, and what is logged for it where that is said to be a failure.
fn ask(server: &Server, socket: &str) -> String {
    let before = failures(&server.stderr()).len();
    let answer = http::get(server.port_of(socket), "/").expect("an answer");
    let text = answer.text();
    if text != "Internal Server Error" {
        return format!("{} {text}", answer.status);
    }
    server.wait_for_stderr(|log| failures(log).len() > before);
    format!("{} {}", answer.status, failures(&server.stderr()).pop().unwrap_or_default())
}

fn compare(area: &str, forms: &[Form]) {
    let servers = [Runtime::workerd().serve(setup(forms)), bulkhead_test_support::supervisor!().serve(setup(forms))];
    let mut observations = Vec::new();
    for Form { name, sockets, .. } in forms {
        for index in 0..sockets.len() {
            let socket = format!("{name}-{index}");
            let [reference, ours] =
                [&servers[0], &servers[1]].map(|server| format!("{}; {}", ask(server, &socket), ask(server, &socket)));
            observations.push(Observation { key: format!("{area}/{socket}"), reference, ours });
        }
    }
    check(area, &observations);
}

#[test]
fn objects() {
    compare("entrypoint_objects", OBJECTS);
}

#[test]
fn classes() {
    compare("entrypoint_classes", CLASSES);
}

#[test]
fn props() {
    compare("entrypoint_props", PROPS);
}

#[test]
fn listeners() {
    compare("entrypoint_listeners", LISTENERS);
}
