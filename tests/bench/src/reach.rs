//! What workers and sockets reach, each row with a configuration of its own: another worker, a server behind the runtime, a
//! directory; and clients who speak TLS.

use std::sync::Arc;
use std::time::Duration;

use bulkhead_test_support::certificates::Authority;
use bulkhead_test_support::load::{Load, Report, Until};
use bulkhead_test_support::{Runtime, Server, Setup, process};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::{self, kx_group};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};

use crate::backend::Backend;
use crate::measure::{Better, Measure};
use crate::node::{self, Node};
use crate::workloads::Target;

/// One row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reach {
    pub(crate) name: &'static str,
    way: Way,
    /// Of what comes back: this many times the letter `a`.
    length: usize,
    connections: usize,
    target: Option<Target>,
}

/// From the client to the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// A worker asks another through a service binding.
    Binding,
    /// A worker asks [`Backend`] through a binding, and passes on what comes.
    WorkerToBackend,
    /// The socket's service is the backend.
    SocketToBackend,
    /// The socket's service is a directory.
    Disk,
    /// A worker answers with what is in its cache: one of its own, or one of Node's where the other runtime is measured.
    Cache,
    /// A worker answers, and the client speaks TLS.
    Tls(Sessions),
}

/// How a client of TLS comes to a connection for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sessions {
    /// It keeps the one it has.
    Kept,
    /// It makes a new one each time, of which the other end knows nothing.
    Full,
    /// It makes a new one each time, with a ticket of one before.
    Resumed,
}

/// All rows, in the order in which they are printed.
pub(crate) const REACHES: &[Reach] = &[
    row("service binding", Way::Binding, 12, 64, Some(1.0)),
    row("service binding, 1 connection", Way::Binding, 12, 1, Some(1.0)),
    row("worker in front of a server, 11 bytes", Way::WorkerToBackend, 11, 64, Some(1.5)),
    row("worker in front of a server, 1 MiB", Way::WorkerToBackend, 1 << 20, 64, Some(2.0)),
    row("socket in front of a server, 11 bytes", Way::SocketToBackend, 11, 64, None),
    row("socket in front of a server, 1 MiB", Way::SocketToBackend, 1 << 20, 64, None),
    row("file of 1 MiB", Way::Disk, 1 << 20, 64, Some(2.0)),
    row("cache hit of 1 KiB", Way::Cache, 1 << 10, 64, Some(3.0)),
    row("cache hit of 1 MiB", Way::Cache, 1 << 20, 64, Some(3.0)),
    row("hello over TLS", Way::Tls(Sessions::Kept), 12, 64, Some(1.5)),
    // A client of `rustls` keeps eight tickets for a server.
    row("new TLS connections, full handshakes", Way::Tls(Sessions::Full), 12, 8, Some(1.0)),
    row("new TLS connections, resumed sessions", Way::Tls(Sessions::Resumed), 12, 8, None),
];

const fn row(name: &'static str, way: Way, length: usize, connections: usize, target: Option<f64>) -> Reach {
    let target = match target {
        Some(least) => Some(Target::AtLeast(least)),
        None => None,
    };
    Reach { name, way, length, connections, target }
}

/// Answers with what is in the cache, where the first request finds nothing.
const CACHED: &str = "
const body = 'TEXT', key = 'http://cached.test/object';
export default {
    async fetch() {
        const found = await caches.default.match(key);
        if (found) return found;
        const made = new Response(body, { headers: { 'Cache-Control': 'max-age=3600' } });
        await caches.default.put(key, made.clone());
        return made;
    },
};";

const DATE: &str = r#"compatibilityDate = "2026-08-01""#;

/// Measures a row; a wrong answer is no measurement.
pub(crate) fn reach(runtime: &Runtime, reach: &Reach, length: Duration, ours: bool) -> Vec<Measure> {
    let measured = measure(runtime, reach, length, ours);
    let rate = measured.clone().map(|(report, _)| report.rate());
    let each = measured.map(|(report, used)| used.as_secs_f64() * 1e6 / count(report.responses()));
    let is_new = matches!(reach.way, Way::Tls(Sessions::Full | Sessions::Resumed));
    let (many, one) =
        if is_new { ("connections per second", "connection") } else { ("requests per second", "request") };
    vec![
        Measure {
            what: format!("{}: {many}", reach.name),
            unit: "1/s",
            value: rate,
            better: Better::Higher,
            target: reach.target,
        },
        Measure {
            what: format!("{}: CPU per {one}", reach.name),
            unit: "µs",
            value: each,
            better: Better::Lower,
            target: None,
        },
    ]
}

fn measure(runtime: &Runtime, reach: &Reach, length: Duration, ours: bool) -> Result<(Report, Duration), String> {
    let body = vec![b'a'; reach.length];
    let backend = match reach.way {
        Way::WorkerToBackend | Way::SocketToBackend => {
            Some(Backend::start(&body).map_err(|error| format!("no server to stand in front of: {error}"))?)
        }
        Way::Binding | Way::Disk | Way::Cache | Way::Tls(_) => None,
    };
    let cache = match reach.way {
        Way::Cache if !ours => {
            Some(Node::start(node::CACHE).map_err(|error| format!("`node` does not start: {error}"))?)
        }
        _ => None,
    };
    let port = cache.as_ref().map(|cache| cache.port).or(backend.as_ref().map(Backend::port));
    let server = runtime.serve(setup(reach, &body, port));
    let used =
        || process::tree_cpu(server.pid()) + cache.as_ref().map_or(Duration::ZERO, |it| process::tree_cpu(it.pid()));
    // What a runtime still does after it has come up is not part of the row.
    std::thread::sleep(Duration::from_millis(300));
    let tls = match reach.way {
        Way::Tls(sessions) => Some(client(sessions)?),
        _ => None,
    };
    run(&server, reach, &body, tls.clone(), length / 4)?;
    let before = used();
    let report = run(&server, reach, &body, tls, length)?;
    Ok((report, used().saturating_sub(before)))
}

fn run(
    server: &Server,
    reach: &Reach,
    body: &[u8],
    tls: Option<Arc<ClientConfig>>,
    length: Duration,
) -> Result<Report, String> {
    let load = Load {
        expect: Some(body.to_vec()),
        fresh: matches!(reach.way, Way::Tls(Sessions::Full | Sessions::Resumed)),
        request: bulkhead_test_support::http::request("GET", "/file", &[], b""),
        tls,
        ..Load::get(server.port(), reach.connections, Until::Elapsed(length))
    };
    let report = load.run().map_err(|error| format!("{error}: {}", server.stderr()))?;
    if report.wrong > 0 || report.statuses.keys().any(|status| *status != 200) {
        return Err(format!("{} wrong answers, statuses {:?}", report.wrong, report.statuses));
    }
    let (all, resumed) = (report.responses(), report.resumed);
    match reach.way {
        Way::Tls(Sessions::Full) if resumed > 0 => Err(format!("{resumed} of {all} handshakes were short ones")),
        // The first connections find no ticket.
        Way::Tls(Sessions::Resumed) if resumed + 4 * (reach.connections as u64) < all => {
            Err(format!("only {resumed} of {all} sessions were resumed"))
        }
        _ => Ok(report),
    }
}

/// `port`: of the server that is behind the runtime, if there is one.
fn setup(reach: &Reach, body: &[u8], port: Option<u16>) -> Setup {
    let text = String::from_utf8(body.to_vec()).expect("letters");
    let worker = |name: &str, more: &str| {
        format!(r#"(name = "{name}", worker = (modules = [(name = "w", esModule = embed "{name}.js")], {DATE}{more}))"#)
    };
    let has_backend = port.is_some();
    let port = port.unwrap_or_default();
    let backend = format!(r#"(name = "backend", external = (address = "127.0.0.1:{port}", http = ()))"#);
    let asks = |other: &str| worker("main", &format!(r#", bindings = [(name = "OTHER", service = "{other}")]"#));
    let (services, service) = match reach.way {
        Way::Binding => (format!("{}, {}", asks("answers"), worker("answers", "")), "main"),
        Way::WorkerToBackend => (format!("{}, {backend}", asks("backend")), "main"),
        Way::SocketToBackend => (backend, "backend"),
        Way::Cache if has_backend => {
            (format!("{}, {backend}", worker("cached", r#", cacheApiOutbound = "backend""#)), "cached")
        }
        Way::Cache => (worker("cached", ""), "cached"),
        Way::Disk => (r#"(name = "files", disk = (path = "files"))"#.to_owned(), "files"),
        Way::Tls(_) => (worker("answers", ""), "answers"),
    };
    let spoken = match reach.way {
        Way::Tls(_) => {
            r#"https = (tlsOptions = (keypair = (privateKey = embed "key.pem", certificateChain = embed "chain.pem")))"#
        }
        _ => "http = ()",
    };
    let policy = match reach.way {
        Way::Cache if !has_backend => {
            "using Bulkhead = import \"/bulkhead/policy.capnp\";\nconst policy :Bulkhead.Policy = (cache = ());\n"
        }
        _ => "",
    };
    let identity = Authority::new("root").issue(&["127.0.0.1"]);
    Setup::config(&format!(
        r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [{services}],
  sockets = [(name = "http", address = "127.0.0.1:0", {spoken}, service = "{service}")],
);
{policy}"#
    ))
    .file("main.js", "export default { fetch(request, env) { return env.OTHER.fetch(request); } };")
    .file("answers.js", format!("export default {{ async fetch() {{ return new Response('{text}'); }} }};"))
    .file("cached.js", CACHED.replace("TEXT", &text))
    .file("files/file", body)
    .file("key.pem", &identity.key)
    .file("chain.pem", &identity.chain)
}

/// What clients speak TLS with. They exchange keys by X25519, and believe every certificate: what a client takes of the machine is the
/// same beside both runtimes, and little.
fn client(sessions: Sessions) -> Result<Arc<ClientConfig>, String> {
    let mut provider = aws_lc_rs::default_provider();
    provider.kx_groups = vec![kx_group::X25519];
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Credulous))
        .with_no_client_auth();
    config.resumption = match sessions {
        Sessions::Kept | Sessions::Full => Resumption::disabled(),
        Sessions::Resumed => Resumption::in_memory_sessions(64),
    };
    Ok(Arc::new(config))
}

/// Believes everybody.
#[derive(Debug)]
struct Credulous;

impl ServerCertVerifier for Credulous {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn count(value: u64) -> f64 {
    value as f64
}
