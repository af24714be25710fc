# A chat in the memory of one worker: what one says, all others of its room hear. http://localhost:8080/ is a page to try it with;
# the path is the room.
#
# Each member's messages are sent by the event of its own connection, as no event may use what is another's. An event that has to be
# woken waits for a promise of its own, which any other may resolve: `handle_cross_request_promise_resolution`, in force since 2024-10-14.

using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [ (name = "chat", worker = .chat) ],
  sockets = [ (name = "http", address = "*:8080", http = (), service = "chat") ],
);

const chat :Workerd.Worker = (
  modules = [ (name = "worker", esModule = embed "worker.js"), (name = "page.html", text = embed "page.html") ],
  compatibilityDate = "2026-08-01",
);
