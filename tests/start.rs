//! What a worker's process starts from: the startup snapshot, and the built-in modules beside it.

mod start {
    use std::{
        fs,
        path::{Path, PathBuf},
    };

    use bulkhead_test_support::{Runtime, Server, Setup, http, process};

    /// Our two programs in a directory of their own, the worker's as `change` makes it.
    fn programs(change: impl FnOnce(&mut Vec<u8>)) -> (tempfile::TempDir, Runtime) {
        let directory = tempfile::tempdir().expect("make a directory");
        let supervisor = directory.path().join("supervisor");
        fs::copy(env!("CARGO_BIN_EXE_supervisor"), &supervisor).expect("copy the program");
        let worker = directory.path().join("sandbox-worker");
        fs::copy(env!("CARGO_BIN_EXE_sandbox-worker"), &worker).expect("copy the program");
        let mut program = fs::read(&worker).expect("read the program");
        change(&mut program);
        fs::write(&worker, program).expect("write the program");
        (directory, Runtime { name: "supervisor", program: supervisor })
    }

    /// Where the program has its snapshot.
    fn place_of_snapshot(program: &[u8]) -> usize {
        let snapshot = &bulkhead_snapshot::SNAPSHOT[..4096];
        let mut places = program.windows(snapshot.len()).enumerate().filter(|(_, window)| *window == snapshot);
        let (place, _) = places.next().expect("the program has the snapshot");
        assert!(places.next().is_none(), "it has it once");
        place
    }

    const HELLO: &str = "export default { fetch: () => new Response('Hello World\\n') };";

    /// A worker whose snapshot is not its own ends before it serves anything, and says why.
    #[test]
    fn a_program_with_another_snapshot_says_so_and_serves_nothing() {
        let cases = [
            // One bit of the fingerprint, which stands first; then how long the list of classes is.
            (0, "the startup snapshot was made by another build: build the program again"),
            (15, "the startup snapshot is incomplete: build the program again"),
        ];
        for (byte, complaint) in cases {
            let (_directory, changed) = programs(|program| {
                let place = place_of_snapshot(program);
                program[place + byte] ^= 0x40;
            });
            let exit = changed.serve_to_exit(Setup::module(HELLO));
            assert!(exit.code.is_some_and(|code| code != 0), "{:?}: {}", exit.status, exit.stderr);
            assert!(exit.stderr.contains(complaint), "{}", exit.stderr);
        }
        // As it is, it serves.
        let (_directory, same) = programs(|_| {});
        let server = same.serve(Setup::module(HELLO));
        assert_eq!(http::get(server.port(), "/").expect("an answer").text(), "Hello World\n");
    }

    /// With flags of V8 other than those that the snapshot was made with it is used all the same, whole; the code of built-in modules
    /// is not, and they are compiled.
    #[test]
    fn other_flags_of_v8_change_nothing_that_a_worker_has() {
        const WORKER: &str = "import { AsyncLocalStorage } from 'node:async_hooks';
            import { WorkerEntrypoint, env } from 'cloudflare:workers';
            export default { async fetch(request) {
                const storage = new AsyncLocalStorage(), said = [];
                const { readable, writable } = new TransformStream({ transform: (chunk, to) => to.enqueue(chunk.toUpperCase()) });
                const writer = writable.getWriter();
                writer.write(storage.run('store', () => storage.getStore())).then(() => writer.close());
                for await (const chunk of readable) said.push(chunk);
                const target = new EventTarget();
                target.addEventListener('x', (event) => said.push(event.detail, event instanceof Event));
                target.dispatchEvent(new CustomEvent('x', { detail: structuredClone(new Map([[1, new Date(0)]])).get(1).getTime() }));
                const form = new FormData();
                form.append('file', new File(['text'], 'name'));
                said.push(await form.get('file').text(), new URL('?a=b', request.url).searchParams.get('a'), typeof env);
                const controller = new AbortController();
                controller.abort();
                said.push(controller.signal.reason.name, typeof WorkerEntrypoint, typeof SharedArrayBuffer, crypto.randomUUID().length);
                said.push(await new Response(new Blob(['blob']).stream().pipeThrough(new CompressionStream('gzip'))
                    .pipeThrough(new DecompressionStream('gzip'))).text());
                return new Response(said.join());
            } };";
        const SAID: &str = "STORE,0,true,text,b,object,AbortError,function,function,36,blob";
        let flags = [
            "",
            "--jitless",
            "--no-opt --no-sparkplug",
            "--max-lazy",
            "--no-flush-bytecode",
            "--stack-size=500",
            "--single-threaded-gc",
            "--expose-gc",
            "--random-seed=7",
        ];
        for flags in flags {
            let list = flags.split_whitespace().map(|flag| format!("{flag:?}")).collect::<Vec<_>>().join(", ");
            let config = format!(
                r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [ (name = "main", worker = .main) ],
  sockets = [ (name = "http", address = "127.0.0.1:0", http = (), service = "main") ],
  v8Flags = [ {list} ],
);
const main :Workerd.Worker = (
  modules = [ (name = "worker", esModule = embed "worker.js") ],
  compatibilityDate = "2026-08-01",
  compatibilityFlags = [ "nodejs_als" ],
);
"#
            );
            let server = bulkhead_test_support::supervisor!().serve(Setup::config(&config).file("worker.js", WORKER));
            let said = http::get(server.port(), "/").expect("an answer").text();
            assert_eq!(said, SAID, "{flags:?}: {}", server.stderr());
        }
    }

    /// Workers that are started before the server listens, and asked once.
    const WORKERS: usize = 8;

    /// What a worker's process has cost.
    struct Cost {
        /// Memory that belongs to no file, in bytes.
        memory: u64,
        /// Pages that it has touched first.
        faults: u64,
        /// Processor time of all threads, in nanoseconds.
        time: u64,
    }

    type Part = fn(&Cost) -> u64;

    fn cost(pid: u32) -> Cost {
        let read = |path: &str| fs::read_to_string(format!("/proc/{pid}/{path}")).expect("the process lives");
        let memory = process::anonymous(pid).expect("the process lives");
        let stat = read("stat");
        let faults =
            stat[stat.rfind(')').expect("a name")..].split_whitespace().nth(8).and_then(|field| field.parse().ok());
        let times = process::threads(pid).into_iter().map(|thread| {
            let times = read(&format!("task/{thread}/schedstat"));
            times.split_whitespace().next().and_then(|time| time.parse::<u64>().ok()).expect("a time")
        });
        Cost { memory, faults: faults.expect("a number"), time: times.sum() }
    }

    /// The median memory and faults, and the least time, of workers that have started and answered once.
    fn costs(program: &Runtime) -> Cost {
        let mut services = String::new();
        let mut sockets = String::new();
        for index in 0..WORKERS {
            services += &format!("    (name = \"worker{index}\", worker = .hello),\n");
            sockets += &format!(
                "    (name = \"socket{index}\", address = \"127.0.0.1:0\", http = (), service = \"worker{index}\"),\n"
            );
        }
        let config = format!(
            "using Workerd = import \"/workerd/workerd.capnp\";\n\
             const config :Workerd.Config = (\n  services = [\n{services}  ],\n  sockets = [\n{sockets}  ],\n);\n\
             const hello :Workerd.Worker = (\n  modules = [ (name = \"worker\", esModule = embed \"worker.js\") ],\n  \
             compatibilityDate = \"2026-08-01\",\n);\n"
        );
        let setup = Setup::config(&config).file("worker.js", HELLO).sockets(WORKERS);
        let server: Server = program.serve(setup);
        for index in 0..WORKERS {
            let response = http::get(server.port_of(&format!("socket{index}")), "/").expect("an answer");
            assert_eq!(response.text(), "Hello World\n");
        }
        // The workers have more memory than processes that wait to become one.
        let mut costs: Vec<Cost> = process::workers(server.pid()).into_iter().map(cost).collect();
        assert!(costs.len() >= WORKERS);
        costs.sort_by_key(|cost| std::cmp::Reverse(cost.memory));
        costs.truncate(WORKERS);
        let memory = costs[WORKERS / 2].memory;
        costs.sort_by_key(|cost| cost.faults);
        let time = costs.iter().map(|cost| cost.time).min().expect("there are workers");
        Cost { memory, faults: costs[WORKERS / 2].faults, time }
    }

    /// The bytes of a program that each of its processes may write to, or has relocated when it starts.
    fn writable(program: &Path) -> u64 {
        let program = fs::read(program).expect("read the program");
        let number = |at: usize, length: usize| {
            program[at..at + length].iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
        };
        // The section headers of ELF, 64 bits: where they are, how long each is and how many. Segments end with what fills a page.
        let (start, size, count) = (number(40, 8), number(58, 2), number(60, 2));
        let headers = (0..count).map(|index| usize::try_from(start + index * size).expect("it is in the file"));
        let (no_bits, write) = (8, 1);
        let is_padding = |at: usize| number(at + 4, 4) == no_bits && number(at + 48, 8) == 1;
        headers.filter(|at| number(at + 8, 8) & write != 0 && !is_padding(*at)).map(|at| number(at + 32, 8)).sum()
    }

    /// The other build has a hundred more modules, which are empty (`BULKHEAD_EMPTY_MODULES`); nobody imports one.
    #[test]
    #[ignore = "compares with another build, in the directory BULKHEAD_WITH_MODULES: see .ci/run"]
    fn modules_that_nobody_imports_cost_nothing() {
        let with = PathBuf::from(std::env::var_os("BULKHEAD_WITH_MODULES").expect("the directory of the other build"));
        let (_directory, without) = programs(|_| {});
        let [worker, worker_with] =
            [&without.program, &with.join("supervisor")].map(|program| program.with_file_name("sandbox-worker"));
        let has_modules = |program: &Path| {
            let name = b"internal:empty_99";
            fs::read(program).expect("read the program").windows(name.len()).any(|window| window == name)
        };
        assert!(has_modules(&worker_with) && !has_modules(&worker), "the builds are those that are to be compared");
        let with = Runtime { program: with.join("supervisor"), ..without.clone() };

        // A pointer for each module would be 800 bytes.
        let more = writable(&worker_with).saturating_sub(writable(&worker));
        assert!(more <= 256, "the program has {more} more bytes that each process has of its own");

        // In turns: whatever else the machine does, it does it to both.
        let rounds: Vec<[Cost; 2]> = (0..3).map(|_| [costs(&without), costs(&with)]).collect();
        let least =
            |which: usize, of: Part| rounds.iter().map(|round| of(&round[which])).min().expect("there are rounds");
        let cases: [(&str, Part, f64); 3] = [
            // Pages are 4 KiB, of which threads touch some more or less; a compiled module has one or two KiB.
            ("bytes of memory", |cost| cost.memory, 1.01),
            ("page faults", |cost| cost.faults, 1.05),
            ("nanoseconds", |cost| cost.time, 1.2),
        ];
        for (what, of, bound) in cases {
            let (before, after) = (least(0, of), least(1, of));
            println!("{what}: {before} without, {after} with a hundred modules");
            assert!(after as f64 <= before as f64 * bound, "{after} {what}, and {before} without the modules");
        }
    }
}
