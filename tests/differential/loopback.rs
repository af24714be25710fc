//! `ctx.exports`: what a worker calls of itself, with `props` of its own choice.

use bulkhead_test_support::{
    Runtime, Setup,
    expectations::{Observation, check},
    http,
};

const WORKER: &str = include_str!("loopback.js");

#[test]
fn what_a_worker_calls_of_itself() {
    let mut observations = Vec::new();
    for (socket, flags) in [("new", ""), ("off", "\"disable_ctx_exports\"")] {
        let setup = || {
            let worker = format!(
                "modules = [(name = \"worker\", esModule = embed \"worker.js\")], compatibilityDate = \"2026-08-01\", \
                 compatibilityFlags = [{flags}]"
            );
            Setup::worker(&worker).file("worker.js", WORKER)
        };
        let servers = [Runtime::workerd().serve(setup()), bulkhead_test_support::supervisor!().serve(setup())];
        let ask = |server: usize, path: &str| {
            let response = http::get(servers[server].port(), path);
            response.map_or_else(|error| format!("no response: {error}"), |response| response.text())
        };
        let names: Vec<String> = serde_json::from_str(&ask(1, "/names")).expect("the names of all cases");
        assert!(names.len() >= 60, "{} cases", names.len());
        for (index, name) in names.iter().enumerate() {
            let [reference, ours] = [0, 1].map(|server| ask(server, &format!("/{index}")));
            observations.push(Observation { key: format!("loopback/{socket}: {name}"), reference, ours });
        }
        for server in servers {
            assert_eq!(server.stop().code, Some(0));
        }
    }
    check("loopback", &observations);
}
