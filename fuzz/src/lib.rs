//! What the fuzzing targets do with their bytes: one function for each, which must return, whatever the bytes are.
//!
//! `cargo fuzz` calls them with bytes that it invents; the test `supervisor/tests/fuzz_corpus.rs` includes this file and
//! calls them with the committed corpora and mutations of them. See docs/fuzzing.md.

mod addresses;
mod blob;
mod cache;
mod calls;
mod cron;
mod disk;
mod modules;
mod origin;
mod policy;
#[path = "../../supervisor/tests/fakes/mod.rs"]
mod rig;
mod scheduled;
mod tls;
mod websocket;

use std::{cell::RefCell, path::PathBuf, time::Duration};

use bulkhead_ipc::{
    compatibility::Date,
    transport::{self, Limits as WireLimits},
    worker_capnp::{byte_source, event_dispatcher, event_port, http_request},
};
use bulkhead_supervisor::{
    config::{self, HttpOptions, HttpStyle, Options},
    socket::Limits,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

pub use addresses::addresses;
pub use blob::blob;
pub use cache::{cache_file, cache_put};
pub use calls::rpc_calls;
pub use cron::cron;
pub use disk::disk;
pub use modules::module_definition;
pub use origin::http_response;
pub use policy::policy_table;
pub use scheduled::scheduled;
pub use tls::tls_options;
pub use websocket::{websocket_deflate, websocket_frames};

/// A target.
pub type Target = fn(&[u8]);

/// Every target by its name.
pub const TARGETS: &[(&str, Target)] = &[
    ("config_text", config_text),
    ("config_binary", config_binary),
    ("http_head", http_head),
    ("rpc_frames", rpc_frames),
    ("rpc_calls", rpc_calls),
    ("rpc_pipelined", rpc_pipelined),
    ("blob", blob),
    ("scheduled", scheduled),
    ("cron", cron),
    ("policy_table", policy_table),
    ("websocket_frames", websocket_frames),
    ("websocket_deflate", websocket_deflate),
    ("http_response", http_response),
    ("tls_options", tls_options),
    ("disk", disk),
    ("addresses", addresses),
    ("cache_file", cache_file),
    ("cache_put", cache_put),
    ("module_definition", module_definition),
];

/// Longest time that one input may take. It only ends what hangs.
const HANG: Duration = Duration::from_secs(60);

thread_local! {
    static RUNTIME: tokio::runtime::Runtime = runtime();
    static LOCAL: RefCell<tokio::task::LocalSet> = RefCell::new(tokio::task::LocalSet::new());
}

fn runtime() -> tokio::runtime::Runtime {
    // Where `main` is libFuzzer's, nobody has seen to it that writing to a closed socket is an error and not the end.
    nix::sys::signal::SigSet::from(nix::sys::signal::Signal::SIGPIPE).thread_block().expect("a mask");
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Runs one input on the event loop of this thread.
fn run<T>(input: impl Future<Output = T>) -> T {
    RUNTIME.with(|runtime| {
        LOCAL.with_borrow(|local| {
            let bounded = async { tokio::time::timeout(HANG, input).await.expect("it hangs") };
            local.block_on(runtime, bounded)
        })
    })
}

fn options() -> Options {
    Options { import_paths: vec![PathBuf::from("/lib")], ..Options::on(Date::from_unix_seconds(1_790_000_000)) }
}

/// Bytes as a configuration in text. A first line `#!` is followed by a second file, which the text can import and
/// embed as `/lib/other.capnp`.
pub fn config_text(bytes: &[u8]) {
    let separator = b"\n#! other\n";
    let at = bytes.windows(separator.len()).position(|window| window == separator);
    let (text, other) = match at {
        Some(at) => (&bytes[..at], &bytes[at + separator.len()..]),
        None => (bytes, &b""[..]),
    };
    let files = [(PathBuf::from("/lib/other.capnp"), other.to_vec())];
    if let Err(diagnostics) = config::load_text_from_bytes(text, files, &options()) {
        // Rendering points into the text.
        assert!(!diagnostics.to_string().is_empty(), "refused without a word");
    }
}

/// Bytes as a configuration in binary form.
pub fn config_binary(bytes: &[u8]) {
    if let Err(diagnostics) = config::load_binary_from_bytes(bytes, &options()) {
        assert!(!diagnostics.to_string().is_empty(), "refused without a word");
    }
}

/// Bytes as what a client sends. The first byte chooses the socket's options.
pub fn http_head(bytes: &[u8]) {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let name = |bit: u8, name: &'static str| (choice & bit != 0).then(|| http::HeaderName::from_static(name));
    let options = HttpOptions {
        style: if choice & 1 == 0 { HttpStyle::Host } else { HttpStyle::Proxy },
        forwarded_proto_header: name(2, "x-forwarded-proto"),
        cf_blob_header: name(4, "cf-blob"),
        ..HttpOptions::default()
    };
    let answer = run(rig::raw::serve_bytes(options, &Limits::default(), bytes));
    // Whatever came: what goes out is HTTP.
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1."), "{:?}", String::from_utf8_lossy(&answer));
    let text = String::from_utf8_lossy(&answer);
    for internal in ["hyper", "src/", "panicked", "broke off"] {
        assert!(!text.contains(internal), "{text}");
    }
}

/// Bytes as what a worker sends on its event connection, while calls are open and a request body is on offer.
pub fn rpc_frames(bytes: &[u8]) {
    frames(bytes, WireLimits::for_worker());
}

/// As [`rpc_frames`], where a worker may call what is promised: what that would cost (docs/design/pipelining.md).
pub fn rpc_pipelined(bytes: &[u8]) {
    frames(bytes, WireLimits { max_transform: 4, ..WireLimits::for_worker() });
}

fn frames(bytes: &[u8], limits: WireLimits) {
    struct Source;
    impl byte_source::Server for Source {
        async fn pull(
            self: std::rc::Rc<Self>,
            params: byte_source::PullParams,
            mut results: byte_source::PullResults,
        ) -> Result<(), capnp::Error> {
            let length = params.get()?.get_max_bytes().min(1000);
            results.get().init_bytes(length);
            Ok(())
        }
    }
    run(async {
        let (ours, theirs) = tokio::net::UnixStream::pair().expect("a socketpair");
        let (port, handle, connection) = transport::client::<event_port::Client>(ours, limits);
        let driver = tokio::task::spawn_local(connection);
        let entrypoint = port.entrypoint_request().send();
        let dispatcher: event_dispatcher::Client = entrypoint.pipeline.get_dispatcher();
        let mut fetch = dispatcher.fetch_request();
        let request: http_request::Builder<'_> = fetch.get().init_request();
        request.init_body().set_stream(capnp_rpc::new_client(Source));
        let fetch = tokio::task::spawn_local(fetch.send().promise);
        let (mut read, mut write) = theirs.into_split();
        let reader = tokio::task::spawn_local(async move {
            let mut sink = Vec::new();
            let _ = read.read_to_end(&mut sink).await;
        });
        let _ = write.write_all(bytes).await;
        drop(write);
        // The end of the stream, if nothing before it, ends the connection and every call.
        let _ = driver.await;
        assert!(handle.is_closed());
        let _ = reader.await;
        assert!(handle.held_bytes() <= limits.max_held_bytes + limits.max_message_words * 8);
        drop(entrypoint.promise.await);
        drop(fetch.await);
        drop((port, dispatcher, entrypoint.pipeline));
        assert_eq!((handle.held_bytes(), handle.given_up()), (0, 0), "something is left of the connection");
    });
}
