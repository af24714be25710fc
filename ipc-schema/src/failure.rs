//! What both sides say of events that failed, in the reference's words.

use crate::worker_capnp::thrown;

/// Of an event for which nothing is left that could bring it to an end.
pub const HUNG: &str = "Error: The Workers runtime canceled this request because it detected that your Worker's code had \
                        hung and would never generate a response. Refer to: \
                        https://developers.cloudflare.com/workers/observability/errors/";

/// Of an event whose entrypoint has no handler for it: the handler's name as it would be exported.
pub fn no_handler(name: &str) -> String {
    format!("Handler does not export a {name}() function.")
}

/// Of a request of a worker's own that got no answer, whatever became of it.
pub const LOST: &str = "Network connection lost.";

/// Of a request that came through too many workers that called one another.
pub const TOO_DEEP: &str = "Subrequest depth limit exceeded. This request recursed through Workers too many times. This can \
                            happen e.g. if you have a Worker or Durable Object that calls other Workers or objects recursively.";

/// Of an event that made as many requests as it may.
pub const TOO_MANY_SUBREQUESTS: &str = "Too many subrequests.";

/// Longest name and longest message of an exception that another worker is told of, in bytes.
const MAX_NAME: usize = 64;
const MAX_MESSAGE: usize = 8 << 10;

/// Longest JSON of an exception's own properties, in bytes: what is longer is not told at all.
pub const MAX_PROPERTIES: usize = 8 << 10;

/// How many causes of one another are told.
pub const MAX_CAUSES: usize = 4;

/// An exception, as far as another worker is told of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Thrown {
    /// The name of its class, where that is one of the language's own; empty for `Error`.
    pub name: String,
    /// Its message.
    pub message: String,
    /// Whether another worker's script has thrown it.
    pub remote: bool,
    /// Whether it is a `DOMException`.
    pub dom: bool,
    /// Whether its property of this name is true.
    pub retryable: bool,
    /// Whether its property of this name is true.
    pub overloaded: bool,
    /// JSON of an object with its own properties; empty for none.
    pub properties: String,
    /// The error that is its `cause`, if one is.
    pub cause: Option<Box<Thrown>>,
}

impl Thrown {
    /// An `Error` of the runtime's own.
    pub fn plain(message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::default() }
    }

    /// Reads it, within its bounds.
    ///
    /// # Errors
    /// The message is malformed.
    pub fn read(from: thrown::Reader<'_>) -> capnp::Result<Self> {
        Self::read_causes(from, MAX_CAUSES)
    }

    fn read_causes(from: thrown::Reader<'_>, causes: usize) -> capnp::Result<Self> {
        let text = |text: capnp::Result<capnp::text::Reader<'_>>, most: usize| {
            let text = text?.as_bytes();
            Ok::<_, capnp::Error>(String::from_utf8_lossy(&text[..text.len().min(most)]).into_owned())
        };
        let (name, message) = (text(from.get_name(), MAX_NAME)?, text(from.get_message(), MAX_MESSAGE)?);
        let properties = from.get_properties()?;
        let properties = if properties.len() > MAX_PROPERTIES { "" } else { properties.to_str().unwrap_or_default() };
        let cause = match causes.checked_sub(1).filter(|_| from.has_cause()) {
            Some(causes) => Some(Box::new(Self::read_causes(from.get_cause()?, causes)?)),
            None => None,
        };
        Ok(Self {
            name,
            message,
            remote: from.get_remote(),
            dom: from.get_dom(),
            retryable: from.get_retryable(),
            overloaded: from.get_overloaded(),
            properties: properties.to_owned(),
            cause,
        })
    }

    /// Writes as much of it as is read.
    pub fn write(&self, to: thrown::Builder<'_>) {
        self.write_causes(to, MAX_CAUSES);
    }

    fn write_causes(&self, mut to: thrown::Builder<'_>, causes: usize) {
        let beginning = |text: &str, most| text.floor_char_boundary(most);
        to.set_name(&self.name[..beginning(&self.name, MAX_NAME)]);
        to.set_message(&self.message[..beginning(&self.message, MAX_MESSAGE)]);
        to.set_remote(self.remote);
        to.set_dom(self.dom);
        to.set_retryable(self.retryable);
        to.set_overloaded(self.overloaded);
        if !self.properties.is_empty() && self.properties.len() <= MAX_PROPERTIES {
            to.set_properties(&self.properties);
        }
        if let (Some(cause), Some(causes)) = (&self.cause, causes.checked_sub(1)) {
            cause.write_causes(to.init_cause(), causes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(thrown: &Thrown) -> Thrown {
        let mut message = capnp::message::Builder::new_default();
        thrown.write(message.init_root());
        Thrown::read(message.get_root_as_reader().expect("a root")).expect("an exception")
    }

    #[test]
    fn an_exception_comes_through_within_its_bounds() {
        let plain =
            Thrown { name: "TypeError".into(), retryable: true, properties: "{\"a\":1}".into(), ..Thrown::plain("m") };
        assert_eq!(passed(&plain), plain);
        let deep =
            (0..10).fold(plain.clone(), |cause, _| Thrown { cause: Some(Box::new(cause)), ..Thrown::plain("m") });
        let mut depth = 0;
        let mut at = &passed(&deep);
        while let Some(cause) = &at.cause {
            (at, depth) = (cause, depth + 1);
        }
        assert_eq!(depth, MAX_CAUSES);
        let long = Thrown { properties: "x".repeat(MAX_PROPERTIES + 1), ..Thrown::plain("y".repeat(MAX_MESSAGE + 1)) };
        let come = passed(&long);
        assert_eq!((come.properties.len(), come.message.len()), (0, MAX_MESSAGE));
    }
}
