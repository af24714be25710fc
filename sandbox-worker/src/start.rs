//! The life of the process: shut the sandbox, connect, serve.

use std::{os::unix::net::UnixStream as StdUnixStream, process::ExitCode, rc::Rc};

use bulkhead_ipc::{
    process::{CONTROL_FD, FIRST_EVENT_FD, WorkerArgs},
    transport::{self, Limits},
    worker_capnp as wire,
};
use bulkhead_policy::{
    enter::{self, Mode, Refusal},
    inherited,
    table::Profile,
};

use crate::{
    isolate::{HeapLimits, Isolate, platform},
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
    #[error("descriptor {0} was not handed over: {1}")]
    Descriptor(i32, inherited::InheritedError),
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
    let probe = take_probe(&mut argv);
    let args = WorkerArgs::parse(argv)?;
    let options = enter::Options {
        fds: 1 + args.shards as usize,
        mode: if args.best_effort { Mode::BestEffort } else { Mode::Required },
        ..enter::Options::default()
    };
    let prepared = enter::prepare(&options)?;

    let adopt = |number: i32| inherited::writable(number).map_err(|error| StartError::Descriptor(number, error));
    let control = StdUnixStream::from(adopt(CONTROL_FD)?);
    let mut events = Vec::new();
    for shard in 0..args.shards as i32 {
        events.push(StdUnixStream::from(adopt(FIRST_EVENT_FD + shard)?));
    }

    platform::initialize(&args.v8_flags);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let local = tokio::task::LocalSet::new();
    let logger = Rc::new(Logger::default());
    let isolate = Isolate::new(HeapLimits::default(), logger.clone());
    let process = Process::new(isolate, logger);

    prepared.seal(Profile::Stateless, Refusal::Kill)?;
    if let Some(probe) = probe {
        probe();
    }

    local.block_on(&runtime, async {
        for stream in events {
            let port = capnp_rpc::new_client::<wire::event_port::Client, _>(Port(process.clone()));
            let (_, connection) = transport::server(connect(stream)?, Limits::for_supervisor(), port.client);
            tokio::task::spawn_local(connection);
        }
        let control_capability = capnp_rpc::new_client::<wire::worker_control::Client, _>(Control(process));
        let (_, connection) = transport::server(connect(control)?, Limits::for_supervisor(), control_capability.client);
        // However it ends: without its supervisor the process has nothing to do.
        let _ = connection.await;
        Ok(())
    })
}

fn connect(stream: StdUnixStream) -> std::io::Result<tokio::net::UnixStream> {
    stream.set_nonblocking(true)?;
    tokio::net::UnixStream::from_std(stream)
}

/// The hidden `--sandbox-probe=NAME` of test builds: tries one thing inside the shut process, and ends.
#[cfg(feature = "probes")]
fn take_probe(argv: &mut Vec<std::ffi::OsString>) -> Option<Box<dyn FnOnce()>> {
    let index = argv.iter().position(|argument| argument.as_encoded_bytes().starts_with(b"--sandbox-probe="))?;
    let argument = argv.remove(index).into_string().ok()?;
    let name = argument.trim_start_matches("--sandbox-probe=").to_owned();
    Some(Box::new(move || bulkhead_policy::probe::run(&name)))
}

#[cfg(not(feature = "probes"))]
fn take_probe(_: &mut Vec<std::ffi::OsString>) -> Option<Box<dyn FnOnce()>> {
    None
}
