//! Binding, listening, accepting.
//!
//! An address is bound early, so that a mistake in it is known before a worker starts, and listened on late, so that no
//! client gets in before there is somebody to answer.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs},
    os::{fd::OwnedFd, unix::fs::MetadataExt},
    path::{Path, PathBuf},
};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::net::address::{Address, AddressError, Destination};

/// Connections that wait in the kernel for us to accept them; the kernel lowers it to `net.core.somaxconn`.
pub(super) const BACKLOG: i32 = 4096;

/// Why a socket cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The text is not an address.
    #[error("`{address}` is not an address to listen on: {error}")]
    Address {
        /// As written.
        address: String,
        /// What is wrong with it.
        #[source]
        error: AddressError,
    },
    /// The host name has no address.
    #[error("`{address}`: the host name cannot be looked up: {error}")]
    Lookup {
        /// As written.
        address: String,
        /// What the resolver said.
        #[source]
        error: io::Error,
    },
    /// The kernel refused.
    #[error("cannot listen on `{address}`: {step}: {error}{}", hint(error))]
    System {
        /// As written, or the inherited descriptor.
        address: String,
        /// The call that failed.
        step: &'static str,
        /// Its error.
        #[source]
        error: io::Error,
    },
}

/// What somebody who reads the error can do about it.
fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "; another program listens there: stop it or choose another address",
        io::ErrorKind::AddrNotAvailable => "; no interface of this machine has that address",
        io::ErrorKind::PermissionDenied => "; ports below 1024 and this directory may need more rights",
        io::ErrorKind::NotFound => "; the directory does not exist",
        _ => "",
    }
}

/// One address, bound for every shard.
#[derive(Debug)]
pub struct BoundSocket {
    /// As written.
    address: String,
    /// For each shard its own sockets: one, or several where a host name has several addresses.
    shards: Vec<Vec<Socket>>,
    /// What the kernel says, for TCP.
    port: u16,
    /// The file to take away at the end.
    _file: Option<SocketFile>,
    /// An inherited socket listens already.
    listening: bool,
}

/// A socket in the file system, removed when dropped unless somebody else has put another one in its place.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if std::fs::symlink_metadata(&self.path).is_ok_and(|now| (now.dev(), now.ino()) == self.identity) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl BoundSocket {
    /// Binds an address, which may leave its port out, for `shards` shards, without listening yet. Looks the host name up, if there is one: that blocks.
    ///
    /// A TCP address gets one socket for each shard (`SO_REUSEPORT`), a Unix address one that the shards share.
    ///
    /// # Errors
    ///
    /// The address is not one, its host name has no address, or the kernel refuses it.
    pub fn bind(address: &str, default_port: u16, shards: usize) -> Result<BoundSocket, ListenError> {
        Self::bind_beside(address, default_port, shards, &[])
    }

    /// As [`Self::bind`], where this program listens at `ports` already and is about to stop that: at a port of these, the address
    /// may be another for the same port, such as `*:80` instead of `127.0.0.1:80`.
    ///
    /// # Errors
    ///
    /// As for [`Self::bind`].
    pub fn bind_beside(
        address: &str,
        default_port: u16,
        shards: usize,
        ports: &[u16],
    ) -> Result<BoundSocket, ListenError> {
        let parsed = Address::parse(address, default_port)
            .map_err(|error| ListenError::Address { address: address.to_owned(), error })?;
        match parsed {
            Address::Any { port } => {
                match Self::bind_tcp(address, &[(Ipv6Addr::UNSPECIFIED, port).into()], shards, ports) {
                    // A kernel without IPv6.
                    Err(ListenError::System { error, .. }) if error.raw_os_error() == Some(nix::libc::EAFNOSUPPORT) => {
                        Self::bind_tcp(address, &[(Ipv4Addr::UNSPECIFIED, port).into()], shards, ports)
                    }
                    result => result,
                }
            }
            Address::One(Destination::Ip(ip)) => Self::bind_tcp(address, &[ip], shards, ports),
            Address::One(Destination::Host { name, port }) => {
                let mut found: Vec<SocketAddr> = (name.as_str(), port)
                    .to_socket_addrs()
                    .map_err(|error| ListenError::Lookup { address: address.to_owned(), error })?
                    .collect();
                let mut seen = Vec::new();
                found.retain(|ip| !seen.contains(ip) && (seen.push(*ip), true).1);
                Self::bind_tcp(address, &found, shards, ports)
            }
            Address::One(Destination::Unix(path)) => Self::bind_unix(address, &path, shards),
            Address::One(Destination::UnixAbstract(name)) => {
                let fail = |step| move |error| ListenError::System { address: address.to_owned(), step, error };
                let socket = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(fail("socket"))?;
                // A leading zero byte is how the kernel tells the abstract namespace from a path.
                SockAddr::unix(format!("\0{name}")).and_then(|name| socket.bind(&name)).map_err(fail("bind"))?;
                Self::share(address, socket, shards, None, false)
            }
        }
    }

    /// Takes a socket that listens already.
    ///
    /// # Errors
    ///
    /// The kernel has no descriptors left.
    pub fn inherited(fd: OwnedFd, number: i32, shards: usize) -> Result<BoundSocket, ListenError> {
        Self::share(&format!("inherited descriptor {number}"), fd.into(), shards, None, true)
    }

    /// The address, as it was given, with the port that the kernel chose where that was left to it.
    pub fn address(&self) -> String {
        match self.address.strip_suffix(":0") {
            Some(host) => format!("{host}:{}", self.port),
            None => self.address.clone(),
        }
    }

    /// The TCP port, also where the kernel chose it; 0 for Unix sockets.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Opens the socket to clients. Gives, for each shard, what it accepts from.
    ///
    /// # Errors
    ///
    /// Somebody else began to listen on the address in the meantime.
    pub fn listen(&mut self) -> Result<Vec<Vec<Listener>>, ListenError> {
        let mut all = Vec::with_capacity(self.shards.len());
        let fail = |step| {
            let address = self.address.clone();
            move |error| ListenError::System { address, step, error }
        };
        for sockets in std::mem::take(&mut self.shards) {
            let mut listeners = Vec::with_capacity(sockets.len());
            for socket in sockets {
                if !self.listening {
                    socket.listen(BACKLOG).map_err(fail("listen"))?;
                }
                socket.set_nonblocking(true).map_err(fail("set non-blocking"))?;
                let unix = socket.domain().map_err(fail("ask for the domain"))? == Domain::UNIX;
                listeners.push(if unix { Listener::Unix(socket.into()) } else { Listener::Tcp(socket.into()) });
            }
            all.push(listeners);
        }
        Ok(all)
    }

    fn bind_tcp(
        address: &str,
        ips: &[SocketAddr],
        shards: usize,
        own_ports: &[u16],
    ) -> Result<BoundSocket, ListenError> {
        let fail = |step| move |error| ListenError::System { address: address.to_owned(), step, error };
        let mut all: Vec<Vec<Socket>> = (0..shards).map(|_| Vec::with_capacity(ips.len())).collect();
        let mut port = 0;
        let mut first_error = None;
        for ip in ips {
            let mut ip = *ip;
            if ip.port() == 0 {
                ip.set_port(port);
            }
            let bound = (|| {
                // The first socket is bound without SO_REUSEPORT: otherwise a second supervisor of the same user would
                // share the port silently instead of being told that it is taken.
                let first = tcp_socket(ip).map_err(fail("socket"))?;
                match first.bind(&ip.into()) {
                    Err(error) if error.kind() == io::ErrorKind::AddrInUse && own_ports.contains(&ip.port()) => {
                        first.set_reuse_port(true).map_err(fail("SO_REUSEPORT"))?;
                        first.bind(&ip.into())
                    }
                    bound => bound,
                }
                .map_err(fail("bind"))?;
                first.set_reuse_port(true).map_err(fail("SO_REUSEPORT"))?;
                let local = first.local_addr().map_err(fail("getsockname"))?;
                let actual = local.as_socket().map_or(ip.port(), |local| local.port());
                ip.set_port(actual);
                let mut sockets = vec![first];
                for _ in 1..shards {
                    let next = tcp_socket(ip).map_err(fail("socket"))?;
                    next.set_reuse_port(true).map_err(fail("SO_REUSEPORT"))?;
                    next.bind(&ip.into()).map_err(fail("bind"))?;
                    sockets.push(next);
                }
                Ok((sockets, actual))
            })();
            match bound {
                Ok((sockets, actual)) => {
                    if port == 0 {
                        port = actual;
                    }
                    for (shard, socket) in all.iter_mut().zip(sockets) {
                        shard.push(socket);
                    }
                }
                // A name like `localhost` has an IPv6 address also where the machine has no IPv6.
                Err(ListenError::System { error, step, address })
                    if ips.len() > 1
                        && matches!(error.raw_os_error(), Some(nix::libc::EADDRNOTAVAIL | nix::libc::EAFNOSUPPORT)) =>
                {
                    first_error.get_or_insert(ListenError::System { error, step, address });
                }
                Err(error) => return Err(error),
            }
        }
        if all.iter().any(Vec::is_empty) {
            return Err(first_error.unwrap_or_else(|| ListenError::Lookup {
                address: address.to_owned(),
                error: io::Error::new(io::ErrorKind::NotFound, "it has no address"),
            }));
        }
        Ok(BoundSocket { address: address.to_owned(), shards: all, port, _file: None, listening: false })
    }

    fn bind_unix(address: &str, path: &Path, shards: usize) -> Result<BoundSocket, ListenError> {
        let fail = |step| move |error| ListenError::System { address: address.to_owned(), step, error };
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(fail("socket"))?;
        let name = SockAddr::unix(path).map_err(fail("bind"))?;
        if let Err(error) = socket.bind(&name) {
            // A socket file that nobody listens on is what a supervisor leaves behind that was killed.
            if error.kind() != io::ErrorKind::AddrInUse || !is_stale(path, &name) {
                return Err(fail("bind")(error));
            }
            std::fs::remove_file(path).map_err(fail("remove the socket file that nobody listens on"))?;
            socket.bind(&name).map_err(fail("bind"))?;
        }
        let file = std::fs::symlink_metadata(path)
            .ok()
            .map(|file| SocketFile { path: path.to_owned(), identity: (file.dev(), file.ino()) });
        Self::share(address, socket, shards, file, false)
    }

    /// One socket, one descriptor for each shard: whoever is awake accepts.
    fn share(
        address: &str,
        socket: Socket,
        shards: usize,
        file: Option<SocketFile>,
        listening: bool,
    ) -> Result<BoundSocket, ListenError> {
        let fail = |step| move |error| ListenError::System { address: address.to_owned(), step, error };
        let port = socket.local_addr().ok().and_then(|local| local.as_socket()).map_or(0, |local| local.port());
        let mut all = Vec::with_capacity(shards);
        for _ in 1..shards {
            all.push(vec![socket.try_clone().map_err(fail("duplicate"))?]);
        }
        all.push(vec![socket]);
        Ok(BoundSocket { address: address.to_owned(), shards: all, port, _file: file, listening })
    }
}

fn tcp_socket(ip: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(ip), Type::STREAM, Some(Protocol::TCP))?;
    if ip.is_ipv6() {
        // `*` is both families; a written IPv6 address is only itself.
        socket.set_only_v6(!ip.ip().is_unspecified())?;
    }
    // Without it, connections in TIME_WAIT would keep a restarted supervisor from its port.
    socket.set_reuse_address(true)?;
    Ok(socket)
}

/// Whether the path is a socket that refuses connections.
fn is_stale(path: &Path, name: &SockAddr) -> bool {
    use std::os::unix::fs::FileTypeExt;
    std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket())
        && Socket::new(Domain::UNIX, Type::STREAM, None)
            .and_then(|probe| {
                // A live server with a full queue would make us wait.
                probe.set_nonblocking(true)?;
                probe.connect(name)
            })
            .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

/// Something that a shard accepts from. Non-blocking.
#[derive(Debug)]
pub enum Listener {
    /// IPv4, IPv6 or both.
    Tcp(std::net::TcpListener),
    /// A path or an abstract name.
    Unix(std::os::unix::net::UnixListener),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shards_share_one_port() {
        let mut bound = BoundSocket::bind("127.0.0.1:0", 80, 3).unwrap();
        assert_ne!(bound.port(), 0);
        let shards = bound.listen().unwrap();
        assert_eq!(shards.len(), 3);
        for listeners in &shards {
            let [Listener::Tcp(listener)] = &listeners[..] else { panic!("{listeners:?}") };
            assert_eq!(listener.local_addr().unwrap().port(), bound.port());
        }
    }

    #[test]
    fn a_taken_port_is_an_error_also_when_it_is_shared_by_shards() {
        let mut first = BoundSocket::bind("127.0.0.1:0", 80, 2).unwrap();
        let _listeners = first.listen().unwrap();
        let address = format!("127.0.0.1:{}", first.port());
        let error = BoundSocket::bind(&address, 80, 2).unwrap_err().to_string();
        assert!(error.contains(&address) && error.contains("another program listens there"), "{error}");
    }

    #[test]
    fn an_address_may_be_widened_and_narrowed_beside_ones_own() {
        for (before, after) in [("127.0.0.1", "*"), ("*", "127.0.0.1")] {
            let mut first = BoundSocket::bind(&format!("{before}:0"), 80, 2).unwrap();
            let _listeners = first.listen().unwrap();
            let address = format!("{after}:{}", first.port());
            assert!(BoundSocket::bind_beside(&address, 80, 2, &[1]).is_err());
            let mut second = BoundSocket::bind_beside(&address, 80, 2, &[first.port()]).unwrap();
            second.listen().unwrap();
        }
    }

    #[test]
    fn a_stale_socket_file_is_replaced_a_live_one_is_not_and_ours_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.sock");
        let address = format!("unix:{}", path.display());
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "the standard library leaves the file behind");
        let mut bound = BoundSocket::bind(&address, 80, 2).unwrap();
        let listeners = bound.listen().unwrap();
        let error = BoundSocket::bind(&address, 80, 1).unwrap_err().to_string();
        assert!(error.contains("in use"), "{error}");
        drop(listeners);
        drop(bound);
        assert!(!path.exists());
        std::fs::write(&path, b"a file").unwrap();
        assert!(BoundSocket::bind(&address, 80, 1).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"a file");
    }

    #[test]
    fn every_address_takes_both_families() {
        let mut bound = BoundSocket::bind("*:0", 80, 1).unwrap();
        let _listeners = bound.listen().unwrap();
        std::net::TcpStream::connect(("127.0.0.1", bound.port())).unwrap();
        if std::net::TcpListener::bind("[::1]:0").is_ok() {
            std::net::TcpStream::connect(("::1", bound.port())).unwrap();
        }
    }

    #[test]
    fn an_address_that_is_not_ours_says_so() {
        let error = BoundSocket::bind("192.0.2.1:0", 80, 1).unwrap_err().to_string();
        assert!(error.contains("no interface of this machine"), "{error}");
    }
}
