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

/// An exception, as far as another worker is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thrown {
    /// The name of its class, where that is one of the language's own; empty for `Error`.
    pub name: String,
    /// Its message.
    pub message: String,
    /// Whether another worker's script has thrown it.
    pub remote: bool,
}

impl Thrown {
    /// An `Error` of the runtime's own.
    pub fn plain(message: impl Into<String>) -> Self {
        Self { name: String::new(), message: message.into(), remote: false }
    }

    /// Reads it, within its bounds.
    ///
    /// # Errors
    /// The message is malformed.
    pub fn read(from: thrown::Reader<'_>) -> capnp::Result<Self> {
        let text = |text: capnp::Result<capnp::text::Reader<'_>>, most: usize| {
            let text = text?.as_bytes();
            Ok::<_, capnp::Error>(String::from_utf8_lossy(&text[..text.len().min(most)]).into_owned())
        };
        let (name, message) = (text(from.get_name(), MAX_NAME)?, text(from.get_message(), MAX_MESSAGE)?);
        Ok(Self { name, message, remote: from.get_remote() })
    }

    /// Writes as much of it as is read.
    pub fn write(&self, mut to: thrown::Builder<'_>) {
        let beginning = |text: &str, most| text.floor_char_boundary(most);
        to.set_name(&self.name[..beginning(&self.name, MAX_NAME)]);
        to.set_message(&self.message[..beginning(&self.message, MAX_MESSAGE)]);
        to.set_remote(self.remote);
    }
}
