//! A bare isolate with all globals, for tests of the API from the outside.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    task::Poll,
};

use bulkhead_ipc::{
    compatibility,
    policy_capnp::limits,
    scheduled::Scheduled,
    worker_capnp::{
        byte_source, event_dispatcher, event_failure, fetch_outcome, host, http_response, scheduled_outcome,
        worker_bundle, worker_control,
    },
};

use crate::{
    api::SURFACE,
    io::{Event, IoContext, Outlet, find_hung, live_events},
    isolate::{HeapLimits, Isolate, describe, platform, snapshot::Snapshot},
    limits::Limit,
    log::Logger,
    process::Process,
    rpc,
};

/// Isolates are made and used one at a time in a process: those of one process share a read-only heap, whose set-up
/// is not safe against races.
fn lock() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

static SNAPSHOT: OnceLock<[&[u8]; 2]> = OnceLock::new();

/// Has the isolates of this process start from this snapshot: before the first of them, since those of one process share a part
/// of the heap. With `BULKHEAD_EVALUATE` in the environment they evaluate the built-ins all the same.
pub fn use_snapshot(snapshot: &'static [u8], code_caches: &'static [u8]) {
    SNAPSHOT.get_or_init(|| [snapshot, code_caches]);
}

/// A new isolate, as processes have it.
///
/// # Panics
///
/// If there is no snapshot, or it is of another build.
fn new_isolate(limits: HeapLimits, logger: Rc<Logger>) -> Rc<Isolate> {
    platform::initialize(&["--expose-gc".to_owned()]);
    #[cfg(test)]
    use_snapshot(bulkhead_snapshot::SNAPSHOT, bulkhead_snapshot::CODE_CACHES);
    let snapshot = std::env::var_os("BULKHEAD_EVALUATE").is_none().then(|| {
        let [snapshot, code_caches] = SNAPSHOT.get().expect("the test has called `use_snapshot`");
        Snapshot::find(snapshot, code_caches, &SURFACE).expect("the snapshot is of this build")
    });
    Isolate::new(limits, logger, &SURFACE, snapshot.as_ref(), live_events())
}

/// Runs `body` with a fresh isolate, on a single-threaded event loop, with the flags of compatibility date 2026-11-01.
pub fn with_isolate<R>(body: impl AsyncFnOnce(Rc<Isolate>) -> R) -> R {
    let _guard = lock();
    let isolate = new_isolate(HeapLimits::default(), Rc::new(Logger::default()));
    let flags = compatibility::resolve::<&str>("2026-11-01", &[], false).expect("the date is valid");
    isolate.set_flags(flags);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime can be built");
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        tokio::task::spawn_local(find_hung(isolate.clone()));
        tokio::task::spawn_local(isolate.clone().run_tasks());
        body(isolate).await
    })
}

/// How an event came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The status, and the body: what came of it, and whether it came to its end.
    Response(u16, String, bool),
    /// It came to its end, and there is nothing more to say.
    Done,
    /// It failed in another way.
    Failure(event_failure::Kind, String),
    /// A limit ended it.
    Exceeded(Limit, String),
}

impl Outcome {
    fn of(failure: event_failure::Reader<'_>) -> Self {
        let message = failure.get_message().expect("a message").to_string().expect("text");
        match failure.get_kind().expect("a kind") {
            event_failure::Kind::Exceeded => Outcome::Exceeded(failure.get_limit().expect("a limit"), message),
            kind => Outcome::Failure(kind, message),
        }
    }
}

/// What a worker told its supervisor.
#[derive(Debug, Default)]
pub struct Told {
    /// `level message` for each entry of the log.
    pub log: RefCell<Vec<String>>,
    /// Each limit that was exceeded.
    pub exceeded: RefCell<Vec<Limit>>,
    /// Most calls about limits that were open at a time.
    pub most_open: Cell<u32>,
    open: Cell<u32>,
}

struct FakeHost(Rc<Told>);

impl host::Server for FakeHost {
    async fn log(self: Rc<Self>, params: host::LogParams, _: host::LogResults) -> Result<(), capnp::Error> {
        for entry in params.get()?.get_entries()? {
            let line = format!("{:?} {}", entry.get_level()?, entry.get_message()?.to_str()?);
            self.0.log.borrow_mut().push(line);
        }
        Ok(())
    }

    async fn exceeded(
        self: Rc<Self>,
        params: host::ExceededParams,
        _: host::ExceededResults,
    ) -> Result<(), capnp::Error> {
        let told = &self.0;
        told.open.set(told.open.get() + 1);
        told.most_open.set(told.most_open.get().max(told.open.get()));
        tokio::task::yield_now().await;
        told.exceeded.borrow_mut().push(params.get()?.get_limit()?);
        told.open.set(told.open.get() - 1);
        Ok(())
    }
}

/// A worker behind its own interface, without a connection.
pub struct Served {
    control: worker_control::Client,
    dispatcher: event_dispatcher::Client,
    /// What it told the supervisor.
    pub told: Rc<Told>,
    number: Cell<u64>,
}

impl std::fmt::Debug for Served {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Served")
    }
}

impl Served {
    /// Sends a GET request for this path, and reads the response to its end.
    pub async fn fetch(&self, path: &str) -> Outcome {
        let mut request = self.dispatcher.fetch_request();
        let mut params = request.get();
        params.set_event(self.number.replace(self.number.get() + 1));
        let mut head = params.init_request();
        head.set_method("GET");
        head.set_url(format!("http://worker{path}"));
        let response = request.send().promise.await.expect("the call is answered");
        match response.get().and_then(|results| results.get_outcome()?.which().map_err(Into::into)).expect("an outcome")
        {
            fetch_outcome::Response(response) => {
                let response = response.expect("a response");
                let (body, whole) = read_body(response).await;
                Outcome::Response(response.get_status(), body, whole)
            }
            fetch_outcome::Failure(failure) => Outcome::of(failure.expect("a failure")),
        }
    }

    /// Sends a run of a schedule; whether the handler said that it is not to be retried, and how it came out.
    pub async fn scheduled(&self, time: f64, cron: &str) -> (bool, Outcome) {
        let mut request = self.dispatcher.scheduled_request();
        Scheduled::new(time, cron.to_owned()).expect("the run is within the bounds").write(request.get());
        request.get().set_event(self.number.replace(self.number.get() + 1));
        let response = request.send().promise.await.expect("the call is answered");
        let outcome = response.get().and_then(|results| results.get_outcome()).expect("an outcome");
        let came_out = match outcome.which().expect("an outcome") {
            scheduled_outcome::Done(()) => Outcome::Done,
            scheduled_outcome::Failure(failure) => Outcome::of(failure.expect("a failure")),
        };
        (outcome.get_no_retry(), came_out)
    }

    /// Waits until no event is active and what the worker tells has come.
    pub async fn drain(&self) {
        self.control.drain_request().send().promise.await.expect("the worker answers");
        settle().await;
    }
}

/// Lets calls that are on their way arrive.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

async fn read_body(response: http_response::Reader<'_>) -> (String, bool) {
    let mut bytes = Vec::new();
    let mut whole = true;
    match response.get_body().which().expect("a body") {
        http_response::body::None(()) => {}
        http_response::body::Request(()) => panic!("the request has no body that is worth sending back"),
        http_response::body::Bytes(inline) => bytes.extend_from_slice(inline.expect("bytes")),
        http_response::body::Stream(source) => {
            let source: byte_source::Client = source.expect("a stream");
            loop {
                let mut pull = source.pull_request();
                pull.get().set_max_bytes(64 << 10);
                let Ok(pulled) = pull.send().promise.await else {
                    whole = false;
                    break;
                };
                let pulled = pulled.get().expect("results");
                bytes.extend_from_slice(pulled.get_bytes().expect("bytes"));
                if pulled.get_done() {
                    break;
                }
            }
        }
    }
    (String::from_utf8_lossy(&bytes).into_owned(), whole)
}

/// Binds a process whose heap has this limit (0: none) to a worker of one module, and runs `body` with it; `Err` is why the worker did not start.
///
/// # Panics
///
/// If the process does not answer.
pub fn serve<R>(
    module: &str,
    flags: &[&str],
    heap_bytes: usize,
    set_limits: impl FnOnce(limits::Builder<'_>),
    body: impl AsyncFnOnce(Served) -> R,
) -> Result<R, (String, Rc<Told>)> {
    let set = |mut bundle: worker_bundle::Builder<'_>| {
        let mut list = bundle.reborrow().init_compatibility_flags(flags.len() as u32);
        for (flag, index) in flags.iter().zip(0..) {
            list.set(index, *flag);
        }
        let mut main = bundle.reborrow().init_source().init_modules(1).get(0);
        main.set_name("main");
        main.init_es_module().set_bytes(module.as_bytes());
        set_limits(bundle.init_limits());
    };
    serve_bundle(heap_bytes, set, body)
}

/// As [`serve`], with a script in the service-worker syntax and no limits.
///
/// # Errors
///
/// Why the worker did not start.
pub fn serve_script<R>(script: &str, body: impl AsyncFnOnce(Served) -> R) -> Result<R, (String, Rc<Told>)> {
    let set = |bundle: worker_bundle::Builder<'_>| {
        bundle.init_source().init_service_worker_script().set_bytes(script.as_bytes());
    };
    serve_bundle(0, set, body)
}

fn serve_bundle<R>(
    heap_bytes: usize,
    set: impl FnOnce(worker_bundle::Builder<'_>),
    body: impl AsyncFnOnce(Served) -> R,
) -> Result<R, (String, Rc<Told>)> {
    let _guard = lock();
    jsg::set_buffer_limit(usize::MAX);
    let logger = Rc::new(Logger::default());
    let isolate = new_isolate(HeapLimits { heap_bytes }, logger.clone());
    let process = Process::new(isolate, logger);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime can be built");
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let control = rpc::control(process.clone());
        let port = rpc::port(process, Outlet::default());
        let told = Rc::new(Told::default());
        let mut bind = control.bind_request();
        bind.get().set_host(capnp_rpc::new_client(FakeHost(told.clone())));
        let mut bundle = bind.get().init_bundle();
        bundle.set_service("test");
        bundle.set_compatibility_date("2026-11-01");
        bundle.set_experimental(true);
        set(bundle);
        let bound = bind.send().promise.await.expect("the process can be bound");
        let outcome = bound.get().and_then(|results| results.get_outcome()).expect("an outcome");
        if let Ok(bulkhead_ipc::worker_capnp::bind_outcome::Error(error)) = outcome.which() {
            let message = error.and_then(|error| error.get_message()).expect("a message");
            let message = message.to_string().expect("text");
            settle().await;
            return Err((message, told));
        }
        let entrypoint = port.entrypoint_request().send().promise.await.expect("there is a default entrypoint");
        let dispatcher = entrypoint.get().and_then(|results| results.get_dispatcher()).expect("a dispatcher");
        Ok(body(Served { control, dispatcher, told, number: Cell::new(0) }).await)
    })
}

/// Evaluates a script with an event current, waits for the promise if it gives one, and gives its value as a string:
/// strings as they are, everything else as JSON; an exception as `name: message`.
///
/// Ends with `[hung]` where the promise can never settle.
pub fn eval(source: &str) -> String {
    with_isolate(async |isolate| eval_in(isolate, source).await)
}

/// As [`eval`]; gives what was logged too, `level message` for each entry.
pub fn eval_logged(source: &str) -> (String, Vec<String>) {
    with_isolate(async |isolate| {
        isolate.logger().set_limit(64 << 20);
        let value = eval_in(isolate.clone(), source).await;
        (value, isolate.logger().take_lines())
    })
}

async fn eval_in(isolate: Rc<Isolate>, source: &str) -> String {
    let event = Event::new(IoContext::new(isolate), Outlet::default(), None);
    let start = |scope: &mut v8::PinScope<'_, '_>| {
        v8::tc_scope!(let scope, scope);
        let source = jsg::string(scope, source);
        let result = v8::Script::compile(scope, source, None).and_then(|script| script.run(scope));
        match result {
            Some(value) => match v8::Local::<v8::Promise>::try_from(value) {
                Ok(promise) => Ok(crate::io::js_future(scope, promise)),
                Err(_) => Err(show(scope, value)),
            },
            None => {
                let exception = scope.exception().unwrap_or_else(|| v8::undefined(scope).into());
                Err(describe(scope, exception).message)
            }
        }
    };
    let promise = event.run(start).await;
    let mut promise = match promise {
        Ok(promise) => promise,
        Err(text) => return text,
    };
    let settled = std::future::poll_fn(|cx| {
        let _ = event.context().poll_tasks(cx);
        match std::pin::Pin::new(&mut promise).poll(cx) {
            Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
            Poll::Pending if event.is_hung() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await;
    let outcome = |scope: &mut v8::PinScope<'_, '_>| match settled {
        Some(Ok(value)) => {
            let value = v8::Local::new(scope, value);
            show(scope, value)
        }
        Some(Err(reason)) => {
            let reason = v8::Local::new(scope, reason);
            describe(scope, reason).message
        }
        None => "[hung]".to_owned(),
    };
    event.run(outcome).await
}

fn show(scope: &mut v8::PinScope<'_, '_>, value: v8::Local<'_, v8::Value>) -> String {
    if value.is_string() || value.is_undefined() {
        return value.to_rust_string_lossy(scope);
    }
    v8::tc_scope!(let scope, scope);
    match v8::json::stringify(scope, value) {
        Some(text) => text.to_rust_string_lossy(scope),
        None => value.to_rust_string_lossy(scope),
    }
}

/// Asserts what [`eval`] gives.
///
/// # Panics
///
/// If it is not `expected`.
#[track_caller]
pub fn check(source: &str, expected: &str) {
    assert_eq!(eval(source), expected, "{source}");
}
