//! Everything at once, for a while: good, slow, stalled, half-closing, cancelling and hostile clients over ten workers, of
//! which one misbehaves in each way that `docs/limits.md` names and one does not even start. Honest workers and their honest
//! clients must not notice, and the supervisor must be afterwards as it was before.
//!
//! Half a minute, or as many seconds as `BULKHEAD_SOAK_SECONDS` says. The order of what each client does follows from a seed,
//! `BULKHEAD_SOAK_SEED`, which is printed.

mod soak {
    use std::{
        collections::BTreeMap,
        io::{self, Read as _, Write as _},
        net::Shutdown,
        sync::{
            Mutex,
            atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
        },
        thread,
        time::{Duration, Instant},
    };

    use bulkhead_test_support::{
        Server, Setup,
        http::{self, Connection},
        load::{Load, Report, Until},
        process::{self, Footprint},
        runtime,
    };

    /// How many workers are honest. With the two others they are more than `serve` binds at its start.
    const HONEST: usize = 8;
    /// How many clients of each kind there are at a time.
    const GOOD_CLIENTS: u64 = 8;
    const RUDE_CLIENTS: u64 = 6;
    const HOSTILE_CLIENTS: u64 = 3;
    const MIB: usize = 1 << 20;
    /// What the supervisor may have more in the end: what its allocator keeps, and no more, however long it took.
    const GROWTH: u64 = 24 << 20;
    /// Descriptors of one worker's process: whether there is one more or one less in the pool is a matter of time.
    const OF_ONE_PROCESS: usize = 8;

    const HONEST_SOURCE: &str = "let id, flight, count = 0;
const big = new Uint8Array(1 << 20).fill(98);
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
export default { async fetch(request, env, ctx) {
  const { pathname, searchParams } = new URL(request.url);
  const n = Number(searchParams.get('n'));
  switch (pathname) {
    case '/id': return new Response(id ??= crypto.randomUUID());
    case '/echo': return new Response(request.body);
    case '/text': return new Response((await request.text()).length);
    case '/slow': await sleep(n); return new Response('slept');
    case '/big': return new Response(big);
    case '/gzip': return new Response(big, { headers: { 'content-encoding': 'gzip' } });
    case '/after': ctx.waitUntil(sleep(n).then(() => count++)); return new Response('before');
    case '/flight': {
      // One of those that ask does the work, and the others wait for it.
      flight ??= sleep(n).finally(() => { flight = undefined; });
      await flight;
      return new Response('landed');
    }
    case '/stream': {
      let sent = 0;
      return new Response(new ReadableStream({ async pull(controller) {
        if (sent++ === n) return controller.close();
        if (sent % 8 === 0) await sleep(1);
        controller.enqueue(new Uint8Array(4096).fill(115));
      } }));
    }
    default: return new Response('hello');
  }
} };";

    const ROGUE_SOURCE: &str = "let kept = [];
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const ways = {
  '/loop': () => { for (;;); },
  '/microtasks': async () => { for (;;) await null; },
  '/sort': () => { const s = 'x'.repeat(1 << 18); new URLSearchParams((s + 'b=&' + s + 'a=&').repeat(10)).sort(); for (;;); },
  '/wall': () => sleep(1e8),
  '/hung': () => new Promise(() => {}),
  '/throw': () => { throw new Error('x'); },
  '/heap': () => { for (;;) kept.push(new Array(10_000).fill(0.5)); },
  '/buffers': () => { for (;;) kept.push(new Uint8Array(1 << 20).fill(1)); },
  '/resizable': () => { for (;;) { const b = new SharedArrayBuffer(0, { maxByteLength: 1 << 20 }); b.grow(1 << 20); kept.push(b); } },
  '/memory': () => { for (;;) { const m = new WebAssembly.Memory({ initial: 64 }); kept.push(new Uint8Array(m.buffer).fill(1)); } },
  '/crash': () => new RegExp('(?:a|b|c|d|e|f)'.repeat(4_000_000)).test('a'),
  '/log': () => { const line = 'x'.repeat(1000); for (let i = 0; i < 3000; i++) console.log(line); },
  '/head': () => new Response('', { headers: { long: 'x'.repeat(100_000) } }),
  '/many': () => new Response('', { headers: Array.from({ length: 1000 }, (_, i) => ['x' + i, 'y']) }),
  '/body': () => new Response(new Uint8Array(8 << 20)),
  '/endless': () => new Response(new ReadableStream({ pull(c) { c.enqueue(new Uint8Array(16384)); } })),
  '/stuck': () => new Response(new ReadableStream({ pull() { return new Promise(() => {}); } })),
  '/encode': () => new Response(new ReadableStream({ pull(c) { c.enqueue(new Uint8Array(65536)); } }), { headers: { 'content-encoding': 'gzip' } }),
  '/wait': (request, ctx) => { ctx.waitUntil(sleep(1e8)); },
  '/wait-loop': (request, ctx) => { ctx.waitUntil(sleep(5).then(() => { for (;;); })); },
  '/upload': async (request) => { await request.text(); },
};
export default { async fetch(request, env, ctx) {
  const way = ways[new URL(request.url).pathname];
  if (!way) return new Response('fine');
  try { return (await way(request, ctx)) ?? new Response('came back'); }
  finally { kept = []; }
} };";

    fn setup() -> Setup {
        let names: Vec<String> =
            (0..HONEST).map(|index| format!("honest{index}")).chain(["rogue".into(), "broken".into()]).collect();
        let each = |text: &dyn Fn(&str) -> String| names.iter().map(|name| text(name)).collect::<Vec<_>>();
        let source = |name: &str| if name.starts_with("honest") { "honest" } else { name }.to_owned();
        Setup::config(&format!(
            r#"using Workerd = import "/workerd/workerd.capnp";
using Bulkhead = import "/bulkhead/policy.capnp";
const config :Workerd.Config = (
  services = [ {} ],
  sockets = [ {} ]
);
{}
const policy :Bulkhead.Policy = ( workers = [ (name = "rogue", limits = (
  cpuTimeMs = 200, wallTimeMs = 1500, waitUntilMs = 1000, heapBytes = 33554432, bufferBytes = 33554432,
  memoryBytes = 201326592, requestBodyBytes = 100000, responseBodyBytes = 4194304, responseHeadBytes = 50000
)) ] );
"#,
            each(&|name| format!(r#"(name = "{name}", worker = .{name})"#)).join(", "),
            each(&|name| format!(r#"(name = "{name}", address = "127.0.0.1:0", http = (), service = "{name}")"#))
                .join(", "),
            each(&|name| format!(
                r#"const {name} :Workerd.Worker = ( modules = [ (name = "worker", esModule = embed "{}.js") ], compatibilityDate = "2026-08-01" );"#,
                source(name)
            ))
            .join("\n"),
        ))
        .file("honest.js", HONEST_SOURCE)
        .file("rogue.js", ROGUE_SOURCE)
        .file("broken.js", "throw new Error('at the start');")
        .sockets(HONEST + 2)
    }

    /// SplitMix64: the same numbers for the same seed, on every machine.
    struct Random(u64);

    impl Random {
        fn next(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = self.0;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 31)
        }

        /// Below `bound`.
        fn below(&mut self, bound: u64) -> u64 {
            self.next() % bound
        }

        fn bytes(&mut self, most: u64) -> Vec<u8> {
            let length = self.below(most);
            let first = self.next();
            (0..length).map(|at| b'a' + ((first ^ at) % 26) as u8).collect()
        }
    }

    /// What came of it all.
    #[derive(Default)]
    struct Tally {
        good: AtomicU64,
        rude: AtomicU64,
        /// Answers of the rogue by way and status; 0 where none came.
        hostile: Mutex<BTreeMap<(&'static str, u16), u64>>,
        /// What must not have happened.
        wrong: Mutex<Vec<String>>,
    }

    impl Tally {
        fn wrong(&self, what: String) {
            let mut wrong = self.wrong.lock().expect("no thread panics with it");
            if wrong.len() < 50 {
                wrong.push(what);
            }
        }
    }

    fn expect(what: &str, found: &http::Response, status: u16, body: &[u8]) -> io::Result<()> {
        if found.status == status && found.body == body {
            return Ok(());
        }
        let shown = String::from_utf8_lossy(&found.body[..found.body.len().min(100)]).into_owned();
        Err(io::Error::other(format!("{what}: {} and {} bytes, {shown:?}", found.status, found.body.len())))
    }

    /// One request of a client that does everything right, and its answer.
    fn good(random: &mut Random, connection: &mut Connection) -> io::Result<bool> {
        let get = |connection: &mut Connection, path: &str| connection.request("GET", path, &[], b"");
        let response = match random.below(10) {
            0 | 1 => {
                let response = get(connection, "/")?;
                expect("/", &response, 200, b"hello")?;
                response
            }
            2 => {
                let body = random.bytes(200 << 10);
                let response = connection.request("POST", "/echo", &[], &body)?;
                expect("/echo", &response, 200, &body)?;
                response
            }
            3 => {
                let body = random.bytes(64 << 10);
                let chunks: Vec<u8> = body
                    .chunks(9000)
                    .flat_map(|chunk| [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat())
                    .collect();
                connection.send("POST /text HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")?;
                connection.send([&chunks[..], b"0\r\n\r\n"].concat())?;
                let response = connection.response("POST")?;
                expect("/text", &response, 200, body.len().to_string().as_bytes())?;
                response
            }
            4 => {
                let response = get(connection, &format!("/slow?n={}", random.below(50)))?;
                expect("/slow", &response, 200, b"slept")?;
                response
            }
            5 => {
                let chunks = random.below(40);
                let response = get(connection, &format!("/stream?n={chunks}"))?;
                expect("/stream", &response, 200, &vec![b's'; 4096 * chunks as usize])?;
                response
            }
            6 => {
                let response = get(connection, "/big")?;
                expect("/big", &response, 200, &vec![b'b'; MIB])?;
                response
            }
            7 => {
                let response = get(connection, &format!("/flight?n={}", random.below(20)))?;
                expect("/flight", &response, 200, b"landed")?;
                response
            }
            8 => {
                let response = get(connection, &format!("/after?n={}", random.below(50)))?;
                expect("/after", &response, 200, b"before")?;
                response
            }
            _ => {
                let mut response = get(connection, "/gzip")?;
                let mut decoded = Vec::new();
                flate2::read::GzDecoder::new(&*response.body).read_to_end(&mut decoded)?;
                response.body = decoded;
                expect("/gzip", &response, 200, &vec![b'b'; MIB])?;
                response
            }
        };
        Ok(response.keep_alive)
    }

    /// What a client does that is slow, leaves, or does not speak the protocol. An error is an answer that must not be; that a
    /// connection breaks is its own doing.
    fn rude(random: &mut Random, port: u16) -> io::Result<()> {
        let mut connection = Connection::open(port);
        let pause = Duration::from_millis(random.below(300));
        match random.below(10) {
            0 => {
                connection.send("GET / HTTP/1.1\r\nHost: h\r\nX-Unfini")?;
                thread::sleep(pause);
            }
            1 => {
                connection.send("POST /text HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nonly this")?;
                thread::sleep(pause);
            }
            2 => {
                // The answer is due to a client that has said all that it has to say.
                connection.send(http::request("GET", "/slow?n=20", &[], b""))?;
                connection.stream().shutdown(Shutdown::Write)?;
                expect("half-closed", &connection.response("GET")?, 200, b"slept")?;
            }
            3 => {
                connection.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nonly this")?;
                connection.stream().shutdown(Shutdown::Write)?;
                let _ = connection.to_end();
            }
            4 => {
                connection.send(http::request("GET", "/stream?n=5000", &[], b""))?;
                let head = connection.head()?;
                expect("left", &http::Response { body: Vec::new(), ..head }, 200, b"")?;
                thread::sleep(pause / 4);
            }
            5 => {
                connection.send(http::request("GET", "/big", &[("Connection", "close")], b""))?;
                let mut some = vec![0; 64 << 10];
                let mut read = 0;
                loop {
                    match connection.stream().read(&mut some)? {
                        0 => break,
                        length => read += length,
                    }
                    thread::sleep(Duration::from_millis(5));
                }
                if read < MIB {
                    return Err(io::Error::other(format!("slow reader: {read} bytes")));
                }
            }
            6 => {
                let rubbish: Vec<u8> = (0..200).map(|_| random.next() as u8).collect();
                connection.send(rubbish)?;
                connection.stream().shutdown(Shutdown::Write)?;
                let _ = connection.to_end();
            }
            7 => {
                let _ = connection.send(format!("GET / HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "x".repeat(300_000)));
                let _ = connection.to_end();
            }
            8 => {
                let body = random.bytes(64 << 10);
                let head = format!(
                    "POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                );
                connection.send(head)?;
                thread::sleep(pause / 10);
                connection.send(&body)?;
                expect("/echo after a while", &connection.response("POST")?, 200, &body)?;
            }
            _ => {
                connection.send(http::request("GET", "/slow?n=300", &[], b""))?;
                thread::sleep(pause / 4);
            }
        }
        Ok(())
    }

    /// One misdeed, and the status of its answer.
    fn hostile(random: &mut Random, port: u16) -> (&'static str, u16) {
        let ways: Vec<&str> =
            ROGUE_SOURCE.lines().filter_map(|line| Some(line.strip_prefix("  '")?.split_once('\'')?.0)).collect();
        let way = ways[random.below(ways.len() as u64) as usize];
        let mut connection = Connection::open(port);
        let body = if way == "/upload" { vec![b'u'; 200_000] } else { Vec::new() };
        let request =
            http::request(if body.is_empty() { "GET" } else { "POST" }, way, &[("Connection", "close")], &body);
        if connection.send(request).is_err() {
            return (way, 0);
        }
        let status = connection.head().map_or(0, |head| head.status);
        // A body for a while, whatever it is.
        let _ = connection.stream().set_read_timeout(Some(Duration::from_millis(500)));
        let mut some = vec![0; 64 << 10];
        let until = Instant::now() + Duration::from_millis(500);
        while Instant::now() < until && connection.stream().read(&mut some).is_ok_and(|length| length > 0) {}
        (way, status)
    }

    /// All clients at once, until the time is over.
    fn storm(server: &Server, seed: u64, time: Duration, tally: &Tally) {
        let until = Instant::now() + time;
        let ports: Vec<u16> = (0..HONEST).map(|index| server.port_of(&format!("honest{index}"))).collect();
        let (rogue, broken) = (server.port_of("rogue"), server.port_of("broken"));
        thread::scope(|scope| {
            for client in 0..GOOD_CLIENTS {
                let (ports, tally) = (&ports, &tally);
                scope.spawn(move || {
                    let mut random = Random(seed ^ client << 8);
                    while Instant::now() < until {
                        let worker = random.below(HONEST as u64) as usize;
                        let mut connection = Connection::open(ports[worker]);
                        for _ in 0..random.below(20) {
                            tally.good.fetch_add(1, Relaxed);
                            match good(&mut random, &mut connection) {
                                Ok(true) if Instant::now() < until => {}
                                Ok(_) => break,
                                Err(error) => {
                                    tally.wrong(format!("a good client of honest{worker}: {error}"));
                                    break;
                                }
                            }
                        }
                    }
                });
            }
            for client in 0..RUDE_CLIENTS {
                let (ports, tally) = (&ports, &tally);
                scope.spawn(move || {
                    let mut random = Random(seed ^ (client + 1) << 16);
                    while Instant::now() < until {
                        let worker = random.below(HONEST as u64) as usize;
                        tally.rude.fetch_add(1, Relaxed);
                        if let Err(error) = rude(&mut random, ports[worker]) {
                            tally.wrong(format!("a rude client of honest{worker}: {error}"));
                        }
                    }
                });
            }
            for client in 0..HOSTILE_CLIENTS {
                scope.spawn(move || {
                    let mut random = Random(seed ^ (client + 1) << 24);
                    while Instant::now() < until {
                        if random.below(16) == 0 {
                            let status = http::get(broken, "/").map_or(0, |response| response.status);
                            if status != 503 {
                                tally.wrong(format!("a worker that does not start: {status}"));
                            }
                            continue;
                        }
                        let answer = hostile(&mut random, rogue);
                        let mut answers = tally.hostile.lock().expect("no thread panics with it");
                        *answers.entry(answer).or_default() += 1;
                    }
                });
            }
        });
    }

    /// Who each honest worker is: a process that was replaced has another answer.
    fn identities(server: &Server) -> Vec<String> {
        (0..HONEST)
            .map(|index| {
                let port = server.port_of(&format!("honest{index}"));
                http::get(port, "/id").expect("a response").text()
            })
            .collect()
    }

    /// What the supervisor has once nothing goes on any more and all workers are there.
    fn at_rest(server: &Server) -> Footprint {
        let rogue = server.port_of("rogue");
        bulkhead_test_support::neighbour::back_in_service(rogue);
        let mut last = process::footprint(server.pid());
        let mut calm = 0;
        runtime::wait_until("the supervisor to be at rest", || {
            let now = process::footprint(server.pid());
            calm = if (now.descriptors, now.threads) == (last.descriptors, last.threads) { calm + 1 } else { 0 };
            last = now;
            calm > 100
        });
        last
    }

    /// The latency of one client of one worker until `stop` is set.
    fn latency(port: u16, go_on: impl Fn() -> bool) -> Report {
        let load = Load { expect: Some(b"hello".to_vec()), ..Load::get(port, 1, Until::Requests(u64::MAX)) };
        load.run_while(|_| go_on()).expect("no connection breaks")
    }

    fn from_environment(name: &str, default: u64) -> u64 {
        std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is {text:?}")))
    }

    #[test]
    fn honest_workers_and_their_clients_notice_nothing() {
        let seed = from_environment("BULKHEAD_SOAK_SEED", 7);
        let time = Duration::from_secs(from_environment("BULKHEAD_SOAK_SECONDS", 20));
        println!("seed {seed}, {} s", time.as_secs());
        let server = bulkhead_test_support::supervisor!().serve(setup());
        let identities_before = identities(&server);
        let quiet = server.port_of("honest0");
        let until = Instant::now() + Duration::from_secs(2);
        let alone = latency(quiet, || Instant::now() < until);

        // Allocators and caches take what they keep.
        let tally = Tally::default();
        storm(&server, !seed, time / 4, &tally);
        let before = at_rest(&server);
        let over = AtomicBool::new(false);
        let beside = thread::scope(|scope| {
            let measured = scope.spawn(|| latency(quiet, || !over.load(Relaxed)));
            storm(&server, seed, time, &tally);
            over.store(true, Relaxed);
            measured.join().expect("what measures")
        });
        let after = at_rest(&server);

        let ratio = |share: f64| beside.percentile(share).as_secs_f64() / alone.percentile(share).as_secs_f64();
        let answers = tally.hostile.into_inner().expect("they have ended");
        println!(
            "{} requests of good clients, {} rude ones, {} hostile ones: {answers:?}",
            tally.good.load(Relaxed),
            tally.rude.load(Relaxed),
            answers.values().sum::<u64>(),
        );
        println!("the supervisor before: {before:?}, after: {after:?}");
        println!(
            "latency beside all that, as a multiple of that alone: median {:.1}, 99 % {:.1} ({:?} and {:?} alone)",
            ratio(0.5),
            ratio(0.99),
            alone.percentile(0.5),
            alone.percentile(0.99)
        );

        let _ = io::stdout().flush();
        let wrong = tally.wrong.into_inner().expect("they have ended");
        assert!(wrong.is_empty(), "{wrong:#?}\n{}", server.stderr());
        assert_eq!((beside.wrong, beside.statuses.keys().copied().collect::<Vec<_>>()), (0, vec![200]));
        assert_eq!(
            identities(&server),
            identities_before,
            "a process of an honest worker has ended: {}",
            server.stderr()
        );
        let ended =
            server.stderr().lines().filter(|line| line.contains("worker \"honest")).collect::<Vec<_>>().join("\n");
        assert_eq!(ended, "", "what is said of honest workers");
        assert!(answers.len() > 5, "there was something to notice");
        assert_eq!(process::zombies(server.pid()), 0);
        assert_eq!(after.threads, before.threads);
        assert!(after.descriptors <= before.descriptors + OF_ONE_PROCESS, "{before:?} {after:?}");
        assert!(after.resident <= before.resident + GROWTH, "{before:?} {after:?}");
    }
}
