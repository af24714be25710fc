# Bodies that are never held whole: an echo, an upper-caser and a generator.

using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [ (name = "streaming", worker = .streaming) ],
  sockets = [ (name = "http", address = "*:8080", http = (), service = "streaming") ],
);

const streaming :Workerd.Worker = (
  modules = [ (name = "worker", esModule = embed "worker.js") ],
  compatibilityDate = "2026-08-01",
);
