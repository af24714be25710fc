//! The same exchanges with an origin through both programs: what the origin reads and what the client gets.

use bulkhead_test_support::{
    Runtime, Server, Setup,
    expectations::{Observation, check},
    http::Connection,
};

use super::origin::{Origin, Seen, Step};

/// What an origin answers, and whether it ends the connection with that.
const ANSWERS: &[(&str, &str, End)] = &[
    ("length", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: 1\r\n\r\nok", End::Keep),
    ("length zero", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", End::Keep),
    ("chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", End::Keep),
    ("chunked, nothing", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", End::Keep),
    ("chunk extension", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\n\r\n", End::Keep),
    (
        "trailers",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n",
        End::Keep,
    ),
    ("until the end", "HTTP/1.1 200 OK\r\n\r\nabc", End::Close),
    ("until the end, nothing", "HTTP/1.1 200 OK\r\n\r\n", End::Close),
    ("HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\nabc", End::Close),
    ("HTTP/1.0 with a length", "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", End::Keep),
    ("ends the connection", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", End::Close),
    ("says so and does not", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", End::Keep),
    ("two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", End::Keep),
    ("the same length twice", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", End::Keep),
    (
        "length and chunked",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        End::Keep,
    ),
    ("negative length", "HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\nabc", End::Keep),
    ("huge length", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\nabc", End::Keep),
    ("length of no number", "HTTP/1.1 200 OK\r\nContent-Length: abc\r\n\r\nabc", End::Keep),
    ("other transfer coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc", End::Close),
    (
        "two transfer codings",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        End::Keep,
    ),
    ("100 first", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", End::Keep),
    (
        "103 first",
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        End::Keep,
    ),
    ("201", "HTTP/1.1 201 Created\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", End::Keep),
    ("204", "HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n", End::Keep),
    ("205", "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n", End::Keep),
    ("206", "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-1/5\r\nContent-Length: 2\r\n\r\nok", End::Keep),
    ("299", "HTTP/1.1 299 Odd\r\nContent-Length: 2\r\n\r\nok", End::Keep),
    ("302", "HTTP/1.1 302 Found\r\nLocation: http://example.com/\r\nContent-Length: 0\r\n\r\n", End::Keep),
    ("304", "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n", End::Keep),
    ("304 with a length", "HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", End::Keep),
    ("404", "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone", End::Keep),
    ("500", "HTTP/1.1 500 Oh No\r\nContent-Length: 4\r\n\r\noops", End::Keep),
    ("600", "HTTP/1.1 600 Beyond\r\nContent-Length: 2\r\n\r\nok", End::Keep),
    ("999", "HTTP/1.1 999 Beyond\r\nContent-Length: 2\r\n\r\nok", End::Keep),
    ("two digits", "HTTP/1.1 99 Odd\r\nContent-Length: 2\r\n\r\nok", End::Keep),
    ("other reason", "HTTP/1.1 200 Very Fine\r\nContent-Length: 2\r\n\r\nok", End::Keep),
    ("no reason", "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", End::Keep),
    ("line feeds alone", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok", End::Keep),
    ("folded header", "HTTP/1.1 200 OK\r\nX-A: a\r\n b\r\nContent-Length: 2\r\n\r\nok", End::Keep),
    ("space before the colon", "HTTP/1.1 200 OK\r\nX-A : a\r\nContent-Length: 2\r\n\r\nok", End::Keep),
    ("header without a name", "HTTP/1.1 200 OK\r\n: a\r\nContent-Length: 2\r\n\r\nok", End::Keep),
    ("header without a value", "HTTP/1.1 200 OK\r\nX-A:\r\nContent-Length: 2\r\n\r\nok", End::Keep),
    (
        "header twice",
        "HTTP/1.1 200 OK\r\nX-A: 1\r\nx-a: 2\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 2\r\n\r\nok",
        End::Keep,
    ),
    (
        "about the connection",
        "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=4\r\nUpgrade: h2c\r\nProxy-Authenticate: Basic\r\nContent-Length: 2\r\n\r\nok",
        End::Keep,
    ),
    (
        "of the server",
        "HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Thu, 26 Nov 2026 10:00:00 GMT\r\nVia: 1.1 x\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok",
        End::Keep,
    ),
    ("no HTTP", "garbage\r\n\r\n", End::Keep),
    ("no HTTP, and the end", "garbage\r\n\r\n", End::Close),
    ("HTTP/2", "HTTP/2 200 OK\r\nContent-Length: 2\r\n\r\nok", End::Keep),
    ("a part of the head", "HTTP/1.1 200 OK\r\nConte", End::Close),
    ("a part of the head, and a reset", "HTTP/1.1 200 OK\r\nConte", End::Reset),
    ("a part of the body", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", End::Close),
    ("a part of a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc", End::Close),
    ("no last chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", End::Close),
    ("a chunk of no size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc", End::Keep),
    (
        "a chunk longer than it says",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n0\r\n\r\n",
        End::Keep,
    ),
    ("more than its length", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokEXTRA", End::Keep),
    ("nothing", "", End::Close),
    ("nothing, and a reset", "", End::Reset),
];

#[derive(Clone, Copy, PartialEq)]
enum End {
    Keep,
    Close,
    Reset,
}

/// What a client asks with: the method, headers and how the body is sent.
const REQUESTS: &[(&str, &str, &str)] = &[
    ("GET", "GET", ""),
    ("HEAD", "HEAD", ""),
    ("POST", "POST", "Content-Length: 3\r\n\r\nabc"),
    ("chunked POST", "POST", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"),
];

/// More of what clients ask with, whatever is answered.
const MORE_REQUESTS: &[(&str, &str, &str)] = &[
    ("PUT", "PUT", ""),
    ("PUT with nothing", "PUT", "Content-Length: 0\r\n\r\n"),
    ("POST without a body", "POST", ""),
    ("DELETE", "DELETE", ""),
    ("DELETE with a body", "DELETE", "Content-Length: 3\r\n\r\nabc"),
    ("PATCH", "PATCH", "Content-Length: 3\r\n\r\nabc"),
    ("OPTIONS", "OPTIONS", ""),
    ("TRACE", "TRACE", ""),
    ("PROPFIND", "PROPFIND", ""),
    ("QUERY", "QUERY", "Content-Length: 3\r\n\r\nabc"),
    ("GET with a body", "GET", "Content-Length: 3\r\n\r\nabc"),
    ("chunked GET", "GET", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
    ("HEAD with a body", "HEAD", "Content-Length: 3\r\n\r\nabc"),
    ("chunked, nothing", "POST", "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    (
        "chunked with trailers",
        "POST",
        "Transfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n",
    ),
    ("expectation", "POST", "Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc"),
    ("headers", "GET", "Accept: */*\r\nUser-Agent: z\r\nX-A: 1\r\nx-a: 2\r\nCookie: a=1\r\nCookie: b=2\r\n\r\n"),
    ("about the connection", "GET", "Keep-Alive: 3\r\nUpgrade: h2c\r\nTE: trailers\r\nProxy-Authorization: x\r\n\r\n"),
    (
        "forwarded",
        "GET",
        "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\nForwarded: for=x\r\nVia: 1.1 y\r\n\r\n",
    ),
    ("blob", "GET", "X-Cf: {\"a\":1}\r\n\r\n"),
    ("encodings", "GET", "Accept-Encoding: gzip, br\r\nRange: bytes=0-1\r\nIf-None-Match: \"x\"\r\n\r\n"),
];

/// Ways to an origin, each with a socket of its own: what the socket speaks, and the service behind it.
const WAYS: &[(&str, &str, &str)] = &[
    ("plain", "", "external = (address = \"ORIGIN\", http = ())"),
    ("name", "", "external = (address = \"localhost:PORT\", http = ())"),
    ("proxy", "", "external = (address = \"ORIGIN\", http = (style = proxy))"),
    (
        "options",
        "cfBlobHeader = \"X-Cf\", forwardedProtoHeader = \"X-Forwarded-Proto\"",
        "external = (address = \"ORIGIN\", http = (forwardedProtoHeader = \"X-Forwarded-Proto\", cfBlobHeader = \"X-Cf\", \
         injectRequestHeaders = [(name = \"X-In\", value = \"1\"), (name = \"Accept\")], \
         injectResponseHeaders = [(name = \"X-Out\", value = \"2\"), (name = \"Server\")]))",
    ),
    ("network", "", "network = (allow = [\"private\"])"),
];

fn setup(origin: &Origin) -> Setup {
    let port = origin.port().to_string();
    let place = |text: &str| text.replace("ORIGIN", &format!("127.0.0.1:{port}")).replace("PORT", &port);
    let services: Vec<String> =
        WAYS.iter().map(|(name, _, service)| format!("(name = \"{name}\", {})", place(service))).collect();
    let sockets: Vec<String> = WAYS
        .iter()
        .map(|(name, http, _)| {
            format!("(name = \"{name}\", address = \"127.0.0.1:0\", http = ({http}), service = \"{name}\")")
        })
        .collect();
    let config = format!(
        "using Workerd = import \"/workerd/workerd.capnp\";\nconst config :Workerd.Config = (services = [{}], sockets = [{}]);",
        services.join(", "),
        sockets.join(", ")
    );
    Setup::config(&config).sockets(WAYS.len())
}

/// An origin that gives the answer whose number the path ends with.
fn origin() -> Origin {
    Origin::start(|request: &Seen| {
        let number = request.line.split(' ').nth(1).and_then(|path| path.rsplit('/').next());
        let (_, answer, end) = ANSWERS[number.and_then(|number| number.parse().ok()).unwrap_or(0)];
        // What asks for no body gets none, so that nothing is left over.
        let answer = match answer.split_once("\r\n\r\n") {
            Some((head, _)) if request.line.starts_with("HEAD") && !head.contains(" 10") => format!("{head}\r\n\r\n"),
            _ => answer.to_owned(),
        };
        let mut steps = vec![Step::Send(answer.into_bytes())];
        match end {
            End::Keep => {}
            End::Close => steps.push(Step::Close),
            End::Reset => steps.push(Step::Reset),
        }
        steps
    })
}

/// One exchange: what the client got, and what the origin read.
fn exchange(server: &Server, origin: &Origin, way: &str, method: &str, rest: &str, answer: usize) -> String {
    let rest = if rest.is_empty() { "\r\n" } else { rest };
    let host = format!("127.0.0.1:{}", origin.port());
    let request = format!("{method} /at/{answer} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{rest}");
    let ask = || {
        let mut client = Connection::open(server.port_of(way));
        client.send(&request).expect("a request");
        let got = describe(&client.to_end().expect("an end"), method);
        (got, origin.take_seen().iter().map(Seen::text).collect::<Vec<_>>())
    };
    let (mut got, mut seen) = ask();
    // A connection that the origin has just closed may still pass for one that can be used again: what is lost there is no answer.
    for _ in 0..5 {
        if got == "nothing" && seen.is_empty() {
            (got, seen) = ask();
        }
    }
    // What comes of a connection that was used before is asked elsewhere.
    seen.dedup();
    format!("{got} <- {}", seen.join(" then ")).replace(&host, "ORIGIN")
}

/// A response in a form that can be compared: headers in the order of their names, the body without its framing.
fn describe(bytes: &[u8], method: &str) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text = text.strip_prefix("HTTP/1.1 100 Continue\r\n\r\n").unwrap_or(&text);
    if text.is_empty() {
        return "nothing".to_owned();
    }
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return format!("broken head {text:?}") };
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap_or_default();
    let mut headers: Vec<String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| format!("{}: {value}", name.to_ascii_lowercase()))
        .collect();
    headers.sort();
    let body = if method != "HEAD" && headers.iter().any(|header| header == "transfer-encoding: chunked") {
        unchunk(body)
    } else {
        format!("{body:?}")
    };
    format!("{status} [{}] {body}", headers.join("; "))
}

/// The content of a chunked body, and whether all of it is there.
fn unchunk(mut rest: &str) -> String {
    let mut content = String::new();
    loop {
        let Some((size, after)) = rest.split_once("\r\n") else { return format!("{content:?} and no end") };
        let Ok(size) = usize::from_str_radix(size, 16) else { return format!("{content:?} and {rest:?}") };
        if size == 0 {
            return format!("{content:?}");
        }
        let Some(chunk) = after.get(..size) else { return format!("{content:?} and a part") };
        content.push_str(chunk);
        rest = after.get(size + 2..).unwrap_or_default();
    }
}

/// All exchanges that are made through a runtime, by their names.
fn observe(runtime: &Runtime) -> Vec<(String, String)> {
    let origin = origin();
    let server = runtime.serve(setup(&origin));
    let mut all = Vec::new();
    for (number, (answer, ..)) in ANSWERS.iter().enumerate() {
        for (request, method, rest) in REQUESTS {
            let got = exchange(&server, &origin, "plain", method, rest, number);
            all.push((format!("{request}, {answer}"), got));
        }
    }
    for (way, ..) in WAYS {
        for (request, method, rest) in REQUESTS.iter().chain(MORE_REQUESTS) {
            let got = exchange(&server, &origin, way, method, rest, 0);
            all.push((format!("{way}, {request}"), got));
        }
        for answer in ["chunked", "header twice", "of the server", "until the end", "nothing", "no HTTP"] {
            let number = ANSWERS.iter().position(|(name, ..)| *name == answer).expect("an answer");
            let got = exchange(&server, &origin, way, "GET", "", number);
            all.push((format!("{way}, answer {answer}"), got));
        }
    }
    all
}

#[test]
fn exchanges_are_those_of_the_reference() {
    let reference = observe(&Runtime::workerd());
    let ours = observe(&bulkhead_test_support::supervisor!());
    assert!(reference.len() >= 300, "{} exchanges", reference.len());
    let observations: Vec<Observation> = reference
        .into_iter()
        .zip(ours)
        .map(|((name, reference), (same, ours))| {
            assert_eq!(name, same);
            Observation { key: format!("outgoing/{name}"), reference, ours }
        })
        .collect();
    check("outgoing", &observations);
}

/// The sample as a user runs it, before the same origin.
#[test]
fn the_sample_is_a_reverse_proxy() {
    let origin = Origin::start(|_| {
        vec![Step::Send(b"HTTP/1.1 200 OK\r\nServer: secret\r\nContent-Length: 2\r\n\r\nok".to_vec())]
    });
    let address = format!("--external-addr=backend=127.0.0.1:{}", origin.port());
    let of = |runtime: &Runtime| {
        let server = runtime.serve(Setup::sample("reverse-proxy").argument(&address));
        let mut client = Connection::open(server.port());
        let port = client.stream().local_addr().expect("an address").port();
        client.send("POST /a?b HTTP/1.1\r\nHost: x.example\r\nContent-Length: 2\r\n\r\nhi").expect("a request");
        let response = client.response("POST").expect("a response");
        let seen: Vec<String> = origin.take_seen().iter().map(Seen::text).collect();
        let mut headers = response.headers.clone();
        headers.sort();
        format!("{} {headers:?} {} <- {seen:?}", response.status_line, response.text())
            .replace(&port.to_string(), "PORT")
    };
    let (reference, ours) = (of(&Runtime::workerd()), of(&bulkhead_test_support::supervisor!()));
    assert_eq!(reference, ours);
    assert!(!ours.contains("secret") && ours.contains("nosniff") && ours.contains("x-via: bulkhead"), "{ours}");
    assert!(ours.contains("x-client: {\\\"clientIp\\\":\\\"127.0.0.1:PORT\\\"}"), "{ours}");
}
