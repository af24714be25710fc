//! The parameters of `EventDispatcher.scheduled`, written and read with bounds.

use crate::worker_capnp::event_dispatcher::scheduled_params;

/// Longest text that says why a handler runs, in bytes. What schedules use is much shorter.
pub const MAX_CRON: usize = 1024;

/// The time farthest from the Unix epoch, before and after it, that a `Date` holds: milliseconds.
pub const MAX_TIME: f64 = 8.64e15;

/// When, and by which of its schedules, a worker is to run.
#[derive(Debug, Clone, PartialEq)]
pub struct Scheduled {
    /// The time that the run is for, in milliseconds since the Unix epoch.
    pub time: f64,
    /// The expression, or whatever text the caller has in its place.
    pub cron: String,
}

/// Why a run cannot be asked for, or was not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduledError {
    /// Not a number, or beyond [`MAX_TIME`].
    #[error("the scheduled time is not a time that a Date can hold")]
    Time,
    /// Longer than [`MAX_CRON`].
    #[error("the cron expression is longer than {MAX_CRON} bytes")]
    TooLong,
    /// The message is malformed.
    #[error("{0}")]
    Malformed(String),
}

impl Scheduled {
    /// # Errors
    /// A bound is exceeded.
    pub fn new(time: f64, cron: String) -> Result<Self, ScheduledError> {
        if !(-MAX_TIME..=MAX_TIME).contains(&time) {
            return Err(ScheduledError::Time);
        }
        if cron.len() > MAX_CRON {
            return Err(ScheduledError::TooLong);
        }
        Ok(Self { time, cron })
    }

    /// Puts them into a call.
    pub fn write(&self, mut to: scheduled_params::Builder<'_>) {
        to.set_scheduled_time(self.time);
        to.set_cron(self.cron.as_str());
    }

    /// Takes them out of a call.
    ///
    /// # Errors
    /// A bound is exceeded, or the message is malformed.
    pub fn read(from: scheduled_params::Reader<'_>) -> Result<Self, ScheduledError> {
        let malformed = |error: &dyn std::fmt::Display| ScheduledError::Malformed(error.to_string());
        let cron = from.get_cron().map_err(|error| malformed(&error))?;
        if cron.len() > MAX_CRON {
            return Err(ScheduledError::TooLong);
        }
        Self::new(from.get_scheduled_time(), cron.to_string().map_err(|error| malformed(&error))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        for (time, cron) in [(0.0, ""), (1.5, "* * * * *"), (-MAX_TIME, "\u{e4}")] {
            let run = Scheduled::new(time, cron.to_owned()).expect("within the bounds");
            let mut message = capnp::message::Builder::new_default();
            run.write(message.init_root());
            assert_eq!(Scheduled::read(message.get_root_as_reader().expect("a root")), Ok(run));
        }
    }

    #[test]
    fn both_sides_keep_the_bounds() {
        let long = "x".repeat(MAX_CRON + 1);
        let cases = [
            (f64::NAN, "", ScheduledError::Time),
            (f64::INFINITY, "", ScheduledError::Time),
            (8.64e15 + 1.0, "", ScheduledError::Time),
            (-9e15, "", ScheduledError::Time),
            (0.0, long.as_str(), ScheduledError::TooLong),
        ];
        for (time, cron, error) in cases {
            assert_eq!(Scheduled::new(time, cron.to_owned()), Err(error.clone()));
            let mut message = capnp::message::Builder::new_default();
            let mut params: scheduled_params::Builder<'_> = message.init_root();
            params.set_scheduled_time(time);
            params.set_cron(cron);
            assert_eq!(Scheduled::read(message.get_root_as_reader().expect("a root")), Err(error));
        }
        assert!(Scheduled::new(8.64e15, "x".repeat(MAX_CRON)).is_ok());
    }
}
