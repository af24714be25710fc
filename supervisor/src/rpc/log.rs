//! Where lines go: tenants' console output, and the supervisor's own words about workers.
//!
//! One thread writes; everybody else hands over through a bounded queue, so that a reader of standard output that stalls
//! delays the workers that log and nobody else.

use std::{io::Write, time::Duration};

use tokio::sync::{mpsc, oneshot};

/// Entries that wait to be written.
const QUEUE: usize = 256;

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
    Write(Entry),
    /// Everything before this is written.
    Flush(oneshot::Sender<()>),
}

/// Takes entries. Clones write to the same place.
#[derive(Debug, Clone)]
pub struct Log {
    queue: mpsc::Sender<Order>,
}

impl Log {
    /// A log that writes to standard output and standard error on a thread of its own.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn to_standard_streams() -> std::io::Result<Self> {
        let (queue, mut orders) = mpsc::channel(QUEUE);
        std::thread::Builder::new().name("log".into()).spawn(move || {
            while let Some(order) = orders.blocking_recv() {
                let mut entry = match order {
                    Order::Write(entry) => entry,
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
        Ok(Self { queue })
    }

    /// A log that hands its entries to the caller, with room for `room` of them.
    pub fn to_channel(room: usize) -> (Self, Entries) {
        let (queue, orders) = mpsc::channel(room);
        (Self { queue }, Entries(orders))
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
        let _ = self.queue.try_send(Order::Write(Entry { stream: Stream::Err, text: line.into() }));
    }

    /// Writes an entry, and waits for room.
    pub async fn write(&self, entry: Entry) {
        let _ = self.queue.send(Order::Write(entry)).await;
    }
}

/// The entries of a [`Log::to_channel`].
#[derive(Debug)]
pub struct Entries(mpsc::Receiver<Order>);

impl Entries {
    /// The next entry; `None` when every [`Log`] is gone.
    pub async fn recv(&mut self) -> Option<Entry> {
        loop {
            if let Order::Write(entry) = self.0.recv().await? {
                return Some(entry);
            }
        }
    }

    /// The next entry, if there is one now.
    pub fn try_recv(&mut self) -> Option<Entry> {
        loop {
            if let Order::Write(entry) = self.0.try_recv().ok()? {
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

    #[test]
    fn tenants_cannot_steer_the_terminal_or_pass_for_others() {
        assert_eq!(tenant_text("a\tb\r\nc", None), "a\tb\nc");
        assert_eq!(tenant_text("\u{1b}[31mred\u{7}\r", None), "\\u{1b}[31mred\\u{7}\\u{d}");
        assert_eq!(tenant_text("\u{9b}31m", None), "\\u{9b}31m");
        assert_eq!(tenant_text("x\nworker \"other\": y", Some("[a] ")), "[a] x\n[a] worker \"other\": y");
    }
}
