//! The diagnostic pipe of a process: read slowly, kept short, logged line by line.

use std::{
    collections::VecDeque,
    io::ErrorKind,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use bulkhead_ipc::transport::Bucket;
use tokio::net::unix::pipe::Receiver;

/// Bytes taken from the pipe at once.
const READ_BYTES: usize = 4 << 10;

/// A process that floods its pipe waits for us this long after each read.
const PAUSE: Duration = Duration::from_millis(10);

/// What a line is cut to, in bytes.
const MAX_LINE: usize = 512;

/// Lines that are logged for one process. What follows is read and dropped: the last words still explain the end.
const MAX_LOGGED: u32 = 100;

/// Lines that are kept to explain the end.
const KEPT: usize = 16;

/// Bytes that are still read after the end of the process.
const MAX_REST: usize = 64 << 10;

/// Lines of one worker that are logged at once and then for each second, over all its processes: one that dies as fast as
/// it is restarted says the same again each time.
const LINES_BURST: u64 = 200;
const LINES_PER_SECOND: u64 = 10;

/// What is logged in place of lines that are not.
const DROPPED: &str = "(further diagnostic lines are dropped)";

/// Decides which lines of a worker's processes are logged.
pub(super) struct LineBudget {
    bucket: Bucket,
    muted: bool,
}

impl Default for LineBudget {
    fn default() -> Self {
        Self { bucket: Bucket::new(LINES_BURST, LINES_PER_SECOND), muted: false }
    }
}

impl LineBudget {
    /// What is to be logged of a line, if anything.
    pub(super) fn pass<'a>(&mut self, line: &'a str, now: Instant) -> Option<&'a str> {
        if self.bucket.try_take(1, now) {
            self.muted = false;
            return Some(line);
        }
        (!std::mem::replace(&mut self.muted, true)).then_some(DROPPED)
    }
}

/// Splits what comes out of the pipe into bounded lines.
#[derive(Default)]
pub(super) struct Lines {
    partial: Vec<u8>,
    logged: u32,
    kept: VecDeque<String>,
}

impl Lines {
    /// Takes bytes and hands complete lines that may be logged to `log`.
    pub(super) fn feed(&mut self, bytes: &[u8], mut log: impl FnMut(&str)) {
        for &byte in bytes {
            if byte == b'\n' {
                self.end_line(&mut log);
            } else if self.partial.len() < MAX_LINE {
                self.partial.push(byte);
            }
        }
    }

    fn end_line(&mut self, log: &mut impl FnMut(&str)) {
        let line = crate::text::quote(String::from_utf8_lossy(&std::mem::take(&mut self.partial)).trim_end());
        if line.is_empty() {
            return;
        }
        self.logged = self.logged.saturating_add(1);
        match self.logged.cmp(&MAX_LOGGED) {
            std::cmp::Ordering::Less => log(&line),
            std::cmp::Ordering::Equal => log(DROPPED),
            std::cmp::Ordering::Greater => {}
        }
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(line);
    }

    /// The last lines, oldest first.
    pub(super) fn finish(mut self, mut log: impl FnMut(&str)) -> Vec<String> {
        self.end_line(&mut log);
        self.kept.into()
    }
}

/// The read end of a diagnostic pipe.
pub(super) struct Diagnostics {
    pipe: Receiver,
    lines: Lines,
}

impl Diagnostics {
    /// Takes over a pipe.
    ///
    /// # Errors
    /// The descriptor is no pipe, or cannot be made non-blocking or be watched.
    pub(super) fn new(pipe: OwnedFd) -> std::io::Result<Self> {
        Ok(Self { pipe: Receiver::from_owned_fd(pipe)?, lines: Lines::default() })
    }

    /// Reads until the pipe ends. May be dropped at any time and called again.
    pub(super) async fn drain(&mut self, mut log: impl FnMut(&str)) {
        let mut buffer = [0; READ_BYTES];
        while self.pipe.readable().await.is_ok() {
            match self.pipe.try_read(&mut buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                Ok(0) | Err(_) => break,
                Ok(count) => {
                    self.lines.feed(&buffer[..count], &mut log);
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        // The process closed it; its end is what matters now.
        std::future::pending::<()>().await;
    }

    fn try_read_now(&self, buffer: &mut [u8]) -> std::io::Result<usize> {
        // Not `Receiver::try_read`, which trusts a readiness that may not have been reported yet.
        nix::unistd::read(&self.pipe, buffer).map_err(Into::into)
    }

    /// Reads what is left after the end of the process, and gives the last lines.
    pub(super) fn finish(mut self, mut log: impl FnMut(&str)) -> Vec<String> {
        let mut buffer = [0; READ_BYTES];
        let mut left = MAX_REST;
        while let Ok(count @ 1..) = self.try_read_now(&mut buffer) {
            self.lines.feed(&buffer[..count], &mut log);
            left = left.saturating_sub(count);
            if left == 0 {
                break;
            }
        }
        self.lines.finish(log)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_dies_again_and_again_cannot_fill_the_log() {
        let (mut budget, start) = (LineBudget::default(), Instant::now());
        let mut passed = 0;
        for millisecond in 0..60_000 {
            let line = budget.pass("panicked", start + Duration::from_millis(millisecond));
            passed += u64::from(line == Some("panicked"));
        }
        assert!(
            (LINES_BURST + 59 * LINES_PER_SECOND..=LINES_BURST + 60 * LINES_PER_SECOND).contains(&passed),
            "{passed}"
        );
        assert_eq!(budget.pass("panicked", start + Duration::from_secs(60)), Some("panicked"));
        assert_eq!(budget.pass("panicked", start + Duration::from_secs(60)), Some(DROPPED));
        assert_eq!(budget.pass("panicked", start + Duration::from_secs(60)), None);
    }

    #[test]
    fn lines_are_cut_counted_and_cleaned() {
        let mut lines = Lines::default();
        let mut logged = Vec::new();
        lines.feed(b"one\n\ntw", |line| logged.push(line.to_owned()));
        lines.feed(b"o\x1b[0m\r\n", |line| logged.push(line.to_owned()));
        lines.feed(&[b'x'; 100_000], |line| logged.push(line.to_owned()));
        assert!(lines.partial.len() <= MAX_LINE);
        lines.feed(b"\n", |line| logged.push(line.to_owned()));
        assert_eq!(&logged[..2], ["one", "two [0m"]);
        for n in 0..1000 {
            lines.feed(format!("line {n}\n").as_bytes(), |line| logged.push(line.to_owned()));
        }
        assert_eq!(logged.len(), MAX_LOGGED as usize);
        let last = lines.finish(|_| {});
        assert_eq!(last.len(), KEPT);
        assert_eq!(last.last().map(String::as_str), Some("line 999"));
    }
}
