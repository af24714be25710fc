//! What `EventDispatcher.test` says of benchmarks, written and read with bounds.

use crate::worker_capnp::bench;

/// Longest report, in bytes.
pub const MAX_REPORT: usize = 192 << 10;

/// Which benchmarks of an entrypoint are run, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bench {
    /// Whether they are to run for a short time only.
    pub quick: bool,
    /// Which cases are asked for, in the user's words; `None` for all.
    pub filter: Option<String>,
    /// The same as a regular expression, of JavaScript.
    pub pattern: String,
}

impl Bench {
    /// Puts it into a call.
    pub fn write(&self, mut to: bench::Builder<'_>) {
        to.set_quick(self.quick);
        if let Some(filter) = &self.filter {
            to.set_filter(filter.as_str());
        }
        to.set_pattern(self.pattern.as_str());
    }

    /// # Errors
    /// The message is malformed.
    pub fn read(from: bench::Reader<'_>) -> capnp::Result<Self> {
        let filter = if from.has_filter() { Some(from.get_filter()?.to_string()?) } else { None };
        Ok(Self { quick: from.get_quick(), filter, pattern: from.get_pattern()?.to_string()? })
    }
}
