//! Processes that are threads: they speak the wire over the same socketpairs as real ones, and do what a test says.
#![allow(dead_code, unreachable_pub)] // Each test uses its part.

pub mod raw;
pub mod wire;

use std::{
    collections::HashMap,
    future::Future,
    os::unix::net::UnixStream as StdStream,
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bulkhead_ipc::process::WorkerArgs;
use bulkhead_policy::spawn::Exit;
use bulkhead_supervisor::{
    body::{Body, BodyError, next_chunk},
    config::{
        model::{
            Config, Designator, Module, ModuleKind, Service as ServiceConfig, ServiceId, ServiceKind, Worker,
            WorkerSource,
        },
        policy::WorkerPolicy,
    },
    fleet::{
        Fleet, FleetConfig, FleetHandle, ShardFleet,
        decide::{PoolPolicy, RestartPolicy, Usage},
        spawner::{Process, Spawned, Spawner},
    },
    log::{Entries, Log},
    service::{Depth, LocalFuture, Service, ServiceError, ServiceRequest, worker::WorkerService},
};
use tokio::sync::watch;

/// What tests look at.
#[derive(Default)]
pub struct World {
    pub spawned: AtomicI32,
    /// Threads that stand for processes and have not ended.
    pub alive: AtomicUsize,
    /// `/hang` requests that are running.
    pub hanging: AtomicUsize,
    /// Processes by pid, for killing them from outside.
    exits: Mutex<HashMap<i32, watch::Sender<Option<Exit>>>>,
    pub drained: AtomicBool,
    /// What processes were started with, in their order.
    pub args: Mutex<Vec<WorkerArgs>>,
    /// What each process has used, by pid; nothing where there is no entry.
    usage: Mutex<HashMap<i32, Usage>>,
    /// Requests of workers that wait for an answer.
    pub behind: AtomicUsize,
    /// How deep the requests of workers were.
    pub depths: Mutex<Vec<u8>>,
    /// Answers to calls of workers that speak the wire message by message.
    pub answers: AtomicUsize,
    /// `ping` calls that were received.
    pub pings: AtomicUsize,
    /// Told when a process is asked for an entrypoint.
    pub asked: tokio::sync::Notify,
}

impl World {
    pub fn kill(&self, pid: i32, signal: i32) {
        self.end(pid, Exit::Signal { signal, core: false });
    }

    pub fn end(&self, pid: i32, how: Exit) {
        if let Some(exit) = self.exits.lock().expect("no panic").get(&pid) {
            exit.send_if_modified(|exit| exit.is_none().then(|| *exit = Some(how)).is_some());
        }
    }

    /// Lets a process have used something.
    pub fn set_usage(&self, pid: i32, usage: Usage) {
        self.usage.lock().expect("no panic").insert(pid, usage);
    }

    pub fn pids(&self) -> Vec<i32> {
        self.exits.lock().expect("no panic").keys().copied().collect()
    }
}

/// What a process has at its start.
pub struct Ends {
    pub world: Arc<World>,
    pub pid: i32,
    pub control: StdStream,
    pub events: Vec<StdStream>,
    pub stderr: std::io::PipeWriter,
}

struct FakeSpawner<P> {
    world: Arc<World>,
    shards: u32,
    play: Arc<P>,
}

struct FakeProcess {
    world: Arc<World>,
    pid: i32,
    exit: watch::Receiver<Option<Exit>>,
}

impl Process for FakeProcess {
    fn pid(&self) -> i32 {
        self.pid
    }

    fn kill(&self) {
        self.world.kill(self.pid, 9);
    }

    fn wait(&mut self) -> LocalFuture<'_, Option<Exit>> {
        Box::pin(async move { *self.exit.wait_for(Option::is_some).await.expect("the world holds the sender") })
    }
}

impl Drop for FakeProcess {
    fn drop(&mut self) {
        self.kill();
        self.world.exits.lock().expect("no panic").remove(&self.pid);
    }
}

impl<P, F> Spawner for FakeSpawner<P>
where
    P: Fn(Ends) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + 'static,
{
    fn spawn(&mut self, args: &WorkerArgs) -> Result<Spawned, String> {
        self.world.args.lock().expect("no panic").push(args.clone());
        let pid = self.world.spawned.fetch_add(1, Ordering::SeqCst) + 1;
        let pair = || {
            let (ours, theirs) = StdStream::pair().expect("a socketpair");
            ours.set_nonblocking(true).expect("a socket");
            theirs.set_nonblocking(true).expect("a socket");
            (ours, theirs)
        };
        let (control, their_control) = pair();
        let (events, their_events): (Vec<_>, Vec<_>) = (0..self.shards).map(|_| pair()).unzip();
        let (diagnostics, stderr) = std::io::pipe().expect("a pipe");
        let (sender, exit) = watch::channel(None);
        self.world.exits.lock().expect("no panic").insert(pid, sender);
        let mut ended = exit.clone();
        let (world, play) = (self.world.clone(), self.play.clone());
        world.alive.fetch_add(1, Ordering::SeqCst);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let local = tokio::task::LocalSet::new();
            let ends = Ends { world: world.clone(), pid, control: their_control, events: their_events, stderr };
            local.block_on(&runtime, async move {
                tokio::select! {
                    () = play(ends) => {}
                    _ = ended.wait_for(Option::is_some) => {}
                }
            });
            drop(local);
            world.alive.fetch_sub(1, Ordering::SeqCst);
        });
        let process = FakeProcess { world: self.world.clone(), pid, exit };
        let world = self.world.clone();
        let meter = Box::new(move || Ok(world.usage.lock().expect("no panic").get(&pid).copied().unwrap_or_default()));
        Ok(Spawned {
            process: Box::new(process),
            control,
            events,
            modules: None,
            last_words: None,
            diagnostics: diagnostics.into(),
            meter,
        })
    }
}

/// A fleet of such processes for the workers "one" and "two".
pub struct Rig {
    pub world: Arc<World>,
    pub fleet: FleetHandle,
    pub log: Entries,
}

/// One of the two.
pub fn worker(index: usize) -> ServiceId {
    ServiceId::named(["one", "two"][index])
}

fn worker_config(name: &str, policy: WorkerPolicy) -> ServiceConfig {
    let none: [&str; 0] = [];
    ServiceConfig {
        id: ServiceId::named(name),
        kind: ServiceKind::Worker(Arc::new(Worker {
            source: WorkerSource::Modules(vec![Module {
                name: "w.js".to_owned(),
                kind: ModuleKind::EsModule("export default {}".to_owned()),
            }]),
            compatibility_date: "2024-01-01".to_owned(),
            compatibility_flags: vec!["nodejs_compat".to_owned()],
            compatibility: bulkhead_ipc::compatibility::resolve("2024-01-01", &none, false).expect("flags"),
            bindings: Vec::new(),
            global_outbound: Designator { service: ServiceId::named("internet"), entrypoint: None, props_json: None },
            cache_api_outbound: None,
            actor_classes: Vec::new(),
            module_fallback: None,
            policy,
            schedules: Vec::new(),
        })),
    }
}

/// Restarts at once, and waits long.
pub fn settings() -> FleetConfig {
    FleetConfig {
        pool: PoolPolicy { min: 1, max: 2 },
        restart: RestartPolicy {
            base: Duration::from_millis(1),
            max: Duration::from_millis(5),
            healthy_after: Duration::from_secs(3600),
        },
        wait_timeout: Duration::from_secs(60),
        ..FleetConfig::new("/nonexistent".into(), 1)
    }
}

/// Starts a fleet whose log has room for `room` entries, with processes that run `play`.
pub fn start<P, F>(settings: FleetConfig, room: usize, play: P) -> Rig
where
    P: Fn(Ends) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + 'static,
{
    start_with(settings, WorkerPolicy::default(), room, play)
}

/// As [`start`], where worker "one" has the limits `policy`.
pub fn start_with<P, F>(settings: FleetConfig, policy: WorkerPolicy, room: usize, play: P) -> Rig
where
    P: Fn(Ends) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + 'static,
{
    let world = Arc::new(World::default());
    let config = Config {
        services: vec![worker_config("one", policy), worker_config("two", WorkerPolicy::default())],
        sockets: Vec::new(),
        v8_flags: Vec::new(),
        extensions: Arc::new([]),
        structured_logging: false,
    };
    let (log, entries) = Log::to_channel(room);
    let spawner = FakeSpawner { world: world.clone(), shards: settings.shards, play: Arc::new(play) };
    let fleet = Fleet::start_with(settings, Arc::new(config), log, Box::new(spawner)).expect("a fleet");
    Rig { world, fleet, log: entries }
}

/// What the workers may start: a service that tells what it was asked, breaks in every way, or never answers, as the path says.
struct Behind(Arc<World>);

/// A request that has not been answered, for as long as it is asked.
struct Asked(Arc<World>);

impl Drop for Asked {
    fn drop(&mut self) {
        self.0.behind.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Service for Behind {
    fn fetch(&self, request: ServiceRequest) -> LocalFuture<'_, Result<http::Response<Body>, ServiceError>> {
        self.0.behind.fetch_add(1, Ordering::SeqCst);
        let asked = Asked(self.0.clone());
        let depth = request.http.extensions().get::<Depth>().map_or(0, |depth| depth.0);
        self.0.depths.lock().expect("no panic").push(depth);
        Box::pin(async move {
            let _asked = asked;
            let secret = || "/etc/secret of process 77".to_owned();
            match request.http.uri().path() {
                "/never" => std::future::pending().await,
                "/exception" => Err(ServiceError::Exception(secret())),
                "/unavailable" => Err(ServiceError::Unavailable(secret())),
                "/refused" => Err(ServiceError::Refused(http::StatusCode::PAYLOAD_TOO_LARGE, secret())),
                "/broken" => Err(ServiceError::BrokenRequest),
                "/event" => Err(ServiceError::NoSuchEvent("connect")),
                path => Ok(http::Response::new(Body::Bytes(format!("{path} at {depth}").into()))),
            }
        })
    }
}

impl Rig {
    pub fn service(&self, index: usize) -> WorkerService {
        WorkerService::new(&self.shard(), &worker(index), None, None)
    }

    pub fn shard(&self) -> ShardFleet {
        let shard = self.fleet.shard(0);
        let world = self.world.clone();
        // What the worker may call, and then its own entrypoints.
        shard.set_reach(Box::new(move |_, _, own| {
            (0..=own.len()).map(|_| Rc::new(Behind(world.clone())) as Rc<dyn Service>).collect()
        }));
        shard
    }

    /// Waits for a log line that contains `text`.
    pub async fn logged(&mut self, text: &str) -> String {
        let mut seen = Vec::new();
        let found = tokio::time::timeout(Duration::from_secs(30), async {
            loop {
                let entry = self.log.recv().await.expect("a log");
                if entry.text.contains(text) {
                    return entry.text;
                }
                seen.push(entry.text);
            }
        });
        match found.await {
            Ok(line) => line,
            Err(_) => panic!("{text:?} was not logged, but {seen:#?}"),
        }
    }

    pub async fn ended(self) {
        self.fleet.drain(Duration::from_secs(5)).await;
        let world = self.world.clone();
        drop(self);
        eventually(|| world.alive.load(Ordering::SeqCst) == 0).await;
        assert!(world.pids().is_empty(), "every process was reaped");
    }
}

pub async fn eventually(mut condition: impl FnMut() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting).await.expect("it never came to pass");
}

pub fn local(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let bounded = async { tokio::time::timeout(Duration::from_secs(120), test).await.expect("the test hangs") };
    tokio::task::LocalSet::new().block_on(&runtime, bounded);
}

pub fn get(path: &str) -> ServiceRequest {
    request("GET", path, Body::Empty)
}

pub fn request(method: &str, path: &str, body: Body) -> ServiceRequest {
    let http = http::Request::builder()
        .method(method)
        .uri(format!("http://host{path}"))
        .header("user-agent", "test")
        .body(body)
        .expect("a request");
    ServiceRequest { http, cf_json: "".into() }
}

pub async fn text(response: http::Response<Body>) -> Result<String, BodyError> {
    let mut body = response.into_body();
    let mut all = Vec::new();
    while let Some(chunk) = next_chunk(&mut body).await {
        all.extend_from_slice(&chunk?);
    }
    Ok(String::from_utf8(all).expect("UTF-8"))
}
