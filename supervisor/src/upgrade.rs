//! Requests that ask for another protocol in place of HTTP (RFC 9110, section 7.8), and what is said about it on each connection.
//!
//! What the new protocol is matters here and nowhere else: a service is asked by a request with an [`Upgrade`], whose body has what comes
//! from the other side once the response has status 101, and the body of such a response is what goes there.

use bulkhead_ipc::head::known_upgrade;
use bulkhead_websocket::handshake::{self, Refused};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts};
use rustix::rand::{GetRandomFlags, getrandom};

/// The protocol that a request asks for: an extension of such requests. One without it is never answered with status 101.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upgrade(pub &'static str);

impl Upgrade {
    /// What headers ask for, if that is a protocol that there is.
    pub fn named(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(header::UPGRADE).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => known_upgrade(value.as_bytes()).map(Upgrade),
            _ => None,
        }
    }

    /// What a request asks of this hop. A header that its sender has not said to be one of the hop may come from behind somebody who does
    /// not know of it, and who would not know what comes after the response either.
    pub fn asked(head: &Parts) -> Option<Self> {
        names_upgrade(&head.headers).then(|| Self::named(&head.headers)).flatten()
    }

    fn write(self, headers: &mut HeaderMap) {
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static(self.0));
    }
}

/// How a connection begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// As it is.
    Plain,
    /// Inside of TLS.
    Tls,
    /// As it is, and inside of TLS from when somebody says so.
    StartTls,
}

/// A request of method `CONNECT` for a connection and nothing else: an extension of such requests. Their URI is the address alone. As with an
/// [`Upgrade`], the body has what comes from the other side once the response has status 101, whatever HTTP says there, and the body of
/// such a response is what goes there.
#[derive(Debug, Clone)]
pub struct Connect {
    /// How it begins. For a worker that takes the connection: what it can make of it.
    pub transport: Transport,
    /// The address of whoever connects, where a socket knows it.
    pub remote: Option<String>,
}

/// Whether a request asks for what comes in place of HTTP: an [`Upgrade`], or [`Connect`].
pub fn asks(head: &Parts) -> bool {
    head.extensions.get::<Upgrade>().is_some() || head.extensions.get::<Connect>().is_some()
}

/// Whether a header `Connection` names the header `Upgrade`.
fn names_upgrade(headers: &HeaderMap) -> bool {
    headers.get_all(header::CONNECTION).iter().any(|value| handshake::has_token(value.as_bytes(), "upgrade"))
}

/// Why a request cannot have the connection that it was answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct NotPossible(#[from] Refused);

impl NotPossible {
    /// What its client is told.
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.0.status()).unwrap_or(StatusCode::BAD_REQUEST)
    }

    /// A header of that response.
    pub fn header(self) -> Option<(header::HeaderName, HeaderValue)> {
        let names_version = self.0 == Refused::Version;
        names_version.then(|| (header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static(handshake::VERSION)))
    }
}

/// What a client has to be told of this hop, where its request is answered with the connection that it asked for.
#[derive(Debug, Clone)]
pub struct Acceptance {
    upgrade: Upgrade,
    accept: Result<HeaderValue, NotPossible>,
}

impl Acceptance {
    /// For a request that asks for an upgrade.
    pub fn of(upgrade: Upgrade, method: &Method, headers: &HeaderMap) -> Self {
        let value = |name| headers.get(name).map(HeaderValue::as_bytes);
        let (version, key) = (value(header::SEC_WEBSOCKET_VERSION), value(header::SEC_WEBSOCKET_KEY));
        let accept = handshake::answer(method.as_str().as_bytes(), version, key);
        let accept = accept.map(|accept| HeaderValue::try_from(accept).expect("Base64 is of visible characters"));
        Self { upgrade, accept: accept.map_err(NotPossible) }
    }

    /// Makes the head of a response with status 101 say it: first, and instead of what a service may have said.
    ///
    /// # Errors
    /// The request was not one that can be answered so.
    pub fn write(self, headers: &mut HeaderMap) -> Result<(), NotPossible> {
        let accept = self.accept?;
        let rest = std::mem::take(headers);
        headers.reserve(rest.len() + 3);
        self.upgrade.write(headers);
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        append(headers, rest);
        Ok(())
    }
}

/// A request on its way to a server that it asks for an upgrade.
#[derive(Debug)]
pub struct Asking {
    upgrade: Upgrade,
    key: String,
}

impl Asking {
    /// With a key of its own.
    pub fn new(upgrade: Upgrade) -> Self {
        let mut random = [0; 16];
        getrandom(&mut random, GetRandomFlags::empty()).expect("the kernel has random bytes");
        Self { upgrade, key: handshake::key(random) }
    }

    /// Makes headers say it, first. To be followed by those of the request that [are not of one hop](is_of_hop).
    pub fn write(&self, headers: &mut HeaderMap) {
        self.upgrade.write(headers);
        headers.insert(
            header::SEC_WEBSOCKET_KEY,
            HeaderValue::try_from(&*self.key).expect("Base64 is of visible characters"),
        );
        headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static(handshake::VERSION));
    }

    /// Looks at the head of a response of status 101.
    ///
    /// # Errors
    /// It is no answer to the request.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), handshake::NotAccepted> {
        let value = |name| headers.get(name).map(HeaderValue::as_bytes);
        let connection = names_upgrade(headers).then_some(&b"upgrade"[..]);
        let (upgrade, accept) = (value(header::UPGRADE), value(header::SEC_WEBSOCKET_ACCEPT));
        handshake::check_answer(self.key.as_bytes(), upgrade, connection, accept)
    }
}

/// Whether a header of a message about an upgrade is between the two ends of one connection.
pub fn is_of_hop(name: &header::HeaderName) -> bool {
    [header::SEC_WEBSOCKET_ACCEPT, header::SEC_WEBSOCKET_KEY, header::SEC_WEBSOCKET_VERSION].contains(name)
        || bulkhead_ipc::head::is_hop_by_hop(name.as_str())
        || *name == header::CONTENT_LENGTH
}

/// Adds the headers that are not of one hop.
fn append(to: &mut HeaderMap, from: HeaderMap) {
    let mut is_left_out = false;
    to.extend(from.into_iter().filter(|(name, _)| {
        // Further values of a header come without its name.
        is_left_out = name.as_ref().map_or(is_left_out, is_of_hop);
        !is_left_out
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEBSOCKET: Upgrade = Upgrade("websocket");

    fn headers(of: &[(&'static str, &'static str)]) -> HeaderMap {
        of.iter().map(|(name, value)| ((*name).parse().expect("a name"), HeaderValue::from_static(value))).collect()
    }

    fn asked(of: &[(&'static str, &'static str)]) -> Option<Upgrade> {
        let mut request = http::Request::new(());
        for (name, value) in of {
            request.headers_mut().append(*name, HeaderValue::from_static(value));
        }
        Upgrade::asked(&request.into_parts().0)
    }

    #[test]
    fn an_upgrade_is_asked_for_by_a_header_of_this_hop() {
        for connection in ["Upgrade", "upgrade", "keep-alive, Upgrade", "a,upgrade,b"] {
            assert_eq!(asked(&[("connection", connection), ("upgrade", "WebSocket")]), Some(WEBSOCKET), "{connection}");
        }
        assert_eq!(asked(&[("connection", "a"), ("connection", "upgrade"), ("upgrade", "websocket")]), Some(WEBSOCKET));
        // It came from behind somebody who does not know of it.
        assert_eq!(asked(&[("upgrade", "websocket")]), None);
        assert_eq!(asked(&[("connection", "upgraded"), ("upgrade", "websocket")]), None);
        // One that there is, and one alone.
        for upgrade in ["h2c", "websocket, h2c", "websocket/13", ""] {
            assert_eq!(asked(&[("connection", "upgrade"), ("upgrade", upgrade)]), None, "{upgrade}");
        }
        assert_eq!(asked(&[("connection", "upgrade"), ("upgrade", "websocket"), ("upgrade", "websocket")]), None);
    }

    #[test]
    fn an_acceptance_is_of_the_request_and_says_so_first() {
        let request = headers(&[("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="), ("sec-websocket-version", "13")]);
        let mut response = headers(&[("x-own", "1"), ("sec-websocket-accept", "forged"), ("connection", "close")]);
        response.append("x-own", HeaderValue::from_static("2"));
        response.append("upgrade", HeaderValue::from_static("h2c"));
        response.append("upgrade", HeaderValue::from_static("h3"));
        response.append("content-length", HeaderValue::from_static("5"));
        Acceptance::of(WEBSOCKET, &Method::GET, &request).write(&mut response).expect("it can be accepted");
        let said: Vec<_> =
            response.iter().map(|(name, value)| (name.as_str(), value.to_str().expect("text"))).collect();
        let expected = [
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            // RFC 6455, section 1.3.
            ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            ("x-own", "1"),
            ("x-own", "2"),
        ];
        assert_eq!(said, expected);
    }

    #[test]
    fn a_request_that_cannot_be_accepted_is_told_why() {
        let good = [("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="), ("sec-websocket-version", "13")];
        let version = [good[0], ("sec-websocket-version", "8")];
        let key = [("sec-websocket-key", "short"), good[1]];
        for (method, request, status, names_version) in
            [(Method::POST, &good, 400, false), (Method::GET, &version, 426, true), (Method::GET, &key, 400, false)]
        {
            let mut response = headers(&[("x-own", "1")]);
            let error =
                Acceptance::of(WEBSOCKET, &method, &headers(request)).write(&mut response).expect_err("it is refused");
            assert_eq!(error.status().as_u16(), status);
            let header = error.header().map(|(name, value)| (name.to_string(), value));
            let version = ("sec-websocket-version".to_owned(), HeaderValue::from_static("13"));
            assert_eq!(header, names_version.then_some(version));
        }
    }

    #[test]
    fn an_answer_is_held_against_what_was_asked() {
        let asking = Asking::new(WEBSOCKET);
        let mut request = HeaderMap::new();
        asking.write(&mut request);
        let mut response = HeaderMap::new();
        Acceptance::of(WEBSOCKET, &Method::GET, &request).write(&mut response).expect("it asks as it should");
        assert_eq!(asking.check(&response), Ok(()));
        // Whoever answers another request, or to nothing.
        assert!(Asking::new(WEBSOCKET).check(&response).is_err());
        for name in ["connection", "upgrade", "sec-websocket-accept"] {
            let mut less = response.clone();
            less.remove(name);
            assert!(asking.check(&less).is_err(), "without {name}");
        }
    }

    #[test]
    fn what_is_of_one_hop_stays_there() {
        for name in ["connection", "upgrade", "keep-alive", "transfer-encoding", "content-length", "sec-websocket-key"]
        {
            assert!(is_of_hop(&name.parse().expect("a name")), "{name}");
        }
        for name in ["sec-websocket-protocol", "sec-websocket-extensions", "host", "cookie"] {
            assert!(!is_of_hop(&name.parse().expect("a name")), "{name}");
        }
    }
}
