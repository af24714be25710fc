//! What workers send and are sent: `fetch()`, service bindings, redirects, errors, on both runtimes.

use bulkhead_test_support::{
    Runtime, Setup,
    expectations::{Observation, check},
    http,
};

const CONFIG: &str = r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .main),
    (name = "callee", worker = .callee),
    (name = "old", worker = .old),
    (name = "flagged", worker = .flagged),
  ],
  sockets = [
    (name = "http", address = "127.0.0.1:0", http = (), service = "main"),
    (name = "old", address = "127.0.0.1:0", http = (), service = "old"),
    (name = "flagged", address = "127.0.0.1:0", http = (cfBlobHeader = "Cf"), service = "flagged"),
  ],
);
const main :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "caller.js")],
  compatibilityDate = "2026-08-01",
  globalOutbound = "callee",
  bindings = .bindings,
);
const old :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "caller.js")],
  compatibilityDate = "2022-01-01",
  globalOutbound = "callee",
  bindings = .bindings,
);
const flagged :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "caller.js")],
  compatibilityDate = "2026-08-01",
  compatibilityFlags = ["cache_option_preserves_cache_control", "cache_reload_enabled"],
  globalOutbound = "callee",
  bindings = .bindings,
);
const bindings :List(Workerd.Worker.Binding) = [
  (name = "CALLEE", service = "callee"),
  (name = "NAMED", service = (name = "callee", entrypoint = "Named", props = (json = "{\"x\":1}"))),
  (name = "PLAIN", service = (name = "callee", entrypoint = "plain")),
  (name = "MUTE", service = (name = "callee", entrypoint = "mute")),
  (name = "SELF", service = "main"),
];
const callee :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "callee.js")],
  compatibilityDate = "2026-08-01",
  compatibilityFlags = ["enable_request_signal"],
);
"#;

fn setup() -> Setup {
    Setup::config(CONFIG)
        .file("caller.js", include_str!("channels_caller.js"))
        .file("callee.js", include_str!("channels_callee.js"))
        .argument("--experimental")
        .sockets(3)
}

fn ask(port: u16, path: &str) -> String {
    match http::Connection::open(port).request("GET", path, &[], b"") {
        Ok(response) => String::from_utf8_lossy(&response.body).into_owned(),
        Err(error) => format!("no response: {error}"),
    }
}

#[test]
fn what_workers_send_and_are_sent() {
    let (reference, ours) = (Runtime::workerd().serve(setup()), bulkhead_test_support::supervisor!().serve(setup()));
    let names: Vec<String> = serde_json::from_str(&ask(ours.port(), "/names")).expect("the names of all exchanges");
    assert!(names.len() > 200, "{} exchanges", names.len());
    let mut observations = Vec::new();
    for (socket, prefix) in [("http", ""), ("old", "old: "), ("flagged", "flagged: ")] {
        for (index, name) in names.iter().enumerate() {
            // What the flags of the third are about.
            if socket == "flagged" && !name.contains("cache") {
                continue;
            }
            let path = format!("/{index}");
            observations.push(Observation {
                key: format!("channels/{prefix}{name}"),
                reference: ask(reference.port_of(socket), &path),
                ours: ask(ours.port_of(socket), &path),
            });
        }
    }
    check("channels", &observations);
    for server in [reference, ours] {
        assert_eq!(server.stop().code, Some(0));
    }
}
