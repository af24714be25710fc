//! The limits that a worker process watches over itself. None of these tests depends on how fast the machine is: what
//! they bound is what they cause, and what hangs is ended from outside.

mod support;

use bulkhead_ipc::policy_capnp::limits;
use bulkhead_sandbox_worker::limits::{Limit, text};
use support::{Outcome, Served, serve};

/// A module that has one handler for each path.
fn module(handlers: &str) -> String {
    format!(
        "const handlers = {{ {handlers} }};
        export default {{ async fetch(request, env, ctx) {{
          return handlers[new URL(request.url).pathname.slice(1)](request, env, ctx);
        }} }};"
    )
}

fn with<R>(handlers: &str, limits: impl FnOnce(limits::Builder<'_>), body: impl AsyncFnOnce(Served) -> R) -> R {
    serve(&module(handlers), &[], 0, limits, body).expect("the worker starts")
}

fn cpu(mut limits: limits::Builder<'_>) {
    limits.set_cpu_time_ms(100);
}

fn exceeded(limit: Limit) -> Outcome {
    Outcome::Exceeded(limit, text(limit).to_owned())
}

fn ok(body: &str) -> Outcome {
    Outcome::Response(200, body.to_owned(), true)
}

/// Every way of not coming to an end is ended, and the next event finds the isolate as it should be.
#[test]
fn script_that_does_not_end_is_interrupted() {
    // A module with an endless loop in its function `f`.
    let wasm = "new Uint8Array([0,97,115,109,1,0,0,0,1,4,1,96,0,0,3,2,1,0,7,5,1,1,102,0,0,10,9,1,7,0,3,64,12,0,11,11])";
    let source = format!(
        "const wasm = new WebAssembly.Instance(new WebAssembly.Module({wasm}));
        const forever = () => {{ for (;;); }};
        const handlers = {{
          ok: () => new Response('ok'),
          loop: forever,
          late: async () => {{ await null; forever(); }},
          timer: () => new Promise(() => setTimeout(forever)),
          interval: () => new Promise(() => setInterval(() => {{ for (let i = 0; i < 1e5; i++); }})),
          regexp: () => /^(a+)+$/.test('a'.repeat(64) + 'b'),
          microtasks: () => new Promise(() => {{ const again = () => {{ Promise.resolve().then(again); }}; again(); }}),
          queued: () => new Promise(() => {{ const again = () => queueMicrotask(again); again(); }}),
          catching: () => {{ for (;;) try {{ forever(); }} catch {{}} finally {{ forever(); }} }},
          generator: () => {{ for (const _ of (function* () {{ for (;;) yield; }})()); }},
          getter: () => new Response('', {{ get status() {{ forever(); }} }}),
          proxy: () => new Response('', new Proxy({{}}, {{ get: forever }})),
          toText: () => new Response({{ toString: forever }}),
          primitive: () => setTimeout(() => {{}}, {{ [Symbol.toPrimitive]: forever }}),
          header: () => new Headers([['a', {{ toString: forever }}]]),
          url: () => new URL({{ toString: forever }}),
          json: () => Response.json({{ toJSON: forever }}),
          log: () => console.log(new Proxy({{}}, {{ ownKeys: forever, getPrototypeOf: forever, get: forever }}), {{ toString: forever, toJSON: forever, get [Symbol.toStringTag]() {{ forever(); }} }}) ?? forever(),
          sort: () => {{ for (;;) [3, 1, 2].sort(() => {{ forever(); }}); }},
          stringify: () => JSON.stringify({{ toJSON: forever }}),
          native: () => {{ const x = 'a=b&'.repeat(1e4); for (;;) new URLSearchParams(x); }},
          clone: () => structuredClone({{ get a() {{ forever(); }} }}),
          wasm: () => wasm.exports.f(),
          stack: () => {{ const e = new Error('x'); Object.defineProperty(e, 'stack', {{ get: forever }}); throw e; }},
          rejected: () => {{ for (let i = 0; i < 50; i++) {{ const e = new Error('x'); Object.defineProperty(e, 'stack', {{ get: forever }}); Promise.reject(e); }} return new Promise(() => setTimeout(() => {{}}, 1e6)); }},
          listener: () => {{ addEventListener('unhandledrejection', forever); Promise.reject(1); return new Promise(() => setTimeout(() => {{}}, 1e6)); }},
          event: () => {{ const t = new EventTarget(); t.addEventListener('x', forever); t.dispatchEvent(new Event('x')); }},
          thenable: () => ({{ then: forever }}),
          pull: () => new Response(new ReadableStream({{ pull: forever }}, {{ highWaterMark: 0 }})).text(),
          imported: () => import({{ toString: forever }}),
          recursion: () => {{ const f = () => {{ try {{ f(); }} catch {{ f(); }} }}; f(); }},
        }};
        export default {{
          async fetch(request, env, ctx) {{ return handlers[new URL(request.url).pathname.slice(1)](request, env, ctx); }},
          handlers,
        }};"
    );
    let names = "loop late timer interval regexp microtasks queued catching generator getter proxy toText primitive header \
                 url json log sort stringify native clone wasm stack rejected listener event thenable pull imported \
                 recursion";
    serve(&source, &["allow_eval_during_startup"], 0, cpu, async |worker| {
        for name in names.split_whitespace() {
            assert_eq!(worker.fetch(&format!("/{name}")).await, exceeded(Limit::CpuTime), "{name}");
            assert_eq!(worker.fetch("/ok").await, ok("ok"), "after {name}");
        }
        worker.drain().await;
        let count = names.split_whitespace().count();
        assert_eq!(*worker.told.exceeded.borrow(), vec![Limit::CpuTime; count]);
        assert_eq!(worker.told.most_open.get(), 1);
        // What was interrupted is told once, and not as an exception.
        let log = worker.told.log.borrow();
        assert!(!log.iter().any(|line| line.contains("null") || line.contains("undefined")), "{log:?}");
    })
    .expect("the worker starts");
}

#[test]
fn a_message_of_any_length_is_told_in_part() {
    let handlers = "long: () => { throw new Error('x'.repeat(1 << 27)); },
        stack: () => { const e = new Error('short'); e.stack = 'y'.repeat(1 << 27); throw e; }";
    with(
        handlers,
        |_| {},
        async |worker| {
            for path in ["/long", "/stack"] {
                let Outcome::Failure(_, message) = worker.fetch(path).await else { panic!("it throws") };
                assert!(message.len() <= 8 << 10, "{} bytes", message.len());
            }
        },
    );
}

#[test]
fn deep_recursion_is_a_range_error() {
    let handlers = "deep: () => { const f = () => f(); try { f(); } catch (e) { return new Response(`${e}`); } }";
    with(handlers, cpu, async |worker| {
        assert_eq!(worker.fetch("/deep").await, ok("RangeError: Maximum call stack size exceeded"));
    });
}

/// Time is counted over all slices of one event, and not over those of others.
#[test]
fn time_is_counted_for_each_event() {
    let work = "const work = () => { for (let i = 0; i < 3e6; i++); };";
    let source = format!(
        "{work} export default {{ async fetch(request) {{
          const times = request.url.endsWith('short') ? 1 : 1e9;
          for (let i = 0; i < times; i++) {{ work(); await new Promise((resolve) => setTimeout(resolve)); }}
          return new Response('done');
        }} }};"
    );
    let limits = |mut limits: limits::Builder<'_>| limits.set_cpu_time_ms(1000);
    serve(&source, &[], 0, limits, async |worker| {
        let (long, short) = futures::join!(worker.fetch("/long"), async {
            let mut answers = Vec::new();
            for _ in 0..20 {
                answers.push(worker.fetch("/short").await);
            }
            answers
        });
        assert_eq!(long, exceeded(Limit::CpuTime));
        assert_eq!(short, vec![ok("done"); 20]);
    })
    .expect("the worker starts");
}

#[test]
fn other_events_go_on() {
    let handlers = "wait: async () => { for (let i = 0; i < 10; i++) await new Promise((r) => setTimeout(r, 20)); return new Response('waited'); },
        loop: () => { for (;;); }";
    with(handlers, cpu, async |worker| {
        let (waited, ended) = futures::join!(worker.fetch("/wait"), worker.fetch("/loop"));
        assert_eq!(waited, ok("waited"));
        assert_eq!(ended, exceeded(Limit::CpuTime));
    });
}

/// What an interrupted event has left in the queue is not run at another's expense.
#[test]
fn microtasks_of_an_interrupted_event_do_not_run() {
    let handlers = "loop: () => { Promise.resolve().then(() => { globalThis.ran = true; }); for (;;); },
        look: () => new Response(`${globalThis.ran}`)";
    with(handlers, cpu, async |worker| {
        assert_eq!(worker.fetch("/loop").await, exceeded(Limit::CpuTime));
        // It would run behind the next event's handler.
        for _ in 0..2 {
            assert_eq!(worker.fetch("/look").await, ok("undefined"));
        }
    });
}

/// An interrupted listener leaves nothing behind that keeps the next one from being called.
#[test]
fn listeners_for_errors_are_called_after_one_was_interrupted() {
    let handlers = "loop: () => { addEventListener('error', () => { for (;;); }, { once: true }); reportError(1); },
        look: () => {
          let called = 0;
          addEventListener('error', () => { called++; reportError(3); }, { once: true });
          reportError(2);
          return new Response(`${called}`);
        }";
    with(handlers, cpu, async |worker| {
        assert_eq!(worker.fetch("/look").await, ok("1"));
        assert_eq!(worker.fetch("/loop").await, exceeded(Limit::CpuTime));
        assert_eq!(worker.fetch("/look").await, ok("1"));
    });
}

/// Where built-ins hand something to the call that they make next, an interruption between the two leaves nothing.
#[test]
fn built_ins_are_as_before_after_an_interruption() {
    let handlers = "stream: () => { for (;;) new FixedLengthStream(3); },
        blob: () => { const other = new Blob(['other']); for (;;) other.slice(); },
        look: async () => {
          const { readable, writable } = new TransformStream({ transform(chunk, controller) { controller.enqueue(`own ${chunk}`); } });
          writable.getWriter().write('chunk');
          const { value } = await readable.getReader().read();
          return new Response(`${value}, ${await new Blob(['own blob']).text()}`);
        }";
    // Whether it is between the two is chance: often enough to be seen.
    let limits = |mut limits: limits::Builder<'_>| limits.set_cpu_time_ms(20);
    with(handlers, limits, async |worker| {
        for path in ["/stream", "/blob"].repeat(20) {
            assert_eq!(worker.fetch(path).await, exceeded(Limit::CpuTime));
            assert_eq!(worker.fetch("/look").await, ok("own chunk, own blob"), "after {path}");
        }
    });
}

#[test]
fn a_response_that_has_begun_breaks_off() {
    let handlers = "stream: () => new Response(new ReadableStream({
        n: 0, pull(c) { if (this.n++ > 0) for (;;); c.enqueue(new TextEncoder().encode('begun')); } }, { highWaterMark: 0 })),
        timer: () => { setTimeout(() => { for (;;); }, 20); return new Response(new ReadableStream({
          n: 0, pull(c) { if (this.n++ > 0) return new Promise(() => {}); c.enqueue(new TextEncoder().encode('begun')); } })) }";
    with(handlers, cpu, async |worker| {
        for path in ["/stream", "/timer"] {
            assert_eq!(worker.fetch(path).await, Outcome::Response(200, "begun".into(), false), "{path}");
        }
        worker.drain().await;
        assert_eq!(*worker.told.exceeded.borrow(), [Limit::CpuTime; 2]);
        assert_eq!(*worker.told.log.borrow(), ["Error Worker exceeded CPU time limit."; 2]);
    });
}

#[test]
fn what_follows_the_response_is_limited_too() {
    let handlers = "after: (request, env, ctx) => {
        ctx.waitUntil(new Promise((resolve) => setTimeout(() => { for (;;); }, 1))); return new Response('ok'); }";
    with(handlers, cpu, async |worker| {
        assert_eq!(worker.fetch("/after").await, ok("ok"));
        worker.drain().await;
        assert_eq!(*worker.told.exceeded.borrow(), [Limit::CpuTime]);
        assert_eq!(*worker.told.log.borrow(), ["Error Worker exceeded CPU time limit."]);
    });
}

#[test]
fn callbacks_of_the_collector_are_limited() {
    let handlers = "make: () => { globalThis.registry = new FinalizationRegistry(() => { for (;;); });
          (() => registry.register({}))(); gc(); return new Response('ok'); },
        wait: async () => { await new Promise((r) => setTimeout(r, 100)); gc(); await new Promise((r) => setTimeout(r, 100)); return new Response('ok'); }";
    with(handlers, cpu, async |worker| {
        assert_eq!(worker.fetch("/make").await, ok("ok"));
        // On a busy machine the callback may come later than one round lasts.
        while worker.told.exceeded.borrow().is_empty() {
            assert_eq!(worker.fetch("/wait").await, ok("ok"));
        }
        assert_eq!(*worker.told.exceeded.borrow(), [Limit::CpuTime]);
        assert_eq!(*worker.told.log.borrow(), ["Error Worker exceeded CPU time limit."]);
    });
}

/// Script that V8's tasks run is counted all together, also when its event is over.
#[test]
fn script_does_not_go_on_in_tasks() {
    // Begun by no event: what an event has left does not run once it is over.
    let handlers = "start: (() => {
          const cell = new Int32Array(new SharedArrayBuffer(4));
          globalThis.count = 0; globalThis.rounds = 0;
          const again = () => { count++; for (let i = 0; i < 1e6; i++); Atomics.waitAsync(cell, 0, 0, 0.01).value.then(again); };
          again(); return () => new Response('ok'); })(),
        wait: async () => { await new Promise((r) => setTimeout(r, 1000 * ++rounds)); return new Response('ok'); },
        count: () => { const { count } = globalThis; return new Response(`${count}`); }";
    with(handlers, cpu, async |worker| {
        assert_eq!(worker.fetch("/start").await, ok("ok"));
        while worker.told.exceeded.borrow().is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        // Each event that begins lets tasks have as much again, which may come before they were interrupted: it is the longer
        // one after that which outlasts them, and it lasts longer each time, for a busy machine.
        let mut before = worker.fetch("/count").await;
        for round in 0.. {
            assert_eq!(worker.fetch("/wait").await, ok("ok"));
            let after = worker.fetch("/count").await;
            if std::mem::replace(&mut before, after) == before {
                break;
            }
            assert!(round < 8, "it goes on: {before:?}");
        }
        worker.drain().await;
        assert!(worker.told.exceeded.borrow().iter().all(|limit| *limit == Limit::CpuTime));
        assert!(worker.told.log.borrow().iter().all(|line| line == "Error Worker exceeded CPU time limit."));
    });
}

#[test]
fn start_up_is_limited() {
    let limits = |mut limits: limits::Builder<'_>| limits.set_start_up_cpu_time_ms(100);
    for source in ["for (;;);", "await Promise.resolve(); for (;;);", "export default { get fetch() { for (;;); } };"] {
        let (message, told) = serve(source, &[], 0, limits, async |_| ()).expect_err("it does not come to an end");
        assert_eq!(message, "Script startup exceeded CPU time limit.", "{source}");
        assert_eq!(*told.exceeded.borrow(), [Limit::StartUp], "{source}");
    }
}

#[test]
fn without_limits_nothing_is_interrupted() {
    let handlers = "work: () => { for (let i = 0; i < 2e7; i++); return new Response('done'); }";
    with(handlers, |_| {}, async |worker| assert_eq!(worker.fetch("/work").await, ok("done")));
}

/// Limit of the heap for tests that fill it, in bytes.
const SMALL_HEAP: usize = 32 << 20;

fn with_small_heap<R>(handlers: &str, body: impl AsyncFnOnce(Served) -> R) -> R {
    serve(&module(handlers), &[], SMALL_HEAP, |_| {}, body).expect("the worker starts")
}

/// Every way of filling the heap ends the event; the worker says so, and takes no other.
#[test]
fn a_full_heap_ends_the_event_and_the_worker() {
    let ways = [
        "const a = []; for (;;) a.push({ a });",
        "let a = null; for (;;) a = { a, b: 1.5, c: [1, 2, 3] };",
        "const a = new Map(); for (let i = 0; ; i++) a.set(i, `${i}`);",
        "const a = []; for (let i = 0; ; i++) a.push(`${i}`.repeat(100).replace('1', '2'));",
        "const a = []; for (let i = 0; ; i++) { a.push(new URL(`http://x/${i}`)); }",
        "const a = []; for (;;) a.push(Promise.reject(1));",
        "let a = []; for (;;) { a = [...a, ...a, 1]; }",
        "const a = []; for (;;) a.push(() => a.length);",
        "const again = () => { Promise.resolve().then(again); Promise.resolve().then(again); }; again(); return new Promise(() => {});",
        "const a = []; for (;;) try { for (;;) a.push({ a }); } catch {} finally { a.push(1); }",
        "let c; new ReadableStream({ start(control) { c = control; } }); for (let i = 0; ; i++) c.enqueue({ i });",
        "const t = new EventTarget(); for (let i = 0; ; i++) t.addEventListener(`${i}`, () => i);",
        "const h = new FormData(); for (let i = 0; ; i++) h.append(`${i}`, 'x');",
    ];
    for way in ways {
        let handlers = format!("bomb: () => {{ {way} }}, ok: () => new Response('ok')");
        with_small_heap(&handlers, async |worker| {
            assert_eq!(worker.fetch("/ok").await, ok("ok"), "{way}");
            assert_eq!(worker.fetch("/bomb").await, exceeded(Limit::Memory), "{way}");
            assert_eq!(worker.fetch("/ok").await, exceeded(Limit::Memory), "{way}");
            worker.drain().await;
            assert_eq!(*worker.told.exceeded.borrow(), [Limit::Memory], "{way}");
        });
    }
}

#[test]
fn garbage_fills_no_heap() {
    let handlers = "churn: () => { for (let i = 0; i < 2e6; i++) ({ i, a: [i] }); return new Response('done'); }";
    with_small_heap(handlers, async |worker| assert_eq!(worker.fetch("/churn").await, ok("done")));
}

#[test]
fn a_full_heap_at_start_is_a_start_up_error() {
    let (message, told) = serve("const a = []; for (;;) a.push({ a });", &[], SMALL_HEAP, |_| {}, async |_| ())
        .expect_err("there is no room for it");
    assert_eq!(message, "Worker exceeded memory limit.");
    assert_eq!(*told.exceeded.borrow(), [Limit::Memory]);
}

#[test]
fn buffers_are_counted() {
    let limits = |mut limits: limits::Builder<'_>| limits.set_buffer_bytes(8 << 20);
    let fill = "const fill = (make) => { const all = []; try { for (let i = 0; i < 1e6; i++) all.push(make()); } catch (e) { return new Response(`${all.length} ${e}`); } };";
    let source = format!(
        "{fill} const handlers = {{
          buffer: () => fill(() => new ArrayBuffer(1 << 20)),
          view: () => fill(() => new Uint8Array(1 << 20)),
          shared: () => fill(() => new SharedArrayBuffer(1 << 20)),
          copied: () => {{ const a = new Uint8Array(1 << 20); return fill(() => a.slice()); }},
          cloned: () => {{ const a = new Uint8Array(1 << 20); return fill(() => structuredClone(a)); }},
          moved: () => {{ let a = new ArrayBuffer(6 << 20); for (let i = 0; i < 10; i++) {{ a = a.transfer(); }} return new Response(`${{a.byteLength}}`); }},
          large: () => {{ try {{ new ArrayBuffer(2 ** 40); }} catch (e) {{ return new Response(`${{e}}`); }} }},
          zeroed: () => new Response(`${{new Uint8Array(1 << 20).some((x) => x !== 0)}}`),
          random: () => {{ for (let i = 0; i < 100; i++) new Uint8Array(1 << 20).fill(i); return new Response('done'); }},
          native: async () => {{
            const all = [];
            const text = 'x'.repeat(1 << 20);
            try {{ for (let i = 0; i < 100; i++) all.push(await new Response(text).arrayBuffer()); }} catch (e) {{ return new Response(`${{all.length}} ${{e}}`); }}
          }},
        }};
        export default {{ async fetch(request) {{ return handlers[new URL(request.url).pathname.slice(1)](); }} }};"
    );
    serve(&source, &[], 0, limits, async |worker| {
        let failed = "RangeError: Array buffer allocation failed";
        for _ in 0..3 {
            assert_eq!(worker.fetch("/buffer").await, ok(&format!("8 {failed}")));
            assert_eq!(worker.fetch("/view").await, ok(&format!("8 {failed}")));
            assert_eq!(worker.fetch("/shared").await, ok(&format!("8 {failed}")));
            assert_eq!(worker.fetch("/copied").await, ok(&format!("7 {failed}")));
            assert_eq!(worker.fetch("/native").await, ok(&format!("8 {failed}")));
            assert_eq!(worker.fetch("/moved").await, ok(&format!("{}", 6 << 20)));
            assert_eq!(worker.fetch("/large").await, ok(failed));
            assert_eq!(worker.fetch("/random").await, ok("done"));
            assert_eq!(worker.fetch("/zeroed").await, ok("false"));
        }
        let Outcome::Response(200, cloned, true) = worker.fetch("/cloned").await else { panic!("it is answered") };
        assert!(cloned.starts_with('7'), "{cloned}");
    })
    .expect("the worker starts");
}

/// A memory that cannot grow is the script's to handle: the heap is not full.
#[test]
fn memory_outside_of_the_heap_is_not_the_heap_s() {
    let handlers = "grow: () => {
          const memory = new WebAssembly.Memory({ initial: 1, maximum: 2 });
          const seen = [];
          for (let i = 0; i < 3; i++) try { seen.push(memory.grow(1)); } catch (e) { seen.push(e.name); }
          return new Response(seen.join());
        },
        array: () => { const a = new Array(3e6).fill(1); return new Response(`${a.length}`); },
        ok: () => new Response('ok')";
    with_small_heap(handlers, async |worker| {
        assert_eq!(worker.fetch("/grow").await, ok("1,RangeError,RangeError"));
        for _ in 0..20 {
            assert_eq!(worker.fetch("/array").await, ok("3000000"));
        }
        assert_eq!(worker.fetch("/ok").await, ok("ok"));
    });
}

fn wall(mut limits: limits::Builder<'_>) {
    limits.set_wall_time_ms(100);
}

#[test]
fn an_event_has_a_time_by_which_it_is_answered() {
    let handlers = "never: () => new Promise(() => setTimeout(() => {}, 1e6)),
        busy: () => new Promise(() => setInterval(() => {}, 1)),
        soon: () => new Promise((r) => setTimeout(() => r(new Response('soon')), 1)),
        stream: () => { setInterval(() => {}, 1e6); return new Response(new ReadableStream({ start(c) { c.enqueue(new TextEncoder().encode('begun')); } })); }";
    with(handlers, wall, async |worker| {
        assert_eq!(worker.fetch("/never").await, exceeded(Limit::WallTime));
        assert_eq!(worker.fetch("/busy").await, exceeded(Limit::WallTime));
        assert_eq!(worker.fetch("/stream").await, Outcome::Response(200, "begun".into(), false));
        assert_eq!(worker.fetch("/soon").await, ok("soon"));
        worker.drain().await;
        assert_eq!(*worker.told.exceeded.borrow(), [Limit::WallTime; 3]);
        assert_eq!(*worker.told.log.borrow(), ["Error Worker exceeded wall time limit."]);
    });
}

#[test]
fn what_follows_the_response_has_a_time_of_its_own() {
    let handlers = "after: (request, env, ctx) => {
          ctx.waitUntil(new Promise(() => setInterval(() => { globalThis.ticks = (globalThis.ticks ?? 0) + 1; }, 5)));
          return new Response('ok');
        },
        enough: (request, env, ctx) => { ctx.waitUntil(new Promise((r) => setTimeout(r, 1))); return new Response('ok'); },
        ticks: async () => { const { ticks } = globalThis; await new Promise((r) => setTimeout(r, 50)); return new Response(`${ticks > 0} ${globalThis.ticks - ticks}`); }";
    let limits = |mut limits: limits::Builder<'_>| limits.set_wait_until_ms(100);
    with(handlers, limits, async |worker| {
        assert_eq!(worker.fetch("/enough").await, ok("ok"));
        assert_eq!(worker.fetch("/after").await, ok("ok"));
        worker.drain().await;
        assert_eq!(worker.fetch("/ticks").await, ok("true 0"));
        assert_eq!(*worker.told.exceeded.borrow(), [Limit::WaitUntil]);
        let log = worker.told.log.borrow();
        assert_eq!(*log, [format!("Warn {}", text(Limit::WaitUntil))]);
    });
}

#[test]
fn a_response_has_a_size() {
    let handlers = "body: () => new Response('x'.repeat(101)),
        fits: () => new Response('x'.repeat(100)),
        stream: () => new Response(new ReadableStream({ pull(c) { c.enqueue(new Uint8Array(40).fill(120)); } })),
        many: () => { const h = new Headers(); for (let i = 0; i < 300; i++) h.append(`x-${i}`, '1'); return new Response('', { headers: h }); },
        long: () => new Response('', { headers: { a: 'x'.repeat(1001) } }),
        status: () => new Response('', { statusText: 'x'.repeat(600) }),
        cookies: () => { const h = new Headers(); for (let i = 0; i < 300; i++) h.append('set-cookie', '1'); return new Response('', { headers: h }); },
        headers: () => { const h = new Headers(); for (let i = 0; i < 200; i++) h.append(`x`, '1'); return new Response('ok', { headers: h }); }";
    let limits = |mut limits: limits::Builder<'_>| {
        limits.set_response_head_bytes(1000);
        limits.set_response_body_bytes(100);
    };
    with(handlers, limits, async |worker| {
        assert_eq!(worker.fetch("/fits").await, ok(&"x".repeat(100)));
        assert_eq!(worker.fetch("/headers").await, ok("ok"));
        assert_eq!(worker.fetch("/body").await, exceeded(Limit::ResponseBody));
        for path in ["/many", "/long", "/status", "/cookies"] {
            assert_eq!(worker.fetch(path).await, exceeded(Limit::ResponseHead), "{path}");
        }
        let Outcome::Response(200, body, false) = worker.fetch("/stream").await else { panic!("it breaks off") };
        assert!(body.len() <= 100, "{}", body.len());
        worker.drain().await;
        let mut told = vec![Limit::ResponseBody];
        told.extend([Limit::ResponseHead; 4]);
        told.push(Limit::ResponseBody);
        assert_eq!(*worker.told.exceeded.borrow(), told);
        assert_eq!(worker.told.most_open.get(), 1);
        // As everywhere, the reply says it to who asked; only what broke off is in the log.
        assert_eq!(*worker.told.log.borrow(), ["Error Worker exceeded response body size limit."]);
    });
}

#[test]
fn an_event_has_so_many_timers() {
    let handlers = "many: async () => {
          await scheduler.wait(1);
          clearTimeout(setTimeout(() => {}, 1e6));
          const ids = [];
          try { for (;;) ids.push(setTimeout(() => {}, 1e6)); } catch (e) {
            const before = [e.name, e.message, ids.length];
            clearTimeout(ids[0]); setInterval(() => {}, 1e6);
            const refused = [];
            for (const f of [() => setInterval(() => {}, 1), () => AbortSignal.timeout(5)]) try { f(); } catch (e) { refused.push(e.name); }
            try { await scheduler.wait(1); } catch (e) { refused.push(e.name); }
            return Response.json([...before, ...refused]);
          }
        }";
    with(
        handlers,
        |_| {},
        async |worker| {
            let q = "QuotaExceededError";
            let expected = format!(
                "[\"{q}\",\"You have exceeded the number of active timeouts you may set. max active timeouts: 10000, \
             current active timeouts: 10000, finished timeouts: 2\",10000,\"{q}\",\"{q}\",\"{q}\"]"
            );
            assert_eq!(worker.fetch("/many").await, ok(&expected));
        },
    );
}

/// An event whose timers are always due leaves the others their turn.
#[test]
fn timers_of_no_delay_starve_nobody() {
    let handlers = "spin: () => new Promise(() => { const again = () => setTimeout(again); again(); }), ok: () => new Response('ok')";
    let limits = |mut limits: limits::Builder<'_>| limits.set_cpu_time_ms(300);
    with(handlers, limits, async |worker| {
        let (spun, answers) = futures::join!(worker.fetch("/spin"), async {
            let mut answers = 0;
            while worker.told.exceeded.borrow().is_empty() && answers < 5 {
                assert_eq!(worker.fetch("/ok").await, ok("ok"));
                answers += 1;
            }
            answers
        });
        assert_eq!((spun, answers), (exceeded(Limit::CpuTime), 5));
    });
}

/// Counts what native code allocates, as the real process does.
#[global_allocator]
static ALLOCATOR: bulkhead_sandbox_worker::Counted<std::alloc::System> =
    bulkhead_sandbox_worker::Counted(std::alloc::System);

/// What scripts make native code keep is bounded with the heap, and its garbage is found in time.
#[test]
fn memory_of_native_code_is_bounded() {
    let ways = [
        "const p = new URLSearchParams(); const x = 'x'.repeat(1 << 20); for (let i = 0; ; i++) p.append(`${i}`, x);",
        "const a = []; const x = 'x'.repeat(1 << 20); for (;;) a.push(new Response(x));",
        "const a = []; for (;;) { const h = new Headers(); a.push(h); h.append('a', 'x'.repeat(1 << 20)); }",
        "const a = []; const x = 'x'.repeat(1 << 20); for (;;) a.push(new URL('http://x/#' + x));",
    ];
    for way in ways {
        let handlers = format!(
            "bomb: () => {{ {way} }}, ok: () => new Response('ok'),
            garbage: () => {{ const x = 'x'.repeat(1 << 20); for (let i = 0; i < 500; i++) {{ new Response(x); }} return new Response('done'); }}"
        );
        with(
            &handlers,
            |_| {},
            async |worker| {
                bulkhead_sandbox_worker::isolate::limit_native_memory(256 << 20);
                assert_eq!(worker.fetch("/garbage").await, ok("done"));
                assert_eq!(worker.fetch("/bomb").await, exceeded(Limit::Memory), "{way}");
                assert_eq!(worker.fetch("/ok").await, exceeded(Limit::Memory), "{way}");
                bulkhead_sandbox_worker::isolate::limit_native_memory(usize::MAX);
            },
        );
    }
}
