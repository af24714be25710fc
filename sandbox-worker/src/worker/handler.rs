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
    /// A test.
    Test,
    /// Benchmarks. Only a worker that is tested is asked for them.
    Bench,
}

impl Handler {
    /// All of them.
    pub const ALL: [Handler; 5] = [Handler::Fetch, Handler::Connect, Handler::Scheduled, Handler::Test, Handler::Bench];

    /// The name of the method that an exported object has for it, and of the event that a script listens for.
    pub fn name(self) -> &'static str {
        match self {
            Handler::Fetch => "fetch",
            Handler::Connect => "connect",
            Handler::Scheduled => "scheduled",
            Handler::Test => "test",
            Handler::Bench => "bench",
        }
    }

    /// The name as a key of properties.
    pub(super) fn key<'s>(self, scope: &v8::PinScope<'s, '_>) -> v8::Local<'s, v8::String> {
        let name = v8::String::new_from_one_byte(scope, self.name().as_bytes(), v8::NewStringType::Internalized);
        name.unwrap_or_else(|| v8::String::empty(scope))
    }
}

/// What an exported object is asked for, in the reference's order, which getters see. Not all of these are kinds of event that
/// are delivered here.
pub(super) const ASKED_FOR: [&str; 12] = [
    "fetch",
    "connect",
    "tail",
    "trace",
    "tailStream",
    "scheduled",
    "alarm",
    "test",
    "webSocketMessage",
    "webSocketClose",
    "webSocketError",
    "self",
];

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

    /// Those in the set.
    pub fn iter(self) -> impl Iterator<Item = Handler> {
        Handler::ALL.into_iter().filter(move |handler| self.0 & (1 << *handler as u16) != 0)
    }
}

impl FromIterator<Handler> for Handlers {
    fn from_iter<I: IntoIterator<Item = Handler>>(handlers: I) -> Self {
        let mut set = Handlers::default();
        for handler in handlers {
            set.insert(handler);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_what_was_put_into_it() {
        for handler in Handler::ALL {
            let mut set = Handlers::default();
            assert!(set.insert(handler) && !set.insert(handler));
            assert_eq!(set.iter().collect::<Vec<_>>(), [handler]);
        }
        assert_eq!(Handler::ALL.into_iter().collect::<Handlers>().iter().collect::<Vec<_>>(), Handler::ALL);
    }

    #[test]
    fn every_handler_is_asked_for() {
        let asked = |handler: &Handler| ASKED_FOR.contains(&handler.name()) || *handler == Handler::Bench;
        assert!(Handler::ALL.iter().all(asked));
    }
}
