# A worker behind HTTPS. The key and the certificate are not part of the sample; this makes them, beside this file:
#
#     openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost \
#       -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout key.pem -out cert.pem
#
# Then: curl --cacert cert.pem https://localhost:8443/

using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [ (name = "hello", worker = .hello) ],
  sockets = [ (name = "http", address = "*:8443", https = (tlsOptions = .tls), service = "hello") ],
);

const tls :Workerd.TlsOptions = (
  keypair = (privateKey = embed "key.pem", certificateChain = embed "cert.pem"),
);

const hello :Workerd.Worker = (
  modules = [ (name = "worker", esModule = embed "worker.js") ],
  compatibilityDate = "2026-08-01",
);
