# A worker whose work is done by a WebAssembly module.

using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [ (name = "wasm", worker = .wasm) ],
  sockets = [ (name = "http", address = "*:8080", http = (), service = "wasm") ],
);

const wasm :Workerd.Worker = (
  modules = [
    (name = "worker", esModule = embed "worker.js"),
    (name = "gcd.wasm", wasm = embed "gcd.wasm"),
  ],
  compatibilityDate = "2026-08-01",
);
