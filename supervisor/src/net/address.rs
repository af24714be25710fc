//! Addresses: where a connection goes, and what the texts of a configuration mean.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
};

/// The port of HTTP where an address names none.
pub const DEFAULT_HTTP_PORT: u16 = 80;

/// The same where HTTP is inside of TLS.
pub const DEFAULT_HTTPS_PORT: u16 = 443;

/// What can be connected to or listened on, before any name is resolved.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Destination {
    /// An address and a port. To listen on 0 lets the kernel choose.
    Ip(SocketAddr),
    /// A name and a port. To connect, the name is resolved each time; to listen, once, and all of its addresses are bound.
    Host {
        /// What DNS or `/etc/hosts` is asked for.
        name: String,
        /// Of TCP. To listen on 0 lets the kernel choose, the same for all addresses of the name.
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

/// An `address` of the configuration, to be listened on or connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `*` or `*:port`: every address of the machine, IPv6 and IPv4. It can only be listened on.
    Any {
        /// 0 lets the kernel choose.
        port: u16,
    },
    /// `1.2.3.4:port`, `[v6]:port`, `host:port`, `unix:/path` or `unix-abstract:name`.
    One(Destination),
}

/// Why a text is not an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Nothing there, or nothing before the colon.
    #[error("there is no host in it; write `*:port` to listen on every address")]
    NoHost,
    /// The port is not a number from 0 to 65535.
    #[error("`{0}` is not a port; a port is a number from 0 to 65535")]
    BadPort(String),
    /// `[` without `]`, or no IPv6 address between them.
    #[error("`{0}` is not an IPv6 address in brackets, such as `[::1]:8080`")]
    BadIpv6(String),
    /// `unix:` or `unix-abstract:` with nothing behind it.
    #[error("there is no path or name behind `{0}`")]
    NoPath(&'static str),
    /// The kernel's structure for a Unix address has 108 bytes.
    #[error("the path has {0} bytes, and a Unix socket's path may have 107")]
    PathTooLong(usize),
    /// A byte that no address holds.
    #[error("it holds the character {0:?}")]
    BadCharacter(char),
}

impl Address {
    /// Reads an address; where it names no port, it is `default_port`.
    ///
    /// # Errors
    ///
    /// The text is no address.
    pub fn parse(text: &str, default_port: u16) -> Result<Self, AddressError> {
        for (prefix, is_path) in [("unix:", true), ("unix-abstract:", false)] {
            let Some(rest) = text.strip_prefix(prefix) else { continue };
            if rest.is_empty() {
                return Err(AddressError::NoPath(if is_path { "unix:" } else { "unix-abstract:" }));
            }
            if rest.contains('\0') {
                return Err(AddressError::BadCharacter('\0'));
            }
            if rest.len() > 107 {
                return Err(AddressError::PathTooLong(rest.len()));
            }
            return Ok(Address::One(if is_path {
                Destination::Unix(PathBuf::from(rest))
            } else {
                Destination::UnixAbstract(rest.to_owned())
            }));
        }
        if let Some(bad) = text.chars().find(|c| c.is_control() || c.is_whitespace() || *c == '/') {
            return Err(AddressError::BadCharacter(bad));
        }
        if let Some(rest) = text.strip_prefix('[') {
            let bad = || AddressError::BadIpv6(text.to_owned());
            let (address, port) = rest.split_once(']').ok_or_else(bad)?;
            let address: Ipv6Addr = address.parse().map_err(|_| bad())?;
            let port = match port.strip_prefix(':') {
                Some(port) => parse_port(port)?,
                None if port.is_empty() => default_port,
                None => return Err(bad()),
            };
            return Ok(Address::One(Destination::Ip(SocketAddr::from((address, port)))));
        }
        if let Ok(address) = text.parse::<Ipv6Addr>() {
            return Ok(Address::One(Destination::Ip(SocketAddr::from((address, default_port)))));
        }
        let (host, port) = match text.split_once(':') {
            // Two colons and no brackets: an IPv6 address that is none.
            Some((_, port)) if port.contains(':') => return Err(AddressError::BadIpv6(text.to_owned())),
            Some((host, port)) => (host, parse_port(port)?),
            None => (text, default_port),
        };
        match host {
            "" => Err(AddressError::NoHost),
            "*" => Ok(Address::Any { port }),
            _ => Ok(Address::One(match host.parse::<Ipv4Addr>() {
                Ok(address) => Destination::Ip(SocketAddr::new(IpAddr::V4(address), port)),
                Err(_) => Destination::Host { name: host.to_owned(), port },
            })),
        }
    }
}

fn parse_port(text: &str) -> Result<u16, AddressError> {
    // `u16::from_str` takes a leading plus sign.
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(AddressError::BadPort(text.to_owned()));
    }
    text.parse().map_err(|_| AddressError::BadPort(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Address {
        Address::One(Destination::Ip(text.parse().unwrap()))
    }

    fn host(name: &str, port: u16) -> Address {
        Address::One(Destination::Host { name: name.into(), port })
    }

    #[test]
    fn every_form_is_understood() {
        let table: &[(&str, Address)] = &[
            ("*", Address::Any { port: 80 }),
            ("*:8080", Address::Any { port: 8080 }),
            ("*:0", Address::Any { port: 0 }),
            ("1.2.3.4", ip("1.2.3.4:80")),
            ("1.2.3.4:65535", ip("1.2.3.4:65535")),
            ("0.0.0.0:1", ip("0.0.0.0:1")),
            ("[::1]:8080", ip("[::1]:8080")),
            ("[::]", ip("[::]:80")),
            ("::1", ip("[::1]:80")),
            ("localhost:0", host("localhost", 0)),
            ("example.com", host("example.com", 80)),
            ("unix:/run/x.sock", Address::One(Destination::Unix("/run/x.sock".into()))),
            ("unix:relative", Address::One(Destination::Unix("relative".into()))),
            ("unix-abstract:a name", Address::One(Destination::UnixAbstract("a name".into()))),
        ];
        for (text, expected) in table {
            assert_eq!(Address::parse(text, DEFAULT_HTTP_PORT).as_ref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn the_default_port_is_that_of_the_protocol() {
        for text in ["*", "1.2.3.4", "[::1]", "::1", "example.com"] {
            let port = match Address::parse(text, DEFAULT_HTTPS_PORT).unwrap() {
                Address::Any { port } | Address::One(Destination::Host { port, .. }) => port,
                Address::One(Destination::Ip(address)) => address.port(),
                other => panic!("{other:?}"),
            };
            assert_eq!(port, DEFAULT_HTTPS_PORT, "{text}");
        }
    }

    #[test]
    fn every_mistake_has_its_error() {
        let table: &[(&str, AddressError)] = &[
            ("", AddressError::NoHost),
            (":80", AddressError::NoHost),
            ("*:", AddressError::BadPort("".into())),
            ("*:65536", AddressError::BadPort("65536".into())),
            ("*:+80", AddressError::BadPort("+80".into())),
            ("*:-1", AddressError::BadPort("-1".into())),
            ("*:http", AddressError::BadPort("http".into())),
            ("[::1", AddressError::BadIpv6("[::1".into())),
            ("[1.2.3.4]:1", AddressError::BadIpv6("[1.2.3.4]:1".into())),
            ("[::1]80", AddressError::BadIpv6("[::1]80".into())),
            ("::1:99:zz", AddressError::BadIpv6("::1:99:zz".into())),
            ("http://x", AddressError::BadCharacter('/')),
            ("a b:1", AddressError::BadCharacter(' ')),
            ("unix:", AddressError::NoPath("unix:")),
            ("unix-abstract:", AddressError::NoPath("unix-abstract:")),
            ("unix-abstract:a\0b", AddressError::BadCharacter('\0')),
        ];
        for (text, expected) in table {
            assert_eq!(Address::parse(text, DEFAULT_HTTP_PORT).as_ref(), Err(expected), "{text}");
        }
        let long = format!("unix:/{}", "a".repeat(107));
        assert_eq!(Address::parse(&long, 80), Err(AddressError::PathTooLong(108)));
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,40}") {
            let _ = Address::parse(&text, 80);
        }

        #[test]
        fn an_ip_address_means_itself(address: IpAddr, port: u16) {
            let address = SocketAddr::new(address, port);
            proptest::prop_assert_eq!(Address::parse(&address.to_string(), 80), Ok(Address::One(Destination::Ip(address))));
        }
    }
}
