//! From a destination to a connection, if the peer is one that may be connected to.
//!
//! A name's addresses are tried as RFC 8305 says ("happy eyeballs"): both families in turn, the next one when the one before has
//! failed or has kept us waiting. The filter is asked about each address right before it is connected to, and the address that it was
//! asked about is the one that the kernel is given.

use std::{
    collections::VecDeque,
    io,
    net::{IpAddr, SocketAddr},
    os::linux::net::SocketAddrExt as _,
    time::Duration,
};

use futures::{StreamExt as _, future::Either, stream::FuturesUnordered};
use tokio::{
    net::{TcpStream, UnixStream},
    time::{Instant, sleep_until, timeout},
};

use super::{
    address::Destination,
    peers::PeerFilter,
    resolve::{Answer, Lookup, ResolveError, Resolver},
    stream::Socket,
};

/// How long one attempt may keep the next one waiting ("Connection Attempt Delay", RFC 8305, section 5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// How long addresses of IPv4 wait for those of IPv6 ("Resolution Delay", RFC 8305, section 3).
const RESOLUTION_DELAY: Duration = Duration::from_millis(50);

/// Addresses of one name that are tried.
const MAX_ATTEMPTS: usize = 16;

/// How long it may take until there is a connection, with the resolution of the name.
pub(super) const CONNECT_TIME: Duration = Duration::from_secs(30);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The name has no address.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// The filter permits none of the destination's addresses.
    #[error("connecting to {0} is not allowed")]
    NotAllowed(Destination),
    /// The kernel or the peer refused, at the last address that was tried.
    #[error("cannot connect to {0}: {1}")]
    Failed(Destination, #[source] io::Error),
    /// It took too long.
    #[error("cannot connect to {0} within {CONNECT_TIME:?}")]
    TimedOut(Destination),
}

impl ConnectError {
    /// Whether the network is what failed, and not what was asked for.
    pub fn is_disconnect(&self) -> bool {
        use io::ErrorKind::{
            ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, NetworkDown, NetworkUnreachable,
            NotConnected, TimedOut,
        };
        match self {
            ConnectError::Failed(_, error) => matches!(
                error.kind(),
                ConnectionAborted
                    | ConnectionRefused
                    | ConnectionReset
                    | HostUnreachable
                    | NetworkDown
                    | NetworkUnreachable
                    | NotConnected
                    | TimedOut
            ),
            ConnectError::TimedOut(_) => true,
            ConnectError::Resolve(_) | ConnectError::NotAllowed(_) => false,
        }
    }
}

/// Connects. Dropping the future gives it up.
///
/// # Errors
///
/// There is no connection.
pub(super) async fn connect(
    to: &Destination,
    filter: Option<&PeerFilter>,
    resolver: &Resolver,
) -> Result<Socket, ConnectError> {
    let connected = timeout(CONNECT_TIME, connect_untimed(to, filter, resolver)).await;
    connected.unwrap_or_else(|_| Err(ConnectError::TimedOut(to.clone())))
}

async fn connect_untimed(
    to: &Destination,
    filter: Option<&PeerFilter>,
    resolver: &Resolver,
) -> Result<Socket, ConnectError> {
    let permitted = |permits: fn(&PeerFilter) -> bool| match filter {
        Some(filter) if !permits(filter) => Err(ConnectError::NotAllowed(to.clone())),
        _ => Ok(()),
    };
    let failed = |error| ConnectError::Failed(to.clone(), error);
    match to {
        Destination::Ip(address) => {
            let (v6, v4) = (std::future::ready(Ok(Vec::new())), std::future::ready(Ok(vec![address.ip()])));
            let lookup = Lookup { v6: Box::pin(v6), v4: Box::pin(v4) };
            Race::new(to, address.port(), filter).run(lookup).await
        }
        Destination::Host { name, port } => Race::new(to, *port, filter).run(resolver.lookup(name)).await,
        Destination::Unix(path) => {
            permitted(PeerFilter::allows_unix)?;
            Ok(Socket::Unix(UnixStream::connect(path).await.map_err(failed)?))
        }
        Destination::UnixAbstract(name) => {
            permitted(PeerFilter::allows_unix_abstract)?;
            let connect = || {
                let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
                // One of this machine answers or refuses at once, as long as its queue has room.
                let stream = std::os::unix::net::UnixStream::connect_addr(&address)?;
                stream.set_nonblocking(true)?;
                UnixStream::from_std(stream)
            };
            Ok(Socket::Unix(connect().map_err(failed)?))
        }
    }
}

/// Attempts at the addresses of one destination.
struct Race<'a> {
    to: &'a Destination,
    port: u16,
    filter: Option<&'a PeerFilter>,
    v6: VecDeque<IpAddr>,
    v4: VecDeque<IpAddr>,
    /// Which family is next.
    prefers_v4: bool,
    attempts: usize,
    failure: Option<ConnectError>,
}

impl<'a> Race<'a> {
    fn new(to: &'a Destination, port: u16, filter: Option<&'a PeerFilter>) -> Self {
        let (v6, v4) = (VecDeque::new(), VecDeque::new());
        Race { to, port, filter, v6, v4, prefers_v4: false, attempts: 0, failure: None }
    }

    /// Takes the addresses of one family.
    fn found(&mut self, answer: Answer) {
        match answer {
            // Those that are not allowed keep nobody waiting.
            Ok(addresses) => {
                for address in addresses {
                    if self.filter.is_some_and(|filter| !filter.allows(address)) {
                        self.failure.get_or_insert_with(|| ConnectError::NotAllowed(self.to.clone()));
                    } else if address.is_ipv6() {
                        self.v6.push_back(address);
                    } else {
                        self.v4.push_back(address);
                    }
                }
            }
            Err(error) => drop(self.failure.get_or_insert(error.into())),
        }
    }

    /// The next address to be tried: of the families in turn.
    fn next(&mut self) -> Option<SocketAddr> {
        if self.attempts == MAX_ATTEMPTS {
            return None;
        }
        let (first, second) = if self.prefers_v4 { (&mut self.v4, &mut self.v6) } else { (&mut self.v6, &mut self.v4) };
        let address = first.pop_front().or_else(|| second.pop_front())?;
        self.prefers_v4 = address.is_ipv6();
        self.attempts += 1;
        Some(SocketAddr::new(address, self.port))
    }

    async fn run(mut self, lookup: Lookup<'_>) -> Result<Socket, ConnectError> {
        // What is still asked when the first addresses are there goes on beside the attempts.
        let mut asking = match futures::future::select(lookup.v6, lookup.v4).await {
            Either::Left((v6, v4)) => {
                self.found(v6);
                Some(v4)
            }
            Either::Right((v4, mut v6)) => {
                self.found(v4);
                match timeout(RESOLUTION_DELAY, &mut v6).await {
                    Ok(answer) => {
                        self.found(answer);
                        None
                    }
                    Err(_) => Some(v6),
                }
            }
        };
        let mut attempts = FuturesUnordered::new();
        let mut next_at = Instant::now();
        loop {
            if (attempts.is_empty() || next_at <= Instant::now())
                && let Some(address) = self.next()
            {
                attempts.push(TcpStream::connect(address));
                next_at = Instant::now() + ATTEMPT_DELAY;
            }
            if attempts.is_empty() && asking.is_none() {
                let nothing = ResolveError { host: self.host(), reason: "the name has no address".to_owned() };
                return Err(self.failure.unwrap_or_else(|| nothing.into()));
            }
            let more = !self.v6.is_empty() || !self.v4.is_empty();
            tokio::select! {
                biased;
                Some(result) = attempts.next() => match result {
                    Ok(stream) => {
                        // A request is written whole; waiting for more to send would only delay it.
                        let _ = stream.set_nodelay(true);
                        return Ok(Socket::Tcp(stream));
                    }
                    // What the last attempt failed with says the most; that another address is not allowed says less.
                    Err(error) => {
                        self.failure = Some(ConnectError::Failed(self.to.clone(), error));
                        next_at = Instant::now();
                    }
                },
                answer = async { asking.as_mut().expect("asked while there is one").await }, if asking.is_some() => {
                    asking = None;
                    self.found(answer);
                }
                () = sleep_until(next_at), if more && self.attempts < MAX_ATTEMPTS => {}
            }
        }
    }

    fn host(&self) -> String {
        match self.to {
            Destination::Host { name, .. } => name.clone(),
            other => other.to_string(),
        }
    }
}
