# An application written with the router `hono`. Bundle it first:
#
#   npm ci
#   node_modules/.bin/esbuild samples/router-hono/app.js --bundle --format=esm --outfile=samples/router-hono/bundle.js

using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [ (name = "router", worker = .router) ],
  sockets = [ (name = "http", address = "*:8080", http = (), service = "router") ],
);

const router :Workerd.Worker = (
  modules = [ (name = "worker", esModule = embed "bundle.js") ],
  compatibilityDate = "2026-08-01",
  bindings = [ (name = "GREETING", text = "Hello") ],
);
