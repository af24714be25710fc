//! Where a connection goes.

use std::{fmt, net::SocketAddr, path::PathBuf};

/// What can be connected to, before any name is resolved.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Destination {
    /// An address and a port.
    Ip(SocketAddr),
    /// A name, which is resolved for each connection anew, and a port.
    Host {
        /// What DNS or `/etc/hosts` is asked for.
        name: String,
        /// Of TCP.
        port: u16,
    },
    /// A Unix socket with a path.
    Unix(PathBuf),
    /// A Unix socket without a path, in Linux's abstract namespace.
    UnixAbstract(String),
}

impl Destination {
    /// A host as URLs have it: a name, an address of IPv4, or one of IPv6 in brackets.
    pub fn of_host(host: &str, port: u16) -> Self {
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        match bare.parse() {
            Ok(address) => Destination::Ip(SocketAddr::new(address, port)),
            Err(_) => Destination::Host { name: host.to_owned(), port },
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Destination::Ip(address) => address.fmt(f),
            Destination::Host { name, port } => write!(f, "{name}:{port}"),
            Destination::Unix(path) => write!(f, "unix:{}", path.display()),
            Destination::UnixAbstract(name) => write!(f, "unix-abstract:{name}"),
        }
    }
}
