//! What must hold under load and after it: memory is bounded while a gibibyte streams, nothing leaks after thousands of
//! requests, stalled clients and killed workers, and only what was in flight in a killed worker fails.

mod stress {
    mod backend;
    mod connections;
    mod deaths;
    mod faults;
    mod given;
    mod origins;
    mod reach;
    mod reload;
    mod sockets;
    mod stalls;
    mod streams;
    mod volume;
}
