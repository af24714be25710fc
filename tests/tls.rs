//! HTTPS as clients that people use speak it, with both programs as a user runs them.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    os::unix::fs::FileExt as _,
    path::Path,
    process::{Command, Output, Stdio},
    time::Duration,
};

use bulkhead_ipc::compatibility::Date;
use bulkhead_supervisor::config::Options;
use bulkhead_test_support::{
    Exit, Runtime, Server, Setup,
    certificates::{Authority, Identity},
    supervisor,
};

const WORKER: &str = r#"export default {
  fetch: (request) => new Response(`${request.method} ${request.url} ${typeof request.cf?.clientIp}\n`),
};"#;

/// The files that a test's `tlsOptions` may embed, and those of its clients.
struct Files {
    server: Identity,
    root: Authority,
    client: Identity,
    clients: Authority,
}

impl Files {
    fn new() -> Files {
        let (root, clients) = (Authority::new("root"), Authority::new("clients"));
        let server = root.intermediate("between").issue(&["localhost", "127.0.0.1"]);
        Files { server, client: clients.issue(&["client"]), root, clients }
    }

    fn setup(&self, http: &str, tls: &str) -> Setup {
        let config = format!(
            r#"
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "w", worker = (compatibilityDate = "2026-08-01", modules = [(name = "w.js", esModule = embed "w.js")]))],
  sockets = [(name = "http", address = "127.0.0.1:0", service = "w", https = (options = ({http}), tlsOptions = ({tls})))],
);
"#
        );
        Setup::config(&config)
            .file("w.js", WORKER)
            .file("key.pem", &self.server.key)
            .file("chain.pem", &self.server.chain)
            .file("root.pem", self.root.pem())
            .file("clients.pem", self.clients.pem())
            .file("client.key", &self.client.key)
            .file("client.pem", &self.client.chain)
            .file("stranger.key", &self.server.key)
            .file("stranger.pem", &self.server.chain)
    }
}

const KEYPAIR: &str = r#"keypair = (privateKey = embed "key.pem", certificateChain = embed "chain.pem")"#;

fn curl(server: &Server, arguments: &[&str]) -> Output {
    Command::new("curl")
        .current_dir(server.directory())
        .args(["--silent", "--show-error", "--max-time", "60", "--cacert", "root.pem"])
        .args(arguments)
        .arg(format!("https://localhost:{}/path?query", server.port()))
        .output()
        .expect("curl")
}

/// What `openssl s_client` says when it sends a request, until the server closes the connection.
fn s_client(server: &Server, arguments: &[&str]) -> String {
    let mut child = Command::new("openssl")
        .current_dir(server.directory())
        .args(["s_client", "-connect", &format!("127.0.0.1:{}", server.port()), "-CAfile", "root.pem", "-ign_eof"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl");
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    // It may have ended before it reads.
    let _ = child.stdin.take().expect("a pipe").write_all(request);
    let output = child.wait_with_output().expect("openssl");
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn curl_sees_what_it_sees_of_the_reference() {
    let files = Files::new();
    let asking = format!(r#"{KEYPAIR}, requireClientCerts = true, trustedCertificates = [embed "clients.pem"]"#);
    let strict = format!("{KEYPAIR}, minVersion = tls1Dot3");
    let proto = r#"forwardedProtoHeader = "X-Proto""#;
    let own: &[&str] = &["--cert", "client.pem", "--key", "client.key"];
    let table: &[(&str, &str, &[&str])] = &[
        ("", KEYPAIR, &[]),
        ("", KEYPAIR, &["--head"]),
        ("", KEYPAIR, &["--data", "body"]),
        ("", KEYPAIR, &["--tls-max", "1.2"]),
        ("", KEYPAIR, &["--http1.0"]),
        ("", KEYPAIR, own),
        (proto, KEYPAIR, &[]),
        (proto, KEYPAIR, &["--header", "X-Proto: http"]),
        ("style = proxy", KEYPAIR, &["--request-target", "http://elsewhere.example/x"]),
        ("", &asking, own),
        ("", &asking, &[]),
        ("", &asking, &["--cert", "stranger.pem", "--key", "stranger.key"]),
        ("", &strict, &[]),
        ("", &strict, &["--tls-max", "1.2"]),
    ];
    let mut servers: Option<((&str, &str), [Server; 2])> = None;
    for (http, tls, arguments) in table {
        let [ours, reference] = match &servers {
            Some((of, servers)) if *of == (*http, *tls) => servers,
            _ => {
                let start = |runtime: Runtime| runtime.serve(files.setup(http, tls));
                &servers.insert(((http, tls), [start(supervisor!()), start(Runtime::workerd())])).1
            }
        };
        let see = |server: &Server| {
            let output = curl(server, arguments);
            let text = String::from_utf8_lossy(&output.stdout).replace(&server.port().to_string(), "PORT");
            (text, output.status.success())
        };
        let (ours, reference) = (see(ours), see(reference));
        assert_eq!(ours, reference, "{http} {tls} {arguments:?}");
        assert!(!ours.1 || ours.0.contains("200 OK") || ours.0.contains("://"), "{ours:?}");
    }
}

#[test]
fn openssl_resumes_a_session() {
    let server = supervisor!().serve(Files::new().setup("", KEYPAIR));
    for (version, file) in [("-tls1_2", "old"), ("-tls1_3", "new")] {
        let first = s_client(&server, &[version, "-sess_out", file]);
        assert!(first.contains("200 OK") && first.contains("New, TLSv1"), "{first}");
        let second = s_client(&server, &[version, "-sess_in", file]);
        assert!(second.contains("200 OK") && second.contains("Reused, TLSv1"), "{second}");
    }
}

#[test]
fn openssl_gets_what_exists_here_and_nothing_older() {
    let list = format!(r#"{KEYPAIR}, cipherList = "CHACHA20:ECDHE+AES256""#);
    let server = supervisor!().serve(Files::new().setup("", &list));
    for (arguments, expected) in [
        (&["-alpn", "h2,http/1.1"][..], "ALPN protocol: http/1.1"),
        (&["-alpn", "h2"], "no application protocol"),
        (&["-tls1_2"], "Cipher is ECDHE-ECDSA-CHACHA20-POLY1305"),
        (&["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384"], "Cipher is ECDHE-ECDSA-AES256-GCM-SHA384"),
        (&["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"], "handshake failure"),
        (&["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-SHA"], "handshake failure"),
        (&["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], "alert"),
        (&["-verify_return_error", "-verify_hostname", "localhost"], "Verification: OK"),
    ] {
        let output = s_client(&server, arguments);
        assert!(output.contains(expected), "{arguments:?}: {output}");
    }
    assert!(curl(&server, &[]).status.success());
}

#[test]
fn nobody_negotiates_anew() {
    let server = supervisor!().serve(Files::new().setup("", KEYPAIR));
    let mut child = Command::new("openssl")
        .args(["s_client", "-connect", &format!("127.0.0.1:{}", server.port()), "-tls1_2", "-legacy_renegotiation"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(b"R\n").expect("a command");
    // It ends by itself when it is refused.
    let output = child.wait_with_output().expect("openssl");
    drop(stdin);
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("RENEGOTIATING") && said.to_lowercase().contains("no renegotiation"), "{said}");
    assert!(curl(&server, &[]).status.success());
}

#[test]
fn plain_http_gets_no_answer_on_either() {
    let files = Files::new();
    for runtime in [supervisor!(), Runtime::workerd()] {
        let server = runtime.serve(files.setup("", KEYPAIR));
        let mut stream = TcpStream::connect(("127.0.0.1", server.port())).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket");
        stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("to send");
        let _ = stream.shutdown(Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP/"), "{}: {answer:?}", server.name());
        assert!(curl(&server, &[]).status.success(), "{}", server.name());
    }
}

#[test]
fn what_the_reference_refuses_is_refused_in_its_words() {
    let files = Files::new();
    let other = files.root.issue(&["localhost"]).key;
    let table = [
        ("", "a TLS listener needs a keypair"),
        (r#"keypair = (privateKey = "junk", certificateChain = embed "chain.pem")"#, "no items found"),
        (r#"keypair = (certificateChain = embed "chain.pem")"#, "no items found"),
        (r#"keypair = (privateKey = embed "key.pem", certificateChain = "junk")"#, "no PEM certificate found"),
        (r#"keypair = (privateKey = embed "key.pem")"#, "no PEM certificate found"),
        (
            r#"keypair = (privateKey = embed "other.pem", certificateChain = embed "chain.pem")"#,
            "keys may not be consistent: KeyMismatch",
        ),
        (&format!("{KEYPAIR}, requireClientCerts = true"), "no root trust anchors were provided"),
    ];
    for (tls, words) in table {
        for runtime in [supervisor!(), Runtime::workerd()] {
            let Exit { code, stderr, .. } = runtime.serve_to_exit(files.setup("", tls).file("other.pem", &other));
            assert!(code == Some(1) && stderr.contains(&format!("TLS configuration: {words}")), "{tls}: {stderr}");
            assert!(other.lines().filter(|line| !line.starts_with('-')).all(|line| !stderr.contains(line)), "{stderr}");
        }
    }
}

/// Which of these are anywhere in the memory of a process that it may write to.
fn in_memory<'a>(pid: u32, wanted: &[&'a [u8]]) -> BTreeSet<&'a [u8]> {
    const PAGE: usize = 4096;
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).expect("the kernel's list");
    let memory = File::open(format!("/proc/{pid}/mem")).expect("the memory of a child");
    let mut found = BTreeSet::new();
    for line in maps.lines() {
        let mut fields = line.split_whitespace();
        let (range, rights) = (fields.next().expect("a range"), fields.next().expect("rights"));
        if !rights.starts_with("rw") {
            continue;
        }
        let number = |text| usize::from_str_radix(text, 16).expect("an address");
        let (start, end) = range.split_once('-').map(|(start, end)| (number(start), number(end))).expect("a range");
        // Most pages have never been written to; what is wanted may lie across the end of one.
        let mut bytes = Vec::new();
        for at in (start..end).step_by(PAGE) {
            let mut page = [0; PAGE];
            if memory.read_exact_at(&mut page, at as u64).is_ok() && page != [0; PAGE] {
                bytes.extend_from_slice(&page);
            } else {
                bytes.push(0);
            }
        }
        for at in 0..bytes.len() {
            let here = |text: &&&[u8]| text[0] == bytes[at] && bytes[at..].starts_with(text);
            found.extend(wanted.iter().filter(here).copied());
        }
    }
    found
}

/// While it serves, a server has nothing of the text that its private key was read from.
#[test]
fn no_text_of_a_key_stays_in_memory() {
    let mut files = Files::new();
    files.server = files.root.issue_rsa(&["localhost"]);
    let lines: Vec<&[u8]> = files.server.key.lines().map(str::as_bytes).filter(|line| line.len() == 64).collect();
    assert!(lines.len() > 20, "a key of many lines");
    let text = || files.setup("", KEYPAIR);
    let binary = {
        let setup = text();
        let path = setup.path().join("config.capnp");
        let today = Date::from_unix_seconds(1_790_000_000);
        let message = bulkhead_supervisor::config::encode_text(&path, &Options::on(today)).expect("a configuration");
        setup.file("config.bin", message).config_file("config.bin").argument("--binary")
    };
    for (what, setup) in [("text", text()), ("binary", binary)] {
        let server = supervisor!().serve(setup);
        assert!(curl(&server, &[]).status.success());
        // The worker's code is there, which is handed to each of its processes.
        let wanted: Vec<&[u8]> = lines.iter().copied().chain([WORKER.as_bytes()]).collect();
        let found = in_memory(server.pid(), &wanted);
        assert!(found.contains(WORKER.as_bytes()), "{what}: nothing is found");
        assert_eq!(found.len(), 1, "{what}: lines of the key");
    }
}

/// `samples/tls-front`, with the certificate that its own command makes.
#[test]
fn the_sample_serves() {
    for runtime in [supervisor!(), Runtime::workerd()] {
        let setup = Setup::sample("tls-front");
        let command = sample_command(&setup.path().join("config.capnp"));
        let made = Command::new("sh").current_dir(setup.path()).args(["-c", &command]).output().expect("a shell");
        assert!(made.status.success(), "{command}: {made:?}");
        let server = runtime.serve(setup);
        let output = Command::new("curl")
            .current_dir(server.directory())
            .args(["--silent", "--show-error", "--insecure", &format!("https://localhost:{}/", server.port())])
            .output()
            .expect("curl");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "Hello over https\n", "{}: {output:?}", server.name());
    }
}

/// The command in the comment of a sample's configuration.
fn sample_command(config: &Path) -> String {
    let text = std::fs::read_to_string(config).expect("a configuration");
    let lines = text.lines().filter_map(|line| line.strip_prefix("#     "));
    lines.collect::<Vec<_>>().join("\n")
}
