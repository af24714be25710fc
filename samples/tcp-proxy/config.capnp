# A worker in front of a server of any protocol: it counts the bytes that pass in each direction.
#
#   serve samples/tcp-proxy/config.capnp, and something that listens on 127.0.0.1:9000, such as `nc -lk 9000`
#   nc 127.0.0.1 8080
#
# `external` may say `tcp = (tlsOptions = (…))`: then the worker's client speaks as it is, and the server hears TLS.

using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "proxy", worker = .proxy),
    (name = "backend", external = (address = "127.0.0.1:9000", tcp = ())),
  ],
  sockets = [(name = "tcp", address = "127.0.0.1:8080", tcp = (), service = "proxy")],
);

const proxy :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "worker.js")],
  compatibilityDate = "2026-08-01",
  bindings = [(name = "BACKEND", service = "backend")],
);
