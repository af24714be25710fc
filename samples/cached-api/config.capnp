# An API whose answers take a while, behind a worker that keeps them in its cache:
#
#     supervisor serve samples/cached-api/config.capnp
#     curl -i http://localhost:8080/squares/12
#
# The first answer says `X-Cache: miss`, those that follow `X-Cache: hit`, for as long as its `Cache-Control` says. `curl -X DELETE` has
# one forgotten.

using Workerd = import "/workerd/workerd.capnp";
using Bulkhead = import "/bulkhead/policy.capnp";

const config :Workerd.Config = (
  services = [(name = "front", worker = .front), (name = "api", worker = .api)],
  sockets = [(name = "http", address = "127.0.0.1:8080", http = (), service = "front")],
);

# Every worker has a cache of its own. `workerd` has none: there `front` needs a `cacheApiOutbound`.
const policy :Bulkhead.Policy = (cache = ());

const front :Workerd.Worker = (
  modules = [(name = "front", esModule = embed "front.js")],
  compatibilityDate = "2026-08-01",
  bindings = [(name = "API", service = "api")],
);

const api :Workerd.Worker = (
  modules = [(name = "api", esModule = embed "api.js")],
  compatibilityDate = "2026-08-01",
);
