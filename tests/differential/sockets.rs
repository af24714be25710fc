//! TCP: what a worker sees of `connect()`, and what is at the other end of a connection that a worker takes.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    time::Duration,
};

use bulkhead_test_support::{
    Runtime, Server, Setup,
    certificates::Authority,
    expectations::{Observation, check},
    http, supervisor,
};

const CONFIG: &str = r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = (
      modules = [(name = "worker", esModule = embed "worker.js")],
      compatibilityDate = "2026-08-01",
      globalOutbound = "here",
      bindings = [
        (name = "EXTERNAL", service = "external"), (name = "SECURE", service = "secure"), (name = "SECURE_BY_NAME", service = "secure-by-name"),
        (name = "SECURE_BY_WRONG_NAME", service = "secure-by-wrong-name"), (name = "PROXY", service = "proxy"), (name = "HTTP", service = "no-proxy"),
        (name = "FILES", service = "files"), (name = "ECHO", service = "callee"),
        (name = "CLASS", service = (name = "callee", entrypoint = "Class")),
        (name = "COUNTS", service = (name = "callee", entrypoint = "counts")), (name = "THROWS", service = (name = "callee", entrypoint = "throws")),
        (name = "NONE", service = (name = "callee", entrypoint = "none")),
      ],
    )),
    (name = "callee", worker = (modules = [(name = "worker", esModule = embed "callee.js")], compatibilityDate = "2026-08-01", globalOutbound = "here")),
    (name = "here", network = (allow = ["127.0.0.1/32"], tlsOptions = .trust)),
    (name = "external", external = (address = "127.0.0.1:ECHO", tcp = ())),
    (name = "secure", external = (address = "127.0.0.1:TLS", tcp = (tlsOptions = .trust, certificateHost = "localhost"))),
    (name = "secure-by-name", external = (address = "127.0.0.1:TLS", tcp = (tlsOptions = .trust, certificateHost = "mail.test"))),
    (name = "secure-by-wrong-name", external = (address = "127.0.0.1:TLS", tcp = (tlsOptions = .trust, certificateHost = "wrong.test"))),
    (name = "proxy", external = (address = "127.0.0.1:PROXY", http = ())),
    (name = "no-proxy", external = (address = "127.0.0.1:ECHO", http = ())),
    (name = "files", disk = (path = ".")),
  ],
  sockets = [
    (name = "http", address = "127.0.0.1:0", http = (), service = "main"),
    (name = "tcp-echo", address = "127.0.0.1:0", tcp = (), service = "callee"),
    (name = "tcp-counts", address = "127.0.0.1:0", tcp = (), service = (name = "callee", entrypoint = "counts")),
    (name = "tcp-tells", address = "127.0.0.1:0", tcp = (), service = (name = "callee", entrypoint = "tells")),
    (name = "tcp-class", address = "127.0.0.1:0", tcp = (), service = (name = "callee", entrypoint = "Class")),
    (name = "tcp-returns", address = "127.0.0.1:0", tcp = (), service = (name = "callee", entrypoint = "returns")),
    (name = "tcp-closes", address = "127.0.0.1:0", tcp = (), service = (name = "callee", entrypoint = "closes")),
    (name = "tcp-throws", address = "127.0.0.1:0", tcp = (), service = (name = "callee", entrypoint = "throwsLater")),
    (name = "tcp-none", address = "127.0.0.1:0", tcp = (), service = (name = "callee", entrypoint = "none")),
    (name = "tcp-external", address = "127.0.0.1:0", tcp = (), service = "external"),
    (name = "tcp-files", address = "127.0.0.1:0", tcp = (), service = "files"),
    (name = "http-echo", address = "127.0.0.1:0", http = (), service = "callee"),
    (name = "http-none", address = "127.0.0.1:0", http = (), service = (name = "callee", entrypoint = "none")),
    (name = "http-external", address = "127.0.0.1:0", http = (), service = "external"),
    (name = "http-here", address = "127.0.0.1:0", http = (), service = "here"),
    (name = "http-files", address = "127.0.0.1:0", http = (), service = "files"),
  ],
);
const trust :Workerd.TlsOptions = (trustedCertificates = [embed "ca.pem"]);
"#;

const SOCKETS: usize = 16;

/// A server that does this with each connection, for as long as the test runs.
fn server(serve: fn(TcpStream)) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || serve(stream));
        }
    });
    port
}

fn echo(mut stream: TcpStream) {
    let mut bytes = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut bytes) {
        if stream.write_all(&bytes[..read]).is_err() {
            return;
        }
    }
    let _ = stream.shutdown(Shutdown::Write);
}

/// Reads until nothing more comes.
fn read_away(stream: &mut TcpStream) -> usize {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    bytes.len()
}

fn greet(mut stream: TcpStream) {
    let _ = stream.write_all(b"hello");
    read_away(&mut stream);
}

fn end(mut stream: TcpStream) {
    let _ = stream.write_all(b"bye");
    let _ = stream.shutdown(Shutdown::Write);
    read_away(&mut stream);
}

fn count(mut stream: TcpStream) {
    let bytes = read_away(&mut stream);
    let _ = stream.write_all(format!("got {bytes}").as_bytes());
}

fn reset(mut stream: TcpStream) {
    let _ = stream.read(&mut [0]);
    // With no time to linger, closing is resetting.
    let socket = socket2::SockRef::from(&stream);
    let _ = socket.set_linger(Some(Duration::ZERO));
}

/// One that speaks HTTP and takes `CONNECT`.
fn proxy(mut stream: TcpStream) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if !matches!(stream.read(&mut byte), Ok(1)) {
            return;
        }
        head.push(byte[0]);
    }
    let text = String::from_utf8_lossy(&head).replace("\r\n", "|");
    let _ = stream.write_all(format!("HTTP/1.1 200 fine\r\nX: y\r\n\r\n{text}").as_bytes());
    echo(stream);
}

struct Servers {
    query: String,
    config: String,
    authority: String,
    /// They speak TLS.
    _secure: [Server; 2],
}

/// A server that speaks TLS and echoes.
fn secure(authority: &Authority, hosts: &[&str]) -> Server {
    let identity = authority.issue(hosts);
    let config = "using Workerd = import \"/workerd/workerd.capnp\";\nconst config :Workerd.Config = (\
        services = [(name = \"w\", worker = (modules = [(name = \"w\", esModule = \"export default { connect: (s) => s.readable.pipeTo(s.writable) }\")],\
          compatibilityDate = \"2026-08-01\"))],\
        sockets = [(name = \"http\", address = \"127.0.0.1:0\", service = \"w\", tcp = (\
          tlsOptions = (keypair = (privateKey = embed \"key.pem\", certificateChain = embed \"cert.pem\"))))]);";
    supervisor!().serve(Setup::config(config).file("key.pem", &identity.key).file("cert.pem", &identity.chain))
}

fn servers() -> Servers {
    let (good, other) = (Authority::new("good"), Authority::new("other"));
    let secure = [secure(&good, &["localhost", "127.0.0.1", "mail.test"]), secure(&other, &["localhost"])];
    let echo = server(echo);
    let refuses = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
    let query = format!(
        "echo={echo}&greets={}&ends={}&counts={}&resets={}&refuses={refuses}&tls={}&other={}",
        server(greet),
        server(end),
        server(count),
        server(reset),
        secure[0].port(),
        secure[1].port()
    );
    let config = CONFIG
        .replace(":ECHO", &format!(":{echo}"))
        .replace(":TLS", &format!(":{}", secure[0].port()))
        .replace(":PROXY", &format!(":{}", server(proxy)));
    Servers { query, config, authority: good.pem(), _secure: secure }
}

fn setup(servers: &Servers) -> Setup {
    Setup::config(&servers.config)
        .file("worker.js", include_str!("sockets.js"))
        .file("callee.js", include_str!("sockets_callee.js"))
        .file("ca.pem", &servers.authority)
        .sockets(SOCKETS)
}

fn ask(port: u16, target: &str) -> String {
    match http::Connection::open(port).request("GET", target, &[], b"") {
        Ok(response) => without_references(&response.text()),
        Err(error) => format!("no response: {error}"),
    }
}

/// The reference gives each internal error a number.
fn without_references(text: &str) -> String {
    match text.split_once("; reference = ") {
        Some((before, after)) => {
            format!("{before}{}", without_references(after.trim_start_matches(char::is_alphanumeric)))
        }
        None => text.to_owned(),
    }
}

/// What a client gets that sends this and then, if `ends`, says that this is all; as far as it comes before `enough` bytes.
fn converse(port: u16, bytes: &[u8], ends: bool, enough: usize) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("to connect");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a time-out");
    let _ = stream.write_all(bytes);
    if ends {
        let _ = stream.shutdown(Shutdown::Write);
    }
    let mut got = Vec::new();
    let mut piece = [0; 4096];
    let how = loop {
        if got.len() >= enough {
            break "enough";
        }
        match stream.read(&mut piece) {
            Ok(0) => break "the end",
            Ok(read) => got.extend_from_slice(&piece[..read]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break "the end",
            Err(_) => break "nothing more",
        }
    };
    format!("{} {how}", String::from_utf8_lossy(&got))
}

#[test]
fn what_workers_see_of_connections() {
    let servers = servers();
    let (reference, ours) = (Runtime::workerd().serve(setup(&servers)), supervisor!().serve(setup(&servers)));
    let names: Vec<String> = serde_json::from_str(&ask(ours.port(), "/")).expect("the names of all probes");
    assert!(names.len() > 40, "{} probes", names.len());
    let mut observations = Vec::new();
    for name in &names {
        let target = format!("/{name}?{}", servers.query);
        // The second answer counts, where it matters.
        for _ in 0..usize::from(name == "one_of_another_request") {
            ask(reference.port(), &target);
            ask(ours.port(), &target);
        }
        observations.push(Observation {
            key: format!("sockets/{name}"),
            reference: ask(reference.port(), &target),
            ours: ask(ours.port(), &target),
        });
    }
    check("sockets", &observations);
}

#[test]
fn what_clients_get_from_connections() {
    let servers = servers();
    let (reference, ours) = (Runtime::workerd().serve(setup(&servers)), supervisor!().serve(setup(&servers)));
    let request = b"CONNECT foo.example:443 HTTP/1.1\r\nHost: foo.example:443\r\n\r\nabc";
    let target =
        format!("CONNECT 127.0.0.1:{} HTTP/1.1\r\n\r\nabc", servers.query[5..].split('&').next().expect("a port"));
    let all = usize::MAX;
    let cases: &[(&str, &str, &[u8], bool, usize)] = &[
        ("an echo", "tcp-echo", b"abc", true, all),
        ("an echo that goes on", "tcp-echo", b"abc", false, 3),
        ("an answer after the end", "tcp-counts", b"abc", true, all),
        ("what it is told", "tcp-tells", b"", true, all),
        ("a class", "tcp-class", b"", true, all),
        ("a handler that returns", "tcp-returns", b"abc", false, all),
        ("a handler that closes", "tcp-closes", b"", false, all),
        ("a handler that throws", "tcp-throws", b"", false, all),
        ("no handler", "tcp-none", b"", true, all),
        ("an external server", "tcp-external", b"abc", true, all),
        ("files", "tcp-files", b"", true, all),
        ("CONNECT to no handler", "http-none", request, true, all),
        ("CONNECT to an external server", "http-external", request, true, all),
        ("CONNECT to a network", "http-here", target.as_bytes(), true, all),
        ("CONNECT to what a network denies", "http-here", b"CONNECT 10.0.0.1:80 HTTP/1.1\r\n\r\n", true, all),
        ("CONNECT to files", "http-files", request, true, all),
        ("CONNECT to a handler", "http-echo", b"CONNECT foo.example:443 HTTP/1.1\r\n\r\nabc", true, all),
        ("CONNECT by HTTP/1.0", "http-echo", b"CONNECT foo.example:443 HTTP/1.0\r\n\r\nabc", true, all),
    ];
    let observations: Vec<Observation> = cases
        .iter()
        .map(|(name, socket, bytes, ends, enough)| Observation {
            key: format!("socket clients/{name}"),
            reference: converse(reference.port_of(socket), bytes, *ends, *enough),
            ours: converse(ours.port_of(socket), bytes, *ends, *enough),
        })
        .collect();
    check("socket clients", &observations);
}
