//! The `Host` capability: what a bound worker process may ask of the supervisor.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
    time::{Instant, SystemTime},
};

use bulkhead_ipc::{
    last_words::Line,
    transport::{Bucket, Handle, MESSAGES_FOR_A_CALL},
    worker_capnp::{Limit, host, log_entry},
};

use super::busy::Busy;
use crate::{
    log::{Entry, Level, Log, Stream},
    text::quote,
};

/// Entries in one call.
const MAX_ENTRIES: u32 = 4096;

/// Text of all entries of one call, in bytes.
const MAX_BYTES: usize = 512 << 10;

/// Bytes that a worker may send for the next call: the longest message.
const MESSAGE_BYTES: u64 = 512 << 10;

/// How many seconds' worth of its log a worker may write at once.
const LOG_BURST_SECONDS: u64 = 16;

/// What an entry costs beyond its text, in bytes: also an empty line is one.
const ENTRY_BYTES: u64 = 16;

/// What writes the lines of one process into the log.
pub struct Voice {
    log: Log,
    /// Of the worker, fit for a log line.
    name: String,
    worker: Arc<str>,
    /// Printed before each line, to tell workers apart; `None` prints like the reference.
    prefix: Option<String>,
    /// Entries that were written.
    taken: Cell<u64>,
}

impl Voice {
    /// That of a process of the worker called `name`.
    pub fn new(log: Log, name: &str, prefix: Option<String>) -> Self {
        Self { log, name: quote(name), worker: name.into(), prefix, taken: Cell::new(0) }
    }

    /// How many entries the process was heard to write.
    pub fn taken(&self) -> u64 {
        self.taken.get()
    }

    /// Writes what a process said before it died, and was not heard.
    pub async fn write_last(&self, lines: Vec<Line>) {
        for line in lines {
            self.log.write(self.entry(line.level, line.source, &line.text)).await;
        }
    }

    fn entry(&self, level: log_entry::Level, source: log_entry::Source, text: &str) -> Entry {
        let is_console = source == log_entry::Source::Console;
        let stream = match level {
            log_entry::Level::Debug | log_entry::Level::Info | log_entry::Level::Log if is_console => Stream::Out,
            _ => Stream::Err,
        };
        let prefix = self.prefix.as_deref();
        let mut entry = if is_console && self.log.is_structured() {
            let level = match level {
                log_entry::Level::Debug => Level::Debug,
                log_entry::Level::Info => Level::Info,
                log_entry::Level::Log => Level::Log,
                log_entry::Level::Warn => Level::Warn,
                log_entry::Level::Error => Level::Error,
            };
            Entry::console_record(level, text, SystemTime::now())
        } else if is_console {
            Entry::console(stream, text, prefix, self.log.colors())
        } else {
            // The runtime speaks about this worker, or the worker in its place.
            Entry::runtime(&self.name, text, prefix)
        };
        entry.worker = Some(self.worker.clone());
        entry
    }
}

/// What is offered to one process. Its identity is the connection, so that no call carries a name.
pub struct Host {
    voice: Rc<Voice>,
    busy: Busy,
    rate: Option<RefCell<Bucket>>,
    exceeding: Busy,
    on_exceeded: Box<dyn Fn(Limit)>,
    connection: Rc<std::cell::OnceCell<Handle>>,
}

impl Host {
    /// Offers the log to a worker, at so many bytes for each second, or without a limit for zero. What the
    /// worker says that it exceeded goes to `on_exceeded`. `connection` is filled in once the connection exists.
    pub fn new(
        voice: Rc<Voice>,
        bytes_per_second: u32,
        connection: Rc<std::cell::OnceCell<Handle>>,
        on_exceeded: Box<dyn Fn(Limit)>,
    ) -> Self {
        let per_second = u64::from(bytes_per_second);
        let rate = (per_second != 0).then(|| RefCell::new(Bucket::new(per_second * LOG_BURST_SECONDS, per_second)));
        let (busy, exceeding) = (Busy::default(), Busy::default());
        Self { voice, busy, rate, exceeding, on_exceeded, connection }
    }

    fn violation(&self, what: &str) -> capnp::Error {
        if let Some(connection) = self.connection.get() {
            connection.violation(what);
        }
        capnp::Error::failed(what.to_owned())
    }

    fn entries(&self, params: &host::LogParams) -> Result<Vec<Entry>, String> {
        let list = params.get().and_then(|params| params.get_entries()).map_err(|error| error.to_string())?;
        if list.len() > MAX_ENTRIES {
            return Err(format!("it logged {} entries at once", list.len()));
        }
        let mut bytes = 0;
        let mut entries = Vec::with_capacity(list.len() as usize);
        for entry in list {
            let text = entry.get_message().map_err(|error| error.to_string())?;
            bytes += text.len();
            if bytes > MAX_BYTES {
                return Err(format!("it logged more than {MAX_BYTES} bytes at once"));
            }
            let text = text.to_str().map_err(|_| "it logged text that is not UTF-8".to_owned())?;
            let level = entry.get_level().map_err(|_| "it logged with an unknown level".to_owned())?;
            let source = entry.get_source().map_err(|_| "it logged with an unknown source".to_owned())?;
            entries.push(self.voice.entry(level, source, text));
        }
        Ok(entries)
    }
}

impl host::Server for Host {
    async fn log(self: Rc<Self>, params: host::LogParams, _: host::LogResults) -> Result<(), capnp::Error> {
        let Some(_busy) = self.busy.enter() else {
            return Err(self.violation("it logged again before the last call had returned"));
        };
        let entries = self.entries(&params).map_err(|what| self.violation(&what))?;
        // What is kept while waiting is the entries, once.
        drop(params);
        let bytes: u64 = entries.iter().map(|entry| entry.text.len() as u64 + ENTRY_BYTES).sum();
        for entry in entries {
            self.voice.log.write(entry).await;
            self.voice.taken.set(self.voice.taken.get() + 1);
        }
        // What is too much for this second delays the next call. The worker keeps little meanwhile, and drops the rest.
        if let Some(rate) = &self.rate {
            let wait = rate.borrow_mut().take(bytes, Instant::now());
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
        }
        if let Some(connection) = self.connection.get() {
            connection.allow(MESSAGES_FOR_A_CALL, MESSAGE_BYTES);
        }
        Ok(())
    }

    async fn exceeded(
        self: Rc<Self>,
        params: host::ExceededParams,
        _: host::ExceededResults,
    ) -> Result<(), capnp::Error> {
        let Some(_exceeding) = self.exceeding.enter() else {
            return Err(self.violation("it exceeded a limit again before the last call had returned"));
        };
        let limit = params.get().and_then(|params| Ok(params.get_limit()?));
        let limit = limit.map_err(|_| self.violation("it exceeded an unknown limit"))?;
        // Others run first, so that two calls at once meet.
        tokio::task::yield_now().await;
        (self.on_exceeded)(limit);
        Ok(())
    }
}
