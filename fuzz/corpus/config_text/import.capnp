# A second file.
using Workerd = import "/workerd/workerd.capnp";
using Other = import "/lib/other.capnp";
const config :Workerd.Config = (services = Other.services, sockets = [Other.socket], extensions = [], v8Flags = ["--x"]);
#! other
using W = import "/workerd/workerd.capnp";
const services :List(W.Service) = [(name = "a", worker = (serviceWorkerScript = embed "other.capnp", compatibilityDate = "2024-01-01"))];
const socket :W.Socket = (name = "s", address = "unix:/tmp/x", http = (style = proxy, injectRequestHeaders = [(name = "a", value = "b")]), service = (name = "a", entrypoint = "e", props = (json = "1")));
