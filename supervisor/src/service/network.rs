//! The service that is a part of the network: requests go where their URLs say, as far as its rules permit.

use std::{io, rc::Rc};

use http::{HeaderValue, StatusCode, Uri, uri::Scheme};

use super::{LocalFuture, Service, ServiceError, ServiceRequest};
use crate::{
    body::Body,
    config::Network,
    net::{
        Outlet,
        address::{DEFAULT_HTTP_PORT, DEFAULT_HTTPS_PORT, Destination},
        client::{Client, FetchError},
        secure::Secure,
    },
    upgrade::{Connect, Transport},
};

/// Sends requests where their URLs say.
pub struct NetworkService {
    client: Rc<Client>,
}

impl NetworkService {
    /// The service for one user, whose connections no other uses; `https:` URLs are fetched as `secure` says.
    pub fn new(network: &Network, secure: Option<Rc<Secure>>, outlet: &Outlet) -> Self {
        Self { client: Client::new(outlet, Some(network.peers.clone()), secure) }
    }

    async fn send(&self, request: ServiceRequest) -> Result<http::Response<Body>, ServiceError> {
        let mut request = request.http;
        let uri = std::mem::take(request.uri_mut());
        let is_secure = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP => false,
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            scheme => {
                let scheme = scheme.map_or("", Scheme::as_str);
                return Err(ServiceError::Unreachable(format!("the scheme `{scheme}` cannot be fetched")));
            }
        };
        let (Some(host), Some(name)) = (host_header(&uri), uri.host()) else {
            return Err(ServiceError::Unreachable("the URL has no host".to_owned()));
        };
        let default_port = if is_secure { DEFAULT_HTTPS_PORT } else { DEFAULT_HTTP_PORT };
        let to = (Destination::of_host(name, uri.port_u16().unwrap_or(default_port)), is_secure);
        *request.uri_mut() = path_of(uri);
        Ok(self.client.send(&to, &host, request).await?)
    }

    async fn open(&self, request: ServiceRequest) -> Result<http::Response<Body>, ServiceError> {
        let (head, body) = request.http.into_parts();
        let port = head.uri.port_u16();
        let (Some(name), Some(port)) = (head.uri.host(), port) else {
            return Err(ServiceError::Unreachable(format!("`{}` is no address with a port", head.uri)));
        };
        let transport = head.extensions.get::<Connect>().map_or(Transport::Plain, |connect| connect.transport);
        Ok(connected(self.client.open(&Destination::of_host(name, port), transport, body).await?))
    }
}

/// The response to a request for a connection, from which `body` comes.
pub(super) fn connected(body: Body) -> http::Response<Body> {
    let mut response = http::Response::new(body);
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response
}

/// What the header `Host` says of a URL: all of its authority but the credentials (RFC 9110, section 7.2).
pub(super) fn host_header(uri: &Uri) -> Option<HeaderValue> {
    let authority = uri.authority()?.as_str();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    HeaderValue::from_str(host).ok().filter(|host| !host.is_empty())
}

/// What a request line has of a URL where the connection says the rest (RFC 9112, section 3.2.1).
pub(super) fn path_of(uri: Uri) -> Uri {
    uri.into_parts().path_and_query.map_or_else(Uri::default, Uri::from)
}

impl From<FetchError> for ServiceError {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Connect(error) if !error.is_disconnect() => ServiceError::Unreachable(error.to_string()),
            FetchError::Connect(error) => ServiceError::Disconnected(error.to_string()),
            FetchError::Lost(..) | FetchError::Upgrade(..) => ServiceError::Disconnected(error.to_string()),
            // A peer that is not who it should be, and one that went away.
            FetchError::Handshake(_, ref cause) if cause.kind() == io::ErrorKind::InvalidData => {
                ServiceError::Unreachable(error.to_string())
            }
            FetchError::Handshake(..) => ServiceError::Disconnected(error.to_string()),
            FetchError::NoTls => ServiceError::Unreachable(error.to_string()),
            FetchError::BrokenRequest => ServiceError::BrokenRequest,
        }
    }
}

impl Service for NetworkService {
    fn fetch(&self, request: ServiceRequest) -> LocalFuture<'_, Result<http::Response<Body>, ServiceError>> {
        Box::pin(self.send(request))
    }

    fn connect(&self, request: ServiceRequest) -> LocalFuture<'_, Result<http::Response<Body>, ServiceError>> {
        Box::pin(self.open(request))
    }

    fn crowded(&self) -> LocalFuture<'_, ()> {
        Box::pin(self.client.crowded())
    }
}
