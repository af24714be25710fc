//! What goes out: the services `external` and `network`, before servers of which the tests see every byte, and a real one.

mod outgoing {
    mod bodies;
    mod cache;
    mod cached;
    mod connections;
    mod event_source;
    mod exchanges;
    mod hostile;
    mod names;
    mod nginx;
    mod origin;
    mod passed;
    mod relays;
    mod secure;
    mod sockets;
    mod start;
}
