# A worker that answers WebSockets: it sends back what it is sent. http://localhost:8080/ is a page to try it with.

using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [ (name = "echo", worker = .echo) ],
  sockets = [ (name = "http", address = "*:8080", http = (), service = "echo") ],
);

const echo :Workerd.Worker = (
  modules = [ (name = "worker", esModule = embed "worker.js"), (name = "page.html", text = embed "page.html") ],
  compatibilityDate = "2026-08-01",
);
