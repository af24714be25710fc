//! The kinds of event that a worker can have handlers for.

/// A kind of event that there can be a handler for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handler {
    /// An HTTP request.
    Fetch,
    /// A connection.
    Connect,
    /// A run of a schedule.
    Scheduled,
    /// A batch of a queue.
    Queue,
    /// What other workers have done; an older name is `trace`.
    Tail,
    /// The older name of `tail`.
    Trace,
    /// What another worker is doing.
    TailStream,
    /// A mail.
    Email,
    /// A test.
    Test,
    /// An actor's alarm.
    Alarm,
}

impl Handler {
    /// All of them, in the order in which the supervisor is told.
    pub const ALL: [Handler; 10] = [
        Handler::Fetch,
        Handler::Connect,
        Handler::Scheduled,
        Handler::Queue,
        Handler::Tail,
        Handler::Trace,
        Handler::TailStream,
        Handler::Email,
        Handler::Test,
        Handler::Alarm,
    ];

    /// The name of the method that an exported object has for it, and of the event that a script listens for.
    pub fn name(self) -> &'static str {
        match self {
            Handler::Fetch => "fetch",
            Handler::Connect => "connect",
            Handler::Scheduled => "scheduled",
            Handler::Queue => "queue",
            Handler::Tail => "tail",
            Handler::Trace => "trace",
            Handler::TailStream => "tailStream",
            Handler::Email => "email",
            Handler::Test => "test",
            Handler::Alarm => "alarm",
        }
    }

    /// Whether a service-worker script can listen for it.
    pub fn is_listened_for(self) -> bool {
        use Handler::{Email, Fetch, Queue, Scheduled, Tail, Trace};
        matches!(self, Fetch | Scheduled | Queue | Tail | Trace | Email)
    }
}

/// A set of handlers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Handlers(u16);

impl Handlers {
    /// Puts one into the set; whether it was not there before.
    pub fn insert(&mut self, handler: Handler) -> bool {
        let before = self.0;
        self.0 |= 1 << handler as u16;
        self.0 != before
    }

    /// Whether it is in the set.
    pub fn contains(self, handler: Handler) -> bool {
        self.0 & (1 << handler as u16) != 0
    }

    /// Whether there is none in it.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those in the set.
    pub fn iter(self) -> impl Iterator<Item = Handler> {
        Handler::ALL.into_iter().filter(move |handler| self.contains(*handler))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_what_was_put_into_it() {
        for handler in Handler::ALL {
            let mut set = Handlers::default();
            assert!(set.is_empty() && set.insert(handler) && !set.insert(handler) && set.contains(handler));
            assert_eq!(set.iter().collect::<Vec<_>>(), [handler]);
        }
    }
}
