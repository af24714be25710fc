//! What one request keeps and another uses: objects that do I/O, and promises, while the first is alive and when it is over.

use std::thread;

use bulkhead_test_support::expectations::{Observation, check};
use bulkhead_test_support::http::{self, Connection};
use bulkhead_test_support::{Runtime, Server, Setup};

const WORKER: &str = include_str!("cross_request.js");

fn ask(server: &Server, path: &str, body: &str) -> String {
    let mut connection = Connection::open(server.port());
    connection.send(http::request("POST", path, &[], body.as_bytes())).expect("the request is taken");
    answer(connection)
}

fn answer(mut connection: Connection) -> String {
    match connection.response("POST") {
        Ok(response) => format!("{} {}", response.status, response.text()),
        Err(_) => "broken off".to_owned(),
    }
}

/// What the second request sees when the first is over, and when it is alive; and what then comes of the first.
fn observe(server: &Server, name: &str) -> [String; 2] {
    assert_eq!(ask(server, &format!("/over/{name}"), "first"), "200 kept");
    // The reference ends a request a while after its client has the answer.
    assert_eq!(ask(server, "/pause", ""), "200 paused");
    let over = ask(server, &format!("/use/{name}"), "second");
    ask(server, &format!("/release/{name}"), "");
    let mut first = Connection::open(server.port());
    first.send(http::request("POST", &format!("/alive/{name}"), &[], b"first")).expect("the request is taken");
    while ask(server, &format!("/ready/{name}"), "") != "200 true" {
        thread::yield_now();
    }
    let second = ask(server, &format!("/use/{name}"), "second");
    ask(server, &format!("/release/{name}"), "");
    [over, format!("{second} | {}", answer(first))]
}

fn compare(area: &str, flags: &str, leaves_out: &[&str]) {
    let setup = || {
        let worker = format!(
            "modules = [(name = \"main\", esModule = embed \"worker.js\")], compatibilityDate = \"2026-08-01\", \
             compatibilityFlags = [{flags}], bindings = [(name = \"NAME\", text = \"n\")]"
        );
        Setup::worker(&worker).file("worker.js", WORKER)
    };
    let reference = Runtime::workerd().serve(setup());
    let ours = bulkhead_test_support::supervisor!().serve(setup());
    let names = ask(&ours, "/names", "");
    let names: Vec<String> = serde_json::from_str(names.trim_start_matches("200 ")).expect("a list");
    assert!(names.len() >= 30, "{names:?}");
    let mut observations = Vec::new();
    for name in names.iter().filter(|name| !leaves_out.contains(&name.as_str())) {
        let [reference, ours] = [&reference, &ours].map(|server| observe(server, name));
        for ((when, reference), ours) in ["over", "alive"].into_iter().zip(reference).zip(ours) {
            observations.push(Observation { key: format!("{area}/{name} {when}"), reference, ours });
        }
    }
    check(area, &observations);
}

#[test]
fn a_promise_settles_in_the_request_that_made_it() {
    compare("cross_request", "", &[]);
}

#[test]
fn a_promise_settles_in_the_request_that_settles_it() {
    // The reference has a request wait for ever that waits for a timer or a body of one that is over.
    let hang = ["request-text-promise", "promise-of-timer", "promise-of-timer-and-io"];
    compare("cross_request_before", "\"no_handle_cross_request_promise_resolution\"", &hang);
}
