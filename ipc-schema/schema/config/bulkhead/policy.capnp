@0x8a8ea58a26ac0d3f;
# The policy schema: what the workers of a configuration may use, and when they run without being asked. It stands beside the `Config`, in the same file or in
# one of its own; without one, every worker has the limits that are named here as the defaults.
#
#     using Bulkhead = import "/bulkhead/policy.capnp";
#
#     const policy :Bulkhead.Policy = (
#       default = (cpuTimeMs = 1000),
#       workers = [ (name = "reports", limits = (cpuTimeMs = 60000, wallTimeMs = 0)) ],
#     );
#
# docs/limits.md says what each limit measures, who enforces it and what happens when it is exceeded.

struct Policy {
  default @0 :Limits;
  # For every worker. What it does not set has the default that is named at the field.

  workers @1 :List(WorkerLimits);
  # For single workers.

  schedules @2 :List(Schedules);
  # When workers run without being asked. docs/schedules.md has the whole of it.

  sockets @3 :List(SocketPermissions);
  # What sockets may be asked beside requests for their services.

  cache @4 :Cache;
  # With it, even with `cache = ()`, every worker that has no `cacheApiOutbound` has a cache of its own. docs/cache.md has the whole of it.
}

struct Cache {
  # A cache for each worker, which no other worker can read or purge, in space that they share.

  name @0 :Text = "cache";
  # The service that it is, for `service` bindings of workers and their `cacheApiOutbound`: each worker reaches its own cache there. No service of
  # the configuration may have this name.

  memoryBytes @1 :UInt64 = 67108864;
  # Memory of all caches together. From 1 MiB to 1 TiB. By default 64 MiB.

  objectBytes @2 :UInt64 = 0;
  # The longest body of a response that is stored: at most a quarter of `memoryBytes`, or with a `directory` of `diskBytes`. 0 means that too, but not
  # more than 512 MiB.

  directory @3 :Text;
  # Where responses are kept beside the memory, so that more of them are there, and after the server was started again too. It exists, and no other
  # server uses it. The path is relative to where the server is started. Without one there is memory alone.

  diskBytes @4 :UInt64 = 1073741824;
  # What the files of all caches together may take of the disk, where there is a `directory`. From 16 MiB to 64 TiB. By default 1 GiB.
}

struct Schedules {
  # When one worker runs: its handler for `scheduled` is called.
  #
  #     schedules = [ (worker = "reports", crons = ["*/30 * * * *", "0 6 * * MON-FRI"]) ]

  worker @0 :Text;
  # A service of the configuration that is a worker; each at most once.

  crons @1 :List(Text);
  # Cron expressions in UTC: minute, hour, day of the month, month, day of the week. At most 64, each at most once.
}

struct SocketPermissions {
  name @0 :Text;
  # A socket of the configuration; each at most once.

  handlerPaths @1 :Bool;
  # Whether `GET /cdn-cgi/handler/scheduled?cron=…&time=…` runs the handler for `scheduled` of the socket's service, instead
  # of going to the service as a request: for tests of that handler. Who reaches the socket may run it then. Only with
  # `--experimental`.
}

struct WorkerLimits {
  name @0 :Text;
  # A service of the configuration that is a worker; each at most once.

  limits @1 :Limits;
  # What these do not set has the value of `Policy.default`.
}

struct Limits {
  # The limits of one worker. A field that is left out is not a limit of some size: it takes its value from the layer
  # below. In a message that is said by the largest number of the field's type, and by `inherit`.
  #
  # Times are in milliseconds, sizes in bytes. Zero means that there is no limit where the field says so, and is refused
  # where it does not.

  cpuTimeMs @0 :UInt32 = 0xffffffff;
  # Processor time that the worker's process takes while it runs script of one event. 0 for no limit. By default 30000.

  wallTimeMs @1 :UInt32 = 0xffffffff;
  # From the start of an event to the end of its response. 0 for no limit. By default 900000, fifteen minutes.

  waitUntilMs @2 :UInt32 = 0xffffffff;
  # From the end of the response to the end of what was given to `waitUntil`. 0 for no limit. By default 30000.

  startUpCpuTimeMs @3 :UInt32 = 0xffffffff;
  # Processor time for compiling and evaluating the worker's modules. 0 for no limit. By default 2000.

  heapBytes @4 :UInt64 = 0xffffffffffffffff;
  # The heap of JavaScript objects. 0 leaves V8's own choice, which depends on the machine. By default 128 MiB.

  bufferBytes @5 :UInt64 = 0xffffffffffffffff;
  # Contents of `ArrayBuffer`s, all together. 0 for no limit but `memoryBytes`. By default 128 MiB.

  memoryBytes @6 :UInt64 = 0xffffffffffffffff;
  # Private writable memory of the whole process beyond what it has when it starts: heap, buffers, WebAssembly memories,
  # stacks and the runtime's own. At least twice `heapBytes`. 0 for no limit. By default 512 MiB.

  requestBodyBytes @7 :UInt64 = 0xffffffffffffffff;
  # A request's body. 0 for no limit. By default 500 MiB.

  responseBodyBytes @8 :UInt64 = 0xffffffffffffffff;
  # A response's body. 0 for no limit. By default 5 GiB.

  responseHeadBytes @9 :UInt32 = 0xffffffff;
  # Names and values of a response's headers, all together. By default 128 KiB, which is also the most.

  logBufferBytes @10 :UInt32 = 0xffffffff;
  # Log text that the worker keeps while the log is busy. By default 256 KiB.

  logBytesPerSecond @11 :UInt32 = 0xffffffff;
  # Log text for each second, over time; a burst may be sixteen times as long. 0 for no limit. By default 64 KiB.

  threads @12 :UInt32 = 0xffffffff;
  # Threads of the process, V8's own included. By default 16.

  jitless @13 :Choice = inherit;
  # Whether no machine code is generated: scripts are interpreted, there is no WebAssembly, and the process maps nothing
  # executable. By default `no`.

  subrequests @14 :UInt32 = 0xffffffff;
  # Requests that one event makes, each redirect that is followed included. 0 for no limit. By default 1000.

  connections @15 :UInt32 = 0xffffffff;
  # Requests of one event that wait for the head of their response at a time; the others wait for them. 0 for no limit.
  # By default 6.
}

enum Choice {
  inherit @0;
  # As the layer below says.
  yes @1;
  no @2;
}
