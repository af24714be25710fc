//! The handler for `scheduled`, called by hand on a socket that permits it, with both programs as a user runs them.
//!
//! When schedules are due is tested where it is decided (`supervisor/src/schedule/`) and where it is carried out, with another
//! clock (`supervisor/src/shard/`): no test waits for a minute to end.

mod scheduled {
    use std::{path::PathBuf, thread};

    use bulkhead_test_support::{Runtime, Server, Setup, http, process, runtime::wait_until};
    use nix::sys::signal::{Signal, kill};

    const PATH: &str = "/cdn-cgi/handler/scheduled";

    const WORKER: &str = r#"
const seen = [];
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const runs = {
  throws: () => { throw new Error("thrown at once"); },
  rejects: async () => { await sleep(1); throw new Error("thrown later"); },
  "no-retry": (controller) => { controller.noRetry(); throw new Error("once only"); },
  waits: (controller, ctx) => { ctx.waitUntil(sleep(30).then(() => seen.push("waited"))); },
  "wait-fails": (controller, ctx) => { ctx.waitUntil(sleep(5).then(() => { throw new Error("in waitUntil"); })); },
  hangs: () => new Promise(() => {}),
  spins: () => { for (;;); },
  sleeps: () => sleep(600_000),
  exits: async () => { await sleep(600_000); },
};
const run = async (controller, ctx) => {
  seen.push(`${controller.cron} at ${controller.scheduledTime}`);
  await runs[controller.cron]?.(controller, ctx);
};
const answer = (request) => new Response(`${new URL(request.url).pathname} ${seen.join(", ")}`);
"#;

    const MODULES: &str =
        "export default { scheduled: (controller, env, ctx) => run(controller, ctx), fetch: answer };";

    const SERVICE_WORKER: &str = r#"
addEventListener("scheduled", (event) => event.waitUntil(run(event, event)));
addEventListener("fetch", (event) => event.respondWith(answer(event.request)));
"#;

    /// A worker behind a socket that permits the path, and one that does not.
    fn setup(source: &str, policy: &str) -> Setup {
        let config = format!(
            r#"
using Workerd = import "/workerd/workerd.capnp";
using Bulkhead = import "/bulkhead/policy.capnp";
const config :Workerd.Config = (
  services = [(name = "w", worker = (compatibilityDate = "2026-08-01", {source}))],
  sockets = [
    (name = "http", address = "127.0.0.1:0", http = (), service = "w"),
    (name = "closed", address = "127.0.0.1:0", http = (), service = "w"),
  ],
);
const policy :Bulkhead.Policy = (sockets = [(name = "http", handlerPaths = true)], {policy});
"#
        );
        Setup::config(&config).sockets(2)
    }

    fn modules(policy: &str) -> Setup {
        setup(r#"modules = [(name = "w.js", esModule = embed "w.js")]"#, policy)
            .file("w.js", format!("{WORKER}{MODULES}"))
            .argument("--experimental")
    }

    fn service_worker(policy: &str) -> Setup {
        setup(r#"serviceWorkerScript = embed "w.js""#, policy)
            .file("w.js", format!("{WORKER}{SERVICE_WORKER}"))
            .argument("--experimental")
    }

    fn supervisor() -> Runtime {
        Runtime::supervisor(PathBuf::from(env!("CARGO_BIN_EXE_supervisor")))
    }

    fn ask(server: &Server, target: &str) -> (u16, String) {
        let response = http::get(server.port(), target).expect("an answer");
        (response.status, response.text())
    }

    fn run(server: &Server, cron: &str) -> (u16, String) {
        ask(server, &format!("{PATH}?cron={cron}&time=1700000000000"))
    }

    fn said(status: u16, text: &str) -> (u16, String) {
        (status, text.to_owned())
    }

    #[test]
    fn handlers_run_in_both_syntaxes() {
        for setup in [modules(""), service_worker("")] {
            let server = supervisor().serve(setup);
            assert_eq!(run(&server, "*/5+*+*+*+*"), said(200, "ok"));
            assert_eq!(ask(&server, "/x"), said(200, "/x */5 * * * * at 1700000000000"));
            assert_eq!(run(&server, "waits"), said(200, "ok"));
            // The answer came after what it waited for.
            assert!(ask(&server, "/").1.ends_with("waits at 1700000000000, waited"));
            for (cron, text) in [
                ("throws", "thrown at once"),
                ("rejects", "thrown later"),
                ("wait-fails", "in waitUntil"),
                ("no-retry", "once only"),
            ] {
                assert_eq!(run(&server, cron), said(500, "exception"), "{cron}");
                server.wait_for_stderr(|log| log.contains(text));
            }
            assert_eq!(run(&server, "hangs").0, 500);
            // Without anything: now, and no text.
            assert_eq!(ask(&server, PATH), said(200, "ok"));
            assert_eq!(run(&server, "other"), said(200, "ok"));
            let _ = server.stop();
        }
    }

    #[test]
    fn only_where_it_is_permitted() {
        let server = supervisor().serve(modules(""));
        let closed = http::get(server.port_of("closed"), &format!("{PATH}?cron=throws")).expect("an answer");
        assert_eq!((closed.status, closed.text().trim_end()), (200, PATH));
        // Only this path, and only GET.
        assert_eq!(ask(&server, "/cdn-cgi/handler/scheduled/").0, 200);
        assert_eq!(ask(&server, "/cdn-cgi/handler/email").0, 200);
        let mut connection = http::Connection::open(server.port());
        let response = connection.request("POST", PATH, &[], b"").expect("an answer");
        assert_eq!((response.status, response.header("allow")), (405, Some("GET")));
        for query in ["time=soon", "time=1.5", "time=8640000000000001"] {
            let (status, text) = ask(&server, &format!("{PATH}?{query}"));
            assert!(status == 400 && text.starts_with("`time`"), "{query}: {status} {text}");
        }
        assert_eq!(ask(&server, "/").1, "/ ", "nothing ran");
        let _ = server.stop();

        let without = setup("serviceWorkerScript = \"\"", "");
        let exit = supervisor().serve_to_exit(without);
        assert!(exit.stderr.contains("`handlerPaths` is experimental"), "{}", exit.stderr);
    }

    #[test]
    fn limits_end_runs_as_they_end_requests() {
        let server = supervisor().serve(modules("default = (cpuTimeMs = 50, wallTimeMs = 500)"));
        assert_eq!(run(&server, "spins"), said(500, "exceededCpu"));
        assert_eq!(run(&server, "sleeps"), said(500, "exceededWallTime"));
        server
            .wait_for_stderr(|log| log.contains("exceeded CPU time limit") && log.contains("exceeded wall time limit"));
        assert_eq!(run(&server, "other"), said(200, "ok"));
        let _ = server.stop();
    }

    #[test]
    fn a_process_that_dies_meanwhile_fails_its_runs_and_is_replaced() {
        let server = supervisor().serve(modules(""));
        let port = server.port();
        let answer = thread::spawn(move || http::get(port, &format!("{PATH}?cron=exits")).expect("an answer"));
        let has_begun = || ask(&server, "/").1.contains("exits at");
        wait_until("the run begins", has_begun);
        for worker in process::workers(server.pid()) {
            let _ = kill(bulkhead_test_support::runtime::pid(worker), Signal::SIGKILL);
        }
        let answer = answer.join().expect("no panic");
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert_eq!(run(&server, "other"), said(200, "ok"));
        let _ = server.stop();
    }

    #[test]
    fn a_worker_without_a_handler_serves_and_its_runs_fail() {
        let source =
            r#"modules = [(name = "w.js", esModule = "export default { fetch: () => new Response('here') };")]"#;
        let server = supervisor()
            .serve(setup(source, "schedules = [(worker = \"w\", crons = [\"0 0 1 1 *\"])]").argument("--experimental"));
        assert_eq!(ask(&server, "/"), said(200, "here"));
        assert_eq!(ask(&server, PATH), said(500, "exception"));
        server.wait_for_stderr(|log| log.contains("Handler does not export a scheduled() function."));
        assert_eq!(ask(&server, "/"), said(200, "here"));
        let _ = server.stop();
    }

    #[test]
    fn many_runs_at_once_and_requests_beside_them() {
        let server = supervisor().serve(modules(""));
        let port = server.port();
        let runs: Vec<_> = (0..64)
            .map(|_| thread::spawn(move || http::get(port, &format!("{PATH}?cron=waits")).expect("an answer").status))
            .collect();
        for _ in 0..20 {
            assert_eq!(ask(&server, "/").0, 200);
        }
        assert!(runs.into_iter().all(|run| run.join().expect("no panic") == 200));
        assert_eq!(ask(&server, "/").1.matches("waited").count(), 64);
        let _ = server.stop();
    }

    #[test]
    fn the_sample_runs() {
        let server = supervisor().serve(Setup::sample("scheduled"));
        assert_eq!(ask(&server, PATH).0, 200);
        let exit = server.stop();
        assert!(!exit.stderr.contains("error"), "{}", exit.stderr);
    }
}
