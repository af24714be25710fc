# A policy with every kind of value.
using Workerd = import "/workerd/workerd.capnp";
using Bulkhead = import "/bulkhead/policy.capnp";
using Limits = Bulkhead.Limits;
const config :Workerd.Config = (
  services = [(name = "a", worker = .worker), (name = "b", worker = .worker), (name = "c", worker = .worker)],
);
const worker :Workerd.Worker = (serviceWorkerScript = "", compatibilityDate = "2024-01-01");
const policy :Bulkhead.Policy = (
  default = .strict,
  workers = [
    (name = "a", limits = (cpuTimeMs = 0, wallTimeMs = .minute, heapBytes = 0x10000000, memoryBytes = 1073741824)),
    (name = "b", limits = (jitless = no, logBytesPerSecond = 0)),
    (name = "c"),
  ],
);
const strict :Limits = (
  cpuTimeMs = 50,
  wallTimeMs = 5000,
  waitUntilMs = 4294967295,
  startUpCpuTimeMs = 400,
  heapBytes = 33554432,
  bufferBytes = 33554432,
  memoryBytes = 134217728,
  requestBodyBytes = 1048576,
  responseBodyBytes = 18446744073709551615,
  responseHeadBytes = 8192,
  logBufferBytes = 16384,
  logBytesPerSecond = 4096,
  threads = 8,
  jitless = yes,
);
const minute :UInt64 = 60000;
