# Two workers with limits of their own: what each may use is in a `Policy` beside the `Config`.

using Workerd = import "/workerd/workerd.capnp";
using Bulkhead = import "/bulkhead/policy.capnp";

const config :Workerd.Config = (
  services = [ (name = "limited", worker = .worker), (name = "patient", worker = .worker) ],
  sockets = [
    (name = "http", address = "*:8080", http = (), service = "limited"),
    (name = "patient", address = "*:8081", http = (), service = "patient"),
  ],
);

const worker :Workerd.Worker = (
  modules = [ (name = "worker", esModule = embed "worker.js") ],
  compatibilityDate = "2026-08-01",
);

const policy :Bulkhead.Policy = (
  # For every worker.
  default = (
    cpuTimeMs = 200,
    wallTimeMs = 5000,
    waitUntilMs = 2000,
    heapBytes = 33554432,       # 32 MiB
    bufferBytes = 33554432,
    memoryBytes = 268435456,    # 256 MiB
    responseBodyBytes = 1048576,
  ),
  # For this one: the same but for its processor time.
  workers = [ (name = "patient", limits = (cpuTimeMs = 2000)) ],
);
