using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (servics = [(name = 1.5e3, wroker = (modules = [(esModule = embed "nope")]))], sockets = [(adress = -0x7f)];
const a :Text = .b; const b :Text = .a;
struct X { a @0 :Int8 = 300; }
