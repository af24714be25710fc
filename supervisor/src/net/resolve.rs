//! From names to addresses: `/etc/hosts`, then DNS, as long as the answer says that it holds.
//!
//! All of it is asynchronous: no thread waits for a name. A shard has one [`Resolver`], with one cache, in which an answer
//! stays for the time that it came with. When the system's files change, what they say is taken over.

use std::{
    cell::{Cell, RefCell},
    fs::{self, File},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    rc::Rc,
    time::Duration,
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
use tokio::time::Instant;

/// Names whose addresses a shard keeps.
const CACHED_NAMES: u64 = 4096;

/// Addresses of one name and family that are looked at.
const MAX_ADDRESSES: usize = 16;

/// How long the system's files are taken to be what they were.
const LOOK_AGAIN: Duration = Duration::from_secs(3);

/// Who is asked for names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolverSettings {
    /// These servers instead of those of `resolv_conf`; none means those.
    pub servers: Vec<SocketAddr>,
    /// Which servers there are (resolv.conf(5)).
    pub resolv_conf: PathBuf,
    /// Names with fixed addresses, which are looked at first.
    pub hosts: PathBuf,
}

impl Default for ResolverSettings {
    fn default() -> Self {
        Self { servers: Vec::new(), resolv_conf: "/etc/resolv.conf".into(), hosts: "/etc/hosts".into() }
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
    settings: ResolverSettings,
    dns: RefCell<Watched<TokioResolver>>,
    hosts: RefCell<Watched<Rc<Hosts>>>,
    /// When the files were looked at last.
    looked: Cell<Instant>,
}

impl Resolver {
    /// Reads the system's settings. Belongs into the event loop that lookups run in.
    ///
    /// # Errors
    ///
    /// The settings cannot be read, or mean nothing.
    pub fn new(settings: &ResolverSettings) -> Result<Self, SetupError> {
        Ok(Self {
            dns: RefCell::new(Watched { seen: stamp(&settings.resolv_conf), value: read_servers(settings)? }),
            hosts: RefCell::new(Watched { seen: stamp(&settings.hosts), value: read_hosts(&settings.hosts)? }),
            settings: settings.clone(),
            looked: Cell::new(Instant::now()),
        })
    }

    /// Begins to look for the addresses of a name. Both families are asked at once.
    pub(super) fn lookup<'a>(&self, name: &'a str) -> Lookup<'a> {
        self.look(Instant::now());
        let hosts = self.hosts.borrow().value.clone();
        let fixed = |kind| {
            let query = Query::query(Name::from_utf8(name).ok()?, kind);
            Some(addresses(&hosts.lookup_static_host(&query)?))
        };
        let (v6, v4) = (fixed(RecordType::AAAA), fixed(RecordType::A));
        if v6.is_some() || v4.is_some() {
            let known = |fixed: Option<Vec<IpAddr>>| std::future::ready(Ok(fixed.unwrap_or_default())).boxed_local();
            return Lookup { v6: known(v6), v4: known(v4) };
        }
        let ask = |kind| ask(self.dns.borrow().value.clone(), name, kind).boxed_local();
        Lookup { v6: ask(RecordType::AAAA), v4: ask(RecordType::A) }
    }

    /// Takes over what has changed in the system's files, which are small and in memory.
    fn look(&self, now: Instant) {
        if now.duration_since(self.looked.get()) < LOOK_AGAIN {
            return;
        }
        self.looked.set(now);
        // With the servers goes what they have said.
        if self.settings.servers.is_empty() {
            self.dns.borrow_mut().look(&self.settings.resolv_conf, || read_servers(&self.settings));
        }
        self.hosts.borrow_mut().look(&self.settings.hosts, || read_hosts(&self.settings.hosts));
    }
}

/// What a file says, and which state of it said so.
struct Watched<T> {
    seen: Option<Stamp>,
    value: T,
}

impl<T> Watched<T> {
    /// Reads the file again where it is another one. What cannot be read changes nothing, and is read again the next time.
    fn look(&mut self, path: &Path, read: impl FnOnce() -> Result<T, SetupError>) {
        let now = stamp(path);
        if now != self.seen
            && let Ok(value) = read()
        {
            *self = Watched { seen: now, value };
        }
    }
}

/// The device and the number of a file, its length, and when it changed, in seconds and nanoseconds.
type Stamp = (u64, u64, u64, i64, i64);

/// `None` for a file that is not there.
fn stamp(path: &Path) -> Option<Stamp> {
    let file = fs::metadata(path).ok()?;
    Some((file.dev(), file.ino(), file.len(), file.ctime(), file.ctime_nsec()))
}

fn read_servers(settings: &ResolverSettings) -> Result<TokioResolver, SetupError> {
    let (config, mut options) = servers(settings);
    options.cache_size = CACHED_NAMES;
    let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).with_options(options);
    let mut dns = builder.build().map_err(|error| SetupError(error.to_string()))?;
    // What the file has of one family would not keep DNS from being asked for the other.
    dns.set_hosts(Default::default());
    Ok(dns)
}

fn servers(settings: &ResolverSettings) -> (ResolverConfig, ResolverOpts) {
    if !settings.servers.is_empty() {
        return (of_servers(&settings.servers), ResolverOpts::default());
    }
    match fs::read(&settings.resolv_conf).map(parse_resolv_conf) {
        Ok(Ok(parsed)) => parsed,
        // As resolv.conf(5) says of a file that is not there or names none.
        _ => (of_servers(&[SocketAddr::from((Ipv4Addr::LOCALHOST, 53))]), ResolverOpts::default()),
    }
}

fn read_hosts(path: &Path) -> Result<Rc<Hosts>, SetupError> {
    let mut hosts = Hosts::default();
    // A machine may have no such file.
    if let Ok(file) = File::open(path) {
        hosts.read_hosts_conf(file).map_err(|error| SetupError(error.to_string()))?;
    }
    Ok(Rc::new(hosts))
}

async fn ask(dns: TokioResolver, name: &str, kind: RecordType) -> Answer {
    match dns.lookup(name, kind).await {
        Ok(lookup) => Ok(addresses(&lookup)),
        // There is such a name, or there is none: the other family says the same.
        Err(error) if error.is_no_records_found() => Ok(Vec::new()),
        Err(error) => Err(ResolveError { host: name.to_owned(), reason: error.to_string() }),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What `/etc/hosts` says of a name, which is there at once.
    fn fixed(resolver: &Resolver, name: &str) -> Option<Vec<IpAddr>> {
        let Lookup { v6, v4 } = resolver.lookup(name);
        Some([v6.now_or_never()?.ok()?, v4.now_or_never()?.ok()?].concat())
    }

    fn servers_of(settings: &ResolverSettings) -> Vec<IpAddr> {
        servers(settings).0.name_servers.iter().map(|server| server.ip).collect()
    }

    #[tokio::test]
    async fn what_changes_in_the_systems_files_is_taken_over() {
        let directory = tempfile::tempdir().expect("a directory");
        let settings = ResolverSettings {
            servers: Vec::new(),
            resolv_conf: directory.path().join("resolv.conf"),
            hosts: directory.path().join("hosts"),
        };
        let resolver = Resolver::new(&settings).expect("a resolver");
        let mut now = Instant::now();
        let mut look = |resolver: &Resolver| {
            now += LOOK_AGAIN;
            resolver.look(now);
        };
        let localhost = IpAddr::from([127, 0, 0, 1]);
        assert_eq!(servers_of(&settings), [localhost]);
        for last in [2, 3] {
            let (name, address) = (format!("name{last}.example"), IpAddr::from([127, 0, 0, last]));
            assert_eq!(fixed(&resolver, &name), None);
            // Each is another file, as editors and DHCP clients write it.
            fs::write(directory.path().join("new"), format!("{address} {name}\n::1 {name}\n")).expect("a file");
            fs::rename(directory.path().join("new"), &settings.hosts).expect("a file");
            let seen = resolver.dns.borrow().seen;
            fs::write(directory.path().join("new"), format!("nameserver {address}\n")).expect("a file");
            fs::rename(directory.path().join("new"), &settings.resolv_conf).expect("a file");
            // Nobody looks before it is time.
            resolver.look(resolver.looked.get() + LOOK_AGAIN / 2);
            assert_eq!(resolver.dns.borrow().seen, seen);
            look(&resolver);
            assert_eq!(fixed(&resolver, &name), Some(vec![IpAddr::from(std::net::Ipv6Addr::LOCALHOST), address]));
            assert_ne!(resolver.dns.borrow().seen, seen);
            assert_eq!(servers_of(&settings), [address]);
        }
        fs::remove_file(&settings.hosts).expect("to remove");
        look(&resolver);
        assert_eq!(fixed(&resolver, "name3.example"), None);
    }

    #[test]
    fn what_cannot_be_read_changes_nothing() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let mut watched = Watched { seen: None, value: 1 };
        watched.look(file.path(), || Err(SetupError("it is being written".to_owned())));
        assert!(watched.seen.is_none() && watched.value == 1);
        watched.look(file.path(), || Ok(2));
        assert!(watched.seen.is_some() && watched.value == 2);
        watched.look(file.path(), || unreachable!("it is the same file"));
    }
}
