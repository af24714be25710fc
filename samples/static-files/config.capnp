# A directory on the network. The path is relative to where the server is started; --directory-path says another:
#
#     supervisor serve samples/static-files/config.capnp --directory-path files=/srv/www

using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [ (name = "files", disk = (path = "samples/static-files/files")) ],
  sockets = [ (name = "http", address = "*:8080", http = (), service = "files") ],
);
