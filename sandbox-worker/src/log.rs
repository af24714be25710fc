//! What the worker says: buffered, bounded, sent to the supervisor at its pace.

use std::{
    cell::{Cell, RefCell},
    os::unix::net::UnixDatagram,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use bulkhead_ipc::{
    last_words,
    worker_capnp::{host, log_entry},
};
pub use log_entry::{Level, Source};
use tokio::sync::Notify;

/// Most text of one entry, in bytes; the rest is cut off and said so.
const MAX_MESSAGE: usize = 64 * 1024;

/// Most entries in one call.
const MAX_BATCH: usize = 256;

/// Buffered text when the bundle sets no limit, in bytes.
const DEFAULT_BUFFER: usize = 1024 * 1024;

struct Entry {
    level: Level,
    source: Source,
    message: String,
}

/// The log of one worker.
///
/// At most one call to the supervisor is open. What is written meanwhile waits here, up to a limit; beyond it entries
/// are dropped, and the next one that is sent says how many.
pub struct Logger {
    entries: RefCell<Vec<Entry>>,
    buffered: Cell<usize>,
    limit: Cell<usize>,
    dropped: Cell<u64>,
    waker: RefCell<Option<Waker>>,
    /// Entries that were written so far, those that were dropped left out, and those that were taken by the supervisor.
    written: Cell<u64>,
    taken: Cell<u64>,
    was_taken: Notify,
    /// Where each entry goes at once, for the case that this process dies before it is sent.
    last_words: RefCell<Option<UnixDatagram>>,
}

impl std::fmt::Debug for Logger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Logger({} bytes)", self.buffered.get())
    }
}

impl Default for Logger {
    fn default() -> Self {
        Logger {
            entries: RefCell::default(),
            buffered: Cell::new(0),
            limit: Cell::new(DEFAULT_BUFFER),
            dropped: Cell::new(0),
            waker: RefCell::default(),
            written: Cell::new(0),
            taken: Cell::new(0),
            was_taken: Notify::new(),
            last_words: RefCell::default(),
        }
    }
}

impl Logger {
    /// Sets how many bytes of text may wait; 0 leaves the default of 1 MiB.
    pub fn set_limit(&self, bytes: usize) {
        if bytes != 0 {
            self.limit.set(bytes);
        }
    }

    /// Has each entry go there too, at once.
    pub fn set_last_words(&self, to: Option<UnixDatagram>) {
        self.last_words.replace(to);
    }

    /// Adds an entry.
    pub fn write(&self, level: Level, source: Source, message: &str) {
        let cut = message.len() > MAX_MESSAGE;
        let mut message =
            if cut { message[..message.floor_char_boundary(MAX_MESSAGE)].to_owned() } else { message.to_owned() };
        if cut {
            message.push_str(" [truncated]");
        }
        if let Some(to) = &*self.last_words.borrow() {
            // It fails only when the supervisor is gone, and this process goes with it.
            let _ = to.send(&last_words::write(self.written.get() + 1, level, source, &message));
        }
        if self.buffered.get() + message.len() > self.limit.get() {
            self.dropped.set(self.dropped.get() + 1);
            return;
        }
        self.buffered.set(self.buffered.get() + message.len());
        self.entries.borrow_mut().push(Entry { level, source, message });
        self.written.set(self.written.get() + 1);
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }

    /// What was written so far, for tests: `level message` lines.
    pub fn take_lines(&self) -> Vec<String> {
        self.buffered.set(0);
        self.entries.take().into_iter().map(|entry| format!("{:?} {}", entry.level, entry.message)).collect()
    }

    /// Waits until the supervisor has taken all that was written before this. What is dropped is not waited for.
    pub async fn taken(&self) {
        let written = self.written.get();
        while self.taken.get() < written {
            self.was_taken.notified().await;
        }
    }

    fn poll_entries(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.entries.borrow().is_empty() {
            *self.waker.borrow_mut() = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    /// Sends what is written, for as long as the supervisor listens.
    pub async fn run(self: Rc<Self>, host: host::Client) {
        loop {
            std::future::poll_fn(|cx| self.poll_entries(cx)).await;
            let mut batch: Vec<Entry> = {
                let mut entries = self.entries.borrow_mut();
                let count = entries.len().min(MAX_BATCH);
                entries.drain(..count).collect()
            };
            let count = batch.len() as u64;
            let sent: usize = batch.iter().map(|entry| entry.message.len()).sum();
            self.buffered.set(self.buffered.get().saturating_sub(sent));
            let dropped = self.dropped.take();
            if dropped > 0 {
                let message =
                    format!("{dropped} log entries were dropped: the worker writes faster than the log is read");
                batch.push(Entry { level: Level::Warn, source: Source::Runtime, message });
            }
            let mut request = host.log_request();
            let mut list = request.get().init_entries(u32::try_from(batch.len()).unwrap_or(u32::MAX));
            for (entry, index) in batch.iter().zip(0..) {
                let mut builder = list.reborrow().get(index);
                builder.set_level(entry.level);
                builder.set_source(entry.source);
                builder.set_message(entry.message.as_str());
            }
            drop(batch);
            if request.send().promise.await.is_err() {
                // The supervisor is gone, and this process goes with it.
                return;
            }
            self.taken.set(self.taken.get() + count);
            self.was_taken.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_buffer_is_bounded() {
        let logger = Logger::default();
        logger.set_limit(10);
        logger.write(Level::Log, Source::Console, "12345");
        logger.write(Level::Log, Source::Console, "67890");
        logger.write(Level::Log, Source::Console, "x");
        assert_eq!(logger.dropped.get(), 1);
        assert_eq!(logger.take_lines().len(), 2);
        logger.write(Level::Log, Source::Console, "x");
        assert_eq!(logger.take_lines(), ["Log x"]);
    }

    #[test]
    fn a_message_is_cut_at_a_character() {
        let logger = Logger::default();
        logger.write(Level::Warn, Source::Console, &"é".repeat(MAX_MESSAGE));
        let line = logger.take_lines().remove(0);
        assert!(line.len() <= MAX_MESSAGE + 32 && line.ends_with("é [truncated]"));
    }
}
