//! TLS with servers: who they have to be, and that nothing leaves before they have shown it.

use std::net::TcpListener;

use super::origin::{OK, Origin, Step, setup};
use bulkhead_test_support::{
    Server, Setup,
    certificates::{Authority, Identity},
    http::Connection,
    supervisor,
};

/// A server that speaks TLS, in front of an origin.
fn backend(origin: &Origin, identity: &Identity) -> Server {
    let config = format!(
        "using Workerd = import \"/workerd/workerd.capnp\";\nconst config :Workerd.Config = (\n\
         services = [(name = \"origin\", external = (address = \"127.0.0.1:{}\", http = ()))],\n\
         sockets = [(name = \"http\", address = \"127.0.0.1:0\", service = \"origin\", https = (options = (),\n\
           tlsOptions = (keypair = (privateKey = embed \"key.pem\", certificateChain = embed \"cert.pem\"))))]);",
        origin.port()
    );
    supervisor!().serve(Setup::config(&config).file("key.pem", &identity.key).file("cert.pem", &identity.chain))
}

/// A server whose socket leads to this service.
fn front(service: &str, authority: &str) -> Server {
    supervisor!().serve(setup("style = proxy", service).file("ca.pem", authority).argument("--shards=1"))
}

fn status(server: &Server, url: &str) -> u16 {
    let mut client = Connection::open(server.port());
    client.send(format!("GET {url} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).expect("a request");
    client.response("GET").expect("a response").status
}

const TRUST: &str = "tlsOptions = (trustedCertificates = [embed \"ca.pem\"])";

#[test]
fn a_server_has_to_be_who_it_should_be() {
    let origin = Origin::start(|_| vec![Step::Send(OK.to_vec())]);
    let (good, other) = (Authority::new("good"), Authority::new("other"));
    let backend = backend(&origin, &good.issue(&["localhost", "backend.test"]));
    let port = backend.port();
    for (what, host, more, authority, expected) in [
        ("the host of the address", "localhost", "", &good, 200),
        ("the host of the certificate", "127.0.0.1", ", certificateHost = \"backend.test\"", &good, 200),
        ("an address that the certificate is not for", "127.0.0.1", "", &good, 500),
        ("another name", "localhost", ", certificateHost = \"other.test\"", &good, 500),
        ("an authority that is not trusted", "localhost", "", &other, 500),
    ] {
        let service = format!("external = (address = \"{host}:{port}\", https = (options = (), {TRUST}{more}))");
        let server = front(&service, &authority.pem());
        origin.take_seen();
        for _ in 0..2 {
            assert_eq!(status(&server, "http://any/path"), expected, "{what}");
        }
        assert_eq!(origin.take_seen().len(), if expected == 200 { 2 } else { 0 }, "{what}");
        if expected == 500 {
            server.wait_for_stderr(|text| text.contains("invalid peer certificate"));
        }
    }
    // Without anybody who is trusted nobody is; the reference speaks without TLS here.
    let server = front(&format!("external = (address = \"localhost:{port}\", https = (options = ()))"), "");
    assert_eq!(status(&server, "http://any/"), 500);
}

#[test]
fn networks_fetch_https_with_options_and_only_with_them() {
    let origin = Origin::start(|_| vec![Step::Send(OK.to_vec())]);
    let authority = Authority::new("authority");
    let backend = backend(&origin, &authority.issue(&["localhost"]));
    let port = backend.port();
    let server = front(&format!("network = (allow = [\"local\"], {TRUST})"), &authority.pem());
    assert_eq!(status(&server, &format!("https://localhost:{port}/")), 200);
    assert_eq!(status(&server, &format!("https://127.0.0.1:{port}/")), 500, "its certificate is for a name");
    assert_eq!(origin.take_seen().len(), 1);
    // The same network still speaks without TLS where the URL says so.
    assert_eq!(status(&server, &format!("http://127.0.0.1:{}/", origin.port())), 200);
    let server = front("network = (allow = [\"local\"])", "");
    assert_eq!(status(&server, &format!("https://localhost:{port}/")), 500);
    server.wait_for_stderr(|text| text.contains("this client has no TLS configuration"));
}

#[test]
fn a_peer_that_does_not_speak_tls_hears_nothing_of_the_request() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("listen");
    let port = listener.local_addr().expect("an address").port();
    let heard = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        std::io::Write::write_all(&mut stream, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").expect("an answer");
        let mut bytes = Vec::new();
        let _ = std::io::Read::read_to_end(&mut stream, &mut bytes);
        bytes
    });
    let service = format!("external = (address = \"localhost:{port}\", https = (options = (), {TRUST}))");
    let server = front(&service, &Authority::new("authority").pem());
    assert_eq!(status(&server, "http://any/secret"), 500);
    let heard = heard.join().expect("no panic");
    assert!(!String::from_utf8_lossy(&heard).contains("secret"));
}
