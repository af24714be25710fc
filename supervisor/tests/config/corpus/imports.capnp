# Imports of all kinds, and aliases.
using Workerd = import "/workerd/workerd.capnp";
using Part = import "parts/worker.capnp";
using Shared = import "/shared/flags.capnp";
using import "/workerd/workerd.capnp".Service;
using Config = Workerd.Config;
using W = Workerd.Worker;
using Module = W.Module;

const config :Config = (
  services = [(name = "a", worker = Part.main), .second],
  v8Flags = Shared.flags,
);

const second :Service = (
  name = "b",
  worker = (modules = [.one, .one], compatibilityFlags = import "/shared/flags.capnp".flags),
);
const one :Module = (name = "x", text = embed "parts/note.txt");
