//! Connections that are given to a service as they come: each is a request for a connection, made of nothing but the two addresses.

use std::{cell::RefCell, future::Future as _, io, pin::pin, rc::Rc, time::Instant};

use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri};

use super::{
    client::{ClientIo, Watched},
    connection::{Connection, InFlight, Ticket},
    front::Place,
    http::{Answered, Peer, exchange, watch},
    limits::Phase,
    log::FailureLog,
    stream::SecureStream,
};
use crate::{
    duplex::{Starter, later},
    log::Log,
    net::tls::server::Acceptor,
    service::{Service, ServiceError, ServiceRequest},
    upgrade::{Connect, Transport},
};

/// A socket of the configuration at which nothing is spoken that the supervisor knows, on one shard.
pub struct TcpSocket {
    name: String,
    /// What the service is told of where it is.
    address: Uri,
    tls: Option<Acceptor>,
    /// The service says when TLS begins.
    starts_tls: bool,
    service: Rc<dyn Service>,
    log: RefCell<FailureLog>,
}

impl TcpSocket {
    /// Joins a socket at `address` and the service that takes its connections; inside of TLS from their beginning, if there is somebody to
    /// take the handshakes, unless it `starts_tls`.
    ///
    /// What handlers fail with is written to `log`.
    pub fn new(
        name: String,
        address: String,
        tls: Option<Acceptor>,
        starts_tls: bool,
        service: Rc<dyn Service>,
        log: Log,
    ) -> Rc<Self> {
        // Of a Unix socket nothing is told.
        let address = address.parse().unwrap_or_default();
        Rc::new(Self { name, address, tls, starts_tls, service, log: RefCell::new(FailureLog::new(log)) })
    }

    /// What takes the handshakes that come first, where there are any.
    pub(super) fn tls(&self) -> Option<&Acceptor> {
        self.tls.as_ref().filter(|_| !self.starts_tls)
    }

    /// Says what went wrong with the socket itself.
    pub(super) fn complain(&self, text: &str) {
        self.log.borrow_mut().failure(Instant::now(), &self.name, text);
    }

    /// Serves one connection until it ends: because its two ends want that, one of them is gone, or its [`Ticket`] says so.
    pub(super) async fn serve(place: &Place<Self>, stream: Box<dyn ClientIo>, peer: &Peer, ticket: Ticket) {
        let connection = ticket.connection.clone();
        let stream = Watched::new(stream, connection.clone());
        let (socket, in_use) = place.now();
        let in_flight = connection.begin_request(&socket.service, in_use);
        socket.carry(&connection, stream, peer, in_flight).await;
        connection.detach();
        drop(ticket);
    }

    async fn carry(
        &self,
        connection: &Rc<Connection>,
        stream: Watched<Box<dyn ClientIo>>,
        peer: &Peer,
        in_flight: InFlight,
    ) {
        let in_flight = Rc::new(in_flight);
        let remote = if let Peer::Ip(address) = peer { Some(address.to_string()) } else { None };
        let transport = if self.starts_tls { Transport::StartTls } else { Transport::Plain };
        let (request, body) = later();
        let mut http = Request::new(body);
        *http.method_mut() = Method::CONNECT;
        *http.uri_mut() = self.address.clone();
        http.extensions_mut().insert(Connect { transport, remote });
        let response = {
            let mut asked = pin!(self.service.connect(ServiceRequest { http, cf_json: Rc::from("") }));
            watch(connection, |cx, _| asked.as_mut().poll(cx)).await
        };
        let response = match response {
            Some(Ok(response)) if response.status() == StatusCode::SWITCHING_PROTOCOLS => response.into_body(),
            Some(Ok(_)) | None => return,
            Some(Err(error)) => {
                // A limit that was exceeded is counted and logged where it was.
                if !matches!(error, ServiceError::Exceeded(_)) {
                    self.complain(&error.to_string());
                }
                return;
            }
        };
        let answered = Answered { request, response, in_flight };
        let acceptor = self.tls.as_ref().filter(|_| self.starts_tls);
        let starter = acceptor.map(|_| Rc::<Starter>::default());
        let handshake = async |stream: Watched<Box<dyn ClientIo>>, _| {
            let acceptor = acceptor.ok_or(io::ErrorKind::Unsupported)?;
            let stream = stream.into_inner().ok_or(io::ErrorKind::NotConnected)?;
            connection.set_phase(Phase::Handshake);
            let stream = acceptor.accept(stream).await?;
            connection.set_phase(Phase::Busy);
            Ok(Watched::new(Box::new(SecureStream::from(stream)) as Box<dyn ClientIo>, connection.clone()))
        };
        exchange(connection, (stream, Bytes::new()), answered, starter, handshake).await;
    }
}
