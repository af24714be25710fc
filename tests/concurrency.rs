//! Requests in flight beside each other: they wait for each other's promises and streams, and none of them runs as another.

mod concurrency {
    use std::{thread, time::Duration};

    use bulkhead_test_support::{
        Runtime, Server, Setup,
        http::{self, Connection, Response},
        runtime,
    };

    use nix::sys::socket::{setsockopt, sockopt};

    const WORKER: &str = r#"
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const bytes = (text) => new TextEncoder().encode(text);
const kept = {};
const log = [];
const rest = (promise) => promise.then((value) => log.push(`${value}`), (error) => log.push(`${error}`));
const init = async (ms = 300) => { await sleep(ms); return "ready"; };
const routes = {
  // One initialisation, kept as a promise.
  lazy: async () => new Response(await (kept.lazy ??= init())),
  // Each waiter goes on in its own context.
  "lazy-then-timer": async () => { const value = await (kept.timer ??= init()); await sleep(5); return new Response(value); },
  "lazy-then-body": async (request) => { const value = await (kept.body ??= init()); return new Response(value + await request.text()); },
  "lazy-then-wait-until": async (request, ctx) => { await (kept.until ??= init()); ctx.waitUntil(rest(sleep(5))); return new Response("ok"); },
  "lazy-then-stream": async () => {
    await (kept.stream ??= init());
    let count = 0;
    return new Response(new ReadableStream({ async pull(c) { await sleep(1); if (count++ === 3) c.close(); else c.enqueue(bytes("x")); } }));
  },
  // A queue of requests, one at a time.
  mutex: async () => {
    const before = kept.mutex;
    let leave;
    kept.mutex = new Promise((done) => { leave = done; });
    await before;
    kept.inside = (kept.inside ?? 0) + 1;
    const alone = kept.inside === 1;
    await sleep(2);
    kept.inside--;
    leave();
    return new Response(`${alone}`);
  },
  // What comes within a while is done by the first.
  batch: async () => {
    if (kept.batch === undefined) {
      const batch = kept.batch = { size: 0 };
      batch.done = sleep(1500).then(() => { kept.batch = undefined; return batch.size; });
    }
    kept.batch.size++;
    return new Response(`${await kept.batch.done}`);
  },
  // waitUntil of one request keeps what another waits for.
  "begin-in-wait-until": (request, ctx) => { kept.chain = init(); ctx.waitUntil(kept.chain); return new Response("begun"); },
  "wait-for-chain": async (request, ctx) => { const value = await kept.chain; ctx.waitUntil(rest(kept.chain.then(() => sleep(5)).then(() => "waited"))); return new Response(value); },
  // A request that waits for what a later one does; meanwhile a third is alive.
  hold: async () => { for (kept.held = true; kept.held;) await sleep(5); return new Response("held"); },
  release: () => { kept.held = false; return new Response("released"); },
  // How far the others are.
  kept: () => Response.json(Object.keys(kept)),
  "wait-for-later": async () => new Response(await new Promise((done) => { kept.later = done; })),
  "do-later": () => { kept.later("settled"); return new Response("done"); },
  // Two that wait for each other.
  left: async () => { kept.left ??= Promise.withResolvers(); kept.right ??= Promise.withResolvers(); await kept.right.promise; kept.left.resolve(); return new Response("left"); },
  right: async () => { kept.left ??= Promise.withResolvers(); kept.right ??= Promise.withResolvers(); await kept.left.promise; kept.right.resolve(); return new Response("right"); },
  never: () => new Promise(() => {}),
  "never-after": async () => { await sleep(20); await new Promise(() => {}); },
  "never-in-wait-until": (request, ctx) => { ctx.waitUntil(new Promise(() => {})); return new Response("ok"); },
  // Bodies.
  "body-stops": () => new Response(new ReadableStream({ start(c) { c.enqueue(bytes("begin")); }, pull: () => new Promise(() => {}) })),
  "body-unfed": () => { const { readable, writable } = new TransformStream(); kept.writer = writable.getWriter(); kept.writer.write(bytes("begin")); return new Response(readable); },
  "body-fed": () => { const { readable, writable } = new TransformStream(); kept.writer = writable.getWriter(); kept.writer.write(bytes("begin")); return new Response(readable); },
  feed: async () => { const { writer } = kept; await sleep(20); await writer.write(bytes("end")); await writer.close(); return new Response("fed"); },
  // Clients that leave.
  tick: async () => { for (let i = 0; i < 500; i++) { await sleep(20); kept.ticks = (kept.ticks ?? 0) + 1; } return new Response("ticked"); },
  ticks: async () => { const before = kept.ticks; await sleep(200); return new Response(`${before > 0} ${kept.ticks === before}`); },
  "lazy-left": async () => new Response(await (kept.abandoned ??= init(400))),
  // What is left of an event.
  leave: async (request) => {
    let resume;
    const resumed = new Promise((done) => { resume = done; });
    kept.resume = resume;
    kept.trace = [];
    (async () => {
      await resumed;
      try { setTimeout(() => kept.trace.push("its timer ran"), 1); kept.trace.push("it has a timer"); } catch { kept.trace.push("refused"); }
      try { kept.trace.push(await kept.request.text()); } catch { kept.trace.push("refused"); }
    })();
    return new Response("left");
  },
  // Every way in which a promise that is settled later has script go on.
  "leave-continuations": async (request) => {
    const wait = async (promise, ran) => { await promise; ran(); };
    const chain = (promise, ran) => promise.then(ran).then(ran);
    // V8 compiles these then, with what promises do inside of them.
    for (let i = 0; i < (request.headers.has("x-often") ? 30_000 : 0); i++) { await wait(i, () => {}); await chain(Promise.resolve(), () => {}); }
    let resume;
    const { trace } = kept.left = { trace: [], settled: new Promise((done) => { resume = done; }) };
    const { settled } = kept.left;
    kept.left.resume = resume;
    const ran = (what) => () => trace.push(what);
    wait(settled, ran("compiled await"));
    chain(settled, ran("compiled then"));
    (async () => { await settled; ran("await")(); })();
    (async () => { try { await settled; ran("try")(); } finally { ran("finally")(); } })();
    settled.then(ran("then")).then(ran("chained"), ran("chained failure"));
    settled.finally(ran("finally of a promise"));
    Promise.all([settled, settled]).then(ran("all"));
    Promise.race([settled]).then(ran("race"));
    Promise.any([settled]).then(ran("any"));
    new Promise((done) => settled.then(done)).then(ran("through a resolver"));
    Promise.resolve({ then: (done) => settled.then(done) }).then(ran("through a thenable"));
    (async () => { for await (const _ of (async function* () { yield settled; ran("generator")(); })()) ran("iteration")(); })();
    settled.then(Array.prototype.push.bind(trace, "bound"));
    settled.then([1].forEach.bind([1], ran("called by a native function")));
    settled.then(() => { for (;;); });
    settled.then(() => { throw new Error("thrown"); });
    class Late extends Promise { then(...reactions) { return super.then(...reactions); } }
    Late.resolve(settled).then(ran("subclass"));
    kept.left.result = (async () => { await settled; return "result"; })();
    return new Response("left");
  },
  "resume-continuations": async (request) => {
    const { trace, settled, resume } = kept.left;
    // The reference lets nobody wait for a promise of an event that is over.
    const awaited = request.headers.has("x-wait") ? settled : Promise.resolve();
    const own = [];
    const mine = (async () => { await awaited; own.push("await"); await null; own.push("again"); })();
    awaited.then(() => own.push("then"));
    queueMicrotask(() => own.push("microtask"));
    resume("value");
    await mine;
    await sleep(20);
    const depth = (function deeper() { try { return 1 + deeper(); } catch { return 1; } })();
    return Response.json([trace, own.sort(), depth > 1000]);
  },
  resume: async (request) => { kept.request = request; kept.resume(); await sleep(20); return Response.json([kept.trace, await request.text()]); },
  log: () => Response.json(log.splice(0)),
};
export default {
  fetch(request, env, ctx) {
    return routes[new URL(request.url).pathname.slice(1)](request, ctx);
  },
};
"#;

    fn ours() -> Server {
        bulkhead_test_support::supervisor!().serve(Setup::module(WORKER))
    }

    /// Both runtimes, ours first.
    fn both() -> [Server; 2] {
        [ours(), Runtime::workerd().serve(Setup::module(WORKER))]
    }

    /// Sends a request and does not wait for its answer.
    fn begin(server: &Server, path: &str, body: &[u8]) -> Connection {
        let mut connection = Connection::open(server.port());
        let method = if body.is_empty() { "GET" } else { "POST" };
        connection.send(http::request(method, path, &[], body)).expect("the request is taken");
        connection
    }

    fn answer(mut connection: Connection) -> Response {
        connection.response("GET").expect("there is an answer")
    }

    /// Sends so many requests at a time; all answers, each as status and text.
    fn at_once(server: &Server, path: &str, count: usize, body: impl Fn(usize) -> String) -> Vec<(u16, String)> {
        let connections: Vec<_> = (0..count).map(|index| begin(server, path, body(index).as_bytes())).collect();
        let answers = connections.into_iter().map(|connection| {
            let response = answer(connection);
            (response.status, response.text())
        });
        answers.collect()
    }

    fn get(server: &Server, path: &str) -> (u16, String) {
        let response = http::get(server.port(), path).expect("there is an answer");
        (response.status, response.text())
    }

    /// What handlers have logged, as soon as it is so much.
    fn logged(server: &Server, count: usize) -> Vec<String> {
        let mut all = Vec::new();
        runtime::wait_until("what was logged", || {
            let more: Vec<String> = serde_json::from_str(&get(server, "/log").1).expect("a list of texts");
            all.extend(more);
            all.len() >= count
        });
        all
    }

    /// Sends a request and waits until its handler keeps something under this name.
    fn begin_and_keep(server: &Server, path: &str, name: &str) -> Connection {
        let connection = begin(server, path, b"");
        let name = format!("\"{name}\"");
        runtime::wait_until("the handler to have begun", || get(server, "/kept").1.contains(&name));
        connection
    }

    fn none(_: usize) -> String {
        String::new()
    }

    #[test]
    fn first_requests_wait_for_one_initialisation() {
        for count in [6, 100, 1000] {
            let answers = at_once(&ours(), "/lazy", count, none);
            assert!(answers.iter().all(|answer| *answer == (200, "ready".to_owned())), "{count}: {answers:?}");
        }
        let [_, reference] = both();
        assert_eq!(at_once(&reference, "/lazy", 6, none), vec![(200, "ready".to_owned()); 6]);
    }

    #[test]
    fn who_has_waited_goes_on_in_its_own_context() {
        for server in both() {
            let ready = vec![(200, "ready".to_owned()); 20];
            assert_eq!(at_once(&server, "/lazy-then-timer", 20, none), ready, "{}", server.name());
            let bodies = at_once(&server, "/lazy-then-body", 20, |index| format!("{index}"));
            let expected: Vec<_> = (0..20).map(|index| (200, format!("ready{index}"))).collect();
            assert_eq!(bodies, expected, "{}", server.name());
            let answers = at_once(&server, "/lazy-then-wait-until", 20, none);
            assert_eq!(answers, vec![(200, "ok".to_owned()); 20], "{}", server.name());
            let answers = at_once(&server, "/lazy-then-stream", 20, none);
            assert_eq!(answers, vec![(200, "xxx".to_owned()); 20], "{}", server.name());
            // What they gave to waitUntil runs to its end too.
            assert_eq!(logged(&server, 20), ["undefined"; 20], "{}", server.name());
        }
    }

    #[test]
    fn requests_queue_for_a_mutex() {
        for server in both() {
            assert_eq!(at_once(&server, "/mutex", 50, none), vec![(200, "true".to_owned()); 50], "{}", server.name());
        }
    }

    #[test]
    fn requests_share_a_batch() {
        for server in both() {
            assert_eq!(at_once(&server, "/batch", 10, none), vec![(200, "10".to_owned()); 10], "{}", server.name());
        }
    }

    #[test]
    fn what_one_gave_to_wait_until_is_waited_for_by_others() {
        for server in both() {
            assert_eq!(get(&server, "/begin-in-wait-until"), (200, "begun".to_owned()));
            let answers = at_once(&server, "/wait-for-chain", 5, none);
            assert_eq!(answers, vec![(200, "ready".to_owned()); 5], "{}", server.name());
            assert_eq!(logged(&server, 5), ["waited"; 5], "{}", server.name());
        }
    }

    /// The reference gives up a request that waits for a promise of its own at once, whoever else is alive.
    #[test]
    fn a_later_request_settles_what_an_earlier_one_waits_for() {
        let server = ours();
        let holding = begin_and_keep(&server, "/hold", "held");
        let waiting = begin_and_keep(&server, "/wait-for-later", "later");
        assert_eq!(get(&server, "/do-later"), (200, "done".to_owned()));
        assert_eq!(answer(waiting).text(), "settled");
        assert_eq!(get(&server, "/release"), (200, "released".to_owned()));
        assert_eq!(answer(holding).text(), "held");
    }

    #[test]
    fn who_waits_for_nothing_alive_is_hung() {
        for server in both() {
            for path in ["/never", "/never-after", "/wait-for-later"] {
                assert_eq!(get(&server, path).0, 500, "{} {path}", server.name());
            }
            server.wait_for_stderr(|text| text.matches("code had hung").count() == 3);
            let (left, right) = (begin(&server, "/left", b""), begin(&server, "/right", b""));
            assert_eq!((answer(left).status, answer(right).status), (500, 500), "{}", server.name());
            // It ends, without a word.
            assert_eq!(get(&server, "/never-in-wait-until"), (200, "ok".to_owned()));
        }
        let server = ours();
        assert_eq!(get(&server, "/never-in-wait-until"), (200, "ok".to_owned()));
        let end = server.stop();
        assert!(end.code == Some(0) && !end.stderr.contains("hung"), "{}", end.stderr);
    }

    /// As soon as the last one that could have helped is over, and not before, all that wait are hung.
    #[test]
    fn who_waits_is_hung_when_the_last_one_alive_is_over() {
        let server = ours();
        let holding = begin_and_keep(&server, "/hold", "held");
        let waiting: Vec<_> = (0..100).map(|_| begin(&server, "/never", b"")).collect();
        thread::sleep(Duration::from_millis(100));
        waiting[0].stream().set_nonblocking(true).expect("a socket");
        assert!(waiting[0].stream().peek(&mut [0]).is_err(), "one is alive");
        waiting[0].stream().set_nonblocking(false).expect("a socket");
        assert_eq!(get(&server, "/release"), (200, "released".to_owned()));
        assert_eq!(answer(holding).text(), "held");
        for waiting in waiting {
            assert_eq!(answer(waiting).status, 500);
        }
    }

    #[test]
    fn a_body_that_can_never_go_on_breaks_off() {
        for server in both() {
            for (path, count) in [("/body-stops", 1), ("/body-unfed", 2)] {
                let mut connection = begin(&server, path, b"");
                assert_eq!(connection.head().expect("a head").status, 200);
                let body = String::from_utf8(connection.to_end().expect("the connection is closed")).expect("text");
                assert_eq!(body, "5\r\nbegin\r\n", "{} {path}", server.name());
                server.wait_for_stderr(|text| text.matches("code had hung").count() == count);
            }
        }
    }

    #[test]
    fn a_body_is_fed_by_another_request_that_is_alive() {
        let server = ours();
        let holding = begin_and_keep(&server, "/hold", "held");
        let fed = begin_and_keep(&server, "/body-fed", "writer");
        assert_eq!(get(&server, "/feed"), (200, "fed".to_owned()));
        assert_eq!(answer(fed).text(), "beginend");
        assert_eq!(get(&server, "/release"), (200, "released".to_owned()));
        assert_eq!(answer(holding).text(), "held");
    }

    /// The client that began an initialisation leaves; those that wait for it, and those that come later, have it.
    #[test]
    fn an_initialisation_outlives_the_client_that_began_it() {
        for server in both() {
            let first = begin(&server, "/lazy-left", b"");
            thread::sleep(Duration::from_millis(100));
            let second = begin(&server, "/lazy-left", b"");
            thread::sleep(Duration::from_millis(50));
            drop(first);
            assert_eq!(answer(second).text(), "ready", "{}", server.name());
            assert_eq!(get(&server, "/lazy-left"), (200, "ready".to_owned()), "{}", server.name());
        }
        for server in both() {
            drop(begin(&server, "/lazy-left", b""));
            thread::sleep(Duration::from_millis(600));
            assert_eq!(get(&server, "/lazy-left"), (200, "ready".to_owned()), "{}", server.name());
        }
    }

    /// A client whose connection is reset ends its request's work.
    #[test]
    fn a_reset_ends_what_the_handler_does() {
        for server in both() {
            let client = begin(&server, "/tick", b"");
            while get(&server, "/ticks").1 != "true false" {}
            let at_once = nix::libc::linger { l_onoff: 1, l_linger: 0 };
            setsockopt(client.stream(), sockopt::Linger, &at_once).expect("the option is there");
            drop(client);
            // The handler would go on for ten seconds; the reset is seen at once.
            let stopped = (0..10).any(|_| get(&server, "/ticks").1 == "true true");
            assert!(stopped, "{}", server.name());
        }
    }

    /// What is left of an event that is over does not become another event, which could have the same number.
    #[test]
    fn what_is_left_of_an_event_owns_nothing_of_another() {
        for server in both() {
            for _ in 0..3 {
                assert_eq!(get(&server, "/leave"), (200, "left".to_owned()));
                let response = answer(begin(&server, "/resume", b"secret"));
                assert_eq!(response.text(), r#"[[],"secret"]"#, "{}", server.name());
            }
        }
    }

    /// It does not run at all, and what runs beside it runs as ever.
    #[test]
    fn what_is_left_of_an_event_does_not_run() {
        let expected = r#"[[],["again","await","microtask","then"],true]"#;
        for server in both() {
            for round in 0..30 {
                assert_eq!(get(&server, "/leave-continuations"), (200, "left".to_owned()));
                let resumed = get(&server, "/resume-continuations");
                assert_eq!(resumed, (200, expected.to_owned()), "{} in round {round}", server.name());
            }
        }
        let server = ours();
        let ask = |path: &str, header: &str| {
            let response = Connection::open(server.port()).request("GET", path, &[(header, "yes")], b"");
            response.expect("an answer").text()
        };
        for _ in 0..30 {
            assert_eq!(ask("/leave-continuations", "X-Often"), "left");
            assert_eq!(ask("/resume-continuations", "X-Wait"), expected);
        }
        // Nobody's rejection is reported.
        let end = server.stop();
        assert!(end.code == Some(0) && !end.stderr.contains("Uncaught"), "{}", end.stderr);
    }

    /// Classes and objects, each behind a socket of its own with its own `props`. No request is answered before all have come.
    #[test]
    fn ten_entrypoints_are_served_beside_each_other() {
        const ALL: usize = 10;
        let mut module = String::from(
            "import { WorkerEntrypoint } from 'cloudflare:workers';
            const entered = new Set();
            const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
            async function meet(name, ctx) {
              for (entered.add(name); entered.size < 10;) await sleep(5);
              return new Response(`${name} ${ctx.props.number}`);
            }
            class Base extends WorkerEntrypoint { name = this.constructor.name; fetch() { return meet(this.name, this.ctx); } }
            ",
        );
        let mut sockets = String::new();
        for number in 0..ALL {
            module += &if number % 2 == 0 {
                format!("export class E{number} extends Base {{}}\n")
            } else {
                format!("export const E{number} = {{ fetch: (request, env, ctx) => meet('E{number}', ctx) }};\n")
            };
            sockets += &format!(
                "(name = \"s{number}\", address = \"127.0.0.1:0\", http = (), service = (name = \"main\", \
                 entrypoint = \"E{number}\", props = (json = \"{{\\\"number\\\":{number}}}\"))),"
            );
        }
        let config = format!(
            "using Workerd = import \"/workerd/workerd.capnp\";
            const config :Workerd.Config = (services = [(name = \"main\", worker = (modules = [(name = \"worker\", esModule = \
            embed \"worker.js\")], compatibilityDate = \"2026-08-01\"))], sockets = [{sockets}]);"
        );
        let server =
            bulkhead_test_support::supervisor!().serve(Setup::config(&config).file("worker.js", module).sockets(ALL));
        let answers = thread::scope(|scope| {
            let ask = |number| {
                let port = server.port_of(&format!("s{number}"));
                scope.spawn(move || http::get(port, "/").expect("an answer").text())
            };
            let asked: Vec<_> = (0..ALL).map(ask).collect();
            asked.into_iter().map(|asked| asked.join().expect("no panic")).collect::<Vec<_>>()
        });
        assert_eq!(answers, (0..ALL).map(|number| format!("E{number} {number}")).collect::<Vec<_>>());
    }
}
