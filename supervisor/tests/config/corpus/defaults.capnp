# What equals a default, and what only looks like one.
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  structuredLogging = false,
  services = [
    (name = "a", worker = (globalOutbound = (name = "internet"))),
    (name = "b", worker = (globalOutbound = ())),
    (name = "c", network = (allow = ["public"])),
    (name = "d", network = (allow = [])),
    (name = "e", worker = (bindings = [(wrapped = (entrypoint = "default"))])),
  ],
  sockets = [],
  logging = (),
  cluster = (stopTimeoutMs = 8000),
);
