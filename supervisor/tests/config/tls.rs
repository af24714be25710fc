//! TLS with keys and certificates that are good, made for the test.

use std::path::PathBuf;

use bulkhead_supervisor::{
    config::{Diagnostics, Loaded, TlsOptions, load_text_from_bytes},
    net::tls::MinVersion,
};
use bulkhead_test_support::certificates::{Authority, Identity};

use super::{PRELUDE, options};

fn load(tls: &str, identity: &Identity, authority: &Authority) -> Result<Loaded, Diagnostics> {
    let text = format!(
        r#"{PRELUDE}const config :Workerd.Config = (
  services = [(name = "main", worker = (serviceWorkerScript = "", compatibilityDate = "2024-01-01"))],
  sockets = [(name = "s", address = "*", service = "main", https = (
    options = (forwardedProtoHeader = "X-Proto"),
    tlsOptions = ({tls}),
  ))],
);"#
    );
    let files = [("key.pem", &identity.key), ("chain.pem", &identity.chain), ("root.pem", &authority.pem())]
        .map(|(name, text)| (PathBuf::from(format!("/{name}")), text.clone().into_bytes()));
    load_text_from_bytes(text.as_bytes(), files, &options())
}

const KEYPAIR: &str = r#"keypair = (privateKey = embed "key.pem", certificateChain = embed "chain.pem")"#;

#[test]
fn all_options_are_in_the_model() {
    let root = Authority::new("root");
    let identity = root.intermediate("between").issue(&["example.com"]);
    let tls = |options: &str| -> TlsOptions {
        let mut loaded =
            load(&format!("{KEYPAIR}, {options}"), &identity, &root).unwrap_or_else(|error| panic!("{error}"));
        let socket = loaded.config.sockets.remove(0);
        assert_eq!(
            socket.protocol.http().expect("HTTP").forwarded_proto_header.as_ref().map(|name| name.as_str()),
            Some("x-proto")
        );
        socket.tls.expect("TLS")
    };
    let plain = tls("");
    let keypair = plain.keypair.clone().expect("a key");
    assert_eq!(keypair.chain().len(), 2);
    assert_eq!(plain, TlsOptions { keypair: Some(keypair), ..TlsOptions::default() });
    let asking = tls(r#"requireClientCerts = true, trustedCertificates = [embed "root.pem", embed "chain.pem"]"#);
    assert!(asking.require_client_certs);
    assert_eq!(asking.trusted_certificates.len(), 3);
    assert!(tls("requireClientCerts = true, trustBrowserCas = true").trust_browser_cas);
    for (version, expected) in [
        ("goodDefault", MinVersion::Tls12),
        ("ssl3", MinVersion::Tls12),
        ("tls1Dot0", MinVersion::Tls12),
        ("tls1Dot1", MinVersion::Tls12),
        ("tls1Dot2", MinVersion::Tls12),
        ("tls1Dot3", MinVersion::Tls13),
    ] {
        assert_eq!(tls(&format!("minVersion = {version}")).min_version, expected, "{version}");
    }
    assert!(tls(r#"cipherList = "HIGH:!aNULL""#).cipher_suites.is_some());
}

#[test]
fn a_key_of_another_certificate_is_refused_where_it_is_written() {
    let root = Authority::new("root");
    let mut identity = root.issue(&["example.com"]);
    identity.key = root.issue(&["example.com"]).key;
    let secret: Vec<String> = identity.key.lines().filter(|line| !line.starts_with('-')).map(str::to_owned).collect();
    let report = load(KEYPAIR, &identity, &root).expect_err("another key").to_string();
    let expected = "/config.capnp:6:43: error: TLS configuration: keys may not be consistent: KeyMismatch\n";
    assert!(report.starts_with(expected), "{report}");
    assert!(!secret.is_empty() && secret.iter().all(|line| !report.contains(line)), "{report}");
}

#[test]
fn a_configuration_does_not_show_its_keys() {
    let root = Authority::new("root");
    let identity = root.issue(&["example.com"]);
    let shown = format!("{:?}", load(KEYPAIR, &identity, &root).unwrap_or_else(|error| panic!("{error}")));
    assert!(shown.contains("Keypair { certificates: 1, .. }"), "{shown}");
}
