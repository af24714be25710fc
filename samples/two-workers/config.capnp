# Two workers: one in front, which asks the other through a service binding. The second one has no socket: nobody else reaches it.

using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "shop", worker = .shop),
    (name = "prices", worker = .prices),
  ],
  sockets = [ (name = "http", address = "*:8080", http = (), service = "shop") ],
);

const shop :Workerd.Worker = (
  modules = [ (name = "shop", esModule = embed "shop.js") ],
  compatibilityDate = "2026-08-01",
  bindings = [
    (name = "PRICES", service = "prices"),
    # An entrypoint of its own, which only this binding leads to, and what the caller is to it.
    (name = "ADMIN", service = (name = "prices", entrypoint = "Admin", props = (json = "{\"who\": \"shop\"}"))),
  ],
);

const prices :Workerd.Worker = (
  modules = [ (name = "prices", esModule = embed "prices.js") ],
  compatibilityDate = "2026-08-01",
);
