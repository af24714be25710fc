//! What an operator says about TLS: keys, certificates and ciphers.

use bulkhead_supervisor::net::tls::{
    TlsOptions,
    ciphers::{self, CipherListError, CipherSuites},
    client::Inside,
    keys::{Keypair, KeypairError, authorities, certificates},
    server::Acceptor,
};

/// The first byte chooses: a list of ciphers, a key and certificates in PEM with a line `#` between them, or the same in DER, the
/// key's length in two bytes before it. PEM is made of DER here; what kind of key it is, the first byte says too.
pub fn tls_options(bytes: &[u8]) {
    let Some((choice, rest)) = bytes.split_first() else { return };
    let text = String::from_utf8_lossy(rest);
    match choice % 4 {
        0 => cipher_list(&text),
        1 | 2 => {
            let (key, chain) = text.split_once("\n#\n").unwrap_or((&text, ""));
            keypair(key, chain);
        }
        _ => {
            let Some((length, der)) = rest.split_first_chunk() else { return };
            let (key, chain) = der.split_at(usize::from(u16::from_le_bytes(*length)).min(der.len()));
            let label = ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"][usize::from(choice / 4) % 3];
            keypair(&pem(label, key), &pem("CERTIFICATE", chain));
        }
    }
}

fn keypair(key: &str, chain: &str) {
    trusted(chain);
    let read = match Keypair::from_pem(key, chain) {
        Ok(keypair) => keypair,
        Err(error) => {
            let said = error.to_string();
            assert!(!said.is_empty(), "refused without a word");
            let is_of_key = matches!(error, KeypairError::Key(_) | KeypairError::Mismatch);
            let shows = key.lines().map(str::trim).any(|line| line.len() >= 8 && said.contains(line));
            assert!(!is_of_key || !shows, "{said}");
            return;
        }
    };
    assert!(!read.chain().is_empty());
    assert_eq!(format!("{read:?}"), format!("Keypair {{ certificates: {}, .. }}", read.chain().len()));
    // It does not matter how lines end, nor what stands before the first block.
    let again = format!("a comment\r\n{}", key.replace('\n', "\r\n"));
    assert_eq!(Keypair::from_pem(&again, chain).as_ref(), Ok(&read));
    // What was taken can be served with.
    let options = TlsOptions { keypair: Some(read), ..TlsOptions::default() };
    Acceptor::new(&options, Inside::Http).expect("a server");
}

/// Certificates that are read are the same when they are written anew, and can be trusted or are refused with words.
fn trusted(chain: &str) {
    let read = match certificates(chain) {
        Ok(read) => read,
        Err(error) => {
            assert!(!error.to_string().is_empty(), "refused without a word");
            assert!(authorities(chain).is_err());
            return;
        }
    };
    assert!(!read.is_empty());
    let anew: String = read.iter().map(|certificate| pem("CERTIFICATE", certificate)).collect();
    assert_eq!(certificates(&anew).as_ref(), Ok(&read));
    match authorities(chain) {
        Ok(trusted) => assert_eq!(trusted, read),
        Err(error) => assert!(!error.to_string().is_empty(), "refused without a word"),
    }
}

/// A block of PEM (RFC 7468).
fn pem(label: &str, der: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in der.chunks(48) {
        for group in line.chunks(3) {
            let bits = group.iter().fold(0, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
            for place in 0..4 {
                let value = bits >> (18 - 6 * place) & 63;
                text.push(if place <= group.len() { char::from(ALPHABET[value as usize]) } else { '=' });
            }
        }
        text.push('\n');
    }
    format!("{text}-----END {label}-----\n")
}

fn cipher_list(list: &str) {
    let read = match ciphers::parse(list) {
        Ok(suites) => suites,
        Err(error) => {
            assert!(!error.to_string().is_empty(), "refused without a word");
            return;
        }
    };
    let names = |suites: &CipherSuites| suites.names().collect::<Vec<_>>();
    let suites = names(&read);
    assert!(!suites.is_empty(), "none, and not refused");
    for (index, suite) in suites.iter().enumerate() {
        assert!(!suites[..index].contains(suite), "{suite:?} twice");
    }
    // It does not matter what stands between items.
    assert_eq!(ciphers::parse(&list.replace([',', ' ', ';'], "::")).as_ref(), Ok(&read));
    assert_eq!(ciphers::parse(&format!("{list}:!ALL:ALL")), Err(CipherListError::Empty));
    // What is taken away for good does not come back.
    for item in list.split([':', ',', ' ', ';']).filter_map(|item| item.strip_prefix('!')) {
        // A name that begins with another operator means something else by itself.
        if item.starts_with(['!', '-', '+', '@']) {
            continue;
        }
        let gone = ciphers::parse(item).map(|gone| names(&gone)).unwrap_or_default();
        assert!(!suites.iter().any(|suite| gone.contains(suite)), "{item} of {list}");
    }
}
