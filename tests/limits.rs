//! Limits of workers, as a tenant meets them: each way to use up what there is ends with a defined answer, a line in the
//! log that names the limit, and a neighbour that never noticed.

mod limits {
    use std::{io::Write as _, time::Duration};

    use bulkhead_test_support::{
        Server, Setup,
        http::{self, Connection},
        load::Until,
        neighbour::{Neighbour, back_in_service, beside},
        process, runtime,
    };
    use nix::sys::signal::Signal;

    const CPU: &str = "Worker exceeded CPU time limit.";
    const WALL: &str = "Worker exceeded wall time limit.";
    const MEMORY: &str = "Worker exceeded memory limit.";

    /// Serves `source`, asks for each path, and holds the answer against what it may be. Meanwhile the neighbour is under
    /// load, and not one of its answers may be wrong. Each path has a server of its own, so that none profits from another's
    /// end.
    fn each(source: &str, limits: &str, paths: &[&str], answers: &[(u16, &str)], line: &str) {
        for path in paths {
            let server = bulkhead_test_support::supervisor!().serve(beside(source, limits));
            let (left, right) = (server.port_of("left"), server.port_of("right"));
            let neighbour = Neighbour::load(right, 2, Until::Elapsed(Duration::from_secs(1)));
            let response = http::get(left, path).unwrap_or_else(|error| panic!("{path}: {error}\n{}", server.stderr()));
            let text = response.text();
            assert!(
                answers.iter().any(|(status, start)| response.status == *status && text.starts_with(start)),
                "{path}: {} {text:?}\n{}",
                response.status,
                server.stderr()
            );
            if !line.is_empty() {
                server
                    .wait_for_stderr(|text| text.lines().any(|said| said.contains("\"left\"") && said.contains(line)));
            }
            neighbour.noticed_nothing(path);
            back_in_service(left);
        }
    }

    /// The counters of a worker, as the supervisor writes them at SIGUSR1.
    fn counters(server: &Server, worker: &str) -> serde_json::Value {
        // Before the signal: the answer can be there at once.
        let before = server.stderr().len();
        server.signal(Signal::SIGUSR1);
        let find = |text: &str| {
            let lines = text.lines().rev().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
            lines.into_iter().find(|line| line["worker"] == worker)
        };
        server.wait_for_stderr(|text| text.get(before..).is_some_and(|text| find(text).is_some()));
        find(&server.stderr()[before..]).expect("they were there")
    }

    /// The counters of a worker once it has exceeded the limit on processor time as often as this: what a worker tells of
    /// itself does not come with the answer to its client.
    fn counters_after(server: &Server, worker: &str, times: u64) -> serde_json::Value {
        let mut found = serde_json::Value::Null;
        runtime::wait_until("the worker to have told of it", || {
            found = counters(server, worker);
            found["cpuTime"].as_u64() >= Some(times)
        });
        found
    }

    /// What each of these does takes for ever.
    const ENDLESS: &str = "import loop from 'loop.wasm';
const ways = {
  '/while': () => { while (true); },
  '/regexp': () => /^(a+)+$/.test('a'.repeat(60) + 'b'),
  '/microtasks': async () => { for (;;) await null; },
  '/then': () => new Promise(() => { const f = () => Promise.resolve().then(f); f(); }),
  '/thenable': () => ({ then(f) { f(ways['/thenable']()); } }),
  '/queue-microtask': () => new Promise(() => { const f = () => queueMicrotask(f); f(); }),
  '/generator': () => { for (const x of (function* () { for (;;) yield 1; })()); },
  '/getter': () => new Response('', { get status() { for (;;); } }),
  '/to-string': () => new Response({ toString() { for (;;); } }),
  '/to-primitive': () => new Headers([['a', { [Symbol.toPrimitive]() { for (;;); } }]]),
  '/iterator': () => new Headers({ [Symbol.iterator]: () => ({ next: () => ({ done: false, value: ['a', 'b'] }) }) }),
  '/sort': () => new Array(100).fill(0).map((_, i) => i).sort(() => { for (;;); }),
  '/to-json': () => JSON.stringify({ toJSON() { for (;;); } }),
  '/reviver': () => JSON.parse('[1]', () => { for (;;); }),
  '/proxy': () => new URL(new Proxy({}, { get() { for (;;); } })),
  '/wasm': () => new WebAssembly.Instance(loop).exports.f(),
  '/catch': () => { for (;;) try { for (;;); } catch {} finally { for (;;); } },
  '/timer': () => new Promise(() => setTimeout(() => { for (;;); }, 1)),
  '/interval': () => new Promise(() => setInterval(() => { const end = performance.now(); for (let i = 0; i < 1e6; i++); }, 0)),
  '/event': () => { const t = new EventTarget(); t.addEventListener('x', () => { for (;;); }); t.dispatchEvent(new Event('x')); },
  '/bigint': () => { let x = 3n; for (;;) x = x * x % (2n ** 20000n); },
  '/stack': () => { for (;;) try { (function f() { f(); })(); } catch {} },
  '/error-stack': () => { Error.prepareStackTrace = () => { for (;;); }; throw new Error('x'); },
  '/stream': () => new Response(new ReadableStream({ start() { for (;;); } })),
};
export default { async fetch(request) {
  const way = ways[new URL(request.url).pathname];
  return way ? (await way()) ?? new Response('came back') : new Response('fine');
} };";

    #[test]
    fn what_takes_for_ever_is_ended_by_the_limit_on_processor_time() {
        let paths: Vec<&str> =
            ENDLESS.lines().filter_map(|line| Some(line.strip_prefix("  '")?.split_once('\'')?.0)).collect();
        assert!(paths.len() > 20);
        each(ENDLESS, "cpuTimeMs = 200", &paths, &[(503, CPU)], "CPU time limit of 200 ms");
    }

    /// Bytes that take a while to compress, and native work on huge values.
    const NATIVE: &str = "function letters(length) {
  const bytes = new Uint8Array(length);
  for (let i = 0, x = 1; i < 1 << 16; i++) { x = Math.imul(x, 1103515245) + 12345 | 0; bytes[i] = 97 + ((x >>> 16) & 15); }
  for (let at = 1 << 16; at < length; at *= 2) bytes.copyWithin(at, 0, Math.min(at, length - at));
  return bytes;
}
const huge = letters(48 << 20);
const encoded = (body, coding) => new Response(body, { headers: { 'content-encoding': coding } });
const ways = {
  '/gzip': () => encoded(huge, 'gzip'),
  '/brotli': () => encoded(huge, 'br'),
  '/gzip-stream': () => {
    let sent = 0;
    const pull = (controller) => sent < 48 ? controller.enqueue(huge.slice(sent << 20, ++sent << 20)) : controller.close();
    return encoded(new ReadableStream({ pull }), 'gzip');
  },
  '/gzip-pass-through': (request) => encoded(request.body, 'gzip'),
  '/sort': () => { const s = 'x'.repeat(1 << 20); new URLSearchParams((s + 'b=&' + s + 'a=&').repeat(20)).sort(); },
  '/sort-many': () => { let s = ''; for (let i = 0; i < 300_000; i++) s += i * 7919 % 300_007 + '=&'; new URLSearchParams(s).sort(); },
  '/serialize': () => new URLSearchParams([['a', '\u{ff}'.repeat(1e7)]]).toString(),
  '/parse': () => new URLSearchParams('a=%ff&'.repeat(3e6)),
  '/headers': () => [...new Headers(Array.from({ length: 200_000 }, (_, i) => ['a' + i * 7919 % 200_003, '']))],
  '/transfer': () => structuredClone(1, { transfer: new Array(4e9) }),
  '/digest': () => crypto.subtle.digest('SHA-512', huge),
  '/decode': () => new TextDecoder('gb18030').decode(new Uint8Array(16 << 20).fill(0x81)),
  '/base64': () => btoa('a'.repeat(4e7)),
  '/codec': async () => {
    const { readable, writable } = new CompressionStream('gzip');
    const writer = writable.getWriter();
    writer.write(huge);
    writer.close();
    await new Response(readable).arrayBuffer();
  },
};
export default { async fetch(request) {
  const way = ways[new URL(request.url).pathname];
  if (!way) return new Response('fine');
  const result = await way(request);
  return result instanceof Response ? result : new Response('came back');
} };";

    #[test]
    fn encoding_a_body_is_at_the_expense_of_its_event() {
        let server = bulkhead_test_support::supervisor!().serve(beside(NATIVE, "cpuTimeMs = 400"));
        let left = server.port_of("left");
        back_in_service(left);
        let pids = process::workers(server.pid());
        let letter = |state: &mut u32| {
            *state = state.wrapping_mul(1_103_515_245).wrapping_add(12_345);
            Some(b'a' + (*state >> 28) as u8)
        };
        let body = std::iter::repeat_n((), 1 << 16).scan(1, |state, ()| letter(state)).collect::<Vec<u8>>().repeat(768);
        let ways: [(_, _, &[u8]); 4] = [
            ("GET", "/gzip", b""),
            ("GET", "/brotli", b""),
            ("GET", "/gzip-stream", b""),
            ("POST", "/gzip-pass-through", &body),
        ];
        for ((method, path, body), times) in ways.into_iter().zip(1..) {
            let mut connection = Connection::open(left);
            let mut sender = connection.stream().try_clone().expect("a second handle");
            let request = http::request(method, path, &[("Connection", "close")], body);
            // The server may close before it has all.
            let sending = std::thread::spawn(move || drop(sender.write_all(&request)));
            assert_eq!(connection.head().expect("a head").status, 200, "{path}");
            let rest = connection.to_end().unwrap_or_default();
            assert!(!rest.ends_with(b"0\r\n\r\n"), "{path}: a body that broke off, and not {} bytes", rest.len());
            sending.join().expect("what sends");
            assert_eq!(counters_after(&server, "left", times)["cpuTime"], times, "{path}");
            assert_eq!(http::get(left, "/").expect("a response").text(), "fine");
        }
        let after = process::workers(server.pid());
        assert!(pids.iter().all(|pid| after.contains(pid)), "{pids:?} {after:?}\n{}", server.stderr());
    }

    #[test]
    fn native_work_on_huge_values_is_interrupted() {
        // Little time and much memory, so that the list of the transfer does not fill it before, also where the machine is busy
        // and what watches the time comes late.
        let limits = "cpuTimeMs = 200, heapBytes = 1073741824, memoryBytes = 4294967296";
        let server = bulkhead_test_support::supervisor!().serve(beside(NATIVE, limits));
        let left = server.port_of("left");
        back_in_service(left);
        let pids = process::workers(server.pid());
        let paths = NATIVE.lines().filter_map(|line| Some(line.strip_prefix("  '")?.split_once('\'')?.0));
        for path in paths.skip_while(|path| *path != "/sort") {
            let response = http::get(left, path).expect("a response");
            let text = response.text();
            assert!(
                (response.status, text.as_str()) == (503, CPU) || text == "came back",
                "{path}: {} {text:?}\n{}",
                response.status,
                server.stderr()
            );
            // What cannot be interrupted ends with its process, and every other event in it.
            let after = process::workers(server.pid());
            assert!(pids.iter().all(|pid| after.contains(pid)), "{path}: {pids:?} {after:?}\n{}", server.stderr());
        }
    }

    /// Each uses up memory of another kind.
    const GREEDY: &str = "let kept = [];
const ways = {
  '/heap': () => { for (;;) kept.push(new Array(10_000).fill(0.5)); },
  '/strings': () => { for (let i = 0; ; i++) kept.push(String(i).repeat(10).split('').join('-')); },
  '/concat': () => { let s = 'x'; for (let i = 0; ; i++) { s += s.length < 1 << 24 ? s : i; kept.push(s.replaceAll('x', 'y')); } },
  '/closures': () => { let f = () => 0; for (;;) { const g = f; f = () => g; kept.push(f); } },
  '/buffers': () => { for (;;) kept.push(new Uint8Array(1 << 20).fill(1)); },
  '/wasm': () => { for (;;) { const m = new WebAssembly.Memory({ initial: 256 }); kept.push(new Uint8Array(m.buffer).fill(1)); } },
  '/json': () => JSON.parse('[' + '[1],'.repeat(40_000_000) + '1]').length,
  '/json-nested': () => JSON.parse('['.repeat(2 ** 26)),
  '/zone': () => new RegExp('(?:a|b|c|d|e|f)'.repeat(4_000_000)).test('a'),
  '/map': () => { const m = new Map(); for (let i = 0; ; i++) m.set(i, i); },
  '/timers': () => { for (;;) setTimeout(() => {}, 1e6); },
  '/intervals': () => { for (;;) setInterval(() => {}, 1e6); },
  '/wait-until': (ctx) => { for (;;) ctx.waitUntil(new Promise(() => {})); },
  '/headers': () => { const h = new Headers(); for (let i = 0; ; i++) h.append('x' + i, 'y'); },
  '/params': () => { const p = new URLSearchParams(); for (let i = 0; ; i++) p.append('x' + i, 'y'); },
  '/blob': () => { for (;;) kept.push(new Blob(['x'.repeat(1 << 20)])); },
  '/listeners': () => { const t = new EventTarget(); for (;;) t.addEventListener('x', () => {}); },
  '/promises': () => { for (;;) kept.push(new Promise(() => {})); },
  '/clone': () => { for (;;) kept.push(structuredClone(new Array(10_000).fill({}))); },
  '/symbols': () => { for (let i = 0; ; i++) kept.push(Symbol.for('s' + i)); },
  '/atomics': () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0),
  '/recursion': () => { const f = () => f() + 1; return f(); },
};
export default { async fetch(request, env, ctx) {
  const way = ways[new URL(request.url).pathname];
  if (!way) return new Response('fine');
  try { return new Response(`came back with ${await way(ctx)}`); }
  catch (error) { kept = []; return new Response(`threw ${error?.name}`); }
} };";

    #[test]
    fn what_uses_up_memory_ends_in_an_exception_or_in_the_limit_on_memory() {
        let paths: Vec<&str> =
            GREEDY.lines().filter_map(|line| Some(line.strip_prefix("  '")?.split_once('\'')?.0)).collect();
        assert!(paths.len() > 20);
        // An exception that the script can catch; the limit; or the end of the process, of which the client sees that
        // nothing is there. Whatever it is, it is soon, and the kernel's own killer is not needed.
        let answers = [(200, "threw "), (503, MEMORY), (503, CPU), (503, "Service Unavailable"), (200, "came back")];
        let limits = "heapBytes = 67108864, bufferBytes = 67108864, memoryBytes = 268435456, cpuTimeMs = 10000";
        each(GREEDY, limits, &paths, &answers, "");
    }

    /// Ways to get more and more of a mebibyte in a buffer that can be resized.
    const RESIZABLE: &str = "const MIB = 1 << 20;
const options = { maxByteLength: MIB };
const ways = {
  '/shared': () => new SharedArrayBuffer(MIB, options),
  '/shared-grown': () => { const buffer = new SharedArrayBuffer(0, options); buffer.grow(MIB); return buffer; },
  '/resizable': () => new ArrayBuffer(MIB, options),
  '/resized': () => { const buffer = new ArrayBuffer(0, options); buffer.resize(MIB); return buffer; },
  '/subclass': () => new (class extends ArrayBuffer {})(MIB, options),
  '/constructor': () => new (new Uint8Array(1).buffer.constructor)(MIB, options),
  '/reflect': () => Reflect.construct(SharedArrayBuffer, [MIB, options], Object),
  '/transfer': () => new ArrayBuffer(0, options).transfer(MIB),
  '/clone': () => structuredClone({ list: [new Map([[1, new ArrayBuffer(MIB, options)]])] }).list[0].get(1),
  '/clone-view': () => structuredClone(new Uint8Array(new ArrayBuffer(MIB, options))).buffer,
  '/clone-transfer': () => { const buffer = new ArrayBuffer(MIB, options); return structuredClone(buffer, { transfer: [buffer] }); },
  '/pages': () => new SharedArrayBuffer(1, options),
};
let kept = [];
export default { async fetch(request) {
  const { pathname, search } = new URL(request.url);
  const way = ways[pathname];
  if (!way) return new Response('fine');
  let name = 'no error';
  try {
    for (let i = 0; i < 20_000; i++) {
      const buffer = way();
      // One with the whole length is there once more through its clone, and so counts once.
      if (buffer.byteLength > 1) kept.push(structuredClone(buffer, { transfer: buffer instanceof ArrayBuffer ? [buffer] : [] }));
      else kept.push(buffer);
      if (search === '?drop' && kept.length > 10) kept = [];
    }
  } catch (error) {
    name = error.name + ': ' + error.message;
  }
  const count = kept.length;
  kept = [];
  return Response.json([count, name]);
} };";

    #[test]
    fn buffers_that_can_be_resized_count_as_far_as_they_have_been() {
        let limits = "bufferBytes = 33554432, memoryBytes = 1073741824, cpuTimeMs = 60000";
        let server = bulkhead_test_support::supervisor!().serve(beside(RESIZABLE, limits));
        let left = server.port_of("left");
        for path in RESIZABLE.lines().filter_map(|line| Some(line.strip_prefix("  '")?.split_once('\'')?.0)) {
            let text = http::get(left, path).expect("a response").text();
            let answer: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{path}: {text}"));
            assert_eq!(answer[1], "RangeError: Array buffer allocation failed", "{path}: {answer}");
            // One or the other may wait to be collected. Each has a page at least.
            let (least, most) = if path == "/pages" { (7000, 8192) } else { (28, 32) };
            assert!(answer[0].as_u64().is_some_and(|count| (least..=most).contains(&count)), "{path}: {answer}");
        }
        // What nobody has any more counts no more.
        let text = http::get(left, "/shared-grown?drop").expect("a response").text();
        assert!(text.ends_with("\"no error\"]"), "{text}");
    }

    #[test]
    fn bodies_that_nobody_has_any_more_make_room_for_others() {
        let source = "export default { async fetch(request) { return new Response((await request.arrayBuffer()).byteLength); } };";
        let server = bulkhead_test_support::supervisor!().serve(beside(source, "bufferBytes = 33554432"));
        let mut connection = Connection::open(server.port_of("left"));
        for index in 0..100 {
            let response = connection.request("POST", "/", &[], &[b'x'; 1 << 20]).expect("a response");
            assert_eq!((response.status, &*response.text()), (200, "1048576"), "{index}: {}", server.stderr());
        }
    }

    #[test]
    fn a_heap_that_is_full_is_named_and_the_process_is_replaced() {
        let limits = "heapBytes = 67108864, memoryBytes = 268435456";
        let server = bulkhead_test_support::supervisor!().serve(beside(GREEDY, limits));
        let left = server.port_of("left");
        // Containers that grow in one piece (`/map`) can need more than what is left to come to an end with.
        for path in ["/heap", "/closures"] {
            let before = process::workers(server.pid());
            let response = http::get(left, path).expect("a response");
            assert_eq!((response.status, response.text().as_str()), (503, MEMORY), "{path}");
            server.wait_for_stderr(|text| text.contains("memory limit"));
            back_in_service(left);
            runtime::wait_until("the process to be gone", || {
                let now = process::workers(server.pid());
                before.iter().any(|pid| !now.contains(pid))
            });
        }
    }

    #[test]
    fn other_events_of_a_worker_go_on_when_one_is_ended() {
        let source = "export default { async fetch(request) {
  const { pathname } = new URL(request.url);
  if (pathname === '/loop') for (;;);
  if (pathname === '/slow') {
    await new Promise((done) => setTimeout(done, 1500));
    return new Response('slow and well');
  }
  return new Response('fine');
} };";
        let server = bulkhead_test_support::supervisor!().serve(beside(source, "cpuTimeMs = 100"));
        let left = server.port_of("left");
        let pids = process::workers(server.pid());
        let mut slow = Connection::open(left);
        slow.send(http::request("GET", "/slow", &[], b"")).expect("send");
        for _ in 0..5 {
            assert_eq!(http::get(left, "/loop").expect("a response").text(), CPU);
            assert_eq!(http::get(left, "/").expect("a response").text(), "fine");
        }
        assert_eq!(slow.response("GET").expect("a response").text(), "slow and well");
        // The same process all the time: an event that is ended is no reason to end the others.
        let after = process::workers(server.pid());
        assert!(pids.iter().all(|pid| after.contains(pid)), "{pids:?} {after:?}\n{}", server.stderr());
        assert_eq!(counters_after(&server, "left", 5)["cpuTime"], 5);
    }

    #[test]
    fn wall_time_is_limited_before_and_within_the_response() {
        let source = "export default { async fetch(request) {
  const { pathname } = new URL(request.url);
  if (pathname === '/before') await new Promise((done) => setTimeout(done, 1e8));
  if (pathname === '/within') return new Response(new ReadableStream({
    async pull(controller) { await new Promise((done) => setTimeout(done, 20)); controller.enqueue(new Uint8Array(10)); },
  }));
  return new Response('fine');
} };";
        let server = bulkhead_test_support::supervisor!().serve(beside(source, "wallTimeMs = 2000"));
        let left = server.port_of("left");
        let response = http::get(left, "/before").expect("a response");
        assert_eq!((response.status, response.text().as_str()), (503, WALL));
        let mut connection = Connection::open(left);
        connection.send(http::request("GET", "/within", &[], b"")).expect("send");
        assert_eq!(connection.head().expect("a head").status, 200);
        let rest = connection.to_end().expect("an end");
        assert!(!rest.is_empty() && !rest.ends_with(b"0\r\n\r\n"), "a body that broke off: {rest:?}");
        server.wait_for_stderr(|text| text.contains("wall time limit"));
        back_in_service(left);
    }

    #[test]
    fn what_runs_after_the_response_is_limited() {
        let source = "export default { async fetch(request, env, ctx) {
  const { pathname } = new URL(request.url);
  if (pathname === '/wait') ctx.waitUntil(new Promise((done) => setTimeout(done, 1e8)));
  if (pathname === '/loop') ctx.waitUntil(new Promise((done) => setTimeout(done, 10)).then(() => { for (;;); }));
  return new Response('fine');
} };";
        let limits = "waitUntilMs = 500, cpuTimeMs = 200";
        let server = bulkhead_test_support::supervisor!().serve(beside(source, limits));
        let left = server.port_of("left");
        assert_eq!(http::get(left, "/wait").expect("a response").text(), "fine");
        server.wait_for_stderr(|text| text.contains("waitUntil() tasks did not complete within the allowed time"));
        assert_eq!(http::get(left, "/loop").expect("a response").text(), "fine");
        server.wait_for_stderr(|text| text.contains("CPU time limit"));
        back_in_service(left);
    }

    #[test]
    fn a_start_that_takes_for_ever_is_an_error() {
        for source in [
            "for (;;);",
            "await (async () => { for (;;) await null; })();",
            "export default { get fetch() { for (;;); } };",
        ] {
            let exit = bulkhead_test_support::supervisor!().serve_to_exit(beside(source, "startUpCpuTimeMs = 300"));
            assert_eq!(exit.code, Some(1), "{source}: {}", exit.stderr);
            assert!(exit.stderr.contains("Script startup exceeded CPU time limit."), "{source}: {}", exit.stderr);
        }
    }

    #[test]
    fn bodies_and_heads_are_limited() {
        let source = "export default { async fetch(request) {
  const { pathname } = new URL(request.url);
  if (pathname === '/upload') return new Response((await request.text()).length);
  if (pathname === '/many') { const headers = new Headers(); for (let i = 0; i < 1000; i++) headers.append('x' + i, 'y'); return new Response('', { headers }); }
  if (pathname === '/long') return new Response('', { headers: { long: 'x'.repeat(100_000) } });
  if (pathname === '/body') return new Response('x'.repeat(30_000));
  if (pathname === '/stream') return new Response(new ReadableStream({ pull(controller) { controller.enqueue(new Uint8Array(1000)); } }));
  return new Response('fine');
} };";
        let limits = "requestBodyBytes = 1000, responseBodyBytes = 20000, responseHeadBytes = 50000";
        let server = bulkhead_test_support::supervisor!().serve(beside(source, limits));
        let left = server.port_of("left");
        let mut connection = Connection::open(left);
        let ok = connection.request("POST", "/upload", &[], &[b'x'; 1000]).expect("a response");
        assert_eq!((ok.status, ok.text().as_str()), (200, "1000"));
        let refused = connection.request("POST", "/upload", &[], &[b'x'; 1001]).expect("a response");
        assert_eq!((refused.status, refused.text().as_str()), (413, "Payload Too Large"));
        let mut connection = Connection::open(left);
        let chunk = format!(
            "POST /upload HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n",
            format!("200\r\n{}\r\n", "x".repeat(512)).repeat(4)
        );
        connection.send(chunk).expect("send");
        let refused = connection.response("POST").expect("a response");
        assert_eq!((refused.status, refused.text().as_str()), (413, "Payload Too Large"));
        for path in ["/many", "/long"] {
            let response = http::get(left, path).expect("a response");
            assert_eq!((response.status, response.text().as_str()), (500, "Internal Server Error"), "{path}");
        }
        server.wait_for_stderr(|text| text.contains("response header"));
        let mut connection = Connection::open(left);
        connection.send(http::request("GET", "/stream", &[], b"")).expect("send");
        assert_eq!(connection.head().expect("a head").status, 200);
        let rest = connection.to_end().expect("an end");
        assert!(rest.len() < 25_000 && !rest.ends_with(b"0\r\n\r\n"), "{} bytes", rest.len());
        assert_ne!(http::get(left, "/body").map_or(0, |response| response.status), 200);
        server.wait_for_stderr(|text| text.contains("response body"));
        // None of this ended the process.
        assert!(!server.stderr().contains("(pid"), "{}", server.stderr());
        back_in_service(left);
    }

    #[test]
    fn a_flood_of_log_text_is_bounded_and_delays_no_neighbour() {
        let source = "export default { async fetch(request) {
  const { pathname } = new URL(request.url);
  if (pathname === '/flood') { const line = 'x'.repeat(1000); for (let i = 0; i < 100_000; i++) console.log(line); }
  if (pathname === '/one') { console.log('y'.repeat(100_000_000)); }
  if (pathname === '/deep') { let o = {}; for (let i = 0; i < 100_000; i++) o = { o, a: [o, o] }; console.log(o); }
  return new Response('fine');
} };";
        let limits = "logBytesPerSecond = 4096, logBufferBytes = 65536, cpuTimeMs = 20000";
        let server = bulkhead_test_support::supervisor!().serve(beside(source, limits));
        let left = server.port_of("left");
        for path in ["/flood", "/one", "/deep"] {
            let response = http::get(left, path).expect("a response");
            assert!(matches!(response.status, 200 | 503), "{path}: {}", response.status);
            back_in_service(left);
        }
        // Sixteen seconds' worth at once, what waits in the worker, and what came since: far below the 100 MB.
        assert!(server.stdout().len() < 1 << 20, "{} bytes", server.stdout().len());
        server.wait_for_stderr(|text| text.contains("log entries were dropped"));
    }

    #[test]
    fn a_process_that_is_stopped_is_ended_by_the_supervisors_own_timer() {
        let source = "export default { async fetch() { return new Response('fine'); } };";
        let server = bulkhead_test_support::supervisor!().serve(beside(source, "wallTimeMs = 500"));
        let left = server.port_of("left");
        back_in_service(left);
        // The one of its neighbour is used too, and shows that the right one was hit.
        for pid in process::workers(server.pid()) {
            nix::sys::signal::kill(runtime::pid(pid), Signal::SIGSTOP).expect("stop it");
        }
        let response = http::get(left, "/").expect("a response");
        assert_eq!((response.status, response.text().as_str()), (503, WALL));
        server.wait_for_stderr(|text| text.contains("did not answer"));
        back_in_service(left);
    }

    #[test]
    fn counters_are_printed_on_request() {
        let source = "export default { async fetch(request) { if (request.url.endsWith('/loop')) for (;;); return new Response('fine'); } };";
        let server = bulkhead_test_support::supervisor!().serve(beside(source, "cpuTimeMs = 100"));
        let left = server.port_of("left");
        for _ in 0..3 {
            assert_eq!(http::get(left, "/loop").expect("a response").text(), CPU);
        }
        let mine = counters_after(&server, "left", 3);
        assert_eq!((mine["cpuTime"].as_u64(), mine["memory"].as_u64()), (Some(3), Some(0)), "{mine}");
        assert_eq!(counters(&server, "right")["cpuTime"], 0);
    }

    /// What does not fit into a message is pulled, whatever it is: it comes out as it went in.
    #[test]
    fn code_and_data_of_any_length_reach_their_worker() {
        const SIZES: [usize; 5] = [(256 << 10) - 1, 256 << 10, (256 << 10) + 1, 10 << 20, 64 << 20];
        let mut modules = r#"(name = "worker", esModule = embed "worker.js")"#.to_owned();
        let mut source = String::new();
        for size in SIZES {
            modules += &format!(", (name = \"{size}\", data = embed \"{size}\")");
            source += &format!("import data{size} from \"{size}\"; all.push(data{size});\n");
        }
        // A script that is longer than a message too, and so are a text and the parameters of the entrypoint.
        let long = "x".repeat(3 << 20);
        source = format!(
            "const all = [];\n{source}const padding = \"{long}\";\nexport default {{ async fetch(request, env, ctx) {{
  const ends = all.map((data) => {{ const bytes = new Uint8Array(data); return [bytes.length, bytes[0], bytes.at(-1)]; }});
  return Response.json([...ends, padding.length, env.TEXT.length, ctx.props.text.length]);
}} }};"
        );
        let json = format!("{{\"text\": \"{}\"}}", "y".repeat(600 << 10));
        let mut setup = Setup::config(&format!(
            r#"using Workerd = import "/workerd/workerd.capnp";
using Bulkhead = import "/bulkhead/policy.capnp";
const config :Workerd.Config = (
  services = [ (name = "main", worker = ( modules = [ {modules} ], compatibilityDate = "2026-08-01",
    bindings = [ (name = "TEXT", text = embed "text") ] )) ],
  sockets = [ (name = "http", address = "127.0.0.1:0", http = (), service = (name = "main", props = (json = embed "json"))) ]
);
const policy :Bulkhead.Policy = ( default = (startUpCpuTimeMs = 60000, memoryBytes = 1073741824) );
"#
        ))
        .file("worker.js", source)
        .file("text", &long)
        .file("json", json);
        for size in SIZES {
            let mut bytes = vec![0; size];
            (bytes[0], bytes[size - 1]) = (1, 2);
            setup = setup.file(&size.to_string(), bytes);
        }
        let server = bulkhead_test_support::supervisor!().serve(setup);
        let text = http::get(server.port(), "/").expect("a response").text();
        let mut expected: Vec<String> = SIZES.iter().map(|size| format!("[{size},1,2]")).collect();
        expected.extend([long.len().to_string(), long.len().to_string(), (600 << 10).to_string()]);
        assert_eq!(text, format!("[{}]", expected.join(",")), "{}", server.stderr());
    }

    #[test]
    fn a_worker_without_machine_code_runs_scripts_and_refuses_webassembly() {
        let source = "export default { async fetch(request) {
  if (request.url.endsWith('/wasm')) return new Response(typeof WebAssembly);
  let sum = 0;
  for (let i = 0; i < 1e6; i++) sum += i % 7;
  return new Response(/^(\\d+)$/.test(String(sum)) ? 'fine' : 'wrong');
} };";
        let setup = Setup::config(
            r#"using Workerd = import "/workerd/workerd.capnp";
using Bulkhead = import "/bulkhead/policy.capnp";
const config :Workerd.Config = (
  services = [ (name = "main", worker = ( modules = [ (name = "worker", esModule = embed "worker.js") ], compatibilityDate = "2026-08-01" )) ],
  sockets = [ (name = "http", address = "127.0.0.1:0", http = (), service = "main") ]
);
const policy :Bulkhead.Policy = ( default = (jitless = yes) );
"#,
        );
        let server = bulkhead_test_support::supervisor!().serve(setup.file("worker.js", source));
        assert_eq!(http::get(server.port(), "/").expect("a response").text(), "fine");
        assert_eq!(http::get(server.port(), "/wasm").expect("a response").text(), "undefined");
        // Nothing is executable but what comes from the program's own files.
        let is_root = nix::unistd::geteuid().is_root();
        for worker in process::workers(server.pid()).into_iter().filter(|_| is_root) {
            let maps = std::fs::read_to_string(format!("/proc/{worker}/maps")).expect("the worker lives");
            let made = maps
                .lines()
                .filter(|line| line.contains("x") && line.split_whitespace().nth(1).is_some_and(|p| p.contains('x')));
            let made: Vec<_> = made.filter(|line| !line.contains('/') && !line.contains("[v")).collect();
            assert!(made.is_empty(), "{made:#?}");
        }
    }
}
