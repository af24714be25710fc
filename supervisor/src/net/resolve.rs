//! From names to addresses: `/etc/hosts`, then DNS, as long as the answer says that it holds.
//!
//! All of it is asynchronous: no thread waits for a name. A shard has one [`Resolver`], with one cache, in which an answer
//! stays for the time that it came with.

use std::{
    fs::File,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
};

use futures::{FutureExt as _, future::LocalBoxFuture};
use hickory_resolver::{
    Hosts, TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts},
    net::runtime::TokioRuntimeProvider,
    proto::{
        op::Query,
        rr::{Name, RecordType},
    },
    system_conf::parse_resolv_conf,
};

/// Names whose addresses a shard keeps.
const CACHED_NAMES: u64 = 4096;

/// Addresses of one name and family that are looked at.
const MAX_ADDRESSES: usize = 16;

/// Who is asked for names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolverSettings {
    /// These servers instead of those of `/etc/resolv.conf`; none means those.
    pub servers: Vec<SocketAddr>,
    /// Names with fixed addresses, which are looked at first.
    pub hosts: PathBuf,
}

impl Default for ResolverSettings {
    fn default() -> Self {
        Self { servers: Vec::new(), hosts: PathBuf::from("/etc/hosts") }
    }
}

/// Why a name has no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("DNS lookup failed. host = {host}: {reason}")]
pub struct ResolveError {
    /// The name.
    pub host: String,
    /// What the servers said, or that they said nothing.
    pub reason: String,
}

/// Why names cannot be resolved at all.
#[derive(Debug, thiserror::Error)]
#[error("cannot make a resolver of names: {0}")]
pub struct SetupError(String);

/// The addresses of one family. A name without any has an empty list.
pub(super) type Answer = Result<Vec<IpAddr>, ResolveError>;

/// What is known of a name, and what is still asked.
pub(super) struct Lookup<'a> {
    /// Addresses of IPv6.
    pub(super) v6: LocalBoxFuture<'a, Answer>,
    /// Addresses of IPv4.
    pub(super) v4: LocalBoxFuture<'a, Answer>,
}

/// Resolves names for one shard.
pub struct Resolver {
    dns: TokioResolver,
    hosts: Arc<Hosts>,
}

impl Resolver {
    /// Reads the system's settings. Belongs into the event loop that lookups run in.
    ///
    /// # Errors
    ///
    /// The settings cannot be read, or mean nothing.
    pub fn new(settings: &ResolverSettings) -> Result<Self, SetupError> {
        let failed = |error: &dyn std::fmt::Display| SetupError(error.to_string());
        let (config, mut options) = if settings.servers.is_empty() {
            match std::fs::read("/etc/resolv.conf").map(parse_resolv_conf) {
                Ok(Ok(parsed)) => parsed,
                // As resolv.conf(5) says of a file that is not there or names none.
                _ => (of_servers(&[SocketAddr::from((Ipv4Addr::LOCALHOST, 53))]), ResolverOpts::default()),
            }
        } else {
            (of_servers(&settings.servers), ResolverOpts::default())
        };
        options.cache_size = CACHED_NAMES;
        let mut hosts = Hosts::default();
        // A machine may have no such file.
        if let Ok(file) = File::open(&settings.hosts) {
            hosts.read_hosts_conf(file).map_err(|error| failed(&error))?;
        }
        let hosts = Arc::new(hosts);
        let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).with_options(options);
        let mut dns = builder.build().map_err(|error| failed(&error))?;
        // What the file has of one family would not keep DNS from being asked for the other.
        dns.set_hosts(Arc::default());
        Ok(Self { dns, hosts })
    }

    /// Begins to look for the addresses of a name. Both families are asked at once.
    pub(super) fn lookup<'a>(&'a self, name: &'a str) -> Lookup<'a> {
        let fixed = |kind| {
            let query = Query::query(Name::from_utf8(name).ok()?, kind);
            Some(addresses(&self.hosts.lookup_static_host(&query)?))
        };
        let (v6, v4) = (fixed(RecordType::AAAA), fixed(RecordType::A));
        if v6.is_some() || v4.is_some() {
            let known = |fixed: Option<Vec<IpAddr>>| std::future::ready(Ok(fixed.unwrap_or_default())).boxed_local();
            return Lookup { v6: known(v6), v4: known(v4) };
        }
        Lookup { v6: self.ask(name, RecordType::AAAA).boxed_local(), v4: self.ask(name, RecordType::A).boxed_local() }
    }

    async fn ask(&self, name: &str, kind: RecordType) -> Answer {
        match self.dns.lookup(name, kind).await {
            Ok(lookup) => Ok(addresses(&lookup)),
            // There is such a name, or there is none: the other family says the same.
            Err(error) if error.is_no_records_found() => Ok(Vec::new()),
            Err(error) => Err(ResolveError { host: name.to_owned(), reason: error.to_string() }),
        }
    }
}

fn of_servers(servers: &[SocketAddr]) -> ResolverConfig {
    let servers = servers.iter().map(|server| {
        let mut config = NameServerConfig::udp_and_tcp(server.ip());
        config.connections.iter_mut().for_each(|connection: &mut ConnectionConfig| connection.port = server.port());
        config
    });
    ResolverConfig::from_parts(None, Vec::new(), servers.collect())
}

fn addresses(lookup: &hickory_resolver::lookup::Lookup) -> Vec<IpAddr> {
    lookup.answers().iter().filter_map(|record| record.data.ip_addr()).take(MAX_ADDRESSES).collect()
}
