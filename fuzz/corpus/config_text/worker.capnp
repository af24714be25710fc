using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [ (name = "main", worker = .hello) ],
  sockets = [ (name = "http", address = "*:8080", http = (), service = "main") ],
);
const hello :Workerd.Worker = (
  modules = [ (name = "w.js", esModule = "export default { fetch() { return new Response('hi') } }") ],
  compatibilityDate = "2024-01-01",
  compatibilityFlags = ["nodejs_compat"],
  bindings = [ (name = "T", text = "a\x41\n\"\101"), (name = "D", data = 0x"00 ff 7f"), (name = "J", json = "{}") ],
);
