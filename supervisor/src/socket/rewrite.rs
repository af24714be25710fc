//! What a socket does to a request before a service sees it, and to a response before the client does.
//!
//! Pure functions over heads. [`HttpOptions`] says what to do.

use std::{borrow::Cow, net::Ipv6Addr};

use bulkhead_ipc::head::{EXTENSION_METHODS, is_hop_by_hop};
use http::{
    HeaderMap, HeaderValue, Method, StatusCode, Uri, Version, header,
    uri::{Authority, PathAndQuery, Scheme},
};

use crate::config::{HeaderInjection, HttpOptions, HttpStyle};

/// A request that never reaches a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reject {
    pub(crate) status: StatusCode,
    pub(crate) text: Cow<'static, str>,
    /// Whether the connection ends with the answer.
    pub(crate) close: bool,
}

impl Reject {
    fn bad_request(text: &'static str) -> Reject {
        Reject { status: StatusCode::BAD_REQUEST, text: text.into(), close: false }
    }
}

/// Whether a service can be sent a request with this method. `CONNECT` makes no request: see
/// [`Service::connect`](crate::service::Service::connect).
pub(crate) fn check_method(method: &Method) -> Result<(), Reject> {
    let known = matches!(
        *method,
        Method::GET
            | Method::POST
            | Method::HEAD
            | Method::PUT
            | Method::DELETE
            | Method::PATCH
            | Method::OPTIONS
            | Method::TRACE
    );
    if known {
        return Ok(());
    }
    if EXTENSION_METHODS.contains(&method.as_str()) {
        return Ok(());
    }
    let text = "ERROR: Unrecognized request method.";
    Err(Reject { status: StatusCode::NOT_IMPLEMENTED, text: text.into(), close: true })
}

/// Makes the URI absolute, with the connection's `scheme` where no header says another, and applies the socket's options to the headers. Gives the JSON for `request.cf`, if the client
/// was allowed to send one; `Ok(None)` with a configured header means that there is none.
pub(crate) fn rewrite_request(
    head: &mut http::request::Parts,
    options: &HttpOptions,
    scheme: &Scheme,
) -> Result<Option<String>, Reject> {
    match options.style {
        HttpStyle::Host => {
            let authority = host_authority(&head.headers)?;
            let scheme = match &options.forwarded_proto_header {
                None => scheme.clone(),
                Some(name) => match take(&mut head.headers, name) {
                    None => scheme.clone(),
                    Some(value) => forwarded_scheme(&value)?,
                },
            };
            // RFC 9112, section 3.3: the target URI of an absolute-form request would be the target itself. The
            // reference takes the Host header here too, and so must everything that was written for it.
            let path = match std::mem::take(&mut head.uri).into_parts().path_and_query {
                Some(path) if path.as_str() != "*" => path,
                _ => PathAndQuery::from_static("/"),
            };
            let mut parts = http::uri::Parts::default();
            parts.scheme = Some(scheme);
            parts.authority = Some(authority);
            parts.path_and_query = Some(path);
            head.uri = Uri::from_parts(parts).map_err(|_| Reject::bad_request("Bad Request"))?;
        }
        HttpStyle::Proxy => {
            if head.uri.scheme().is_none() || head.uri.authority().is_none() {
                return Err(Reject::bad_request("Bad Request: this socket expects a whole URL in the request line"));
            }
            let authority = head.uri.authority().map_or("", Authority::as_str);
            if !is_host(authority.rsplit_once('@').map_or(authority, |(_, host)| host)) {
                return Err(Reject::bad_request("Bad Request"));
            }
        }
    }
    let cf = match &options.cf_blob_header {
        None => None,
        Some(name) => take(&mut head.headers, name).map(|value| cf_blob(&value)).transpose()?,
    };
    HeaderInjection::apply(&options.inject_request_headers, &mut head.headers);
    Ok(cf)
}

/// The host of a request, from its one `Host` header (RFC 9112, section 3.2).
fn host_authority(headers: &HeaderMap) -> Result<Authority, Reject> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Err(Reject::bad_request("Bad Request"));
    };
    let bad = || Reject::bad_request("Bad Request");
    // Authority also takes a user name, which Host has none of.
    if host.as_bytes().contains(&b'@') {
        return Err(bad());
    }
    Authority::try_from(host.as_bytes()).ok().filter(|host| is_host(host.as_str())).ok_or_else(bad)
}

/// Whether a host, of characters that [`Authority`] takes, and perhaps a port make a URL that can be parsed (URL Standard,
/// section 3.5). A handler is not asked about a URL that it could not read.
fn is_host(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, "")) => (address, ""),
            Some((address, rest)) if rest.starts_with(':') => (address, &rest[1..]),
            _ => return false,
        },
        None => text.split_once(':').unwrap_or((text, "")),
    };
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let port = port.trim_start_matches('0');
    if port.len() > 5 || (!port.is_empty() && port.parse::<u16>().is_err()) {
        return false;
    }
    match text.starts_with('[') {
        true => host.parse::<Ipv6Addr>().is_ok(),
        false => !host.is_empty() && (!ends_in_number(host) || is_ipv4(host)),
    }
}

/// Whether a host has to be an IPv4 address for its last label (URL Standard, "ends in a number checker").
fn ends_in_number(host: &str) -> bool {
    let last = host.strip_suffix('.').unwrap_or(host).rsplit('.').next().unwrap_or_default();
    (!last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit())) || ipv4_number(last).is_some()
}

/// Whether a host is an IPv4 address in one of the forms that URLs know: one to four numbers, the last of which fills the
/// bytes that are left.
fn is_ipv4(host: &str) -> bool {
    let mut numbers: Vec<&str> = host.strip_suffix('.').unwrap_or(host).split('.').collect();
    let last = numbers.pop().and_then(ipv4_number);
    numbers.len() <= 3
        && numbers.iter().all(|number| ipv4_number(number).is_some_and(|number| number <= 255))
        && last.is_some_and(|last| last < 1 << (8 * (4 - numbers.len())))
}

/// A number of an IPv4 address: decimal, octal or hexadecimal.
fn ipv4_number(text: &str) -> Option<u64> {
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&text[2..], 16),
        [b'0', _, ..] => (&text[1..], 8),
        _ => (text, 10),
    };
    // `0x` alone is zero; a sign is none of the digits.
    match digits {
        "" if radix == 16 => Some(0),
        digits if digits.starts_with('+') => None,
        digits => u64::from_str_radix(digits, radix).ok(),
    }
}

/// Removes a header and gives its value; several lines make one value, as everywhere in HTTP.
fn take(headers: &mut HeaderMap, name: &http::HeaderName) -> Option<HeaderValue> {
    let value = match headers.entry(name) {
        header::Entry::Vacant(_) => return None,
        header::Entry::Occupied(entry) => {
            let mut values = entry.iter();
            let first = values.next().cloned();
            if values.next().is_some() {
                let joined = entry.iter().map(HeaderValue::as_bytes).collect::<Vec<_>>().join(&b", "[..]);
                let joined = HeaderValue::from_bytes(&joined).ok();
                entry.remove_entry_mult();
                joined
            } else {
                entry.remove();
                first
            }
        }
    };
    value.filter(|value| !value.is_empty())
}

/// The scheme that a proxy in front of us says the client used.
fn forwarded_scheme(value: &HeaderValue) -> Result<Scheme, Reject> {
    match value.as_bytes() {
        b"http" => Ok(Scheme::HTTP),
        b"https" => Ok(Scheme::HTTPS),
        other => Scheme::try_from(other).map_err(|_| Reject::bad_request("Bad Request")),
    }
}

/// Checks that a value is JSON. It stays a text: the worker makes it a value.
fn cf_blob(value: &HeaderValue) -> Result<String, Reject> {
    let bad = || Reject {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        text: "Internal Server Error".into(),
        // As the reference does where the handler fails: to it, a bad blob is the fault of the proxy in front.
        close: true,
    };
    let text = std::str::from_utf8(value.as_bytes()).map_err(|_| bad())?;
    serde_json::from_str::<serde::de::IgnoredAny>(text).map_err(|_| bad())?;
    Ok(text.to_owned())
}

/// What the framing of a response depends on, beside its own head.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Framing {
    /// Of the request.
    pub(crate) head_request: bool,
    /// Of the request.
    pub(crate) version: Version,
    /// Of the response's body, where known.
    pub(crate) exact_size: Option<u64>,
}

/// Makes a service's response fit for the connection: the framing headers are ours and come first, as in the reference;
/// then the injected headers are applied.
pub(crate) fn rewrite_response(head: &mut http::response::Parts, framing: Framing, injections: &[HeaderInjection]) {
    let declared = if framing.head_request { head.headers.get(header::CONTENT_LENGTH).cloned() } else { None };
    // RFC 9110, section 8.6: none on 204; on 304 and on answers to HEAD it speaks about a body that is not sent. As the
    // reference, only the answers to HEAD say it.
    let (name, value) = match framing.exact_size {
        _ if head.status == StatusCode::NO_CONTENT => (None, None),
        _ if head.status == StatusCode::NOT_MODIFIED && !framing.head_request => (None, None),
        // A handler that answers HEAD without a body may know how long it would be.
        Some(0) if framing.head_request => {
            // RFC 9110, section 15.3.6: a 205 says that it has none.
            let none = (head.status == StatusCode::RESET_CONTENT).then(|| HeaderValue::from_static("0"));
            (Some(header::CONTENT_LENGTH), declared.filter(is_number).or(none))
        }
        None if framing.head_request => (None, None),
        Some(size) => (Some(header::CONTENT_LENGTH), Some(HeaderValue::from(size))),
        None if framing.version == Version::HTTP_11 => {
            (Some(header::TRANSFER_ENCODING), Some(HeaderValue::from_static("chunked")))
        }
        None => (None, None),
    };
    frame(&mut head.headers, name.zip(value));
    HeaderInjection::apply(injections, &mut head.headers);

    if head.status.canonical_reason().is_none() && head.extensions.get::<hyper::ext::ReasonPhrase>().is_none() {
        let reason: &'static [u8] = match head.status.as_u16() / 100 {
            2 => b"Successful",
            3 => b"Redirection",
            4 => b"Client Error",
            _ => b"Server Error",
        };
        head.extensions.insert(hyper::ext::ReasonPhrase::from_static(reason));
    }
}

/// Puts the header that says how long the message is first, and takes away what a service says about how it travels over this
/// connection: that is ours to say. `Content-Length` is a part of it because a service that lies in it could make the client
/// read the next response as a part of this one.
fn frame(headers: &mut HeaderMap, framing: Option<(header::HeaderName, HeaderValue)>) {
    let is_ours = |name: &header::HeaderName| *name == header::CONTENT_LENGTH || is_hop_by_hop(name.as_str());
    let is_first = framing.as_ref().is_some_and(|(name, _)| headers.keys().next() == Some(name));
    let others = headers.keys().skip(usize::from(is_first)).any(is_ours);
    match framing {
        None if !others => {}
        Some((name, value)) if is_first && !others => drop(headers.insert(name, value)),
        framing => {
            // The order of headers is the order of insertion.
            let rest = std::mem::take(headers);
            headers.reserve(rest.len() + 1);
            headers.extend(framing);
            let mut is_left_out = false;
            headers.extend(rest.into_iter().filter(|(name, _)| {
                // Further values of a header come without its name.
                is_left_out = name.as_ref().map_or(is_left_out, is_ours);
                !is_left_out
            }));
        }
    }
}

fn is_number(value: &HeaderValue) -> bool {
    !value.is_empty() && value.len() < 20 && value.as_bytes().iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(target: &str, headers: &[(&'static str, &str)]) -> http::request::Parts {
        let mut request = http::Request::new(());
        *request.uri_mut() = target.parse().unwrap();
        for (name, value) in headers {
            request.headers_mut().append(*name, HeaderValue::from_str(value).unwrap());
        }
        request.into_parts().0
    }

    fn url(target: &str, headers: &[(&'static str, &str)], options: &HttpOptions) -> Result<String, StatusCode> {
        let mut head = request(target, headers);
        rewrite_request(&mut head, options, &Scheme::HTTP).map(|_| head.uri.to_string()).map_err(|reject| reject.status)
    }

    #[test]
    fn host_style_builds_the_url_from_the_host_header() {
        let host = HttpOptions::default();
        let ok = |target, host_header: &str, expected: &str| {
            assert_eq!(url(target, &[("host", host_header)], &host).as_deref(), Ok(expected), "{target} {host_header}");
        };
        ok("/", "ex.com", "http://ex.com/");
        ok("/a/../b?x=1&y", "EX.com:80", "http://EX.com:80/a/../b?x=1&y");
        ok("/", "[::1]:99", "http://[::1]:99/");
        ok("http://other.com/info?x=1", "ex.com", "http://ex.com/info?x=1");
        ok("*", "ex.com", "http://ex.com/");
        ok("//evil.com/info", "ex.com", "http://ex.com//evil.com/info");
        for bad in ["", "a b", "u@b", "a/b", "a?b", "a#b"] {
            assert_eq!(url("/", &[("host", bad)], &host), Err(StatusCode::BAD_REQUEST), "{bad}");
        }
        assert_eq!(url("/", &[], &host), Err(StatusCode::BAD_REQUEST));
        assert_eq!(url("/", &[("host", "a"), ("host", "a")], &host), Err(StatusCode::BAD_REQUEST));
    }

    #[test]
    fn a_host_that_makes_no_url_is_refused() {
        let hosts = [
            "a",
            "a:",
            "a:0",
            "a:00080",
            "a:65535",
            "a_b",
            "a..b",
            ".",
            "..",
            "*",
            "a!b$&()*+,;=",
            "localhost.",
            "~a",
            "[::1]",
            "[::1]:5",
            "[::ffff:1.2.3.4]",
            "1.2.3",
            "1.2.3.4",
            "1.2.3.4.",
            "4294967295",
            "0x7f.1",
            "0x",
            "017.1",
            "1.2.3.x4",
            "1.2.3.4.a",
            "a.0xg",
            "1a",
        ];
        for host in hosts {
            assert!(is_host(host), "{host}");
        }
        let others = [
            "",
            ":80",
            "a:65536",
            "a:99999",
            "a:-1",
            "a:b",
            "a:80:80",
            "a:+1",
            "a:999999999999999999999",
            "[::",
            "[]",
            "[::1]x",
            "[::1]80",
            "[::1%eth0]",
            "[v1.a]",
            "[1.2.3.4]",
            "999.999.999.999",
            "1.2.3.256",
            "1.2.3.4.5",
            "4294967296",
            "08",
            "a.08",
            "a.1",
            "1..2",
            "256.1",
            "a.0x1",
            "0xfffffffff",
        ];
        for host in others {
            assert!(!is_host(host), "{host}");
            assert_eq!(url("/", &[("host", host)], &HttpOptions::default()), Err(StatusCode::BAD_REQUEST), "{host}");
        }
        let proxy = HttpOptions { style: HttpStyle::Proxy, ..HttpOptions::default() };
        for target in ["http://a:99999/", "https://1.2.3.256/", "http://u@a:99999/"] {
            assert_eq!(url(target, &[], &proxy), Err(StatusCode::BAD_REQUEST), "{target}");
        }
    }

    #[test]
    fn proxy_style_takes_the_url_of_the_request_line() {
        let proxy = HttpOptions { style: HttpStyle::Proxy, ..HttpOptions::default() };
        assert_eq!(url("https://o.com/i?x", &[("host", "ex.com")], &proxy).as_deref(), Ok("https://o.com/i?x"));
        assert_eq!(url("http://o.com", &[], &proxy).as_deref(), Ok("http://o.com/"));
        for target in ["/", "*", "o.com:80"] {
            assert_eq!(url(target, &[("host", "ex.com")], &proxy), Err(StatusCode::BAD_REQUEST), "{target}");
        }
    }

    #[test]
    fn the_forwarded_scheme_is_used_and_removed() {
        let options = HttpOptions {
            forwarded_proto_header: Some("x-forwarded-proto".parse().unwrap()),
            ..HttpOptions::default()
        };
        let table = [("https", "https://a/"), ("http", "http://a/"), ("", "http://a/"), ("gopher", "gopher://a/")];
        for (proto, expected) in table {
            let mut head = request("/", &[("host", "a"), ("x-forwarded-proto", proto)]);
            rewrite_request(&mut head, &options, &Scheme::HTTP).unwrap();
            assert_eq!(head.uri.to_string(), expected);
            assert!(!head.headers.contains_key("x-forwarded-proto"));
        }
        for proto in ["https, http", "https://x", "1:"] {
            let headers = [("host", "a"), ("x-forwarded-proto", proto)];
            assert_eq!(url("/", &headers, &options), Err(StatusCode::BAD_REQUEST), "{proto}");
        }
        let twice = [("host", "a"), ("x-forwarded-proto", "https"), ("x-forwarded-proto", "http")];
        assert_eq!(url("/", &twice, &options), Err(StatusCode::BAD_REQUEST));
    }

    #[test]
    fn the_cf_blob_is_removed_and_checked() {
        let options = HttpOptions { cf_blob_header: Some("cf-blob".parse().unwrap()), ..HttpOptions::default() };
        let cf = |values: &[&str]| {
            let mut headers = vec![("host", "a")];
            headers.extend(values.iter().map(|value| ("cf-blob", *value)));
            let mut head = request("/", &headers);
            let result = rewrite_request(&mut head, &options, &Scheme::HTTP).map_err(|reject| reject.status);
            assert!(!head.headers.contains_key("cf-blob"));
            result
        };
        assert_eq!(cf(&[r#"{"colo":"X","n":1}"#]), Ok(Some(r#"{"colo":"X","n":1}"#.to_owned())));
        assert_eq!(cf(&[]), Ok(None));
        assert_eq!(cf(&[""]), Ok(None));
        assert_eq!(cf(&["{bad"]), Err(StatusCode::INTERNAL_SERVER_ERROR));
        assert_eq!(cf(&["{}", "{}"]), Err(StatusCode::INTERNAL_SERVER_ERROR));
        assert_eq!(cf(&[&"[".repeat(100_000)]), Err(StatusCode::INTERNAL_SERVER_ERROR), "nesting is bounded");
    }

    #[test]
    fn injection_replaces_and_removes() {
        let injection = |name: &'static str, value: Option<&'static str>| HeaderInjection {
            name: http::HeaderName::from_static(name),
            value: value.map(HeaderValue::from_static),
        };
        let options = HttpOptions {
            inject_request_headers: vec![injection("x-in", Some("one")), injection("x-strip", None)],
            ..HttpOptions::default()
        };
        let mut head = request("/", &[("host", "a"), ("x-in", "mine"), ("x-in", "again"), ("x-strip", "1")]);
        rewrite_request(&mut head, &options, &Scheme::HTTP).unwrap();
        let names: Vec<_> = head.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        assert_eq!(names, [("host", "a"), ("x-in", "one")]);
    }

    fn response(status: u16, headers: &[(&'static str, &'static str)], framing: Framing) -> Vec<(String, String)> {
        let mut response = http::Response::new(());
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        for (name, value) in headers {
            response.headers_mut().append(*name, HeaderValue::from_static(value));
        }
        let mut head = response.into_parts().0;
        rewrite_response(&mut head, framing, &[]);
        head.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect()
    }

    #[test]
    fn framing_is_ours() {
        let get = |exact_size| Framing { head_request: false, version: Version::HTTP_11, exact_size };
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let lies = [
            ("content-type", "t"),
            ("content-length", "50"),
            ("connection", "close"),
            ("transfer-encoding", "gzip"),
            ("keep-alive", "9"),
            ("upgrade", "x"),
            ("te", "x"),
            ("trailer", "x"),
        ];
        assert_eq!(response(200, &lies, get(Some(5))), [pair("content-length", "5"), pair("content-type", "t")]);
        assert_eq!(response(200, &lies, get(None)), [pair("transfer-encoding", "chunked"), pair("content-type", "t")]);
        assert_eq!(
            response(200, &lies, Framing { version: Version::HTTP_10, ..get(None) }),
            [pair("content-type", "t")]
        );
        assert_eq!(response(204, &lies, get(Some(0))), [pair("content-type", "t")]);
        assert_eq!(response(304, &lies, get(Some(0))), [pair("content-type", "t")]);
        let head = |exact_size| Framing { head_request: true, ..get(exact_size) };
        assert_eq!(response(200, &lies, head(Some(0)))[0], pair("content-length", "50"));
        assert_eq!(response(304, &lies, head(Some(0)))[0], pair("content-length", "50"));
        assert_eq!(response(304, &[], head(Some(0))), []);
        assert_eq!(response(204, &lies, head(Some(0))), [pair("content-type", "t")]);
        assert_eq!(response(200, &[("content-length", "5, 6")], head(Some(0))), []);
        assert_eq!(response(200, &lies, head(None)), [pair("content-type", "t")]);
        assert_eq!(response(200, &[], head(Some(14)))[0], pair("content-length", "14"));
    }

    #[test]
    fn the_framing_goes_first_and_the_rest_keeps_its_order() {
        let get = |exact_size| Framing { head_request: false, version: Version::HTTP_11, exact_size };
        let names = |headers: &[(&'static str, &'static str)], exact_size| {
            let headers = response(200, headers, get(exact_size));
            headers.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
        };
        for before in [&[][..], &[("content-length", "0")], &[("upgrade", "x"), ("content-length", "0")]] {
            for (between, expected) in [
                (&[][..], ""),
                (&[("a", "1"), ("b", "1"), ("a", "2")], " a=1 a=2 b=1"),
                (&[("a", "1"), ("te", "x"), ("te", "y"), ("b", ""), ("keep-alive", "x"), ("c", "1")], " a=1 b= c=1"),
                (&[("connection", "x"), ("a", "1"), ("a", "2"), ("proxy-connection", "x")], " a=1 a=2"),
            ] {
                let headers = [before, between].concat();
                assert_eq!(names(&headers, Some(3)), format!("content-length=3{expected}"));
                assert_eq!(names(&headers, None), format!("transfer-encoding=chunked{expected}"));
            }
        }
    }

    #[test]
    fn set_cookie_lines_stay_apart() {
        let get = Framing { head_request: false, version: Version::HTTP_11, exact_size: Some(1) };
        let headers = response(200, &[("set-cookie", "a=1"), ("set-cookie", "b=2")], get);
        assert_eq!(headers.iter().filter(|(name, _)| name == "set-cookie").count(), 2);
    }

    #[test]
    fn methods_that_nobody_knows_are_refused() {
        for name in ["GET", "POST", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PURGE", "QUERY", "MSEARCH"] {
            assert_eq!(check_method(&name.parse().unwrap()), Ok(()), "{name}");
        }
        for name in ["get", "FOO", "LINK", "PRI"] {
            let reject = check_method(&name.parse().unwrap()).unwrap_err();
            assert_eq!((reject.status, reject.close), (StatusCode::NOT_IMPLEMENTED, true), "{name}");
        }
    }
}
