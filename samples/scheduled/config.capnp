# A worker that runs every minute: when is in a `Policy` beside the `Config`.

using Workerd = import "/workerd/workerd.capnp";
using Bulkhead = import "/bulkhead/policy.capnp";

const config :Workerd.Config = (
  services = [ (name = "scheduled", worker = .worker) ],
  sockets = [ (name = "http", address = "*:8080", http = (), service = "scheduled") ],
);

const worker :Workerd.Worker = (
  modules = [ (name = "worker", esModule = embed "worker.js") ],
  compatibilityDate = "2026-08-01",
);

const policy :Bulkhead.Policy = (
  # In UTC.
  schedules = [ (worker = "scheduled", crons = ["* * * * *", "0 6 * * MON-FRI"]) ],
);
