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
        byte_source, event_dispatcher, event_failure, event_port, host, http_request, log_entry, worker_control,
    },
};
use bulkhead_supervisor::{
    body::{Body, BodyError, PullSource, next_chunk},
    fleet::{FleetConfig, StartError, decide::PoolPolicy},
    rpc::log::{Entry, Stream},
    service::{Service, ServiceError, worker::WorkerService},
};
use bytes::Bytes;
use fakes::{Ends, Rig, World, eventually, get, local, request, settings, text};
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
    CodeFails,
    DiesInBind,
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
    let host = Rc::new(RefCell::new(None));
    let server: worker_control::Client =
        capnp_rpc::new_client(Control { world: world.clone(), pid, behaviour, host: host.clone() });
    let stream = UnixStream::from_std(control).expect("a stream");
    let (_, connection) = transport::server(stream, Limits::for_supervisor(), server.client);
    let control = tokio::task::spawn_local(connection);
    for stream in events {
        let port: event_port::Client = capnp_rpc::new_client(Port { world: world.clone(), pid, host: host.clone() });
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
            Behaviour::NeverBinds => std::future::pending().await,
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
                *self.host.borrow_mut() = Some(params.get()?.get_host()?);
                outcome.reborrow().init_ready(1).get(0).set_name("");
            }
        }
        Ok(())
    }

    async fn drain(
        self: Rc<Self>,
        _: worker_control::DrainParams,
        _: worker_control::DrainResults,
    ) -> Result<(), capnp::Error> {
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
    host: HostSlot,
}

impl event_port::Server for Port {
    async fn entrypoint(
        self: Rc<Self>,
        params: event_port::EntrypointParams,
        mut results: event_port::EntrypointResults,
    ) -> Result<(), capnp::Error> {
        let name = params.get()?.get_name()?.to_string()?;
        match name.as_str() {
            "missing" => return Err(capnp::Error::failed("no such entrypoint".into())),
            "never" => std::future::pending().await,
            _ => {}
        }
        let events = Events {
            world: self.world.clone(),
            pid: self.pid,
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
        self.cancelled.notify_waiters();
        Ok(())
    }

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
        if path == "/needs-all" {
            // As a script does that does not expect its client to go away.
            let http_request::body::Stream(source) = request.get_body().which()? else { panic!("no stream") };
            let source = source?;
            self.world.hanging.fetch_add(1, Ordering::SeqCst);
            let _hanging = Hanging(self.world.clone());
            let error = loop {
                let mut call = source.pull_request();
                call.get().set_max_bytes(1000);
                if let Err(error) = call.send().promise.await {
                    break error;
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
                response.init_body().set_stream(capnp_rpc::new_client(Script { kind: "endless", _held: held }));
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
                response.init_body().set_stream(capnp_rpc::new_client(Script { kind, _held: None }));
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

struct Script {
    kind: &'static str,
    _held: Option<Hanging>,
}

impl byte_source::Server for Script {
    async fn pull(
        self: Rc<Self>,
        params: byte_source::PullParams,
        mut results: byte_source::PullResults,
    ) -> Result<(), capnp::Error> {
        let limit = params.get()?.get_max_bytes();
        match self.kind {
            "endless" => results.get().init_bytes(1000).fill(1),
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

#[test]
fn a_long_stream_is_never_held_whole() {
    local(async {
        let rig = rig(settings(), |_| Behaviour::Good);
        let shard = rig.fleet.shard(0);
        let service = WorkerService::new(shard.clone(), 0, None, None);
        let length = 256 << 20;
        let (body, read, _) = upload(length, 100_000, true);
        let mut body = service.fetch(request("POST", "/echo", body)).await.expect("a response").into_body();
        let connection = shard.connected(0).expect("a connection").connection.clone();
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
        let (body, _, token) = upload(1 << 30, 1000, true);
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
        let service = WorkerService::new(shard.clone(), 0, None, None);
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
        eventually(|| rig.world.alive.load(Ordering::SeqCst) <= 3).await;
        assert!(rig.fleet.stats().await.processes <= 3);
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
        let service = Rc::new(WorkerService::new(shard.clone(), 0, None, None));
        service.fetch(get("/hello")).await.expect("a response");
        let link = shard.connect(0).await.expect("a link");
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
        let mut rig = rig(FleetConfig { verbose: true, ..settings() }, |_| Behaviour::Good);
        rig.service(0).fetch(get("/log")).await.expect("a response");
        assert_eq!(rig.logged("out").await, "[one] out\\u{1b}[2J\n[one] line");
        let entry = rig.log.recv().await.expect("an entry");
        assert_eq!(entry, Entry { stream: Stream::Err, text: "[one] err".to_owned() });
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
        assert_eq!(rig.world.spawned.load(Ordering::SeqCst), rig.fleet.stats().await.started as i32);
        drop(service);
        rig.ended().await;
    });
}

#[test]
fn start_up_errors_of_the_code_are_reported_and_answered() {
    local(async {
        let mut rig = rig(settings(), |_| Behaviour::CodeFails);
        let error = StartError::Code("Uncaught Error: start\n  at w.js:1:7".to_owned());
        assert_eq!(rig.fleet.start_check(vec![0]).await, [Err(error)]);
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
        assert_eq!(rig.fleet.start_check(vec![0, 1]).await, [Ok(()), Ok(())]);
        assert_eq!(rig.fleet.stats().await.bound, 2);
        rig.ended().await;
    });
}

#[test]
fn processes_that_fail_to_start_are_replaced() {
    // Without a pool, so that the first process is the first to be bound.
    let settings =
        FleetConfig { bind_timeout: Duration::from_millis(100), pool: PoolPolicy { min: 0, max: 0 }, ..settings() };
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
        assert!(any("longer than 0.1 s") && any("was killed by SIGSEGV while it started"), "{lines:?}");
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
            match &rig.fleet.start_check(vec![0]).await[..] {
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
        assert_eq!(rig.fleet.start_check(vec![0]).await, [Ok(())]);
        blank(1).await;
        assert_eq!(rig.fleet.stats().await.bound, 1);
        rig.ended().await;
    });
}

#[test]
fn entrypoints_that_do_not_exist_or_never_come_are_errors() {
    local(async {
        let rig = rig(FleetConfig { wait_timeout: Duration::from_millis(300), ..settings() }, |_| Behaviour::Good);
        rig.fleet.start_check(vec![0]).await[0].clone().expect("a start");
        let shard = rig.fleet.shard(0);
        let missing = WorkerService::new(shard.clone(), 0, Some("missing".to_owned()), None);
        assert!(matches!(missing.fetch(get("/hello")).await, Err(ServiceError::Exception(_))));
        let never = WorkerService::new(shard.clone(), 0, Some("never".to_owned()), None);
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
        rig.fleet.start_check(vec![0, 1]).await;
        let world = rig.world.clone();
        drop(rig);
        eventually(|| world.alive.load(Ordering::SeqCst) == 0).await;
    });
}
