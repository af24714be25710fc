//! Connections that are upgraded, with both programs as a user runs them: who is let through, what bytes pass, and what ends them.

mod websocket {
    mod deaths;
    mod many;
    mod peer;
    mod raw;
    mod stalls;
    mod workers;
}
