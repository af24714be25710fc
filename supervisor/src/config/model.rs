//! What a configuration means, after everything about it has been checked.
//!
//! These are plain values that belong to the supervisor: no reader of a message, no position in a file. A value of type
//! [`Config`] has passed every rule that can be checked without running tenant code, so whoever takes one needs no check
//! of its own: names are unique, designators point at services that exist, and nothing in the configuration was left out
//! because it is not built yet, unless tests are to be run all the same ([`ServiceKind::Broken`]).

use std::{fmt, path::PathBuf, sync::Arc};

use bulkhead_ipc::compatibility::CompatibilityFlags;
use bytes::Bytes;

use super::{diagnostics::Diagnostic, policy::WorkerPolicy};
pub use crate::net::tls::TlsOptions;
use crate::{net::peers::PeerFilter, schedule::Expression};

/// Schedules of one worker.
pub const MAX_SCHEDULES: u32 = 64;

/// A whole configuration: what is served, and where.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// In the order of the configuration; their names are unique, and each that is designated is one of them. Last come
    /// the network `internet`, where no other service has its name, and the cache, where the policy says that there is one.
    pub services: Vec<Service>,
    /// In the order of the configuration; their names are unique.
    pub sockets: Vec<Socket>,
    /// Flags for V8 itself, such as `--expose-gc`, handed to every worker process as they are.
    pub v8_flags: Vec<String>,
    /// Modules that workers can import beside their own. Their names are unique among those of a kind, however they are written.
    /// All workers share them.
    pub extensions: Arc<[ExtensionModule]>,
    /// Whether lines of the log are JSON objects.
    pub structured_logging: bool,
}

/// A module of an extension, which is an ECMAScript module.
#[derive(Debug, Clone, PartialEq)]
pub struct ExtensionModule {
    /// What it is imported by: a path that does not lead out of the root, or a URL.
    pub name: String,
    /// Whether only modules of extensions can import it, and not workers.
    pub internal: bool,
    /// The script.
    pub source: String,
}

impl Config {
    /// The services that are workers, in the order of the configuration.
    pub fn workers(&self) -> impl Iterator<Item = (&ServiceId, &Arc<Worker>)> {
        self.services.iter().filter_map(|service| Some((&service.id, service.kind.worker()?)))
    }
}

/// Which service is meant: its name in the configuration. It means the same service after the configuration was read anew,
/// whatever else changed there. A copy is cheap.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceId(Arc<str>);

impl ServiceId {
    /// The service of this name.
    pub fn named(name: &str) -> Self {
        Self(name.into())
    }

    /// The name, which is never empty.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// As its name, in quotes.
impl fmt::Debug for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A named service. Sockets and bindings refer to it; it is reachable in no other way.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// Unique in the configuration.
    pub id: ServiceId,
    /// What answers.
    pub kind: ServiceKind,
}

/// The kinds of service that exist.
#[derive(Debug, Clone, PartialEq)]
pub enum ServiceKind {
    /// JavaScript or WebAssembly in a worker process.
    Worker(Arc<Worker>),
    /// A part of the network: requests go where their URLs say.
    Network(Arc<Network>),
    /// One server: requests go there, whatever their URLs say.
    External(Arc<External>),
    /// A directory of this machine.
    Disk(Disk),
    /// The caches of all workers, of which each reaches its own.
    Cache(Cache),
    /// What cannot be as it is configured. There is none of these where nobody asks for them
    /// ([`Options::lenient`](super::Options::lenient)).
    Broken(Broken),
}

impl ServiceKind {
    /// The worker, if it is one.
    pub fn worker(&self) -> Option<&Arc<Worker>> {
        match self {
            ServiceKind::Worker(worker) => Some(worker),
            ServiceKind::Network(_)
            | ServiceKind::External(_)
            | ServiceKind::Disk(_)
            | ServiceKind::Cache(_)
            | ServiceKind::Broken(_) => None,
        }
    }
}

/// A service that is there by its name, and fails whatever needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Why, in one line that says where.
    pub reason: Arc<str>,
    /// Whether it was to be a worker with code of its own, which cannot start.
    pub is_worker: bool,
}

/// A part of the network.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    /// What may be connected to.
    pub peers: PeerFilter,
    /// How `https:` URLs are fetched. `None`: not at all.
    pub tls: Option<TlsOptions>,
}

/// One server somewhere else.
#[derive(Debug, Clone, PartialEq)]
pub struct External {
    /// Where it listens, as written. `None`: the command line must say.
    pub address: Option<String>,
    /// What is spoken with it.
    pub kind: ExternalKind,
    /// Inside of TLS, where it is.
    pub tls: Option<ExternalTls>,
}

/// What is spoken with an external server.
#[derive(Debug, Clone, PartialEq)]
pub enum ExternalKind {
    /// HTTP.
    Http(HttpOptions),
    /// What whoever connects likes.
    Tcp,
}

impl ExternalKind {
    /// Whether it takes connections and no requests.
    pub fn is_tcp(&self) -> bool {
        matches!(self, ExternalKind::Tcp)
    }
}

/// How TLS is spoken with an external server.
#[derive(Debug, Clone, PartialEq)]
pub struct ExternalTls {
    /// As a client.
    pub options: TlsOptions,
    /// Whose certificate the server has to show. `None`: that of its address's host.
    pub certificate_host: Option<String>,
}

/// A directory of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// Where it is, as written; relative to where the program was started. `None`: the command line must say.
    pub path: Option<PathBuf>,
    /// Whether it can be written to.
    pub writable: bool,
    /// Whether files exist whose names, or a directory's on the way to them, begin with a dot.
    pub allow_dotfiles: bool,
}

/// What the caches of all workers may use together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    /// Memory, in bytes.
    pub memory_bytes: u64,
    /// The longest body of a response that is stored, in bytes.
    pub object_bytes: u64,
    /// Where files are kept, and how much of the disk they may take, in bytes.
    pub disk: Option<(PathBuf, u64)>,
}

/// A worker: code, the compatibility behaviour it was written for, and what it may reach.
#[derive(Debug, Clone, PartialEq)]
pub struct Worker {
    /// The code.
    pub source: WorkerSource,
    /// `YYYY-MM-DD`; a day that exists, not in the future, and within what this release supports.
    pub compatibility_date: String,
    /// As written: every one is a known flag, none contradicts another.
    pub compatibility_flags: Vec<String>,
    /// What the date and the flags together switch on.
    pub compatibility: CompatibilityFlags,
    /// Their names are unique.
    pub bindings: Vec<Binding>,
    /// What the global `fetch()` goes to.
    pub global_outbound: Designator,
    /// What the Cache API asks, where it asks anybody.
    pub cache_api_outbound: Option<Designator>,
    /// The classes of which there are namespaces of Durable Objects, each once. Whether the worker exports them is known only once
    /// it runs.
    pub actor_classes: Vec<ActorClass>,
    /// The server that is asked for modules which are not there: its host and its port.
    pub module_fallback: Option<String>,
    /// What it may use.
    pub policy: WorkerPolicy,
    /// When it runs without being asked; each once, at most [`MAX_SCHEDULES`].
    pub schedules: Vec<Expression>,
}

/// A class of Durable Objects that has a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActorClass {
    /// The export.
    pub name: String,
    /// Whether its objects have no storage, and names for ids.
    pub ephemeral: bool,
}

/// The two ways to write a worker.
#[derive(Debug, Clone, PartialEq)]
pub enum WorkerSource {
    /// ES-module syntax. Never empty; the first one is the main module and is an [`ModuleKind::EsModule`]; names are
    /// unique.
    Modules(Vec<Module>),
    /// Service-worker syntax: one script that calls `addEventListener`.
    ServiceWorker(String),
}

/// One module of a worker.
#[derive(Debug, Clone, PartialEq)]
pub struct Module {
    /// What other modules import it by; also the file name in stack traces.
    pub name: String,
    /// What it is.
    pub kind: ModuleKind,
}

/// The kinds of module.
#[derive(Debug, Clone, PartialEq)]
pub enum ModuleKind {
    /// An ECMAScript module.
    EsModule(String),
    /// A module that assigns to `module.exports` or `exports`.
    CommonJs {
        /// The script.
        source: String,
        /// Names that ES modules can import beside the default export; unique.
        named_exports: Vec<String>,
    },
    /// The default export is this string.
    Text(String),
    /// The default export is an `ArrayBuffer` with these bytes.
    Data(Bytes),
    /// The default export is a `WebAssembly.Module` compiled from these bytes.
    Wasm(Bytes),
    /// The default export is what this JSON text says. The text has not been parsed.
    Json(String),
    /// A module that is written in Python: its worker does not start.
    Python,
}

/// A value that a worker finds in `env`, or among its globals in service-worker syntax.
#[derive(Debug, Clone, PartialEq)]
pub struct Binding {
    /// The property's name.
    pub name: String,
    /// Its value.
    pub value: BindingValue,
}

/// The kinds of binding that exist.
#[derive(Debug, Clone, PartialEq)]
pub enum BindingValue {
    /// A string.
    Text(String),
    /// An `ArrayBuffer`.
    Data(Bytes),
    /// What this JSON text says. It is valid JSON; the worker parses it.
    Json(String),
    /// A `WebAssembly.Module`; in service-worker syntax only.
    WasmModule(Bytes),
    /// A `Fetcher`, whose requests go to a service.
    Service(Designator),
    /// The namespace of a class of Durable Objects that a worker has.
    ActorNamespace {
        /// Whether its objects have no storage, and names for ids.
        ephemeral: bool,
    },
    /// `null`.
    Null,
    /// What a module of an extension makes of other bindings, when the worker starts.
    Wrapped {
        /// The module's name, as extensions' modules import it.
        module: String,
        /// Which of its exports is called.
        entrypoint: String,
        /// What is it given. Their names are unique.
        inner: Vec<Binding>,
    },
    /// What makes code of strings.
    UnsafeEval,
    /// A cache that lives in the supervisor.
    MemoryCache {
        /// Whoever gives the same one shares the cache. `None`: it is this binding's own.
        id: Option<String>,
        /// What it may hold. Of a cache that is shared the largest of each count.
        limits: MemoryCacheLimits,
    },
    /// A dataset, which has the name of the service that data points go to.
    AnalyticsEngine(Designator),
    /// A database behind a service that takes connections.
    Hyperdrive(Box<Hyperdrive>),
    /// Of a kind that cannot be used yet: each use says so.
    NotYet(NotYet),
}

/// The kinds of binding that are there and cannot be used yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotYet {
    /// Keys and values.
    KvNamespace,
    /// Objects of any length.
    R2Bucket,
    /// Messages for a consumer.
    Queue,
    /// A class of Durable Objects without a namespace.
    DurableObjectClass,
    /// What makes workers of code that exists only at run time.
    WorkerLoader,
    /// What connects to another server of workers.
    DebugPort,
    /// A key for `crypto.subtle`.
    CryptoKey,
}

/// What a memory cache may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryCacheLimits {
    /// Values.
    pub max_keys: u32,
    /// Bytes of one value. What is longer is not kept.
    pub max_value_size: u32,
    /// Bytes of all values together.
    pub max_total_value_size: u64,
}

/// How a database is reached, and as whom.
#[derive(Debug, Clone, PartialEq)]
pub struct Hyperdrive {
    /// Takes the connections.
    pub service: Designator,
    /// Its name.
    pub database: String,
    /// The user's name.
    pub user: String,
    /// The user's password.
    pub password: String,
    /// Of the connection string, such as `postgresql`.
    pub scheme: String,
}

/// What a binding sends requests to.
#[derive(Debug, Clone, Copy)]
pub enum Reached<'a> {
    /// A service of the configuration.
    Service(&'a Designator),
    /// A memory cache: that of this id, or the binding's own.
    MemoryCache(Option<&'a str>, MemoryCacheLimits),
}

impl BindingValue {
    /// What a binding, and those inside of it, send requests to, in the order in which a worker knows them.
    pub fn reached(&self) -> Vec<Reached<'_>> {
        match self {
            BindingValue::Service(to) | BindingValue::AnalyticsEngine(to) => vec![Reached::Service(to)],
            BindingValue::Hyperdrive(hyperdrive) => vec![Reached::Service(&hyperdrive.service)],
            BindingValue::MemoryCache { id, limits } => vec![Reached::MemoryCache(id.as_deref(), *limits)],
            BindingValue::Wrapped { inner, .. } => inner.iter().flat_map(|binding| binding.value.reached()).collect(),
            BindingValue::Text(_)
            | BindingValue::Data(_)
            | BindingValue::Json(_)
            | BindingValue::WasmModule(_)
            | BindingValue::ActorNamespace { .. }
            | BindingValue::Null
            | BindingValue::UnsafeEval
            | BindingValue::NotYet(_) => Vec::new(),
        }
    }
}

/// A listener.
#[derive(Debug, Clone, PartialEq)]
pub struct Socket {
    /// Unique in the configuration. Command-line options refer to it.
    pub name: String,
    /// Where to listen, as written, such as `*:8080` or `unix:/run/x.sock`; not parsed yet. `None`: the command line
    /// must say.
    pub address: Option<String>,
    /// What is spoken there.
    pub protocol: Protocol,
    /// Inside of TLS, where it is, or may be; with a key.
    pub tls: Option<TlsOptions>,
    /// Who answers.
    pub service: Designator,
}

/// What is spoken at a socket.
#[derive(Debug, Clone, PartialEq)]
pub enum Protocol {
    /// HTTP.
    Http(HttpOptions),
    /// Whatever the service likes, which is given each connection.
    Tcp {
        /// Where there is TLS: the service says when it begins.
        starts_tls: bool,
    },
}

impl Protocol {
    /// How HTTP is spoken, where it is.
    pub fn http(&self) -> Option<&HttpOptions> {
        match self {
            Protocol::Http(options) => Some(options),
            Protocol::Tcp { .. } => None,
        }
    }

    /// Whether the same is spoken with clients, whatever becomes of it.
    pub fn is_same_as(&self, other: &Protocol) -> bool {
        match (self, other) {
            (Protocol::Http(_), Protocol::Http(_)) => true,
            (Protocol::Tcp { starts_tls: before }, Protocol::Tcp { starts_tls: after }) => before == after,
            _ => false,
        }
    }
}

/// Which service, and which part of it with which parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Designator {
    /// One of [`Config::services`].
    pub service: ServiceId,
    /// The named export that takes the events; `None` is the default export. Whether a worker exports it is known only
    /// once it runs.
    pub entrypoint: Option<String>,
    /// JSON text for `ctx.props`; `None` is an empty object. Valid JSON.
    pub props_json: Option<String>,
}

/// How HTTP is spoken on a socket.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HttpOptions {
    /// What stands in the request line.
    pub style: HttpStyle,
    /// The header that carries the scheme the client used (often `X-Forwarded-Proto`): read and removed from requests.
    pub forwarded_proto_header: Option<http::HeaderName>,
    /// The header that carries JSON for `request.cf`: read and removed from requests.
    pub cf_blob_header: Option<http::HeaderName>,
    /// Applied to every request, in order.
    pub inject_request_headers: Vec<HeaderInjection>,
    /// Applied to every response, in order.
    pub inject_response_headers: Vec<HeaderInjection>,
    /// Whether the paths below `/cdn-cgi/handler/` call other handlers than `fetch`. The policy says so, not the socket.
    pub handler_paths: bool,
}

/// What a request line holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HttpStyle {
    /// A path; the `Host` header says the rest. What browsers send to servers.
    #[default]
    Host,
    /// A whole URL. What browsers send to proxies.
    Proxy,
}

/// A header to set or to take away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderInjection {
    /// Which one.
    pub name: http::HeaderName,
    /// Replaces all values of that header; `None` takes the header away.
    pub value: Option<http::HeaderValue>,
}

impl HeaderInjection {
    /// Sets and removes headers, in order.
    pub fn apply(injections: &[HeaderInjection], headers: &mut http::HeaderMap) {
        for injection in injections {
            match &injection.value {
                Some(value) => drop(headers.insert(&injection.name, value.clone())),
                None => drop(headers.remove(&injection.name)),
            }
        }
    }
}

/// A configuration and where it came from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What was configured.
    pub config: Config,
    /// Every file that was read: the configuration, its imports and its embeds, in the order of first use, without
    /// repeats.
    pub files: Vec<PathBuf>,
    /// What will fail when it is used, in the order of the source.
    pub warnings: Vec<Diagnostic>,
}
