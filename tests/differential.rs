//! The same bytes through the npm `workerd` binary and through ours. What differs is listed with a reason in
//! `tests/expected-differences.json`; an entry that no longer differs fails the test too.

mod differential {
    mod applications;
    mod async_context;
    mod bindings;
    mod channels;
    mod compatibility;
    mod compile;
    mod console;
    mod cross_request;
    mod entrypoints;
    mod extensions;
    mod loopback;
    mod module_fallback;
    mod modules;
    mod node;
    mod probes;
    mod request_signal;
    mod scheduled;
    mod sockets;
    mod start_up;
    mod testing;
    mod web_socket_clients;
    mod web_sockets;
    mod wire;
}
