//! The fleet and the worker service with processes that behave, misbehave and die to order.
//!
//! A "process" here is a thread that speaks the wire over the same socketpairs as the real one.

mod fakes;

use std::{
    cell::RefCell,
    io::Write,
    pin::Pin,
    rc::Rc,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
    time::Duration,
};

use bulkhead_ipc::{
    transport::{self, Limits},
    worker_capnp::{
        Limit, byte_source, event_dispatcher, event_failure, event_port, host, http_request, log_entry, worker_control,
    },
};
use bulkhead_supervisor::{
    body::{Body, BodyError, PullSource, StartTls, next_chunk},
    config::policy::WorkerPolicy,
    fleet::{
        FleetConfig, StartError,
        counters::Counter,
        decide::{PoolPolicy, RestartPolicy, Usage, WatchPolicy},
    },
    log::Stream,
    service::{Service, ServiceError, ServiceRequest, worker::WorkerService},
    upgrade::Upgrade,
};
use bytes::Bytes;
use fakes::{Ends, Rig, World, eventually, get, local, request, settings, text, worker};
use futures::future::LocalBoxFuture;
use tokio::{io::AsyncWriteExt, net::UnixStream};

// ---------------------------------------------------------------------------------------------------------------------
// The fake process

/// What a process does wrong from its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behaviour {
    Good,
    NeverReady,
    GarbageOnControl,
    DiesBlank,
    NeverBinds,
    /// Does not answer `bind` before it was asked for an entrypoint.
    BindsWhenAsked,
    /// As `NeverBinds`, and breaks a rule on its event connections.
    GarbageOnEvents,
    CodeFails,
    DiesInBind,
    /// Writes lines and dies whenever it is asked for something.
    Noisy,
    /// Once bound, it answers no question and cancels nothing.
    Deaf,
}

async fn play(behaviour: Behaviour, ends: Ends) {
    let Ends { world, pid, control, events, mut stderr } = ends;
    match behaviour {
        Behaviour::NeverReady => std::future::pending().await,
        Behaviour::GarbageOnControl => {
            let mut control = UnixStream::from_std(control).expect("a stream");
            // The fleet may have given up already.
            let _ = control.write_all(&[0xff; 64]).await;
            return std::future::pending().await;
        }
        Behaviour::DiesBlank => {
            let line = "bulkhead-sandbox: forbidden system call socket nr=41 args=0x1,0x2,0x3,0x4,0x5,0x6";
            let _ = writeln!(stderr, "{line}");
            world.kill(pid, 31);
            std::future::pending().await
        }
        _ => {}
    }
    if behaviour == Behaviour::Noisy {
        for line in 0..90 {
            let _ = writeln!(stderr, "line {line}");
        }
    }
    let host = Rc::new(RefCell::new(None));
    let server: worker_control::Client =
        capnp_rpc::new_client(Control { world: world.clone(), pid, behaviour, host: host.clone() });
    let stream = UnixStream::from_std(control).expect("a stream");
    let (_, connection) = transport::server(stream, Limits::for_supervisor(), server.client);
    let control = tokio::task::spawn_local(connection);
    for stream in events {
        if behaviour == Behaviour::GarbageOnEvents {
            let mut stream = UnixStream::from_std(stream).expect("a stream");
            let _ = stream.write_all(&[0xff; 64]).await;
            tokio::task::spawn_local(async move {
                let _stream = stream;
                std::future::pending::<()>().await
            });
            continue;
        }
        let port: event_port::Client =
            capnp_rpc::new_client(Port { world: world.clone(), pid, behaviour, host: host.clone() });
        let stream = UnixStream::from_std(stream).expect("a stream");
        let (_, connection) = transport::server(stream, Limits::for_supervisor(), port.client);
        tokio::task::spawn_local(connection);
    }
    let _ = control.await;
}

type HostSlot = Rc<RefCell<Option<host::Client>>>;

struct Control {
    world: Arc<World>,
    pid: i32,
    behaviour: Behaviour,
    host: HostSlot,
}

impl worker_control::Server for Control {
    async fn bind(
        self: Rc<Self>,
        params: worker_control::BindParams,
        mut results: worker_control::BindResults,
    ) -> Result<(), capnp::Error> {
        let mut outcome = results.get().init_outcome();
        match self.behaviour {
            Behaviour::NeverBinds | Behaviour::GarbageOnEvents => std::future::pending().await,
            Behaviour::DiesInBind => {
                self.world.kill(self.pid, 11);
                std::future::pending().await
            }
            Behaviour::CodeFails => {
                let mut error = outcome.init_error();
                error.set_message("Uncaught Error: start\n  at w.js:1:7");
                error.set_stack("Error: start\n    at w.js:1:7");
            }
            _ => {
                if self.behaviour == Behaviour::BindsWhenAsked {
                    self.world.asked.notified().await;
                }
                *self.host.borrow_mut() = Some(params.get()?.get_host()?);
                outcome.reborrow().init_ready(1).get(0).set_name("");
            }
        }
        Ok(())
    }

    async fn ping(
        self: Rc<Self>,
        _: worker_control::PingParams,
        _: worker_control::PingResults,
    ) -> Result<(), capnp::Error> {
        self.world.pings.fetch_add(1, Ordering::SeqCst);
        if self.behaviour == Behaviour::Deaf {
            std::future::pending::<()>().await;
        }
        Ok(())
    }

    async fn drain(
        self: Rc<Self>,
        _: worker_control::DrainParams,
        _: worker_control::DrainResults,
    ) -> Result<(), capnp::Error> {
        if self.behaviour == Behaviour::Deaf && self.host.borrow().is_some() {
            std::future::pending::<()>().await;
        }
        // Before it is bound, the call only asks whether the process is ready.
        if self.host.borrow().is_some() {
            self.world.drained.store(true, Ordering::SeqCst);
        }
        Ok(())
    }
}

struct Port {
    world: Arc<World>,
    pid: i32,
    behaviour: Behaviour,
    host: HostSlot,
}

impl event_port::Server for Port {
    async fn entrypoint(
        self: Rc<Self>,
        params: event_port::EntrypointParams,
        mut results: event_port::EntrypointResults,
    ) -> Result<(), capnp::Error> {
        self.world.asked.notify_one();
        let name = params.get()?.get_name()?.to_string()?;
        match name.as_str() {
            "missing" => return Err(capnp::Error::failed("no such entrypoint".into())),
            "never" => std::future::pending().await,
            _ => {}
        }
        let events = Events {
            world: self.world.clone(),
            pid: self.pid,
            behaviour: self.behaviour,
            host: self.host.clone(),
            cancelled: tokio::sync::Notify::new(),
        };
        results.get().set_dispatcher(capnp_rpc::new_client(events));
        Ok(())
    }
}

struct Events {
    world: Arc<World>,
    pid: i32,
    behaviour: Behaviour,
    host: HostSlot,
    /// Told when an event is cancelled, whichever.
    cancelled: tokio::sync::Notify,
}

struct Hanging(Arc<World>);

impl Drop for Hanging {
    fn drop(&mut self) {
        self.0.hanging.fetch_sub(1, Ordering::SeqCst);
    }
}

impl event_dispatcher::Server for Events {
    async fn cancel(
        self: Rc<Self>,
        _: event_dispatcher::CancelParams,
        _: event_dispatcher::CancelResults,
    ) -> Result<(), capnp::Error> {
        if self.behaviour != Behaviour::Deaf {
            self.cancelled.notify_waiters();
        }
        Ok(())
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each path")]
    async fn fetch(
        self: Rc<Self>,
        params: event_dispatcher::FetchParams,
        mut results: event_dispatcher::FetchResults,
    ) -> Result<(), capnp::Error> {
        let request = params.get()?.get_request()?;
        let url = request.get_url()?.to_string()?;
        let path = url.strip_prefix("http://host").unwrap_or(&url);
        let mut outcome = results.get().init_outcome();
        if path == "/throw" {
            let mut failure = outcome.init_failure();
            failure.set_kind(event_failure::Kind::Exception);
            failure.set_message("Error: boom\nsecond line");
            return Ok(());
        }
        if let Some(limit) = path.strip_prefix("/exceeds-") {
            let number: u16 = limit.parse().expect("the number of a limit");
            let limit = Limit::try_from(number).expect("a limit");
            let host = self.host.borrow().clone().expect("bound");
            let mut call = host.exceeded_request();
            call.get().set_limit(limit);
            call.send().promise.await?;
            let mut failure = outcome.init_failure();
            failure.set_kind(event_failure::Kind::Exceeded);
            failure.set_limit(limit);
            return Ok(());
        }
        if path == "/needs-all" {
            // As a script does that does not expect its client to go away.
            let http_request::body::Stream(source) = request.get_body().which()? else { panic!("no stream") };
            let source = source?;
            self.world.hanging.fetch_add(1, Ordering::SeqCst);
            let _hanging = Hanging(self.world.clone());
            let error = loop {
                let mut call = source.pull_request();
                call.get().set_max_bytes(1000);
                match call.send().promise.await {
                    Err(error) => break error,
                    Ok(reply) if reply.get()?.get_done() => {
                        outcome.init_response().set_status(200);
                        return Ok(());
                    }
                    Ok(_) => {}
                }
            };
            let mut failure = outcome.init_failure();
            failure.set_kind(event_failure::Kind::Exception);
            failure.set_message(error.to_string());
            return Ok(());
        }
        let mut response = outcome.reborrow().init_response();
        response.set_status(200);
        match path {
            "/hello" => {
                let mut headers = response.reborrow().init_headers(2);
                headers.reborrow().get(0).set_name("content-type");
                headers.reborrow().get(0).set_value(b"text/plain");
                headers.reborrow().get(1).set_name("Transfer-Encoding");
                headers.reborrow().get(1).set_value(b"chunked");
                response.init_body().set_bytes(format!("pid {}", self.pid).as_bytes());
            }
            "/echo" => match request.get_body().which()? {
                http_request::body::None(()) => response.init_body().set_none(()),
                http_request::body::Bytes(bytes) => response.init_body().set_bytes(bytes?),
                http_request::body::Stream(source) => {
                    response.set_body_length(request.get_body_length());
                    response.init_body().set_stream(capnp_rpc::new_client(Relay(source?)));
                }
            },
            "/how" => {
                let how: &[u8] = match request.get_body().which()? {
                    http_request::body::None(()) => b"none",
                    http_request::body::Bytes(_) => b"inline",
                    http_request::body::Stream(_) => b"stream",
                };
                response.init_body().set_bytes(how);
            }
            "/hang" => {
                self.world.hanging.fetch_add(1, Ordering::SeqCst);
                let _hanging = Hanging(self.world.clone());
                self.cancelled.notified().await;
                return Err(capnp::Error::failed("the event was cancelled".into()));
            }
            "/die" => {
                self.world.kill(self.pid, 11);
                std::future::pending::<()>().await;
            }
            "/endless" => {
                self.world.hanging.fetch_add(1, Ordering::SeqCst);
                let held = Some(Hanging(self.world.clone()));
                response.init_body().set_stream(capnp_rpc::new_client(Script::new("endless", held)));
            }
            "/upgrade" | "/starts-tls" | "/sends-back" => {
                let http_request::body::Stream(source) = request.get_body().which()? else { panic!("no stream") };
                let source = source?;
                response.set_status(101);
                response.init_body().set_stream(match path {
                    "/upgrade" => capnp_rpc::new_client(Relay(source)),
                    "/sends-back" => capnp_rpc::new_client(SendsBack(source)),
                    _ => capnp_rpc::new_client(StartsTls(source)),
                });
            }
            "/long" => response.init_body().init_bytes(2000).fill(b'x'),
            "/never-ending" => {
                let held = Some(Hanging(self.world.clone()));
                self.world.hanging.fetch_add(1, Ordering::SeqCst);
                response.init_body().set_stream(capnp_rpc::new_client(Script::new("never", held)));
            }
            "/chatter" => {
                let host = self.host.borrow().clone().expect("bound");
                loop {
                    let mut call = host.log_request();
                    call.get().init_entries(1).get(0).set_message("x".repeat(1000));
                    call.send().promise.await?;
                }
            }
            "/oversized" | "/nothing" | "/more" | "/early" => {
                let kind = match path {
                    "/oversized" => "oversized",
                    "/nothing" => "nothing",
                    "/more" => "more",
                    _ => "early",
                };
                if matches!(kind, "more" | "early") {
                    response.set_body_length(10);
                }
                response.init_body().set_stream(capnp_rpc::new_client(Script::new(kind, None)));
            }
            "/bad-header" => {
                let mut headers = response.reborrow().init_headers(1);
                headers.reborrow().get(0).set_name("x");
                headers.reborrow().get(0).set_value(b"a\r\nset-cookie: b");
            }
            "/bad-name" => {
                response.reborrow().init_headers(1).get(0).set_name("x y");
            }
            "/bad-status" => response.set_status(99),
            "/bad-text" => response.set_status_text("OK\r\nx: y"),
            "/many-headers" => {
                response.reborrow().init_headers(5000);
            }
            "/log" | "/log-twice" => {
                let host = self.host.borrow().clone().expect("bound");
                let calls: Vec<_> = (0..if path == "/log" { 1 } else { 10 })
                    .map(|_| {
                        let mut call = host.log_request();
                        let mut entries = call.get().init_entries(2);
                        entries.reborrow().get(0).set_message("out\u{1b}[2J\nline");
                        entries.reborrow().get(0).set_level(log_entry::Level::Log);
                        entries.reborrow().get(1).set_message("err");
                        entries.reborrow().get(1).set_level(log_entry::Level::Error);
                        call.send().promise
                    })
                    .collect();
                for call in calls {
                    call.await?;
                }
                response.init_body().set_none(());
            }
            other => panic!("no such path {other}"),
        }
        Ok(())
    }
}

/// Hands on what it pulls.
struct Relay(byte_source::Client);

impl byte_source::Server for Relay {
    async fn pull(
        self: Rc<Self>,
        params: byte_source::PullParams,
        mut results: byte_source::PullResults,
    ) -> Result<(), capnp::Error> {
        let mut call = self.0.pull_request();
        call.get().set_max_bytes(params.get()?.get_max_bytes());
        let reply = call.send().promise.await?;
        let reply = reply.get()?;
        results.get().set_bytes(reply.get_bytes()?);
        results.get().set_done(reply.get_done());
        Ok(())
    }
}

/// Sends in one answer what comes after that which it only then sends with a pull of the other direction.
struct SendsBack(byte_source::Client);

impl byte_source::Server for SendsBack {
    async fn pull(
        self: Rc<Self>,
        _: byte_source::PullParams,
        mut results: byte_source::PullResults,
    ) -> Result<(), capnp::Error> {
        let source = self.0.clone();
        tokio::task::spawn_local(async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let mut call = source.pull_request();
            call.get().set_max_bytes(1);
            call.get().set_back(b"first");
            call.send().promise.await.map(drop)
        });
        results.get().set_bytes(b"second");
        results.get().set_before(5);
        results.get().set_done(true);
        Ok(())
    }
}

/// Has a connection go on inside of TLS, where it sends without end, and sends nothing before.
struct StartsTls(byte_source::Client);

impl byte_source::Server for StartsTls {
    async fn pull(
        self: Rc<Self>,
        _: byte_source::PullParams,
        mut results: byte_source::PullResults,
    ) -> Result<(), capnp::Error> {
        let mut call = self.0.start_tls_request();
        call.get().set_to(capnp_rpc::new_client(Script::new("endless", None)));
        tokio::task::spawn_local(call.send().promise);
        results.get().set_done(true);
        Ok(())
    }
}

struct Script {
    kind: &'static str,
    cancelled: tokio::sync::Notify,
    _held: Option<Hanging>,
}

impl Script {
    fn new(kind: &'static str, held: Option<Hanging>) -> Self {
        Self { kind, cancelled: tokio::sync::Notify::new(), _held: held }
    }
}

impl byte_source::Server for Script {
    async fn cancel(
        self: Rc<Self>,
        _: byte_source::CancelParams,
        _: byte_source::CancelResults,
    ) -> Result<(), capnp::Error> {
        self.cancelled.notify_one();
        Ok(())
    }

    async fn pull(
        self: Rc<Self>,
        params: byte_source::PullParams,
        mut results: byte_source::PullResults,
    ) -> Result<(), capnp::Error> {
        let limit = params.get()?.get_max_bytes();
        match self.kind {
            "endless" => results.get().init_bytes(1000).fill(1),
            "never" => {
                self.cancelled.notified().await;
                return Err(capnp::Error::failed("the stream was cancelled".into()));
            }
            "oversized" => results.get().init_bytes(limit + 1).fill(1),
            "nothing" => {}
            "more" => results.get().init_bytes(11).fill(1),
            _ => {
                results.get().init_bytes(9).fill(1);
                results.get().set_done(true);
            }
        }
        Ok(())
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// The harness

fn rig(settings: FleetConfig, behaviour: impl Fn(i32) -> Behaviour + Send + Sync + 'static) -> Rig {
    rig_with_log(settings, 65_536, behaviour)
}

fn rig_with_log(
    settings: FleetConfig,
    room: usize,
    behaviour: impl Fn(i32) -> Behaviour + Send + Sync + 'static,
) -> Rig {
    fakes::start(settings, room, move |ends| play(behaviour(ends.pid), ends))
}

fn rig_with_policy(
    settings: FleetConfig,
    policy: WorkerPolicy,
    behaviour: impl Fn(i32) -> Behaviour + Send + Sync + 'static,
) -> Rig {
    fakes::start_with(settings, policy, 65_536, move |ends| play(behaviour(ends.pid), ends))
}

/// Looks often, and has no patience.
fn watchful() -> FleetConfig {
    // Long enough that nobody who answers is late on a busy machine.
    let short = Duration::from_millis(200);
    let watch = WatchPolicy {
        interval: Duration::from_millis(5),
        idle_interval: Duration::from_millis(5),
        grace: short,
        deaf: Duration::from_secs(3600),
        silence: short,
        cpu_grace: Duration::from_secs(5),
        cpu_slack: Duration::from_secs(10),
        memory_base: 64 << 20,
    };
    FleetConfig { watch, ..settings() }
}

/// The process that answers; what comes while one is on its way out may still fail with it.
async fn pid(service: &WorkerService) -> i32 {
    let response = loop {
        match service.fetch(get("/hello")).await {
            Err(ServiceError::Unavailable(_)) => tokio::time::sleep(Duration::from_millis(1)).await,
            response => break response.expect("a response"),
        }
    };
    text(response).await.expect("a body")[4..].parse().expect("a pid")
}

/// A body of `left` bytes in chunks, which counts how far it was read and whether it was let go of.
struct Upload {
    left: u64,
    chunk: usize,
    pause: bool,
    read: Rc<std::cell::Cell<u64>>,
    known: bool,
    _dropped: Rc<()>,
}

impl PullSource for Upload {
    fn poll_pull(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let this = self.get_mut();
        if std::mem::take(&mut this.pause) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        this.pause = true;
        let length = this.left.min(this.chunk as u64);
        this.left -= length;
        this.read.set(this.read.get() + length);
        Poll::Ready((length > 0).then(|| Ok(Bytes::from(vec![b'x'; length as usize]))))
    }

    fn remaining(&self) -> Option<u64> {
        self.known.then_some(self.left)
    }
}

fn upload(length: u64, chunk: usize, known: bool) -> (Body, Rc<std::cell::Cell<u64>>, Rc<()>) {
    let (read, token) = (Rc::new(std::cell::Cell::new(0)), Rc::new(()));
    let body = Upload { left: length, chunk, pause: true, read: read.clone(), known, _dropped: token.clone() };
    (Body::Pull(Box::pin(body)), read, token)
}

/// A request that asks for a connection in place of HTTP.
fn upgrade(path: &str, body: impl PullSource + 'static) -> ServiceRequest {
    let mut asked = request("GET", path, Body::Pull(Box::pin(body)));
    asked.http.extensions_mut().insert(Upgrade("websocket"));
    asked
}

/// A connection from which nothing comes. What it is to send inside of TLS is kept.
#[derive(Clone, Default)]
struct Silent(Rc<RefCell<Option<Body>>>);

impl PullSource for Silent {
    fn poll_pull(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        Poll::Pending
    }

    fn is_on_demand(&self) -> bool {
        true
    }

    fn tls(&self) -> Option<Rc<dyn StartTls>> {
        Some(Rc::new(self.clone()))
    }
}

impl StartTls for Silent {
    fn start(self: Rc<Self>, _: Option<String>, to: Body) -> LocalBoxFuture<'static, Result<Body, BodyError>> {
        *self.0.borrow_mut() = Some(to);
        Box::pin(async { Ok(Body::Pull(Box::pin(Silent::default()))) })
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Tests

#[test]
fn a_request_is_answered_and_hop_by_hop_headers_stay_behind() {
    local(async {
        let rig = rig(settings(), |_| Behaviour::Good);
        let service = rig.service(0);
        let response = service.fetch(get("/hello")).await.expect("a response");
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers().get("content-type").map(|v| v.as_bytes()), Some(&b"text/plain"[..]));
        assert!(response.headers().get("transfer-encoding").is_none());
        assert!(text(response).await.expect("a body").starts_with("pid "));
        drop(service);
        rig.ended().await;
    });
}

#[test]
fn what_the_worker_says_about_its_failure_is_not_for_the_client() {
    local(async {
        let rig = rig(settings(), |_| Behaviour::Good);
        match rig.service(0).fetch(get("/throw")).await {
            Err(ServiceError::Exception(text)) => assert_eq!(text, "worker \"one\": Uncaught Error: boom\nsecond line"),
            other => panic!("{other:?}"),
        }
        rig.ended().await;
    });
}

#[test]
fn small_bodies_travel_inline_and_long_ones_stream() {
    local(async {
        let rig = rig(settings(), |_| Behaviour::Good);
        let service = rig.service(0);
        let how = async |body| text(service.fetch(request("POST", "/how", body)).await.expect("ok")).await.expect("ok");
        assert_eq!(how(Body::Empty).await, "none");
        assert_eq!(how(Body::Bytes(Bytes::from_static(b"abc"))).await, "inline");
        assert_eq!(how(Body::Bytes(Bytes::from(vec![0; 100_000]))).await, "stream");
        assert_eq!(how(upload(100, 50, true).0).await, "inline");
        assert_eq!(how(upload(100, 50, false).0).await, "inline");
        assert_eq!(how(upload(100_000, 1000, false).0).await, "stream");
        let (body, read, _) = upload(100_000, 1000, true);
        assert_eq!(how(body).await, "stream");
        assert_eq!(read.get(), 0, "a body that is known to be long is read when the worker asks");
        for (length, known) in [(0, true), (1, false), (65_536, true), (65_537, false), (3_000_000, true)] {
            let (body, read, token) = upload(length, 10_007, known);
            let response = service.fetch(request("POST", "/echo", body)).await.expect("a response");
            assert_eq!(text(response).await.expect("a body").len() as u64, length);
            assert_eq!(read.get(), length);
            assert_eq!(Rc::strong_count(&token), 1, "the body was let go of");
        }
        drop(service);
        rig.ended().await;
    });
}

/// A body that breaks off after its chunks, as one that is no HTTP does.
struct Torn(Vec<Option<&'static str>>);

impl PullSource for Torn {
    fn poll_pull(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let chunks = &mut self.get_mut().0;
        match (!chunks.is_empty()).then(|| chunks.remove(0)) {
            Some(Some(chunk)) => Poll::Ready(Some(Ok(Bytes::from_static(chunk.as_bytes())))),
            Some(None) => {
                // Much later.
                let waker = cx.waker().clone();
                tokio::task::spawn_local(async move {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    waker.wake();
                });
                Poll::Pending
            }
            None => Poll::Ready(Some(Err(BodyError("secret".to_owned())))),
        }
    }
}

#[test]
fn a_handler_decides_what_a_request_is_worth_whose_body_breaks_off() {
    local(async {
        let rig = rig(settings(), |_| Behaviour::Good);
        let service = rig.service(0);
        for chunks in
            [vec![], vec![Some("abc")], vec![None], vec![Some("abc"), None], vec![Some("abc"), None, Some("d")]]
        {
            let torn = || Body::Pull(Box::pin(Torn(chunks.clone())));
            // Who does not look at it does not notice.
            let response = service.fetch(request("POST", "/how", torn())).await.expect("a response");
            assert_eq!(text(response).await.expect("a body"), "stream", "{chunks:?}");
            // Who cannot do without fails, and that is the client's own doing.
            let error = service.fetch(request("POST", "/needs-all", torn())).await.expect_err("it broke off");
            assert!(matches!(error, ServiceError::BrokenRequest), "{chunks:?}: {error:?}");
            // What was passed on breaks off where it broke off.
            let mut body = service.fetch(request("POST", "/echo", torn())).await.expect("a response").into_body();
            let mut passed = Vec::new();
            let error = loop {
                match next_chunk(&mut body).await.expect("no end") {
                    Ok(chunk) => passed.extend_from_slice(&chunk),
                    Err(error) => break error,
                }
            };
            let sent: String = chunks.iter().flatten().copied().collect();
            assert_eq!(String::from_utf8_lossy(&passed), sent, "{error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        drop(service);
        rig.ended().await;
    });
}

/// A body of which a part comes, and then nothing.
struct Halting(Bytes);

impl PullSource for Halting {
    fn poll_pull(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let bytes = std::mem::take(&mut self.0);
        if bytes.is_empty() { Poll::Pending } else { Poll::Ready(Some(Ok(bytes))) }
    }

    fn remaining(&self) -> Option<u64> {
        Some(1 << 20)
    }
}

#[test]
fn what_a_body_brings_without_a_wait_travels_in_few_messages() {
    local(async {
        let rig = rig(settings(), |_| Behaviour::Good);
        let service = rig.service(0);
        let length = 3_000_000;
        // Each chunk is there a turn after it was asked for.
        let (body, ..) = upload(length, 10_000, true);
        let mut body = service.fetch(request("POST", "/echo", body)).await.expect("a response").into_body();
        let (mut received, mut messages) = (0, 0);
        while let Some(chunk) = next_chunk(&mut body).await {
            received += chunk.expect("a chunk").len() as u64;
            messages += 1;
        }
        assert_eq!(received, length);
        let least = length.div_ceil(transport::MAX_CHUNK.into());
        assert!(messages <= 2 * least, "{messages} messages, where {least} would do");
        // What is there goes on its way, whatever follows.
        let halting = Body::Pull(Box::pin(Halting(Bytes::from(vec![b'x'; 100_000]))));
        let mut body = service.fetch(request("POST", "/echo", halting)).await.expect("a response").into_body();
        assert_eq!(next_chunk(&mut body).await.expect("no end").expect("a chunk").len(), 100_000);
        drop((body, service));
        rig.ended().await;
    });
}

#[test]
fn a_long_stream_is_never_held_whole() {
    local(async {
        let rig = rig(settings(), |_| Behaviour::Good);
        let shard = rig.fleet.shard(0);
        let service = WorkerService::new(&shard, &worker(0), None, None);
        let length = 256 << 20;
        let (body, read, _) = upload(length, 100_000, true);
        let mut body = service.fetch(request("POST", "/echo", body)).await.expect("a response").into_body();
        let connection = shard.connected(&worker(0)).expect("a connection").connection.clone();
        let mut received = 0;
        while let Some(chunk) = next_chunk(&mut body).await {
            received += chunk.expect("a chunk").len() as u64;
            assert!(read.get() - received <= 2 << 20, "{} bytes are under way", read.get() - received);
            assert!(connection.held_bytes() + connection.queued_bytes() <= 2 << 20);
        }
        assert_eq!(received, length);
        drop((service, shard));
        rig.ended().await;
    });
}

#[test]
fn a_client_that_goes_away_cancels_the_work() {
    local(async {
        let rig = rig(settings(), |_| Behaviour::Good);
        let service = Rc::new(rig.service(0));
        let hanging = || rig.world.hanging.load(Ordering::SeqCst);
        let (body, _, token) = upload(1 << 28, 1000, true);
        let for_task = service.clone();
        let call =
            tokio::task::spawn_local(async move { for_task.fetch(request("POST", "/hang", body)).await.map(drop) });
        eventually(|| hanging() == 1).await;
        call.abort();
        eventually(|| hanging() == 0).await;
        eventually(|| Rc::strong_count(&token) == 1).await;

        let response = service.fetch(get("/endless")).await.expect("a response");
        let mut body = response.into_body();
        assert!(next_chunk(&mut body).await.is_some());
        assert_eq!(hanging(), 1);
        drop(body);
        eventually(|| hanging() == 0).await;
        // The process was not harmed.
        assert_eq!(rig.world.spawned.load(Ordering::SeqCst), rig.fleet.stats().await.started as i32);
        service.fetch(get("/hello")).await.expect("a response");
        drop(service);
        rig.ended().await;
    });
}

/// A body of which nothing ever comes.
struct Stalled;

impl PullSource for Stalled {
    fn poll_pull(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        Poll::Pending
    }
}

#[test]
fn clients_that_leave_in_the_middle_of_their_uploads_use_nothing_up() {
    local(async {
        let rig = rig(settings(), |_| Behaviour::Good);
        let service = Rc::new(rig.service(0));
        let before = text(service.fetch(get("/hello")).await.expect("a response")).await.expect("a body");
        // More than the calls that a worker may have open.
        for _ in 0..1200 {
            let for_task = service.clone();
            let call = tokio::task::spawn_local(async move {
                let body = Body::Pull(Box::pin(Stalled));
                for_task.fetch(request("POST", "/needs-all", body)).await.map(drop)
            });
            eventually(|| rig.world.hanging.load(Ordering::SeqCst) == 1).await;
            call.abort();
            eventually(|| rig.world.hanging.load(Ordering::SeqCst) == 0).await;
        }
        let after = text(service.fetch(get("/hello")).await.expect("a response")).await.expect("a body");
        assert_eq!(before, after, "the process was ended");
        drop(service);
        rig.ended().await;
    });
}

#[test]
fn a_death_fails_what_is_in_flight_and_nothing_else() {
    local(async {
        let mut rig = rig(settings(), |_| Behaviour::Good);
        let (one, two) = (Rc::new(rig.service(0)), Rc::new(rig.service(1)));
        let flight: Vec<_> = (0..20)
            .map(|_| {
                let one = one.clone();
                tokio::task::spawn_local(async move { one.fetch(get("/hang")).await.map(drop) })
            })
            .collect();
        let other = {
            let two = two.clone();
            tokio::task::spawn_local(async move { two.fetch(get("/hang")).await.map(drop) })
        };
        eventually(|| rig.world.hanging.load(Ordering::SeqCst) == 21).await;
        let pid: i32 =
            text(one.fetch(get("/hello")).await.expect("ok")).await.expect("ok")[4..].parse().expect("a pid");
        rig.world.kill(pid, 9);
        for call in flight {
            assert!(matches!(call.await.expect("a task"), Err(ServiceError::Unavailable(_))));
        }
        assert_eq!(rig.logged("was killed").await, format!("worker \"one\" (pid {pid}) was killed by SIGKILL"));
        // It is back, and the other one did not notice.
        let again = text(one.fetch(get("/hello")).await.expect("ok")).await.expect("ok");
        assert_ne!(again, format!("pid {pid}"));
        assert!(!other.is_finished());
        other.abort();
        drop((one, two));
        rig.ended().await;
    });
}

#[test]
fn a_thousand_kills_leak_nothing() {
    local(async {
        let rig = rig(settings(), |_| Behaviour::Good);
        let shard = rig.fleet.shard(0);
        let service = WorkerService::new(&shard, &worker(0), None, None);
        let descriptors = || std::fs::read_dir("/proc/self/fd").expect("a directory").count();
        let mut before = None;
        for round in 0..1000 {
            let error = service.fetch(get("/die")).await.expect_err("it died");
            assert!(matches!(error, ServiceError::Unavailable(_)), "{error:?}");
            if round == 20 {
                service.fetch(get("/hello")).await.expect("a response");
                before = Some(descriptors());
            }
        }
        service.fetch(get("/hello")).await.expect("a response");
        // The one that serves, and one in the pool.
        eventually(|| rig.world.alive.load(Ordering::SeqCst) <= 2).await;
        assert!(rig.fleet.stats().await.processes <= 2);
        assert_eq!(shard.connections(), 1);
        // Other tests run in this process too; a leak would be thousands.
        assert!(descriptors() < before.expect("it was counted") + 200);
        drop((service, shard));
        rig.ended().await;
    });
}

#[test]
fn a_worker_that_breaks_a_rule_is_ended() {
    local(async {
        let mut rig = rig(settings(), |_| Behaviour::Good);
        let service = rig.service(0);
        for (path, words) in [
            ("/bad-header", "an invalid value of header x"),
            ("/bad-name", "an invalid header name"),
            ("/bad-status", "a response with status 99"),
            ("/bad-text", "an invalid status text"),
            ("/many-headers", "5000 headers are more than the 256"),
            ("/oversized", "it sent more than it was asked for"),
            ("/nothing", "it sent nothing that was not the end"),
            ("/more", "it sent more than it had announced"),
        ] {
            match service.fetch(get(path)).await {
                Ok(response) => drop(text(response).await.expect_err(path)),
                Err(error) => assert!(matches!(error, ServiceError::Unavailable(_)), "{path}: {error:?}"),
            }
            let line = rig.logged("was ended").await;
            assert!(line.contains(words), "{path}: {line}");
            // The replacement serves.
            service.fetch(get("/hello")).await.expect(path);
        }
        let response = service.fetch(get("/early")).await.expect("a response");
        assert!(text(response).await.is_err(), "a body that ends early is broken, not complete");
        drop(service);
        rig.ended().await;
    });
}

#[test]
fn cancelled_events_leave_nothing_on_the_wire() {
    local(async {
        let rig = rig(settings(), |_| Behaviour::Good);
        let shard = rig.fleet.shard(0);
        let service = Rc::new(WorkerService::new(&shard, &worker(0), None, None));
        service.fetch(get("/hello")).await.expect("a response");
        let link = shard.connect(&worker(0)).await.expect("a link");
        // More than a worker may leave unanswered, and more than a connection has numbers for open calls.
        for _ in 0..10_000 {
            let for_task = service.clone();
            let call = tokio::task::spawn_local(async move { for_task.fetch(get("/hang")).await.map(drop) });
            tokio::task::yield_now().await;
            call.abort();
            while link.connection.given_up() > 100 {
                tokio::task::yield_now().await;
            }
        }
        eventually(|| link.connection.given_up() == 0).await;
        eventually(|| rig.world.hanging.load(Ordering::SeqCst) == 0).await;
        assert!(link.connection.fault().is_none());
        service.fetch(get("/hello")).await.expect("the same process serves");
        drop((link, service, shard));
        rig.ended().await;
    });
}

#[test]
fn console_output_goes_to_its_stream_without_control_characters() {
    local(async {
        let mut rig = rig(FleetConfig { names_lines: true, ..settings() }, |_| Behaviour::Good);
        rig.service(0).fetch(get("/log")).await.expect("a response");
        assert_eq!(rig.logged("out").await, "[one] out\\u{1b}[2J\n[one] line");
        let entry = rig.log.recv().await.expect("an entry");
        assert_eq!((entry.stream, entry.text.as_str()), (Stream::Err, "[one] err"));
        rig.ended().await;
    });
}

#[test]
fn a_worker_that_does_not_wait_for_the_log_is_ended() {
    local(async {
        // Nobody reads this log, so that the first call stays open.
        let rig = rig_with_log(settings(), 1, |_| Behaviour::Good);
        let service = rig.service(0);
        let error = service.fetch(get("/log-twice")).await.expect_err("it is ended");
        assert!(matches!(error, ServiceError::Unavailable(_)), "{error:?}");
        // What comes while the process is on its way out may still fail with it.
        while service.fetch(get("/hello")).await.is_err() {}
        // One for the reserve may be starting.
        while rig.world.spawned.load(Ordering::SeqCst) != rig.fleet.stats().await.started as i32 {
            tokio::task::yield_now().await;
        }
        drop(service);
        rig.ended().await;
    });
}

#[test]
fn start_up_errors_of_the_code_are_reported_and_answered() {
    local(async {
        let mut rig = rig(settings(), |_| Behaviour::CodeFails);
        let error = StartError::Code("Uncaught Error: start\n  at w.js:1:7".to_owned());
        assert_eq!(rig.fleet.start_check(&[worker(0)]).await, [Err(error)]);
        for index in [0, 1] {
            let service = rig.service(index);
            assert!(matches!(service.fetch(get("/hello")).await, Err(ServiceError::Unavailable(_))));
        }
        // Who asked for the check reports the first one.
        assert_eq!(rig.logged("service ").await, "service two: Uncaught Error: start\n  at w.js:1:7");
        rig.ended().await;
    });
}

#[test]
fn a_check_that_succeeds_leaves_the_worker_bound() {
    local(async {
        let rig = rig(settings(), |_| Behaviour::Good);
        assert_eq!(rig.fleet.start_check(&[worker(0), worker(1)]).await, [Ok(()), Ok(())]);
        assert_eq!(rig.fleet.stats().await.bound, 2);
        rig.ended().await;
    });
}

#[test]
fn processes_that_fail_to_start_are_replaced() {
    // Without a pool, so that the first process is the first to be bound.
    let settings =
        FleetConfig { bind_timeout: Duration::from_secs(2), pool: PoolPolicy { min: 0, max: 0 }, ..settings() };
    local(async {
        let mut rig = rig(settings, |pid| match pid {
            1 => Behaviour::NeverBinds,
            2 => Behaviour::DiesInBind,
            _ => Behaviour::Good,
        });
        let service = rig.service(0);
        service.fetch(get("/hello")).await.expect("a response");
        let lines = [rig.logged("could not be started").await, rig.logged("could not be started").await];
        let any = |words: &str| lines.iter().any(|line| line.contains(words));
        assert!(any("longer than 2 s") && any("was killed by SIGSEGV while it started"), "{lines:?}");
        drop(service);
        rig.ended().await;
    });
}

/// A shard sets its connection up while the process compiles; a process is answerable for what it sends there.
#[test]
fn connections_are_set_up_while_a_process_is_bound() {
    let hours = Duration::from_secs(3600);
    let pool = PoolPolicy { min: 0, max: 0 };
    local(async {
        let settings = FleetConfig { bind_timeout: hours, wait_timeout: hours, pool, ..settings() };
        let rig = rig(settings, |_| Behaviour::BindsWhenAsked);
        let service = rig.service(0);
        service.fetch(get("/hello")).await.expect("a response");
        drop(service);
        rig.ended().await;
    });
    local(async {
        let settings = FleetConfig { bind_timeout: hours, wait_timeout: hours, pool, ..settings() };
        let mut rig = rig(settings, |pid| if pid == 1 { Behaviour::GarbageOnEvents } else { Behaviour::Good });
        let service = rig.service(0);
        service.fetch(get("/hello")).await.expect("a response of the next process");
        let line = rig.logged("could not be started").await;
        assert!(line.contains("more than 64 segments"), "{line}");
        drop(service);
        rig.ended().await;
    });
}

#[test]
fn blank_processes_that_fail_are_reported_once() {
    for (behaviour, words) in [
        (Behaviour::NeverReady, "not ready in time"),
        (Behaviour::GarbageOnControl, "more than 64 segments"),
        #[cfg(target_arch = "x86_64")]
        (Behaviour::DiesBlank, "was killed by a forbidden system call 41 (socket)"),
    ] {
        let settings = FleetConfig { ready_timeout: Duration::from_millis(100), ..settings() };
        local(async {
            let mut rig = rig(settings, move |_| behaviour);
            let line = rig.logged("cannot be filled").await;
            assert!(line.contains(words), "{behaviour:?}: {line}");
            match &rig.fleet.start_check(&[worker(0)]).await[..] {
                [Err(StartError::Process(text))] => assert!(text.contains(words), "{behaviour:?}: {text}"),
                other => panic!("{other:?}"),
            }
            rig.ended().await;
        });
    }
}

#[test]
fn waiting_is_bounded_in_number_and_time() {
    let settings = FleetConfig {
        ready_timeout: Duration::from_secs(3600),
        bind_timeout: Duration::from_secs(3600),
        wait_timeout: Duration::from_millis(50),
        max_waiting: 3,
        ..settings()
    };
    local(async {
        let rig = rig(settings, |_| Behaviour::NeverBinds);
        let service = Rc::new(rig.service(0));
        let errors: Vec<_> = (0..5)
            .map(|_| {
                let service = service.clone();
                tokio::task::spawn_local(async move { service.fetch(get("/hello")).await.expect_err("no process") })
            })
            .collect();
        let mut texts = Vec::new();
        for error in errors {
            texts.push(error.await.expect("a task").to_string());
        }
        texts.sort();
        let count = |words: &str| texts.iter().filter(|text| text.contains(words)).count();
        assert_eq!((count("requests wait already"), count("in time")), (2, 3), "{texts:?}");
        // What is being started ends as well.
        drop(service);
        rig.ended().await;
    });
}

#[test]
fn events_beyond_the_bound_wait_for_a_place() {
    local(async {
        let settings = FleetConfig { max_events: 2, max_waiting: 2, ..settings() };
        let rig = rig(settings, |_| Behaviour::Good);
        let (service, other) = (Rc::new(rig.service(0)), rig.service(1));
        let first = pid(&service).await;
        let begin = |path: &'static str| {
            let service = service.clone();
            tokio::task::spawn_local(async move { service.fetch(get(path)).await.map(drop) })
        };
        let hanging = [begin("/hang"), begin("/hang")];
        eventually(|| rig.world.hanging.load(Ordering::SeqCst) == 2).await;
        let waiting = [begin("/hello"), begin("/hello")];
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(waiting.iter().all(|call| !call.is_finished()));
        // One more is too many; another worker has places of its own.
        match service.fetch(get("/hello")).await {
            Err(ServiceError::Unavailable(text)) => assert!(text.contains("2 events are in flight"), "{text}"),
            answer => panic!("{answer:?}"),
        }
        other.fetch(get("/hello")).await.expect("a response");
        // A client leaves, and the two get their turns one after the other.
        let [one, two] = hanging;
        one.abort();
        for call in waiting {
            call.await.expect("a task").expect("a response");
        }
        two.abort();
        assert_eq!(pid(&service).await, first);
        drop((service, other));
        rig.ended().await;
    });
}

#[test]
fn nobody_waits_long_for_a_place_and_a_new_process_has_places() {
    local(async {
        let settings = FleetConfig { max_events: 1, wait_timeout: Duration::from_secs(2), ..settings() };
        let rig = rig(settings, |_| Behaviour::Good);
        let service = Rc::new(rig.service(0));
        let first = pid(&service).await;
        let for_task = service.clone();
        let hanging = tokio::task::spawn_local(async move { for_task.fetch(get("/hang")).await.map(drop) });
        eventually(|| rig.world.hanging.load(Ordering::SeqCst) == 1).await;
        match service.fetch(get("/hello")).await {
            Err(ServiceError::Unavailable(text)) => assert!(text.contains("for too long"), "{text}"),
            answer => panic!("{answer:?}"),
        }
        let for_task = service.clone();
        let waiting = tokio::task::spawn_local(async move { for_task.fetch(get("/hello")).await.map(drop) });
        tokio::time::sleep(Duration::from_millis(20)).await;
        rig.world.kill(first, 9);
        assert!(hanging.await.expect("a task").is_err());
        // It waited for a place, not for that process.
        waiting.await.expect("a task").expect("a response");
        assert_ne!(pid(&service).await, first);
        drop(service);
        rig.ended().await;
    });
}

#[test]
fn a_process_that_nobody_asks_for_is_not_started_again() {
    local(async {
        let rig = rig(FleetConfig { pool: PoolPolicy { min: 0, max: 0 }, ..settings() }, |_| Behaviour::Good);
        let service = rig.service(0);
        let first = pid(&service).await;
        rig.world.kill(first, 9);
        eventually(|| !rig.world.pids().contains(&first)).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        let stats = rig.fleet.stats().await;
        assert_eq!((stats.processes, stats.bound, stats.started), (0, 0, 1));
        assert_ne!(pid(&service).await, first);
        drop(service);
        rig.ended().await;
    });
}

#[test]
fn the_pool_is_refilled_and_a_dead_blank_is_replaced() {
    local(async {
        let rig = rig(settings(), |_| Behaviour::Good);
        let blank = async |wanted: usize| {
            for _ in 0..30_000 {
                if rig.fleet.stats().await.blank == wanted {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            panic!("the pool has {:?}", rig.fleet.stats().await);
        };
        blank(1).await;
        rig.world.kill(rig.world.pids()[0], 9);
        eventually(|| rig.world.spawned.load(Ordering::SeqCst) == 2).await;
        blank(1).await;
        assert_eq!(rig.fleet.start_check(&[worker(0)]).await, [Ok(())]);
        blank(1).await;
        assert_eq!(rig.fleet.stats().await.bound, 1);
        rig.ended().await;
    });
}

#[test]
fn no_place_of_the_pool_is_kept_for_a_worker_that_is_being_bound() {
    local(async {
        let settings =
            FleetConfig { pool: PoolPolicy { min: 2, max: 2 }, bind_timeout: Duration::from_secs(3600), ..settings() };
        let rig = rig(settings, |pid| if pid == 1 { Behaviour::NeverBinds } else { Behaviour::Good });
        let reached = async |started: u64, blank: usize| {
            for _ in 0..30_000 {
                let stats = rig.fleet.stats().await;
                if (stats.started, stats.blank) == (started, blank) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            panic!("{:?} are not {started} started and {blank} blank", rig.fleet.stats().await);
        };
        // Two workers without a process: two in reserve.
        reached(2, 2).await;
        let fleet = rig.fleet.clone();
        let start = tokio::task::spawn_local(async move { fleet.start_check(&[worker(0)]).await });
        reached(2, 1).await;
        // The one in reserve is for the other worker. It is replaced by one: the next would begin in the same turn.
        rig.world.kill(2, 9);
        reached(3, 1).await;
        assert_eq!(rig.fleet.start_check(&[worker(1)]).await, [Ok(())]);
        reached(4, 1).await;
        start.abort();
        rig.ended().await;
    });
}

#[test]
fn entrypoints_that_do_not_exist_or_never_come_are_errors() {
    local(async {
        let rig = rig(FleetConfig { wait_timeout: Duration::from_millis(300), ..settings() }, |_| Behaviour::Good);
        rig.fleet.start_check(&[worker(0)]).await[0].clone().expect("a start");
        let shard = rig.fleet.shard(0);
        let missing = WorkerService::new(&shard, &worker(0), Some("missing".to_owned()), None);
        assert!(matches!(missing.fetch(get("/hello")).await, Err(ServiceError::Exception(_))));
        let never = WorkerService::new(&shard, &worker(0), Some("never".to_owned()), None);
        assert!(matches!(never.fetch(get("/hello")).await, Err(ServiceError::Unavailable(_))));
        drop((missing, never, shard));
        rig.ended().await;
    });
}

#[test]
fn draining_asks_the_workers_first_and_starts_nothing_more() {
    local(async {
        let rig = rig(settings(), |_| Behaviour::Good);
        let service = rig.service(0);
        service.fetch(get("/hello")).await.expect("a response");
        rig.fleet.drain(Duration::from_secs(30)).await;
        assert!(rig.world.drained.load(Ordering::SeqCst));
        assert!(matches!(service.fetch(get("/hello")).await, Err(ServiceError::Unavailable(_))));
        drop(service);
        rig.ended().await;
    });
}

#[test]
fn dropping_every_handle_ends_the_processes() {
    local(async {
        let rig = rig(settings(), |_| Behaviour::Good);
        rig.fleet.start_check(&[worker(0), worker(1)]).await;
        let world = rig.world.clone();
        drop(rig);
        eventually(|| world.alive.load(Ordering::SeqCst) == 0).await;
    });
}

// ---------------------------------------------------------------------------------------------------------------------
// Limits

#[test]
fn a_process_is_started_for_a_worker_that_no_blank_one_fits() {
    local(async {
        let policy = WorkerPolicy {
            heap_bytes: 32 << 20,
            jitless: true,
            threads: 7,
            memory_bytes: 0,
            ..WorkerPolicy::default()
        };
        let settings = FleetConfig { pool: PoolPolicy { min: 2, max: 2 }, ..settings() };
        let rig = rig_with_policy(settings, policy, |_| Behaviour::Good);
        // Only one worker takes blank processes, so that one is enough.
        let started = async |wanted: usize| {
            eventually(|| rig.world.spawned.load(Ordering::SeqCst) as usize == wanted).await;
            rig.world.args.lock().expect("no panic")[wanted - 1].clone()
        };
        let blank = started(1).await;
        assert_eq!((blank.heap_bytes, blank.jitless, blank.shards), (128 << 20, false, 1));
        assert_eq!(rig.fleet.start_check(&[worker(0)]).await, [Ok(())]);
        let own = started(2).await;
        assert_eq!((own.heap_bytes, own.memory_bytes, own.threads, own.jitless), (32 << 20, 0, 7, true));
        // The other one takes what was there, and its place is filled.
        assert_eq!(rig.fleet.start_check(&[worker(1)]).await, [Ok(())]);
        assert_eq!(pid(&rig.service(1)).await, 1);
        assert_eq!(started(3).await, blank);
        rig.ended().await;
    });
}

#[test]
fn what_a_worker_exceeds_is_answered_counted_and_logged_once_a_second() {
    local(async {
        let mut rig = rig(settings(), |_| Behaviour::Good);
        let service = rig.service(0);
        let first = pid(&service).await;
        for (limit, counter, words) in [
            (Limit::CpuTime, Counter::CpuTime, "CPU time limit of 30 s"),
            (Limit::WallTime, Counter::WallTime, "wall time limit of 900 s"),
            (Limit::WaitUntil, Counter::WaitUntil, "time limit for waitUntil() of 30 s"),
            (Limit::StartUp, Counter::StartUp, "start-up CPU time limit of 2 s"),
            (Limit::ResponseHead, Counter::ResponseHead, "response header size limit of 131072 bytes"),
            (Limit::ResponseBody, Counter::ResponseBody, "response body size limit of 5120 MiB"),
        ] {
            for count in 1..=20 {
                match service.fetch(get(&format!("/exceeds-{}", limit as u16))).await {
                    Err(ServiceError::Exceeded(exceeded)) => assert_eq!(exceeded, limit),
                    other => panic!("{other:?}"),
                }
                assert_eq!(rig.fleet.counters(&worker(0)).get(counter), count);
            }
            assert_eq!(rig.logged("exceeded its").await, format!("worker \"one\" exceeded its {words}"));
        }
        // Each kind once, and perhaps again where a second has passed.
        let mut more = 0;
        while let Some(entry) = rig.log.try_recv() {
            assert!(entry.text.contains("times so far)"), "{entry:?}");
            more += 1;
        }
        assert!(more < 30, "{more} lines");
        assert_eq!(pid(&service).await, first, "the process goes on");
        assert_eq!(rig.fleet.counters(&worker(1)).get(Counter::CpuTime), 0);
        let report = rig.fleet.counter_report();
        assert_eq!(report.len(), 2);
        assert!(report[0].contains(r#""worker":"one""#) && report[0].contains(r#""cpuTime":20"#), "{report:?}");
        drop(service);
        rig.ended().await;
    });
}

#[test]
fn a_process_without_memory_finishes_while_another_takes_over() {
    local(async {
        let mut rig = rig(settings(), |_| Behaviour::Good);
        let service = Rc::new(rig.service(0));
        let old = pid(&service).await;
        let for_task = service.clone();
        let call = tokio::task::spawn_local(async move { for_task.fetch(get("/hang")).await.map(drop) });
        let body = service.fetch(get("/endless")).await.expect("a response").into_body();
        eventually(|| rig.world.hanging.load(Ordering::SeqCst) == 2).await;
        let path = format!("/exceeds-{}", Limit::Memory as u16);
        let error = service.fetch(get(&path)).await.expect_err("it was ended");
        assert!(matches!(error, ServiceError::Exceeded(Limit::Memory)), "{error:?}");
        // From now on the other one answers, and the old one still does what it began.
        let new = pid(&service).await;
        assert_ne!(old, new);
        assert_eq!(pid(&service).await, new);
        assert_eq!(rig.world.hanging.load(Ordering::SeqCst), 2);
        assert!(rig.world.pids().contains(&old));
        let mut body = body;
        assert!(next_chunk(&mut body).await.expect("more").is_ok());
        call.abort();
        drop(body);
        eventually(|| !rig.world.pids().contains(&old)).await;
        assert_eq!(pid(&service).await, new);
        let counters = rig.fleet.counters(&worker(0));
        assert_eq!([Counter::Memory, Counter::Retired, Counter::Died].map(|counter| counters.get(counter)), [1, 1, 0]);
        assert_eq!(rig.logged("worker").await, "worker \"one\" exceeded its memory limit of 128 MiB");
        assert_eq!(rig.log.try_recv(), None, "its end is no news");
        drop(service);
        rig.ended().await;
    });
}

#[test]
fn a_connection_that_goes_on_inside_of_tls_is_the_same_event() {
    local(async {
        let rig = rig(watchful(), |_| Behaviour::Good);
        let service = rig.service(0);
        let old = pid(&service).await;
        let connection = Silent::default();
        let response = service.fetch(upgrade("/starts-tls", connection.clone())).await.expect("a connection");
        assert_eq!(response.status(), 101);
        let mut plain = response.into_body();
        assert!(next_chunk(&mut plain).await.is_none(), "all that comes before TLS");
        eventually(|| connection.0.borrow().is_some()).await;
        let mut inside = connection.0.take().expect("what is sent inside of TLS");
        let path = format!("/exceeds-{}", Limit::Memory as u16);
        service.fetch(get(&path)).await.expect_err("it was ended");
        // What is still open, the process may finish.
        for _ in 0..15 {
            tokio::time::sleep(Duration::from_millis(20)).await;
            assert_eq!(next_chunk(&mut inside).await.expect("more").expect("bytes").len(), 1000);
            assert!(rig.world.pids().contains(&old), "it was ended although an event is open");
        }
        drop(inside);
        eventually(|| !rig.world.pids().contains(&old)).await;
        drop((service, plain));
        rig.ended().await;
    });
}

#[test]
fn what_comes_with_a_pull_goes_before_the_answer_that_says_so() {
    local(async {
        let rig = rig(watchful(), |_| Behaviour::Good);
        let service = rig.service(0);
        let response = service.fetch(upgrade("/sends-back", Silent::default())).await.expect("a connection");
        let mut body = response.into_body();
        for expected in ["first", "second"] {
            assert_eq!(next_chunk(&mut body).await.expect("more").expect("bytes"), expected);
        }
        assert!(next_chunk(&mut body).await.is_none());
        drop((service, body));
        rig.ended().await;
    });
}

#[test]
fn as_many_connections_are_upgraded_as_may_be_and_requests_are_served_beside_them() {
    local(async {
        let rig = rig(FleetConfig { max_exchanges: 2, max_events: 2, ..settings() }, |_| Behaviour::Good);
        let service = rig.service(0);
        let upgraded = async || service.fetch(upgrade("/upgrade", Silent::default())).await;
        let mut open = vec![upgraded().await.expect("one"), upgraded().await.expect("another")];
        for _ in 0..100 {
            match upgraded().await {
                Err(ServiceError::Unavailable(text)) => assert!(text.contains("are upgraded"), "{text}"),
                answer => panic!("{answer:?}"),
            }
            pid(&service).await;
        }
        open.pop();
        loop {
            match upgraded().await {
                Ok(response) => break open.push(response),
                Err(ServiceError::Unavailable(_)) => tokio::time::sleep(Duration::from_millis(1)).await,
                Err(error) => panic!("{error}"),
            }
        }
        assert!(upgraded().await.is_err());
        drop((open, service));
        rig.ended().await;
    });
}

#[test]
fn a_retired_process_has_a_bounded_time() {
    local(async {
        let policy = WorkerPolicy { wait_until: Duration::from_millis(20), ..WorkerPolicy::default() };
        let rig = rig_with_policy(watchful(), policy, |_| Behaviour::Deaf);
        let service = Rc::new(rig.service(0));
        let old = pid(&service).await;
        let for_task = service.clone();
        let call = tokio::task::spawn_local(async move { for_task.fetch(get("/hang")).await.map(drop) });
        eventually(|| rig.world.hanging.load(Ordering::SeqCst) == 1).await;
        let path = format!("/exceeds-{}", Limit::Memory as u16);
        service.fetch(get(&path)).await.expect_err("it was ended");
        assert!(matches!(call.await.expect("a task"), Err(ServiceError::Unavailable(_))));
        eventually(|| !rig.world.pids().contains(&old)).await;
        drop(service);
        rig.ended().await;
    });
}

#[test]
fn a_worker_that_exhausts_its_memory_again_and_again_cannot_churn() {
    let restart = RestartPolicy {
        base: Duration::from_millis(50),
        max: Duration::from_secs(3600),
        healthy_after: Duration::from_secs(3600),
    };
    local(async {
        let settings = FleetConfig { restart, wait_timeout: Duration::from_millis(500), ..settings() };
        // None of them ever finishes.
        let rig = rig(settings, |_| Behaviour::Deaf);
        let (one, two) = (rig.service(0), rig.service(1));
        let other = pid(&two).await;
        let path = format!("/exceeds-{}", Limit::Memory as u16);
        let mut most = 0;
        while !matches!(one.fetch(get(&path)).await, Err(ServiceError::Unavailable(_))) {
            most = most.max(rig.world.alive.load(Ordering::SeqCst));
        }
        // The next start would be later than a request waits: the delay doubles from 50 ms.
        let retired = rig.fleet.counters(&worker(0)).get(Counter::Retired);
        assert!((2..=6).contains(&retired), "{retired}");
        // One that runs, two that should finish, one that has just been told to end, the neighbour, and the pool.
        assert!(most <= 7, "{most} processes");
        assert_eq!(pid(&two).await, other);
        drop((one, two));
        rig.ended().await;
    });
}

#[test]
fn the_supervisor_ends_events_that_their_worker_does_not_end() {
    local(async {
        let policy = WorkerPolicy { wall_time: Duration::from_millis(200), ..WorkerPolicy::default() };
        let mut rig = rig_with_policy(watchful(), policy, |_| Behaviour::Good);
        let service = rig.service(0);
        let first = pid(&service).await;
        let error = service.fetch(get("/hang")).await.expect_err("too late");
        assert!(matches!(error, ServiceError::Exceeded(Limit::WallTime)), "{error:?}");
        assert_eq!(rig.logged("exceeded").await, "worker \"one\" exceeded its wall time limit of 200 ms");
        // It was cancelled, and asked whether it lives.
        eventually(|| rig.world.hanging.load(Ordering::SeqCst) == 0).await;
        eventually(|| rig.world.pings.load(Ordering::SeqCst) > 0).await;
        // A response that has begun breaks off, whether bytes come or not.
        for path in ["/endless", "/never-ending"] {
            let response = service.fetch(get(path)).await.expect("a response");
            assert_eq!(text(response).await.expect_err("too late").0, "Worker exceeded wall time limit.", "{path}");
            eventually(|| rig.world.hanging.load(Ordering::SeqCst) == 0).await;
        }
        assert_eq!(rig.fleet.counters(&worker(0)).get(Counter::WallTime), 3);
        assert_eq!(pid(&service).await, first, "the process is unharmed");
        drop(service);
        rig.ended().await;
    });
}

#[test]
fn a_process_that_sleeps_on_its_events_is_ended() {
    local(async {
        let policy = WorkerPolicy { wall_time: Duration::from_millis(200), ..WorkerPolicy::default() };
        let mut rig = rig_with_policy(watchful(), policy, |_| Behaviour::Deaf);
        let (service, other) = (rig.service(0), rig.service(1));
        let (first, neighbour) = (pid(&service).await, pid(&other).await);
        let error = service.fetch(get("/hang")).await.expect_err("too late");
        assert!(matches!(error, ServiceError::Exceeded(Limit::WallTime)), "{error:?}");
        let line = rig.logged("was ended").await;
        assert!(
            line.starts_with(&format!("worker \"one\" (pid {first}) was ended: it did not answer within ")),
            "{line}"
        );
        assert_ne!(pid(&service).await, first);
        assert_eq!(pid(&other).await, neighbour);
        assert_eq!(rig.fleet.counters(&worker(0)).get(Counter::Unresponsive), 1);
        drop((service, other));
        rig.ended().await;
    });
}

#[test]
fn processes_that_use_what_nothing_explains_are_ended() {
    let second = Duration::from_secs(1);
    let policy = WorkerPolicy { cpu_time: second, memory_bytes: 100 << 20, ..WorkerPolicy::default() };
    for (behaviour, usage, counter, words) in [
        // Computes, and does not answer.
        (
            Behaviour::Deaf,
            vec![
                Usage { cpu: second, memory: 0, runnable: true },
                Usage { cpu: second * 8, memory: 0, runnable: true },
            ],
            Counter::Unresponsive,
            "it did not answer after 7.0 s of processor time",
        ),
        // Computes, and answers.
        (
            Behaviour::Good,
            vec![Usage { cpu: second * 13, memory: 0, runnable: true }],
            Counter::CpuBudget,
            "it used 13.0 s of processor time, which 1 events do not explain",
        ),
        (
            Behaviour::Good,
            vec![Usage { cpu: Duration::ZERO, memory: 165 << 20, runnable: false }],
            Counter::TotalMemory,
            "it has 165 MiB of memory, more than its limits allow",
        ),
    ] {
        local(async {
            let mut rig = rig_with_policy(watchful(), policy, move |_| behaviour);
            let (service, other) = (rig.service(0), rig.service(1));
            let (first, neighbour) = (pid(&service).await, pid(&other).await);
            let steps = usage.len();
            for (step, usage) in usage.into_iter().enumerate() {
                rig.world.set_usage(first, usage);
                if step + 1 < steps {
                    eventually(|| rig.world.pings.load(Ordering::SeqCst) > 0).await;
                }
            }
            let line = rig.logged("was ended").await;
            assert_eq!(line, format!("worker \"one\" (pid {first}) was ended: {words}"));
            assert_ne!(pid(&service).await, first);
            assert_eq!(pid(&other).await, neighbour);
            assert_eq!(rig.fleet.counters(&worker(0)).get(counter), 1);
            assert_eq!(rig.fleet.counters(&worker(0)).get(Counter::Died), 0);
            drop((service, other));
            rig.ended().await;
        });
    }
}

#[test]
fn a_process_that_works_within_its_means_is_asked_and_left_alone() {
    local(async {
        let rig = rig(watchful(), |_| Behaviour::Good);
        let service = rig.service(0);
        let first = pid(&service).await;
        for step in 1..=5 {
            let usage = Usage { cpu: Duration::from_secs(step), memory: 500 << 20, runnable: true };
            rig.world.set_usage(first, usage);
            let before = rig.world.pings.load(Ordering::SeqCst);
            eventually(|| rig.world.pings.load(Ordering::SeqCst) > before).await;
        }
        assert_eq!(pid(&service).await, first);
        drop(service);
        rig.ended().await;
    });
}

#[test]
fn a_request_body_that_is_too_long_is_refused() {
    local(async {
        let policy = WorkerPolicy { request_body_bytes: 100_000, ..WorkerPolicy::default() };
        let rig = rig_with_policy(settings(), policy, |_| Behaviour::Good);
        let service = rig.service(0);
        let is_refused = |error: &ServiceError| match error {
            ServiceError::Refused(status, text) => (status.as_u16(), text.as_str()) == (413, "Payload Too Large"),
            _ => false,
        };
        // Known to be too long: not a byte is read, and no process is started for it.
        let (body, read, token) = upload(100_001, 1000, true);
        let error = service.fetch(request("POST", "/needs-all", body)).await.expect_err("too long");
        assert!(is_refused(&error), "{error:?}");
        assert_eq!((read.get(), Rc::strong_count(&token), rig.fleet.stats().await.bound), (0, 1, 0));
        // Found to be too long.
        let (body, read, token) = upload(1 << 40, 1000, false);
        let error = service.fetch(request("POST", "/needs-all", body)).await.expect_err("too long");
        assert!(is_refused(&error), "{error:?}");
        assert!((100_000..200_000).contains(&read.get()), "{} bytes were read", read.get());
        eventually(|| Rc::strong_count(&token) == 1).await;
        eventually(|| rig.world.hanging.load(Ordering::SeqCst) == 0).await;
        assert_eq!(rig.fleet.counters(&worker(0)).get(Counter::RequestBody), 2);
        // A response that has begun breaks off with it.
        let response =
            service.fetch(request("POST", "/echo", upload(1 << 40, 1000, false).0)).await.expect("a response");
        text(response).await.expect_err("it broke off");
        for known in [true, false] {
            let response = service.fetch(request("POST", "/echo", upload(100_000, 1000, known).0)).await;
            assert_eq!(text(response.expect("a response")).await.expect("a body").len(), 100_000);
        }
        drop(service);
        rig.ended().await;
    });
}

#[test]
fn a_small_limit_holds_for_bodies_that_travel_inside_the_call() {
    local(async {
        let policy = WorkerPolicy { request_body_bytes: 1000, response_body_bytes: 1999, ..WorkerPolicy::default() };
        let mut rig = rig_with_policy(settings(), policy, |_| Behaviour::Good);
        let service = rig.service(0);
        for (length, chunk, known, is_fine) in
            [(1000, 10, false, true), (1001, 10, false, false), (1001, 10, true, false), (70_000, 70_000, false, false)]
        {
            let answer = service.fetch(request("POST", "/how", upload(length, chunk, known).0)).await;
            assert_eq!(answer.is_ok(), is_fine, "{length} {known}: {answer:?}");
        }
        let error = service.fetch(get("/long")).await.expect_err("too long");
        assert!(matches!(error, ServiceError::Exceeded(Limit::ResponseBody)), "{error:?}");
        assert_eq!(rig.logged("exceeded").await, "worker \"one\" exceeded its response body size limit of 1999 bytes");
        // Whoever lies about the length of a stream is cut off in the middle.
        let mut body = service.fetch(get("/endless")).await.expect("a response").into_body();
        assert_eq!(next_chunk(&mut body).await.expect("a chunk").expect("bytes").len(), 1000);
        assert!(next_chunk(&mut body).await.expect("a chunk").is_err());
        drop(body);
        eventually(|| rig.world.hanging.load(Ordering::SeqCst) == 0).await;
        assert_eq!(rig.fleet.counters(&worker(0)).get(Counter::ResponseBody), 2);
        drop(service);
        rig.ended().await;
    });
}

#[test]
fn who_fills_the_log_waits_and_nobody_else() {
    local(async {
        let policy = WorkerPolicy { log_bytes_per_second: 1000, ..WorkerPolicy::default() };
        // A log whose reader takes one entry after the other.
        let mut rig = fakes::start_with(settings(), policy, 1, |ends| play(Behaviour::Good, ends));
        let (one, two) = (Rc::new(rig.service(0)), Rc::new(rig.service(1)));
        let for_task = one.clone();
        let flood = tokio::task::spawn_local(async move { for_task.fetch(get("/chatter")).await.map(drop) });
        let started = std::time::Instant::now();
        let (mut flooded, mut neighbour) = (0u64, 0u64);
        let for_task = two.clone();
        let calm = tokio::task::spawn_local(async move {
            for _ in 0..100 {
                for_task.fetch(get("/log")).await.expect("a response");
            }
        });
        while neighbour < 100 {
            let entry = rig.log.recv().await.expect("a log");
            flooded += u64::from(entry.text.starts_with("xxx"));
            neighbour += u64::from(entry.text == "err");
        }
        calm.await.expect("no panic");
        // The burst of sixteen seconds, and what came in meanwhile.
        let most = 17 + started.elapsed().as_secs();
        assert!(flooded <= most, "{flooded} entries of 1016 bytes, more than {most}");
        assert!(!flood.is_finished());
        flood.abort();
        drop((one, two));
        rig.ended().await;
    });
}

#[test]
fn how_processes_end_is_counted() {
    local(async {
        let settings =
            FleetConfig { bind_timeout: Duration::from_secs(2), pool: PoolPolicy { min: 0, max: 0 }, ..settings() };
        let rig = rig(settings, |pid| match pid {
            1 => Behaviour::NeverBinds,
            2 => Behaviour::DiesInBind,
            _ => Behaviour::Good,
        });
        let service = rig.service(0);
        let counts = |counters: [Counter; 3]| counters.map(|counter| rig.fleet.counters(&worker(0)).get(counter));
        let all = [Counter::StartUp, Counter::Died, Counter::Violation];
        let first = pid(&service).await;
        assert_eq!(counts(all), [1, 1, 0]);
        service.fetch(get("/bad-status")).await.expect_err("it broke a rule");
        assert_ne!(pid(&service).await, first);
        assert_eq!(counts(all), [1, 1, 1]);
        service.fetch(get("/die")).await.expect_err("it died");
        pid(&service).await;
        assert_eq!(counts(all), [1, 2, 1]);
        drop(service);
        rig.ended().await;
    });
}

#[test]
fn a_worker_that_dies_again_and_again_does_not_fill_the_log() {
    local(async {
        let mut rig = rig(settings(), |_| Behaviour::Noisy);
        let service = rig.service(0);
        let started = std::time::Instant::now();
        for _ in 0..30 {
            service.fetch(get("/die")).await.expect_err("it died");
        }
        rig.fleet.drain(Duration::from_secs(5)).await;
        let (mut lines, mut dropped) = (0, 0);
        while let Some(entry) = rig.log.try_recv() {
            lines += u64::from(entry.text.contains("): line "));
            dropped += u64::from(entry.text.contains("are dropped"));
        }
        // What is read before a process is bound is on the account of all blank ones.
        let most = 2 * (200 + 10 * (started.elapsed().as_secs() + 1));
        assert!(lines <= most && dropped > 0, "{lines} lines of 2700, more than {most}");
        drop(service);
        rig.ended().await;
    });
}

#[test]
fn an_upload_in_small_pieces_is_no_flood() {
    local(async {
        let connection = Limits { messages_burst: 100, messages_per_second: 1, ..Limits::for_worker() };
        let rig = rig(FleetConfig { connection, ..settings() }, |_| Behaviour::Good);
        let service = rig.service(0);
        let first = pid(&service).await;
        for chunk in [10, 5000] {
            let (body, read, _) = upload(500 * chunk as u64 + 70_000, chunk, false);
            service.fetch(request("POST", "/needs-all", body)).await.expect("a response");
            assert_eq!(read.get(), 500 * chunk as u64 + 70_000);
        }
        assert_eq!(pid(&service).await, first);
        drop(service);
        rig.ended().await;
    });
}
