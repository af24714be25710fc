# Constants for single elements of lists, and one that is used often.
using Workerd = import "/workerd/workerd.capnp";
const module :Workerd.Worker.Module = (name = "x", text = .long, namedExports = [.name, .name]);
const name :Text = "name";
const long :Text = "a text that is used more than once";
const config :Workerd.Config = (
  services = [(name = .name, worker = (modules = [.module, (name = "y", text = .long), .module]))],
  v8Flags = [.long, .long, .name],
);
