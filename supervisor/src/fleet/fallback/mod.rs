//! Modules that a worker does not have, from a server that the operator names: a process asks on a descriptor of its own, and waits.
//!
//! Each such process has a thread here, which ends when the process closes the descriptor: an answer can be long, and reading it keeps
//! nobody else waiting. What the process asks with and what the server answers with are both read with bounds. Where a question goes is the
//! operator's to say: the process says which module, and nothing about the server.
//!
//! How the server is asked depends on the worker's registry of modules, of which there are two (`Protocol`).
//!
//! This room knows no module that a worker has, and does not look into what it hands on.

mod client;
mod definition;

use std::{
    io,
    os::unix::net::UnixStream as StdStream,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bulkhead_ipc::{
    modules::{MAX_ANSWER, MAX_QUESTION, MAX_SPECIFIER, from_bytes, length, to_bytes},
    worker_capnp::{blob, module, module_answer, module_question},
};
use capnp::message::{Builder, HeapAllocator};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
};

pub(super) use self::client::Protocol;
use self::client::{Client, Found};
pub use self::definition::{Definition, DefinitionError, Kind};
use super::diagnostics::LineBudget;
use crate::{log::Log, text::quote};

/// How much longer a worker that has such a server may take to start.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// Most questions of one process, those included to which there is no module. Then its descriptor is closed, and there are no more.
const MAX_QUESTIONS: usize = 65_536;

/// What a process asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Question {
    specifier: String,
    raw_specifier: String,
    referrer: String,
    required: bool,
    /// The attribute `type` of the import; empty if it has none.
    kind: String,
}

impl Question {
    /// Reads what a process has written.
    fn read(bytes: &[u8]) -> capnp::Result<Self> {
        let message = from_bytes(bytes)?;
        let question = message.get_root::<module_question::Reader<'_>>()?;
        let text = |text: capnp::Result<capnp::text::Reader<'_>>| -> capnp::Result<String> {
            let text = text?;
            if text.len() > MAX_SPECIFIER {
                return Err(capnp::Error::failed("a specifier is too long".into()));
            }
            Ok(text.to_string()?)
        };
        Ok(Self {
            specifier: text(question.get_specifier())?,
            raw_specifier: text(question.get_raw_specifier())?,
            referrer: text(question.get_referrer())?,
            required: question.get_required(),
            kind: text(question.get_type())?,
        })
    }
}

/// Begins to answer what the process of the worker `name` asks on `stream`, by asking `server`. `waits` says whether it waits for an
/// answer.
///
/// # Errors
/// There is no thread for it, or the descriptor is none to be used.
pub(super) fn start(
    stream: StdStream,
    name: &str,
    (server, protocol): (&str, Protocol),
    log: Log,
    waits: Arc<AtomicBool>,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let (name, client) = (name.to_owned(), Client::new(server, protocol));
    let run = move || {
        // How it ends is of no interest: the process has ended, or has written what no process writes, and gets no answer.
        let _ = runtime.block_on(answer(stream, &name, client, &log, &waits, MAX_QUESTIONS));
    };
    std::thread::Builder::new().name("modules".into()).spawn(run).map(drop)
}

/// Answers at most so many questions.
async fn answer(
    stream: StdStream,
    name: &str,
    mut client: Client,
    log: &Log,
    waits: &AtomicBool,
    most: usize,
) -> io::Result<()> {
    let mut stream = UnixStream::from_std(stream)?;
    let mut lines = LineBudget::default();
    for _ in 0..most {
        let mut head = [0; 4];
        stream.read_exact(&mut head).await?;
        let mut bytes = vec![0; length(head, MAX_QUESTION)?];
        stream.read_exact(&mut bytes).await?;
        let question = Question::read(&bytes).map_err(io::Error::other)?;
        waits.store(true, Ordering::Relaxed);
        let found = client.ask(&question).await.unwrap_or_else(|error| {
            let specifier = quote(&question.specifier);
            let line = format!(
                "worker {name:?}: the module fallback gave no module {specifier:?}: {}",
                quote(&error.to_string())
            );
            if let Some(line) = lines.pass(&line, Instant::now()) {
                log.event(line);
            }
            Found::Missing
        });
        let message = write(found);
        let bytes = match to_bytes(&message, MAX_ANSWER) {
            Ok(bytes) => bytes,
            Err(_) => to_bytes(&write(Found::Missing), MAX_ANSWER)?,
        };
        drop(message);
        stream.write_all(&bytes).await?;
        waits.store(false, Ordering::Relaxed);
    }
    Ok(())
}

fn write(found: Found) -> Builder<HeapAllocator> {
    let mut message = Builder::new_default();
    let mut answer = message.init_root::<module_answer::Builder<'_>>();
    match found {
        Found::Missing => answer.set_missing(()),
        Found::Redirect(to) => answer.set_redirect(&to),
        Found::Module(definition) => write_module(answer.init_module(), &definition),
    }
    message
}

fn write_module(mut to: module::Builder<'_>, definition: &Definition) {
    to.set_name(definition.name.as_deref().unwrap_or_default());
    if !definition.named_exports.is_empty() {
        let mut names = to.reborrow().init_named_exports(definition.named_exports.len() as u32);
        for (index, name) in (0..).zip(&definition.named_exports) {
            names.set(index, name.as_str());
        }
    }
    let mut content: blob::Builder<'_> = match definition.kind {
        Kind::Es => to.init_es_module(),
        Kind::CommonJs => to.init_common_js_module(),
        Kind::Text => to.init_text(),
        Kind::Data => to.init_data(),
        Kind::Wasm => to.init_wasm(),
        Kind::Json => to.init_json(),
    };
    content.set_bytes(&definition.content);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_read_with_bounds() {
        let written = |specifier: &str| {
            let mut message = Builder::new_default();
            let mut question = message.init_root::<module_question::Builder<'_>>();
            question.set_specifier(specifier);
            question.set_raw_specifier("./dep");
            question.set_referrer("/main.js");
            question.set_required(true);
            question.set_type("json");
            to_bytes(&message, MAX_QUESTION).expect("it is short")[4..].to_vec()
        };
        let expected = Question {
            specifier: "/dep".into(),
            raw_specifier: "./dep".into(),
            referrer: "/main.js".into(),
            required: true,
            kind: "json".into(),
        };
        assert_eq!(Question::read(&written("/dep")).expect("a question"), expected);
        assert!(Question::read(&written(&"x".repeat(MAX_SPECIFIER + 1))).is_err());
        for bytes in [&b""[..], &[0; 8], &[0xff; 64], &written("/dep")[..16]] {
            assert_ne!(Question::read(bytes).ok().map(|question| question.specifier).as_deref(), Some("/dep"));
        }
    }
    /// However many a process would like to ask.
    #[tokio::test]
    async fn a_process_asks_as_often_as_it_may() {
        // Nobody listens there any more.
        let server = std::net::TcpListener::bind("127.0.0.1:0").and_then(|gone| gone.local_addr()).expect("an address");
        let (ours, theirs) = StdStream::pair().expect("a pair");
        ours.set_nonblocking(true).expect("set");
        let process = tokio::task::spawn_blocking(move || {
            let mut question = Builder::new_default();
            question.init_root::<module_question::Builder<'_>>().set_specifier("/dep");
            (0..30).filter(|_| bulkhead_ipc::modules::ask(&theirs, &question).is_ok()).count()
        });
        let (log, _entries) = Log::to_channel(64);
        let ended =
            answer(ours, "main", Client::new(&server.to_string(), Protocol::Get), &log, &AtomicBool::new(false), 3)
                .await;
        assert!(ended.is_ok());
        assert_eq!(process.await.expect("no panic"), 3);
    }
}
