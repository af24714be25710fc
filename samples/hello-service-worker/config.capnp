# The older syntax: a script that listens for events, instead of a module that exports handlers.

using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [ (name = "hello", worker = .hello) ],
  sockets = [ (name = "http", address = "*:8080", http = (), service = "hello") ],
);

const hello :Workerd.Worker = (
  serviceWorkerScript = embed "worker.js",
  compatibilityDate = "2026-08-01",
);
