//! The rooms of both programs, from the lowest floor up. A room may know those that are listed with it.

use super::Floors;

pub(super) const WORKER: Floors = Floors {
    sources: "sandbox-worker/src",
    rooms: &[
        ("log", &[]),
        ("limits", &[]),
        ("isolate", &["limits", "log"]),
        ("io", &["isolate", "limits", "log"]),
        ("streams", &["io", "isolate", "limits", "log"]),
        ("api", &["io", "isolate", "limits", "log", "streams"]),
        ("bindings", &["api", "isolate"]),
        ("worker", &["bindings", "isolate", "limits", "log"]),
        ("process", &["isolate", "log", "worker"]),
        ("events", &["api", "io", "isolate", "limits", "log", "process", "streams", "worker"]),
        ("rpc", &["events", "io", "process", "worker"]),
        ("start", &["api", "io", "isolate", "log", "process", "rpc"]),
        ("testing", &["api", "io", "isolate", "limits", "log", "process", "rpc"]),
    ],
    exceptions: &[],
    wire: &[
        "api/fetch/subrequest.rs",
        "api/fetch/wire.rs",
        "events",
        "io/channels.rs",
        "limits.rs",
        "log.rs",
        "rpc.rs",
        "streams/wire.rs",
        "testing.rs",
        "worker/bundle.rs",
    ],
};

pub(super) const SUPERVISOR: Floors = Floors {
    sources: "supervisor/src",
    rooms: &[
        ("body", &[]),
        ("text", &[]),
        ("schedule", &[]),
        ("net", &[]),
        ("net/tls", &[]),
        ("config", &["net/tls", "schedule"]),
        ("log", &["text"]),
        ("service", &["body"]),
        ("link", &["body", "config", "log", "service", "text"]),
        ("fleet", &["config", "link", "log", "service", "text"]),
        ("service/worker", &["body", "config", "fleet", "link", "service", "text"]),
        ("socket", &["body", "config", "log", "net/tls", "service"]),
        ("shard", &["config", "log", "net/tls", "schedule", "service", "socket"]),
        ("service/external", &["body", "config", "service"]),
        ("service/network", &["body", "config", "service"]),
        (
            "service/graph",
            &["config", "fleet", "log", "service", "service/external", "service/network", "service/worker", "shard"],
        ),
        ("cli", &["config", "fleet", "log", "net/tls", "service/graph", "shard", "socket", "text"]),
    ],
    exceptions: &[],
    wire: &["fleet/bundle.rs", "fleet/keeper.rs", "fleet/process.rs", "fleet/shard.rs", "link", "service/worker"],
};
