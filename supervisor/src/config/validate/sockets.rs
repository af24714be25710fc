//! Sockets: where they listen, what is spoken there, and which service answers.

use std::collections::HashSet;

use bulkhead_ipc::workerd_capnp::{http_options, socket};
use capnp::{struct_list, text};

use super::{Validator, tls::TlsRole};
use crate::config::{
    model::{Designator, HeaderInjection, HttpOptions, HttpStyle, Protocol, Service, ServiceKind, Socket, TlsOptions},
    position::Cursor,
};

impl Validator<'_> {
    /// Whether a socket is left out, being of a kind that is not there yet. Whoever would connect to it fails.
    pub(super) fn is_not_opened(&mut self, socket: socket::Reader<'_>, at: &Cursor<'_>) -> bool {
        let is_missing = self.rules.lenient && matches!(socket.which(), Ok(socket::Udp(_)));
        if is_missing {
            self.warning(&at.field("udp"), "sockets for datagrams are not supported yet: this one is not opened");
        }
        is_missing
    }

    pub(super) fn socket(
        &mut self,
        socket: socket::Reader<'_>,
        at: &Cursor<'_>,
        names: &mut HashSet<String>,
    ) -> Option<Socket> {
        self.refuse_others(socket, at, &["name", "address", "http", "https", "tcp", "service"]);
        let name_at = at.field("name");
        let name = self.string(socket.get_name(), &name_at)?;
        if name.is_empty() {
            if !at.is_incomplete() {
                self.error(&name_at, "a socket needs a `name`");
            }
        } else if !names.insert(name.clone()) {
            self.error(&name_at, format!("there is already a socket `{name}`"));
        }
        let address_at = at.field("address");
        let address = if socket.has_address() { Some(self.string(socket.get_address(), &address_at)?) } else { None };
        if address.as_deref() == Some("") && !address_at.is_incomplete() {
            self.error_with_help(
                &address_at,
                "this address is empty",
                "leave it out to give it with --socket-addr or --socket-fd",
            );
        }
        let http_at = at.field("http");
        let https_at = at.field("https");
        let spoken = match socket.which() {
            Ok(socket::Http(options)) => {
                let options = self.intact(options, &http_at)?;
                self.http(options, &http_at).map(|http| (Protocol::Http(http), None))
            }
            Ok(socket::Https(https)) => {
                self.https(https, &https_at).map(|(http, tls)| (Protocol::Http(http), Some(tls)))
            }
            Ok(socket::Tcp(tcp)) => self.tcp(tcp, &at.field("tcp")),
            // Have been refused.
            Ok(_) => None,
            Err(_) => self.newer(at),
        };
        let service_at = at.field("service");
        if !socket.has_service() {
            if !at.is_incomplete() && !service_at.is_incomplete() {
                self.error(at, "the socket does not say which `service` answers");
            }
            return None;
        }
        let designator = self.intact(socket.get_service(), &service_at)?;
        let service = self.designator(designator, &format!("Socket \"{name}\""), &service_at)?;
        if self.is_cache(service.service.as_str()) {
            self.error(&service_at, "a socket cannot lead to the cache: there is no worker whose cache it would be");
        }
        let (mut protocol, tls) = spoken?;
        if let Protocol::Http(options) = &mut protocol {
            options.handler_paths = self.policies.has_handler_paths(&name);
        }
        Some(Socket { name, address, protocol, tls, service })
    }

    /// Connections as they are, or inside of TLS.
    fn tcp(&mut self, tcp: socket::tcp::Reader<'_>, at: &Cursor<'_>) -> Option<(Protocol, Option<TlsOptions>)> {
        self.refuse_others(tcp, at, &["tlsOptions", "tlsMode"]);
        let tls_at = at.field("tlsOptions");
        let tls = match tcp.has_tls_options() {
            true => {
                let tls = self.intact(tcp.get_tls_options(), &tls_at)?;
                Some(self.tls(tls, &tls_at, TlsRole::Server)?)
            }
            false => None,
        };
        let mode_at = at.field("tlsMode");
        let starts_tls = match tcp.get_tls_mode() {
            Ok(socket::TcpTlsMode::Implicit) => false,
            Ok(socket::TcpTlsMode::StartTls) => true,
            Err(_) => return self.newer(&mode_at),
        };
        if starts_tls && tls.is_none() {
            self.error(&mode_at, "TLS cannot begin without `tlsOptions`");
            return None;
        }
        Some((Protocol::Tcp { starts_tls }, tls))
    }

    /// Only workers have entrypoints, and are told parameters.
    pub(super) fn entrypoint_of_worker(&mut self, socket: &Socket, services: &[Option<Service>], at: &Cursor<'_>) {
        let Designator { service, entrypoint, props_json } = &socket.service;
        let is_worker = |known: &Service| {
            known.id == *service && (known.kind.worker().is_some() || matches!(known.kind, ServiceKind::Broken(_)))
        };
        let known = services.iter().all(Option::is_some);
        if !known || services.iter().flatten().any(is_worker) {
            return;
        }
        if let Some(entrypoint) = entrypoint {
            let message = format!(
                "Socket \"{}\" refers to service \"{service}\" with a named entrypoint \"{entrypoint}\", but \"{service}\" is \
                 not a Worker, so does not have any named entrypoints.",
                socket.name
            );
            self.error(&at.field("entrypoint"), message);
        }
        if props_json.is_some() {
            self.error(&at.field("props"), format!("`{service}` is not a worker: nobody there could read these"));
        }
    }

    /// HTTP inside of TLS.
    fn https(&mut self, https: socket::https::Reader<'_>, at: &Cursor<'_>) -> Option<(HttpOptions, TlsOptions)> {
        self.refuse_others(https, at, &["options", "tlsOptions"]);
        let options_at = at.field("options");
        let options = self.intact(https.get_options(), &options_at);
        let http = options.and_then(|options| self.http(options, &options_at));
        let tls_at = at.field("tlsOptions");
        let tls = self.intact(https.get_tls_options(), &tls_at);
        let tls = tls.and_then(|tls| self.tls(tls, &tls_at, TlsRole::Server));
        Some((http?, tls?))
    }

    pub(super) fn http(&mut self, options: http_options::Reader<'_>, at: &Cursor<'_>) -> Option<HttpOptions> {
        self.refuse_others(
            options,
            at,
            &["style", "forwardedProtoHeader", "cfBlobHeader", "injectRequestHeaders", "injectResponseHeaders"],
        );
        let style = match options.get_style() {
            Ok(http_options::Style::Host) => Some(HttpStyle::Host),
            Ok(http_options::Style::Proxy) => Some(HttpStyle::Proxy),
            Err(_) => self.newer(&at.field("style")),
        };
        // `None` for one that is wrong, `Some(None)` for none.
        let forwarded_proto_header = match options.has_forwarded_proto_header() {
            true => self.header_name(options.get_forwarded_proto_header(), &at.field("forwardedProtoHeader")).map(Some),
            false => Some(None),
        };
        let cf_blob_header = match options.has_cf_blob_header() {
            true => self.header_name(options.get_cf_blob_header(), &at.field("cfBlobHeader")).map(Some),
            false => Some(None),
        };
        let request_at = at.field("injectRequestHeaders");
        let request = self.intact(options.get_inject_request_headers(), &request_at);
        let inject_request_headers = request.and_then(|headers| self.injections(headers, &request_at));
        let response_at = at.field("injectResponseHeaders");
        let response = self.intact(options.get_inject_response_headers(), &response_at);
        let inject_response_headers = response.and_then(|headers| self.injections(headers, &response_at));
        Some(HttpOptions {
            style: style?,
            forwarded_proto_header: forwarded_proto_header?,
            cf_blob_header: cf_blob_header?,
            inject_request_headers: inject_request_headers?,
            inject_response_headers: inject_response_headers?,
            handler_paths: false,
        })
    }

    fn injections(
        &mut self,
        headers: struct_list::Reader<'_, http_options::header::Owned>,
        at: &Cursor<'_>,
    ) -> Option<Vec<HeaderInjection>> {
        let list: Vec<Option<HeaderInjection>> = (0..headers.len())
            .map(|index| {
                let (header, at) = (headers.get(index), at.index(index));
                if at.is_incomplete() {
                    return None;
                }
                self.refuse_others(header, &at, &["name", "value"]);
                let name = self.header_name(header.get_name(), &at.field("name"))?;
                let value_at = at.field("value");
                let value = if header.has_value() {
                    let text = self.string(header.get_value(), &value_at)?;
                    match http::HeaderValue::from_bytes(text.as_bytes()) {
                        Ok(value) => Some(value),
                        Err(_) => {
                            self.error(&value_at, "this cannot be the value of a header: it has control characters");
                            return None;
                        }
                    }
                } else {
                    None
                };
                Some(HeaderInjection { name, value })
            })
            .collect();
        list.into_iter().collect()
    }

    fn header_name(&mut self, text: capnp::Result<text::Reader<'_>>, at: &Cursor<'_>) -> Option<http::HeaderName> {
        let name = self.string(text, at)?;
        match http::HeaderName::from_bytes(name.as_bytes()) {
            Ok(name) => Some(name),
            Err(_) if at.is_incomplete() => None,
            Err(_) => {
                self.error(at, format!("`{name}` cannot be the name of a header"));
                None
            }
        }
    }
}
