use bulkhead_test_support::certificates::{Authority, Identity};

use super::*;

fn identity() -> (Authority, Identity) {
    let root = Authority::new("root");
    let identity = root.issue(&["example.com"]);
    (root, identity)
}

#[test]
fn what_is_wrong_with_a_keypair_is_said() {
    let (root, good) = identity();
    let other = root.issue(&["example.com"]);
    let without_end = good.key.lines().take(2).collect::<Vec<_>>().join("\n");
    let relabelled = good.key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let old_style = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----";
    let junk = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let bad_base64 = "-----BEGIN PRIVATE KEY-----\nAA*A\n-----END PRIVATE KEY-----\n";
    for (key, error) in [
        ("", KeyError::None),
        ("junk", KeyError::None),
        (good.chain.as_str(), KeyError::None),
        (&without_end, KeyError::Damaged),
        (bad_base64, KeyError::Damaged),
        (&relabelled, KeyError::Encrypted),
        (old_style, KeyError::Encrypted),
        (junk, KeyError::Unsupported),
    ] {
        assert_eq!(Keypair::from_pem(key, &good.chain).map(drop), Err(error.into()), "{key}");
    }
    assert_eq!(Keypair::from_pem(&other.key, &good.chain).map(drop), Err(KeypairError::Mismatch));
    // The key of another certificate of the chain.
    let reversed = format!("{}{}", root.pem(), good.chain);
    assert_eq!(Keypair::from_pem(&good.key, &reversed).map(drop), Err(KeypairError::Mismatch));
    for (chain, error) in [
        (good.key.clone(), CertificateError::None),
        (String::new(), CertificateError::None),
        (format!("{}-----BEGIN CERTIFICATE-----\n****\n", good.chain), CertificateError::Damaged(2)),
    ] {
        assert_eq!(Keypair::from_pem(&good.key, &chain).map(drop), Err(error.into()), "{chain}");
    }
    let unreadable = format!("{}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", good.chain);
    let error = Keypair::from_pem(&good.key, &unreadable).map(drop).expect_err("no certificate").to_string();
    assert!(error.starts_with("TLS configuration: certificate 2 cannot be read: "), "{error}");
    assert!(matches!(authorities(&unreadable), Err(CertificateError::Unreadable { number: 2, .. })));
    assert_eq!(authorities(&format!("{}{}", root.pem(), good.chain)).map(|all| all.len()), Ok(2));
}

#[test]
fn a_key_is_found_among_other_blocks() {
    let (_, good) = identity();
    let whole = Keypair::from_pem(&good.key, &good.chain).expect("a key");
    let crlf = good.key.replace('\n', "\r\n");
    for text in [
        format!("{}{}", good.chain, good.key),
        format!(
            "a comment\n-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n{}",
            good.key
        ),
        crlf,
    ] {
        assert_eq!(Keypair::from_pem(&text, &good.chain), Ok(whole.clone()), "{text}");
    }
}

#[test]
fn nothing_of_a_key_is_shown() {
    let (_, good) = identity();
    let keypair = Keypair::from_pem(&good.key, &good.chain).expect("a key");
    assert_eq!(format!("{keypair:?}"), "Keypair { certificates: 1, .. }");
}

/// The Base64 of RFC 4648, section 10, and what is none.
#[test]
fn base64_is_decoded() {
    let decode = |text: &str| {
        let (mut decoder, mut bytes) = (Base64::default(), Vec::new());
        text.bytes().try_for_each(|byte| decoder.push(byte, &mut bytes))?;
        decoder.finish()?;
        Ok::<_, KeyError>(String::from_utf8(bytes).expect("text"))
    };
    for (text, expected) in [
        ("", ""),
        ("Zg==", "f"),
        ("Zm8=", "fo"),
        ("Zm9v", "foo"),
        ("Zm9vYg==", "foob"),
        ("Zm9vYmE=", "fooba"),
        ("Zm9vYmFy", "foobar"),
    ] {
        assert_eq!(decode(text).as_deref(), Ok(expected));
    }
    for text in ["Z", "Zg", "Zg=", "=", "Z===", "Zg==Zg==", "Zg=v", "Zg===", "Zm9v=", "Zm 9", "Zm9v\n"] {
        assert_eq!(decode(text), Err(KeyError::Damaged), "{text}");
    }
}
