//! Where lines go: tenants' console output, and the supervisor's own words about workers.
//!
//! One thread writes; everybody else hands over through a bounded queue, so that a reader of standard output that stalls
//! delays the workers that log and nobody else.
//!
//! All text of tenants goes through an [`Entry`], which sees to it that no line of theirs can be taken for one of the
//! supervisor's. Standard output has tenants' lines alone. On standard error a line of the supervisor's begins with one of
//! [`OWN_BEGINNINGS`], and no line of a tenant's does: it has the worker's name before it, or is indented.

use std::{
    io::{IsTerminal, Write},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::text::{ESCAPE, INDENTATION, color_sequence, is_invisible, lines, make_visible, own_text};

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

/// What the supervisor's lines begin with; any other text of its own has the word `supervisor` put before it.
pub const OWN_BEGINNINGS: &[&str] = &[
    "worker \"",
    "socket \"",
    "Socket \"",
    "service ",
    "supervisor: ",
    "a blank worker",
    "the pool of blank workers",
    "processor time and memory of workers",
    "error: ",
    "warning: ",
    "{\"worker\"",
    // The lines of `supervisor test`, which are the reference's.
    "workerd/server/server/run.rs:",
    "Tests failed!",
    // The lines of `--watch`, which are the reference's too.
    "Noticed configuration change,",
    "Reloading due to config change",
    "Can't start server due to",
    "Can't reload due to",
];

/// The streams that show colours: there, sequences of tenants that set colours and fonts pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Colors {
    /// Standard output.
    pub out: bool,
    /// Standard error.
    pub err: bool,
}

impl Colors {
    /// Whatever is a terminal shows colours.
    pub fn of_terminals() -> Self {
        Self { out: std::io::stdout().is_terminal(), err: std::io::stderr().is_terminal() }
    }

    fn of(self, stream: Stream) -> bool {
        match stream {
            Stream::Out => self.out,
            Stream::Err => self.err,
        }
    }
}

/// Text to be written, without its last line end, in which nothing passes for what it is not.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// Where it goes.
    pub stream: Stream,
    /// The text; may have several lines.
    pub text: String,
    /// As what a structured log has it.
    pub level: Level,
    /// The worker whose it is, if it is one's.
    pub worker: Option<Arc<str>>,
    /// Whether the text is a line of a structured log already.
    is_record: bool,
}

/// How much an entry matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it: those of the methods of `console`")]
pub enum Level {
    Debug,
    Info,
    Log,
    Warn,
    Error,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Log => "log",
            Level::Warn => "warn",
            Level::Error => "error",
        }
    }
}

impl Entry {
    /// What the supervisor says, on standard error. It may quote tenants: lines after the first are indented, and control
    /// characters are made visible.
    pub fn own(text: &str) -> Self {
        let text = if OWN_BEGINNINGS.iter().any(|beginning| text.starts_with(beginning)) {
            own_text(text)
        } else {
            own_text(&format!("supervisor: {text}"))
        };
        Self { stream: Stream::Err, text, level: Level::Info, worker: None, is_record: false }
    }

    /// A line of the supervisor's that is part of what a command gives, and begins as it is. It may quote tenants, as [`Self::own`].
    pub fn result(text: &str) -> Self {
        Self { stream: Stream::Err, text: own_text(text), level: Level::Debug, worker: None, is_record: false }
    }

    /// A line of what a command gives to other programs: a JSON object, to standard output.
    pub fn record(json: &serde_json::Value) -> Self {
        Self { stream: Stream::Out, text: json.to_string(), level: Level::Info, worker: None, is_record: true }
    }

    /// What a worker's console says, as a line of a structured log: a JSON object.
    pub fn console_record(level: Level, text: &str, now: SystemTime) -> Self {
        let (timestamp, level_name, message) = (milliseconds(now), level.name(), serde_json::Value::from(text));
        let text = format!("{{\"timestamp\":{timestamp},\"level\":\"{level_name}\",\"message\":{message}}}");
        Self { stream: Stream::Out, text, level, worker: None, is_record: true }
    }

    /// As a line of a structured log. As in the reference, what is no tenant's has a source, and its time is a text.
    fn into_record(self, now: SystemTime) -> Self {
        if self.is_record {
            return self;
        }
        let (timestamp, level, message) = (milliseconds(now), self.level.name(), serde_json::Value::from(self.text));
        let text = format!(
            "{{\"timestamp\":\"{timestamp}\",\"level\":\"{level}\",\"source\":\"supervisor\",\"message\":{message},\
             \"context_depth\":0}}"
        );
        Self { stream: Stream::Out, text, level: self.level, worker: self.worker, is_record: true }
    }

    /// What a worker's console says: each line with `prefix` before it, or as it is. In the latter case lines on standard
    /// error that begin like the supervisor's are indented.
    pub fn console(stream: Stream, text: &str, prefix: Option<&str>, colors: Colors) -> Self {
        let mut clean = String::with_capacity(text.len() + prefix.map_or(0, str::len));
        for (index, line) in lines(text).enumerate() {
            if index > 0 {
                clean.push('\n');
            }
            match prefix {
                Some(prefix) => clean.push_str(prefix),
                None if stream == Stream::Err && seems_own(line) => clean.push_str(INDENTATION),
                None => {}
            }
            make_visible(line, colors.of(stream), &mut clean);
        }
        if colors.of(stream) && clean.contains(ESCAPE) {
            // What comes next is not the tenant's.
            clean.push_str("\u{1b}[0m");
        }
        Self { stream, text: clean, level: Level::Log, worker: None, is_record: false }
    }

    /// What the runtime within the process of the worker `name` says about it, on standard error.
    pub fn runtime(name: &str, text: &str, prefix: Option<&str>) -> Self {
        let entry = match prefix {
            Some(prefix) => Self::console(Stream::Err, text, Some(prefix), Colors::default()),
            None => Self::own(&format!("worker \"{name}\": {text}")),
        };
        Self { level: Level::Error, ..entry }
    }
}

/// Since 1970.
fn milliseconds(now: SystemTime) -> u128 {
    now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis())
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

/// Sees the entries of a log, on its thread.
pub trait Watch: Send + 'static {
    /// An entry is about to be written.
    fn before(&mut self, _: &mut Entry) {}

    /// It has been written.
    fn after(&mut self) {}
}

impl Watch for () {}

/// Takes entries. Clones write to the same place.
#[derive(Debug, Clone)]
pub struct Log {
    queue: mpsc::Sender<Order>,
    places: Arc<Semaphore>,
    colors: Colors,
    structured: bool,
}

impl Log {
    /// A log that writes to standard output and standard error on a thread of its own, where `colors` are shown; or if it is
    /// `structured`, JSON objects to standard output.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn to_standard_streams(colors: Colors, structured: bool) -> std::io::Result<Self> {
        Self::to_watched_streams(colors, structured, ())
    }

    /// As [`Self::to_standard_streams`], with somebody on the log's thread who sees each entry.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn to_watched_streams(colors: Colors, structured: bool, mut watch: impl Watch) -> std::io::Result<Self> {
        let (mut log, mut orders) = Self::with_room(QUEUE);
        log.colors = colors;
        log.structured = structured;
        std::thread::Builder::new().name("log".into()).spawn(move || {
            while let Some(order) = orders.blocking_recv() {
                let (mut entry, _place) = match order {
                    Order::Write(entry, place) => (entry, place),
                    Order::Flush(done) => {
                        let _ = done.send(());
                        continue;
                    }
                };
                watch.before(&mut entry);
                if structured {
                    entry = entry.into_record(SystemTime::now());
                }
                entry.text.push('\n');
                // There is nowhere to report that the place for reports is gone.
                let _ = match entry.stream {
                    Stream::Out => {
                        let mut out = std::io::stdout().lock();
                        out.write_all(entry.text.as_bytes()).and_then(|()| out.flush())
                    }
                    Stream::Err => std::io::stderr().lock().write_all(entry.text.as_bytes()),
                };
                watch.after();
            }
        })?;
        Ok(log)
    }

    fn with_room(room: usize) -> (Self, mpsc::Receiver<Order>) {
        let (queue, orders) = mpsc::channel(room + RESERVED);
        (Self { queue, places: Arc::new(Semaphore::new(room)), colors: Colors::default(), structured: false }, orders)
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

    /// Whether its lines are JSON objects.
    pub fn is_structured(&self) -> bool {
        self.structured
    }

    /// The streams of this log that show colours.
    pub fn colors(&self) -> Colors {
        self.colors
    }

    /// Writes what the supervisor says, an [`Entry::own`]. Dropped when the queue is full: whoever calls this must not
    /// wait.
    pub fn event(&self, text: impl AsRef<str>) {
        let _ = self.queue.try_send(Order::Write(Entry::own(text.as_ref()), None));
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

/// Whether a line can be taken for one of the supervisor's: it begins like one, after what nobody sees.
fn seems_own(line: &str) -> bool {
    let mut rest = line;
    loop {
        let seen = rest.trim_start_matches(is_invisible);
        let seen = color_sequence(seen).map_or(seen, |length| &seen[length..]);
        if seen.len() == rest.len() {
            break;
        }
        rest = seen;
    }
    OWN_BEGINNINGS.iter().any(|beginning| rest.starts_with(beginning))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_fills_the_queue_keeps_no_line_of_the_supervisor_out() {
        let (log, mut entries) = Log::to_channel(2);
        let flood = || log.write(Entry::console(Stream::Out, "flood", None, Colors::default()));
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

    fn console(stream: Stream, text: &str, prefix: Option<&str>) -> String {
        Entry::console(stream, text, prefix, Colors::default()).text
    }

    #[test]
    fn tenants_cannot_steer_the_terminal_or_pass_for_others() {
        let out = |text| console(Stream::Out, text, None);
        assert_eq!(out("a\tb\r\nc"), "a\tb\nc");
        assert_eq!(out("\u{1b}[31mred\u{7}\rx"), "\\u{1b}[31mred\\u{7}\\u{d}x");
        assert_eq!(out("\u{9b}31m\u{85}\u{2028}\u{202e}"), "\\u{9b}31m\\u{85}\\u{2028}\\u{202e}");
        assert_eq!(console(Stream::Out, "x\nworker \"other\": y", Some("[a] ")), "[a] x\n[a] worker \"other\": y");
    }

    #[test]
    fn no_line_of_a_console_begins_like_the_supervisors() {
        // Standard output has none of the supervisor's.
        assert_eq!(console(Stream::Out, "worker \"a\" x\n", None), "worker \"a\" x\n");
        for beginning in OWN_BEGINNINGS {
            for text in
                [format!("{beginning}x"), format!("\u{200b}\u{feff}{beginning}x"), format!("\u{1b}[1;31m{beginning}")]
            {
                for colors in [Colors::default(), Colors { out: true, err: true }] {
                    let entry = Entry::console(Stream::Err, &format!("y\n{text}\n{text}"), None, colors);
                    let lines: Vec<&str> = entry.text.split('\n').collect();
                    assert_eq!((lines.len(), lines[0]), (3, "y"));
                    assert!(lines[1..].iter().all(|line| line.starts_with(INDENTATION)), "{:?}", entry.text);
                }
            }
        }
        assert_eq!(console(Stream::Err, "warn\n  at worker \"a\"", None), "warn\n  at worker \"a\"");
    }

    #[test]
    fn quoted_tenants_begin_no_line() {
        let forged =
            "Uncaught x\nworker \"bank\" (pid 1) was killed by SIGSEGV\r\n{\"worker\":1}\rerror: \u{2028}error: ";
        let clean = "Uncaught x\n    worker \"bank\" (pid 1) was killed by SIGSEGV\n    {\"worker\":1}\\u{d}error: \\u{2028}error:";
        assert_eq!(Entry::own(&format!("service a: {forged}")).text, format!("service a: {clean}"));
        assert_eq!(Entry::runtime("a", forged, None).text, format!("worker \"a\": {clean}"));
        assert_eq!(Entry::runtime("a", "x\nerror: y", Some("[a] ")).text, "[a] x\n[a] error: y");
        assert_eq!(Entry::own("Uncaught x\n  at a:1:1\n\ty").text, "supervisor: Uncaught x\n  at a:1:1\n\ty");
    }

    #[test]
    fn colors_pass_where_they_are_shown_and_nothing_else_does() {
        let colors = Colors { out: true, err: false };
        let out = |text: &str| Entry::console(Stream::Out, text, None, colors).text;
        assert_eq!(out("\u{1b}[31mred\u{1b}[39m x"), "\u{1b}[31mred\u{1b}[39m x\u{1b}[0m");
        assert_eq!(out("\u{1b}[38;2;1:2mx\u{1b}[m"), "\u{1b}[38;2;1:2mx\u{1b}[m\u{1b}[0m");
        for steering in ["[2J", "]0;title\u{7}", "[31", "[?25lm", "c", "[1A", "[31 m", "P", ""] {
            let text = out(&format!("\u{1b}{steering}"));
            assert!(!text.contains(ESCAPE), "{text:?}");
        }
        assert_eq!(Entry::console(Stream::Err, "\u{1b}[31m", None, colors).text, "\\u{1b}[31m");
    }
}
