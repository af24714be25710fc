using Workerd = import "/workerd/workerd.capnp";
const small :UInt8 = 200;
const large :UInt64 = 0xffffffffffffffff;
const config :Workerd.Config = (
  cluster = (stopTimeoutMs = 0, unsafeTimeDivisor = 0x7fFFffff, unsafePublicAddress = true),
  sockets = [
    (udp = (idleTimeoutMs = 017, maxPendingBytes = 4294967295)),
    (udp = (idleTimeoutMs = 30000, maxPendingBytes = .small)),
    (udp = (idleTimeoutMs = (5))),
  ],
  services = [(worker = (bindings = [
    (memoryCache = (limits = (maxKeys = 1, maxValueSize = 0, maxTotalValueSize = .large))),
    (memoryCache = (id = "x", limits = ())),
  ]))],
);
