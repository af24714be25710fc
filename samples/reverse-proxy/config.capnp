# A reverse proxy: one socket in front of a server somewhere else, which is told who asks and by which scheme. There is no
# worker in it. Put the backend elsewhere with `--external-addr backend=<host>:<port>`.

using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [ (name = "backend", external = .backend) ],
  sockets = [ (name = "http", address = "*:8080", http = (), service = "backend") ],
);

const backend :Workerd.ExternalServer = (
  address = "127.0.0.1:3000",
  http = (
    forwardedProtoHeader = "X-Forwarded-Proto",
    cfBlobHeader = "X-Client",
    injectRequestHeaders = [ (name = "X-Via", value = "bulkhead") ],
    injectResponseHeaders = [
      (name = "X-Content-Type-Options", value = "nosniff"),
      (name = "Server"),
    ],
  ),
);
