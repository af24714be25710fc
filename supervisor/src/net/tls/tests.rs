//! Both ends against each other, with certificates that are good and bad in every way that has an option.

use bulkhead_test_support::certificates::{Authority, Identity, Validity, self_signed};
use rustls::{HandshakeKind, ProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::{
    MinVersion, TlsError, TlsOptions, ciphers,
    client::{ClientStream, Connector, Inside, server_name},
    keys::{Keypair, authorities},
    server::{Acceptor, ServerStream},
};

fn keypair(identity: &Identity) -> Option<Keypair> {
    Some(Keypair::from_pem(&identity.key, &identity.chain).expect("a key"))
}

fn server(identity: &Identity) -> TlsOptions {
    TlsOptions { keypair: keypair(identity), ..TlsOptions::default() }
}

fn client(trusted: &Authority) -> TlsOptions {
    TlsOptions { trusted_certificates: authorities(&trusted.pem()).expect("a certificate"), ..TlsOptions::default() }
}

type Both = (ClientStream<DuplexStream>, ServerStream<DuplexStream>);

/// A handshake, and a byte in each direction: with TLS 1.3 it is only then that a client knows that it was let in.
async fn meet(client: &Connector, server: &Acceptor, name: &str) -> Result<Both, String> {
    let (near, far) = tokio::io::duplex(64 << 10);
    let name = server_name(name).expect("a name");
    let client = async {
        let mut stream = client.connect(name, Inside::Http, near).await.map_err(|error| format!("client: {error}"))?;
        stream.write_all(b"?").await.map_err(|error| format!("client: {error}"))?;
        let mut answer = [0];
        stream.read_exact(&mut answer).await.map_err(|error| format!("client: {error}"))?;
        assert_eq!(answer, *b"!");
        Ok::<_, String>(stream)
    };
    let server = async {
        let mut stream = server.accept(far).await.map_err(|error| format!("server: {error}"))?;
        let mut question = [0];
        stream.read_exact(&mut question).await.map_err(|error| format!("server: {error}"))?;
        stream.write_all(b"!").await.map_err(|error| format!("server: {error}"))?;
        stream.flush().await.map_err(|error| format!("server: {error}"))?;
        Ok::<_, String>(stream)
    };
    match tokio::join!(client, server) {
        (Ok(client), Ok(server)) => Ok((client, server)),
        (client, server) => Err([client.err(), server.err()].into_iter().flatten().collect::<Vec<_>>().join("; ")),
    }
}

async fn handshake(client: &TlsOptions, server: &TlsOptions, name: &str) -> Result<Both, String> {
    meet(&Connector::new(client).expect("a client"), &Acceptor::new(server, Inside::Http).expect("a server"), name)
        .await
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().build().expect("an event loop").block_on(test);
}

#[test]
fn a_server_is_who_its_certificate_says() {
    run(async {
        let (root, other) = (Authority::new("root"), Authority::new("other"));
        let between = root.intermediate("between").intermediate("further");
        let hosts: &[&str] = &["example.com", "*.wild.example", "127.0.0.1", "::1"];
        let incomplete = {
            let mut identity = between.issue(hosts);
            let end = "-----END CERTIFICATE-----\n";
            let first = identity.chain.find(end).expect("a certificate") + end.len();
            identity.chain.truncate(first);
            identity
        };
        // What the client says of it, or nothing.
        let table: &[(&str, Identity, &str, Option<&str>)] = &[
            ("by name", root.issue(hosts), "example.com", None),
            ("by any name below", root.issue(hosts), "a.wild.example", None),
            ("by IPv4 address", root.issue(hosts), "127.0.0.1", None),
            ("by IPv6 address", root.issue(hosts), "::1", None),
            ("an RSA key", root.issue_rsa(hosts), "example.com", None),
            ("authorities between", between.issue(hosts), "example.com", None),
            ("authorities between that are not sent", incomplete, "example.com", Some("UnknownIssuer")),
            ("another name", root.issue(hosts), "example.org", Some("not valid for name")),
            ("two names below", root.issue(hosts), "a.b.wild.example", Some("not valid for name")),
            ("another address", root.issue(hosts), "127.0.0.2", Some("not valid for name")),
            ("expired", root.issue_at(hosts, Validity::Over), "example.com", Some("expired")),
            ("not yet good", root.issue_at(hosts, Validity::NotYet), "example.com", Some("not valid yet")),
            ("another authority", other.issue(hosts), "example.com", Some("UnknownIssuer")),
            ("nobody but itself", self_signed(hosts), "example.com", Some("UnknownIssuer")),
        ];
        let client = client(&root);
        for (what, identity, name, error) in table {
            let met = handshake(&client, &server(identity), name).await;
            match error {
                None => {
                    let (client, server) = met.unwrap_or_else(|error| panic!("{what}: {error}"));
                    let alpn = (client.get_ref().1.alpn_protocol(), server.get_ref().1.alpn_protocol());
                    assert_eq!(alpn, (Some(&b"http/1.1"[..]), Some(&b"http/1.1"[..])), "{what}");
                }
                Some(error) => {
                    let text = met.map(drop).expect_err(what);
                    assert!(text.starts_with("client: ") && text.contains(error), "{what}: {text}");
                }
            }
        }
        // Nobody is trusted without being named.
        let error = handshake(&TlsOptions::default(), &server(&root.issue(hosts)), "example.com").await;
        assert!(error.map(drop).expect_err("trusted").contains("UnknownIssuer"));
    });
}

#[test]
fn a_client_is_let_in_by_its_certificate() {
    run(async {
        let (servers, clients, other) = (Authority::new("servers"), Authority::new("clients"), Authority::new("other"));
        let asking = TlsOptions {
            require_client_certs: true,
            trusted_certificates: authorities(&clients.pem()).expect("a certificate"),
            ..server(&servers.issue(&["example.com"]))
        };
        let table: &[(&str, Option<Identity>, Option<&str>)] = &[
            ("one that is trusted", Some(clients.issue(&["client"])), None),
            ("one between", Some(clients.intermediate("between").issue(&["client"])), None),
            ("none", None, Some("peer sent no certificates")),
            ("another authority's", Some(other.issue(&["client"])), Some("UnknownIssuer")),
            ("the servers' own", Some(servers.issue(&["client"])), Some("UnknownIssuer")),
            ("expired", Some(clients.issue_at(&["client"], Validity::Over)), Some("expired")),
            ("nobody's", Some(self_signed(&["client"])), Some("UnknownIssuer")),
        ];
        for version in [MinVersion::Tls12, MinVersion::Tls13] {
            for (what, identity, error) in table {
                let connecting = TlsOptions {
                    keypair: identity.as_ref().and_then(keypair),
                    min_version: version,
                    ..client(&servers)
                };
                let met = handshake(&connecting, &asking, "example.com").await.map(drop);
                match error {
                    None => assert_eq!(met, Ok(()), "{what}"),
                    Some(error) => {
                        let text = met.expect_err(what);
                        assert!(text.contains("server: ") && text.contains(error), "{what}: {text}");
                    }
                }
            }
            // Who is not asked shows nothing, whatever it has.
            let connecting = TlsOptions { keypair: keypair(&other.issue(&["client"])), ..client(&servers) };
            let open = server(&servers.issue(&["example.com"]));
            let (_, server) = handshake(&connecting, &open, "example.com").await.expect("a connection");
            assert_eq!(server.get_ref().1.peer_certificates(), None);
        }
    });
}

#[test]
fn versions_and_suites_are_those_that_were_configured() {
    run(async {
        let root = Authority::new("root");
        let (ecdsa, rsa) = (root.issue(&["example.com"]), root.issue_rsa(&["example.com"]));
        let only = |list: &str, identity: &Identity| TlsOptions {
            cipher_suites: Some(ciphers::parse(list).expect("a list")),
            ..server(identity)
        };
        // One that speaks TLS 1.2 and nothing newer.
        let mut old = rustls::ClientConfig::builder_with_provider(super::provider().into())
            .with_protocol_versions(&[&rustls::version::TLS12])
            .expect("a version")
            .with_root_certificates(client(&root).roots().expect("certificates"))
            .with_no_client_auth();
        old.alpn_protocols = vec![b"http/1.1".to_vec()];
        let old =
            Connector { http: std::sync::Arc::new(old).into(), ..Connector::new(&client(&root)).expect("a client") };
        let new = Connector::new(&client(&root)).expect("a client");
        let table: &[(&Connector, TlsOptions, Result<&str, &str>)] = &[
            (&new, server(&ecdsa), Ok("TLS13_AES_256_GCM_SHA384")),
            (&old, server(&ecdsa), Ok("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384")),
            (&old, server(&rsa), Ok("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384")),
            (&old, only("CHACHA20", &ecdsa), Ok("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256")),
            (&old, only("AES128:ALL", &rsa), Ok("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256")),
            (&new, only("CHACHA20", &ecdsa), Ok("TLS13_AES_256_GCM_SHA384")),
            (&old, only("aRSA", &ecdsa), Err("NoCipherSuitesInCommon")),
            (&old, TlsOptions { min_version: MinVersion::Tls13, ..server(&ecdsa) }, Err("ProtocolVersion")),
        ];
        for (client, options, expected) in table {
            let met = meet(client, &Acceptor::new(options, Inside::Http).expect("a server"), "example.com").await;
            match expected {
                Ok(suite) => {
                    let (client, _) = met.expect(suite);
                    let got = client.get_ref().1.negotiated_cipher_suite().expect("a suite").suite();
                    assert_eq!(got.as_str(), Some(*suite));
                }
                Err(error) => {
                    let text = met.map(drop).expect_err(error);
                    assert!(text.contains(error), "{text}");
                }
            }
        }
        // A client of ours that wants TLS 1.3 does not fall back.
        let strict = TlsOptions { min_version: MinVersion::Tls13, ..client(&root) };
        let (client, _) = handshake(&strict, &server(&ecdsa), "example.com").await.expect("a connection");
        assert_eq!(client.get_ref().1.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    });
}

#[test]
fn sessions_are_resumed_with_the_same_server_only() {
    run(async {
        let root = Authority::new("root");
        let options = server(&root.issue(&["example.com"]));
        let (server, another) = (
            Acceptor::new(&options, Inside::Http).expect("a server"),
            Acceptor::new(&options, Inside::Http).expect("a server"),
        );
        for min_version in [MinVersion::Tls12, MinVersion::Tls13] {
            let connector = Connector::new(&TlsOptions { min_version, ..client(&root) }).expect("a client");
            let mut kinds = Vec::new();
            for server in [&server, &server.clone(), &another] {
                let (client, _) = meet(&connector, server, "example.com").await.expect("a connection");
                kinds.push(client.get_ref().1.handshake_kind().expect("a handshake"));
            }
            assert_eq!(kinds, [HandshakeKind::Full, HandshakeKind::Resumed, HandshakeKind::Full]);
        }
    });
}

#[test]
fn what_cannot_be_a_server_says_why() {
    let root = Authority::new("root");
    assert!(matches!(Acceptor::new(&TlsOptions::default(), Inside::Http), Err(TlsError::NoKeypair)));
    let nobody = TlsOptions { require_client_certs: true, ..server(&root.issue(&["example.com"])) };
    let error = Acceptor::new(&nobody, Inside::Http).map(drop).expect_err("nobody is trusted").to_string();
    assert_eq!(error, "TLS configuration: no root trust anchors were provided");
    assert!(server_name("exa mple").is_err() && server_name("").is_err() && server_name("[::1]").is_err());
}
