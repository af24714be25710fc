# A bare string for a struct, in fields, lists, groups and through constants.
using Workerd = import "/workerd/workerd.capnp";
const internet :Workerd.ServiceDesignator = "internet";
const config :Workerd.Config = (
  services = [
    (name = "a", worker = (modules = ["x", (name = "y")], globalOutbound = .internet, tails = ["a", "b", (name = "c")])),
    (name = "b", disk = "/tmp"),
    (name = "c", external = "127.0.0.1:1"),
    "d",
  ],
  sockets = [(service = "a" "b"), "only a name", (service = (("c")))],
);
