//! The life of the process: shut the sandbox, connect, serve.

use std::{os::unix::net::UnixStream as StdUnixStream, process::ExitCode, rc::Rc};

use bulkhead_ipc::{
    process::WorkerArgs,
    transport::{self, Limits},
    worker_capnp as wire,
};
use bulkhead_policy::{
    check,
    enter::{self, Mode, Refusal},
    table::Profile,
};

use crate::{
    isolate::{self, HeapLimits, Isolate, platform},
    log::Logger,
    rpc::{Control, Port, Process},
};

/// Why the process could not serve. One line on descriptor 2, which the supervisor reads.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("{0}")]
    Arguments(#[from] bulkhead_ipc::process::ArgsError),
    #[error("the sandbox could not be shut: {0}")]
    Sandbox(#[from] enter::EnterError),
    #[error("no control connection was handed over")]
    NoControl,
    #[error("the event loop could not be set up: {0}")]
    EventLoop(#[from] std::io::Error),
}

/// What the `sandbox-worker` executable does. Returns when the supervisor closes the control connection.
pub fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sandbox-worker: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), StartError> {
    let mut argv: Vec<_> = std::env::args_os().skip(1).collect();
    if argv.first().is_some_and(|argument| argument == check::SELF_TEST_ARG) {
        check::self_test_child();
    }
    let probe = take_probe(&mut argv);
    let args = WorkerArgs::parse(argv)?;
    let mut limits =
        enter::Limits { data: (args.memory_bytes != 0).then_some(args.memory_bytes), ..enter::Limits::default() };
    if args.threads != 0 {
        limits.threads = args.threads.into();
    }
    let options = enter::Options {
        fds: 1 + args.shards as usize,
        mode: if args.best_effort { Mode::BestEffort } else { Mode::Required },
        limits,
        ..enter::Options::default()
    };
    let mut prepared = enter::prepare(&options)?;
    let mut streams = prepared.take_descriptors().into_iter().map(StdUnixStream::from);
    let control = streams.next().ok_or(StartError::NoControl)?;

    let mut v8_flags = args.v8_flags;
    if args.jitless {
        v8_flags.push("--jitless".into());
    }
    platform::initialize(&v8_flags);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let local = tokio::task::LocalSet::new();
    let logger = Rc::new(Logger::default());
    isolate::limit_native_memory(usize::try_from(args.memory_bytes).unwrap_or(usize::MAX));
    let limits = HeapLimits { heap_bytes: usize::try_from(args.heap_bytes).unwrap_or(usize::MAX) };
    let isolate = Isolate::new(limits, logger.clone());
    let process = Process::new(isolate, limits, logger);

    prepared.seal(Profile::Stateless, Refusal::Kill)?;
    if let Some(probe) = probe {
        probe();
    }

    local.block_on(&runtime, async {
        for stream in streams {
            let port = capnp_rpc::new_client::<wire::event_port::Client, _>(Port(process.clone()));
            let (_, connection) = transport::server(connect(stream)?, Limits::for_supervisor(), port.client);
            tokio::task::spawn_local(connection);
        }
        let control_capability = capnp_rpc::new_client::<wire::worker_control::Client, _>(Control(process));
        let (_, connection) = transport::server(connect(control)?, Limits::for_supervisor(), control_capability.client);
        // However it ends: without its supervisor the process has nothing to do, and nothing to put in order.
        let _ = connection.await;
        std::process::exit(0)
    })
}

fn connect(stream: StdUnixStream) -> std::io::Result<tokio::net::UnixStream> {
    stream.set_nonblocking(true)?;
    tokio::net::UnixStream::from_std(stream)
}

/// Takes the hidden arguments of test builds, which try one forbidden thing inside the shut process and end it.
#[cfg(feature = "probes")]
fn take_probe(argv: &mut Vec<std::ffi::OsString>) -> Option<impl FnOnce() + use<>> {
    let index = argv.iter().position(|argument| argument == bulkhead_policy::probe::PROBE_ARG)?;
    let name = argv.drain(index..).nth(1).unwrap_or_default().to_string_lossy().into_owned();
    Some(move || bulkhead_policy::probe::run(&name))
}

#[cfg(not(feature = "probes"))]
fn take_probe(_: &mut [std::ffi::OsString]) -> Option<fn()> {
    None
}
