//! Failures of handlers, one line each, at a bounded rate: a tenant decides how often its handler fails and what the text
//! says.

use std::time::{Duration, Instant};

use crate::log::Log;

/// Lines in a row.
const BURST: u32 = 50;
/// One more line each.
const REFILL: Duration = Duration::from_millis(100);
/// Bytes of a text that are kept.
const TEXT: usize = 4096;

/// Writes failures down, or decides not to.
#[derive(Debug)]
pub(crate) struct FailureLog {
    log: Log,
    rate: Rate,
}

/// Decides which failures are written down.
#[derive(Debug, Default)]
struct Rate {
    spent: u32,
    since: Option<Instant>,
    suppressed: u64,
}

impl FailureLog {
    pub(crate) fn new(log: Log) -> Self {
        FailureLog { log, rate: Rate::default() }
    }

    /// Writes a failure, or counts it.
    pub(crate) fn failure(&mut self, now: Instant, socket: &str, text: &str) {
        if let Some(suppressed) = self.rate.admit(now) {
            if suppressed > 0 {
                self.log.event(format!("socket \"{socket}\": {suppressed} more failed requests were not logged"));
            }
            let text = text.trim_end();
            let (text, rest) =
                if text.len() > TEXT { (&text[..text.floor_char_boundary(TEXT)], "…") } else { (text, "") };
            self.log.event(format!("socket \"{socket}\": {text}{rest}"));
        }
    }
}

impl Rate {
    /// Whether one more line may be written, and how many were not written before it.
    fn admit(&mut self, now: Instant) -> Option<u64> {
        let since = *self.since.get_or_insert(now);
        let refilled =
            u32::try_from(now.saturating_duration_since(since).as_millis() / REFILL.as_millis()).unwrap_or(u32::MAX);
        if refilled > 0 {
            self.spent = self.spent.saturating_sub(refilled);
            self.since = Some(now);
        }
        if self.spent >= BURST {
            self.suppressed += 1;
            return None;
        }
        self.spent += 1;
        Some(std::mem::take(&mut self.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_not_written() {
        let mut log = Rate::default();
        let start = Instant::now();
        assert_eq!((0..1000).filter(|_| log.admit(start).is_some()).count(), BURST as usize);
        assert_eq!(log.admit(start + REFILL), Some(950));
        assert_eq!(log.admit(start + REFILL), None);
        assert_eq!(log.admit(start + REFILL * 10_000), Some(1));
    }

    #[test]
    fn a_text_is_cut_and_begins_no_line() {
        let (log, mut entries) = Log::to_channel(4);
        let mut failures = FailureLog::new(log);
        let mut logged = |text: &str| {
            failures.failure(Instant::now(), "http", text);
            entries.try_recv().expect("an entry").text
        };
        assert_eq!(logged("a\nsocket \"x\": b\x1b[0m\r\n"), "socket \"http\": a\n    socket \"x\": b\\u{1b}[0m");
        let long = logged(&"ä".repeat(100_000));
        assert!(long.len() < TEXT + 32 && long.ends_with("ä…"), "{} bytes", long.len());
    }
}
