//! The service that is one server somewhere else: requests go there, whatever their URLs say.

use std::rc::Rc;

use bulkhead_ipc::failure::Thrown;
use http::{HeaderMap, HeaderValue, Uri, uri::Scheme};

use super::{
    LocalFuture, Service, ServiceError, ServiceRequest,
    network::{connected, host_header, path_of},
};
use crate::{
    body::Body,
    config::{External, ExternalKind, HeaderInjection, HttpOptions, HttpStyle, ServiceId},
    net::{
        Outlet,
        address::{Address, DEFAULT_HTTP_PORT, DEFAULT_HTTPS_PORT, Destination},
        client::{Client, Peer},
        secure::Secure,
    },
    upgrade::Transport,
};

/// Sends requests, or connects, to one server.
pub struct ExternalService {
    client: Rc<Client>,
    to: Peer,
    kind: ExternalKind,
}

impl ExternalService {
    /// The service at `to` for one user, whose connections no other uses.
    pub fn new(external: &External, to: Destination, secure: Option<Rc<Secure>>, outlet: &Outlet) -> Self {
        let to = (to, secure.is_some());
        Self { client: Client::new(outlet, None, secure), to, kind: external.kind.clone() }
    }

    async fn send(&self, request: ServiceRequest) -> Result<http::Response<Body>, ServiceError> {
        let ServiceRequest { http: mut request, cf_json } = request;
        let ExternalKind::Http(options) = &self.kind else {
            // The reference's words.
            let text = "External TCP servers don't support this event type.";
            return Err(ServiceError::Threw { text: text.to_owned(), thrown: Thrown::plain(text) });
        };
        let uri = std::mem::take(request.uri_mut());
        let Some(host) = host_header(&uri) else {
            return Err(ServiceError::Unreachable("the URL has no host".to_owned()));
        };
        rewrite(request.headers_mut(), options, uri.scheme(), &cf_json)?;
        *request.uri_mut() = match options.style {
            HttpStyle::Host => path_of(uri),
            HttpStyle::Proxy => without_credentials(uri, &host),
        };
        let mut response = self.client.send(&self.to, &host, request).await?;
        HeaderInjection::apply(&options.inject_response_headers, response.headers_mut());
        Ok(response)
    }

    /// Connects to the server, whatever address was asked for: TLS is as the configuration says. One that speaks HTTP is asked for a
    /// connection to that address.
    async fn open(&self, request: ServiceRequest) -> Result<http::Response<Body>, ServiceError> {
        let request = request.http;
        let (to, is_secure) = &self.to;
        match &self.kind {
            ExternalKind::Tcp => {
                let transport = if *is_secure { Transport::Tls } else { Transport::Plain };
                Ok(connected(self.client.open(to, transport, request.into_body()).await?))
            }
            ExternalKind::Http(_) => Ok(self.client.tunnel(&self.to, request).await?),
        }
    }
}

/// What stands for a port where there is none: nobody listens there.
const NO_PORT: u16 = 0;

/// Where an external server is.
///
/// # Errors
///
/// The configuration does not say, or what it says is no address.
pub fn destination(id: &ServiceId, external: &External) -> Result<Destination, String> {
    let Some(address) = &external.address else {
        return Err(format!(
            "service {id}: External service \"{id}\" has no address in the config, so must be specified on the command line \
             with `--external-addr`."
        ));
    };
    let failed = |error: &dyn std::fmt::Display| format!("service {id}: the address `{address}`: {error}");
    let default_port = if external.kind.is_tcp() {
        NO_PORT
    } else if external.tls.is_some() {
        DEFAULT_HTTPS_PORT
    } else {
        DEFAULT_HTTP_PORT
    };
    match Address::parse(address, default_port).map_err(|error| failed(&error))? {
        Address::One(Destination::Ip(address)) if address.port() == NO_PORT => Err(failed(&"it has no port")),
        Address::One(Destination::Host { port: NO_PORT, .. }) => Err(failed(&"it has no port")),
        Address::Any { .. } => Err(failed(&"cannot connect() to a wildcard address")),
        Address::One(to) => Ok(to),
    }
}

/// Does to the headers of a request what the options say: what is injected, and what else is said in headers.
fn rewrite(
    headers: &mut HeaderMap,
    options: &HttpOptions,
    scheme: Option<&Scheme>,
    cf_json: &str,
) -> Result<(), ServiceError> {
    HeaderInjection::apply(&options.inject_request_headers, headers);
    let value = |text: &str| {
        HeaderValue::from_str(text)
            .map_err(|_| ServiceError::Unreachable("what a header should say has control characters".to_owned()))
    };
    if let Some(name) = &options.forwarded_proto_header {
        headers.insert(name, value(scheme.map_or("http", Scheme::as_str))?);
    }
    if let Some(name) = &options.cf_blob_header {
        // Nobody but us says it.
        match cf_json {
            "" => drop(headers.remove(name)),
            json => drop(headers.insert(name, value(json)?)),
        }
    }
    Ok(())
}

/// The URL of a request to a proxy.
fn without_credentials(uri: Uri, host: &HeaderValue) -> Uri {
    let mut parts = uri.into_parts();
    if let Ok(host) = host.as_bytes().try_into() {
        parts.authority = Some(host);
    }
    Uri::from_parts(parts).unwrap_or_default()
}

impl Service for ExternalService {
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
