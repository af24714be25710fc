//! Where lines go: tenants' console output, and the supervisor's own words about workers.
//!
//! One thread writes; everybody else hands over through a bounded queue, so that a reader of standard output that stalls
//! delays the workers that log and nobody else.

use std::{io::Write, sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

/// Entries that wait to be written.
const QUEUE: usize = 256;

/// The supervisor's own lines that wait beyond those, so that no worker that fills the queue can have them dropped.
const RESERVED: usize = 64;

/// Where an entry goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// `console.log`, `console.info`, `console.debug`.
    Out,
    /// `console.warn`, `console.error`, the runtime, and the supervisor.
    Err,
}

/// Text to be written, without its last line end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it goes.
    pub stream: Stream,
    /// The text; may have several lines.
    pub text: String,
}

/// Longest wait for the queue to be written when the program ends.
const FLUSH: Duration = Duration::from_secs(1);

/// What the writing thread is asked for.
#[derive(Debug)]
enum Order {
    /// With its place in the queue, if it is not one of the supervisor's.
    Write(Entry, Option<OwnedSemaphorePermit>),
    /// Everything before this is written.
    Flush(oneshot::Sender<()>),
}

/// Takes entries. Clones write to the same place.
#[derive(Debug, Clone)]
pub struct Log {
    queue: mpsc::Sender<Order>,
    places: Arc<Semaphore>,
}

impl Log {
    /// A log that writes to standard output and standard error on a thread of its own.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn to_standard_streams() -> std::io::Result<Self> {
        let (log, mut orders) = Self::with_room(QUEUE);
        std::thread::Builder::new().name("log".into()).spawn(move || {
            while let Some(order) = orders.blocking_recv() {
                let (mut entry, _place) = match order {
                    Order::Write(entry, place) => (entry, place),
                    Order::Flush(done) => {
                        let _ = done.send(());
                        continue;
                    }
                };
                entry.text.push('\n');
                // There is nowhere to report that the place for reports is gone.
                let _ = match entry.stream {
                    Stream::Out => {
                        let mut out = std::io::stdout().lock();
                        out.write_all(entry.text.as_bytes()).and_then(|()| out.flush())
                    }
                    Stream::Err => std::io::stderr().lock().write_all(entry.text.as_bytes()),
                };
            }
        })?;
        Ok(log)
    }

    fn with_room(room: usize) -> (Self, mpsc::Receiver<Order>) {
        let (queue, orders) = mpsc::channel(room + RESERVED);
        (Self { queue, places: Arc::new(Semaphore::new(room)) }, orders)
    }

    /// A log that hands its entries to the caller, with room for `room` of them.
    pub fn to_channel(room: usize) -> (Self, Entries) {
        let (log, orders) = Self::with_room(room);
        (log, Entries(orders))
    }

    /// Waits until everything so far is written, for at most a second: who reads may have stalled.
    pub async fn flush(&self) {
        let (done, written) = oneshot::channel();
        let _ = tokio::time::timeout(FLUSH, async {
            if self.queue.send(Order::Flush(done)).await.is_ok() {
                let _ = written.await;
            }
        })
        .await;
    }

    /// Writes a line of the supervisor's own. Dropped when the queue is full: whoever calls this must not wait.
    pub fn event(&self, line: impl Into<String>) {
        let _ = self.queue.try_send(Order::Write(Entry { stream: Stream::Err, text: line.into() }, None));
    }

    /// Writes an entry, and waits for room.
    pub async fn write(&self, entry: Entry) {
        let place = self.places.clone().acquire_owned().await.ok();
        let _ = self.queue.send(Order::Write(entry, place)).await;
    }
}

/// The entries of a [`Log::to_channel`].
#[derive(Debug)]
pub struct Entries(mpsc::Receiver<Order>);

impl Entries {
    /// The next entry; `None` when every [`Log`] is gone.
    pub async fn recv(&mut self) -> Option<Entry> {
        loop {
            if let Order::Write(entry, _) = self.0.recv().await? {
                return Some(entry);
            }
        }
    }

    /// The next entry, if there is one now.
    pub fn try_recv(&mut self) -> Option<Entry> {
        loop {
            if let Order::Write(entry, _) = self.0.try_recv().ok()? {
                return Some(entry);
            }
        }
    }
}

/// Makes a tenant's text fit to be written: line ends and tabs stay, as with the reference; other control characters,
/// which could steer the terminal of whoever reads the log, become visible. With a prefix, every line begins with it, so
/// that no line can pass for another worker's or the supervisor's.
pub fn tenant_text(text: &str, prefix: Option<&str>) -> String {
    let mut clean = String::with_capacity(text.len() + prefix.map_or(0, str::len));
    clean.push_str(prefix.unwrap_or_default());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' if chars.peek() == Some(&'\n') => {}
            '\n' => {
                clean.push('\n');
                clean.push_str(prefix.unwrap_or_default());
            }
            '\t' => clean.push('\t'),
            c if c.is_control() => clean.extend(c.escape_unicode()),
            c => clean.push(c),
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_fills_the_queue_keeps_no_line_of_the_supervisor_out() {
        let (log, mut entries) = Log::to_channel(2);
        let flood = || log.write(Entry { stream: Stream::Out, text: "flood".into() });
        flood().await;
        flood().await;
        let third = tokio::time::timeout(Duration::from_millis(10), flood()).await;
        assert!(third.is_err(), "there is no place for a third");
        log.event("worker \"a\" was ended");
        let mut texts = Vec::new();
        while let Some(entry) = entries.try_recv() {
            texts.push(entry.text);
        }
        assert_eq!(texts, ["flood", "flood", "worker \"a\" was ended"]);
        flood().await;
    }

    #[test]
    fn tenants_cannot_steer_the_terminal_or_pass_for_others() {
        assert_eq!(tenant_text("a\tb\r\nc", None), "a\tb\nc");
        assert_eq!(tenant_text("\u{1b}[31mred\u{7}\r", None), "\\u{1b}[31mred\\u{7}\\u{d}");
        assert_eq!(tenant_text("\u{9b}31m", None), "\\u{9b}31m");
        assert_eq!(tenant_text("x\nworker \"other\": y", Some("[a] ")), "[a] x\n[a] worker \"other\": y");
    }
}
