using Workerd = import "/workerd/workerd.capnp";
using Bulkhead = import "/bulkhead/policy.capnp";
const config :Workerd.Config = (services = [(name = "a", worker = (serviceWorkerScript = "", compatibilityDate = "2024-01-01"))]);
const policy :Bulkhead.Policy = (default = .strict, workers = [(name = "a", limits = (cpuTimeMs = 0, threads = 4, jitless = no))]);
const strict :Bulkhead.Limits = (cpuTimeMs = 50, heapBytes = 0x4000000, memoryBytes = 134217728, responseHeadBytes = 1024, jitless = yes);
