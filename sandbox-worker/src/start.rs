//! The life of the process: shut the sandbox, connect, serve.

use std::{
    fs::File,
    os::unix::net::{UnixDatagram as StdUnixDatagram, UnixStream as StdUnixStream},
    process::ExitCode,
    rc::Rc,
};

use bulkhead_ipc::{
    process::WorkerArgs,
    transport::{self, Limits},
};
use bulkhead_policy::{
    check,
    enter::{self, Mode},
    table::{Profile, Refusal},
};

use crate::{
    api::SURFACE,
    io::{self, Outlet},
    isolate::{
        self, HeapLimits, Isolate, platform,
        snapshot::{Snapshot, SnapshotError},
    },
    log::Logger,
    process::{Handed, Process},
    rpc,
};

/// Why the process could not serve. One line on descriptor 2, which the supervisor reads.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("{0}")]
    Arguments(#[from] bulkhead_ipc::process::ArgsError),
    #[error("the sandbox could not be shut: {0}")]
    Sandbox(#[from] enter::EnterError),
    #[error("{0}")]
    Snapshot(#[from] SnapshotError),
    #[error("no control connection was handed over")]
    NoControl,
    #[error("the event loop could not be set up: {0}")]
    EventLoop(#[from] std::io::Error),
}

/// Address space that a tenant's code may take beyond what the engine has reserved. A WebAssembly memory without a maximum
/// reserves as much as it could ever grow to.
const ADDRESS_SPACE: u64 = 64 << 30;

/// What the `sandbox-worker` executable does. Returns when the supervisor closes the control connection.
///
/// `snapshot` is what [`isolate::snapshot::make`] gave when the program was built, `code_caches` what
/// [`isolate::snapshot::make_code_caches`] gave.
pub fn main(snapshot: &'static [u8], code_caches: &'static [u8]) -> ExitCode {
    match run(snapshot, code_caches) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sandbox-worker: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(snapshot: &'static [u8], code_caches: &'static [u8]) -> Result<(), StartError> {
    let mut argv: Vec<_> = std::env::args_os().skip(1).collect();
    if argv.first().is_some_and(|argument| argument == check::SELF_TEST_ARG) {
        check::self_test_child();
    }
    let mut hidden = Hidden::take(&mut argv);
    let args = WorkerArgs::parse(argv)?;
    let mut limits = enter::Limits {
        data: (args.memory_bytes != 0).then_some(args.memory_bytes),
        address_space: Some(ADDRESS_SPACE),
        ..enter::Limits::default()
    };
    if args.threads != 0 {
        limits.threads = args.threads.into();
    }
    let mut options = enter::Options {
        fds: 1
            + args.shards as usize
            + usize::from(args.modules)
            + usize::from(args.last_words)
            + usize::from(args.extensions),
        mode: if args.best_effort { Mode::BestEffort } else { Mode::Required },
        limits,
        storage: args.storage.map(|file_bytes| enter::Storage { file_bytes }),
        ..enter::Options::default()
    };
    hidden.leave_out(&mut options);
    let snapshot = Snapshot::find(snapshot, code_caches, &SURFACE)?;
    let prepared = enter::prepare(&options)?;

    let mut v8_flags = args.v8_flags;
    if args.jitless {
        v8_flags.push("--jitless".into());
    }
    platform::initialize(&v8_flags);
    isolate::clock::begin_counting();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let local = tokio::task::LocalSet::new();
    let logger = Rc::new(Logger::default());
    isolate::limit_native_memory(usize::try_from(args.memory_bytes).unwrap_or(usize::MAX));
    let limits = HeapLimits { heap_bytes: usize::try_from(args.heap_bytes).unwrap_or(usize::MAX) };
    let isolate = Isolate::new(limits, logger.clone(), &SURFACE, Some(&snapshot), io::live_events());
    let process = Process::new(isolate.clone(), logger);

    let refusal = if args.seccomp_log { Refusal::Log } else { Refusal::Kill };
    let mut sealed = prepared.seal(Profile::of(args.storage.is_some(), args.jitless), refusal)?;
    // Kept open for as long as the process lives. Durable objects, which will use it, do not exist yet.
    let directory = sealed.take_directory();
    let mut handed = sealed.take_descriptors().into_iter();
    let control = handed.next().map(StdUnixStream::from).ok_or(StartError::NoControl)?;
    let events: Vec<_> = handed.by_ref().take(args.shards as usize).map(StdUnixStream::from).collect();
    let mut next_if = |is_there: bool| if is_there { handed.next() } else { None };
    let fallback = next_if(args.modules).map(StdUnixStream::from);
    process.logger.set_last_words(next_if(args.last_words).map(StdUnixDatagram::from));
    process.handed.replace(Handed { fallback, extensions: next_if(args.extensions).map(File::from) });
    hidden.run(&isolate, directory.as_ref());
    drop(isolate);

    local.block_on(&runtime, async {
        for stream in events {
            let outlet = Outlet::default();
            let port = rpc::port(process.clone(), outlet.clone());
            let (handle, connection) = transport::server(connect(stream)?, Limits::for_supervisor(), port.client);
            outlet.connect(handle);
            tokio::task::spawn_local(connection);
        }
        let control_capability = rpc::control(process);
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

/// The hidden arguments of test builds: what to try inside of the shut process, which ends with that, and which layers to
/// leave out.
#[cfg(feature = "probes")]
struct Hidden {
    probe: Option<Vec<String>>,
    on_call: Option<String>,
    without: Vec<bulkhead_policy::report::Layer>,
}

#[cfg(feature = "probes")]
impl Hidden {
    fn take(argv: &mut Vec<std::ffi::OsString>) -> Self {
        use bulkhead_policy::probe;
        let text = |argument: &std::ffi::OsString| argument.to_string_lossy().into_owned();
        let found = argv.iter().position(|argument| argument == probe::PROBE_ARG);
        let probe = found.map(|index| argv.drain(index..).skip(1).map(|argument| text(&argument)).collect());
        let on_call =
            |argument: &std::ffi::OsString| text(argument).strip_prefix(probe::ON_CALL_ARG).map(str::to_owned);
        let found = argv.iter().position(|argument| on_call(argument).is_some());
        let on_call = found.and_then(|index| on_call(&argv.remove(index)));
        let without = argv.pop_if(|argument| probe::parse_without(&text(argument)).is_some());
        let without = without.and_then(|argument| probe::parse_without(&text(&argument))).unwrap_or_default();
        Self { probe, on_call, without }
    }

    fn leave_out(&mut self, options: &mut enter::Options) {
        options.without = std::mem::take(&mut self.without);
    }

    fn run(self, isolate: &Isolate, directory: Option<&std::os::fd::OwnedFd>) {
        use std::os::fd::AsRawFd;
        if let Some(name) = &self.on_call {
            let defined = isolate.enter(|scope| {
                let data = v8::String::new(scope, name)?;
                let attempt = |scope: &mut v8::PinScope<'_, '_>,
                               args: v8::FunctionCallbackArguments<'_>,
                               _: v8::ReturnValue<'_, v8::Value>| {
                    bulkhead_policy::probe::run(&[args.data().to_rust_string_lossy(scope)], None)
                };
                let function = v8::Function::builder(attempt).data(data.into()).build(scope)?;
                let name = v8::String::new(scope, bulkhead_policy::probe::ON_CALL_NAME)?;
                scope.get_current_context().global(scope).set(scope, name.into(), function.into())
            });
            assert_eq!(defined, Some(true), "an isolate has room for a function");
        }
        match self.probe.as_deref() {
            None => {}
            // A script in the isolate, which is not there for `policy` to use.
            Some([name, source]) if name == "script" => {
                let code = isolate.enter(|scope| {
                    let source = v8::String::new(scope, source)?;
                    v8::Script::compile(scope, source, None)?.run(scope)?.int32_value(scope)
                });
                std::process::exit(code.unwrap_or(bulkhead_policy::probe::UNKNOWN));
            }
            Some(words) => bulkhead_policy::probe::run(words, directory.map(AsRawFd::as_raw_fd)),
        }
    }
}

/// Without the feature there are no such arguments.
#[cfg(not(feature = "probes"))]
struct Hidden;

#[cfg(not(feature = "probes"))]
impl Hidden {
    fn take(_: &mut [std::ffi::OsString]) -> Self {
        Self
    }

    fn leave_out(&mut self, _: &mut enter::Options) {}

    fn run(self, _: &Isolate, _: Option<&std::os::fd::OwnedFd>) {}
}
