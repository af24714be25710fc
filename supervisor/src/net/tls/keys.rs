//! Keys and certificates, from PEM (RFC 7468).
//!
//! A key is decoded into memory that is wiped, and handed to the cryptography library, which wipes its own; nothing else keeps
//! it, and nothing here shows it.

use std::{fmt, sync::Arc};

use rustls::{
    RootCertStore,
    crypto::aws_lc_rs::sign::any_supported_type,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::ParsedCertificate,
    sign::CertifiedKey,
};
use zeroize::Zeroizing;

/// A private key and the chain of certificates that goes with it. A copy is cheap and is of the same key.
#[derive(Clone)]
pub struct Keypair(Arc<CertifiedKey>);

/// Why there is no [`Keypair`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeypairError {
    /// About the key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// About the certificates.
    #[error(transparent)]
    Chain(#[from] CertificateError),
    /// They do not belong together.
    #[error("TLS configuration: keys may not be consistent: KeyMismatch")]
    Mismatch,
}

/// What is wrong with a key. No text says anything of its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// There is no block of a private key.
    #[error("TLS configuration: no items found")]
    None,
    /// It has to be decrypted first.
    #[error("TLS configuration: the private key is encrypted, and nobody here is asked for a passphrase")]
    Encrypted,
    /// A block without an end, or with other characters than those of Base64.
    #[error("TLS configuration: the private key is not valid PEM")]
    Damaged,
    /// It is none, or of a kind that is not supported.
    #[error("TLS configuration: failed to parse private key as RSA, ECDSA, or EdDSA")]
    Unsupported,
}

impl KeyError {
    /// What to do about it.
    pub fn help(self) -> &'static str {
        match self {
            KeyError::None => {
                "a private key in PEM begins with `-----BEGIN PRIVATE KEY-----`; it is often embedded: \
                 `privateKey = embed \"key.pem\"`"
            }
            KeyError::Encrypted => "decrypt it: `openssl pkey -in key.pem -out decrypted.pem`",
            KeyError::Damaged => "`openssl pkey -in key.pem -noout -text` reads a key that is whole",
            KeyError::Unsupported => {
                "use RSA of 2048 to 8192 bits, ECDSA over P-256, P-384 or P-521, or Ed25519: \
                 `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem`"
            }
        }
    }
}

/// What is wrong with a text that should hold certificates.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// There is no block of a certificate.
    #[error("TLS configuration: no PEM certificate found")]
    None,
    /// A block without an end, or with other characters than those of Base64.
    #[error("TLS configuration: certificate {0} is not valid PEM")]
    Damaged(usize),
    /// The block is none of an X.509 certificate.
    #[error("TLS configuration: certificate {number} cannot be read: {error}")]
    Unreadable {
        /// Which one of the text, from 1.
        number: usize,
        /// What the library says.
        error: String,
    },
}

impl Keypair {
    /// Reads a key, and a chain that begins with the certificate of that key.
    ///
    /// # Errors
    ///
    /// One of them cannot be read, or the key is not that of the first certificate.
    pub fn from_pem(private_key: &str, chain: &str) -> Result<Keypair, KeypairError> {
        let chain = certificates(chain)?;
        for (index, certificate) in chain.iter().enumerate() {
            if let Err(error) = ParsedCertificate::try_from(certificate) {
                return Err(CertificateError::Unreadable { number: index + 1, error: error.to_string() }.into());
            }
        }
        let der = private_key_der(private_key)?;
        let key = any_supported_type(&der.borrowed()).map_err(|_| KeyError::Unsupported)?;
        let certified = CertifiedKey::new(chain, key);
        certified.keys_match().map_err(|_| KeypairError::Mismatch)?;
        Ok(Keypair(Arc::new(certified)))
    }

    /// What the library takes.
    pub(super) fn certified(&self) -> Arc<CertifiedKey> {
        self.0.clone()
    }

    /// The certificates, one's own first.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.0.cert
    }
}

/// The key is that of the first certificate, so that equal chains have equal keys.
impl PartialEq for Keypair {
    fn eq(&self, other: &Self) -> bool {
        self.chain() == other.chain()
    }
}

/// Without the key.
impl fmt::Debug for Keypair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keypair").field("certificates", &self.chain().len()).finish_non_exhaustive()
    }
}

/// The certificates of a text, in its order; at least one. What they are is not looked at.
///
/// # Errors
///
/// There is none, or one is damaged.
pub fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let mut found = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        found.push(certificate.map_err(|_| CertificateError::Damaged(found.len() + 1))?);
    }
    if found.is_empty() { Err(CertificateError::None) } else { Ok(found) }
}

/// The certificates of a text, each of which can be an authority that is trusted.
///
/// # Errors
///
/// There is none, or one cannot be read.
pub fn authorities(pem: &str) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let found = certificates(pem)?;
    let mut roots = RootCertStore::empty();
    for (index, certificate) in found.iter().enumerate() {
        if let Err(error) = roots.add(certificate.clone()) {
            return Err(CertificateError::Unreadable { number: index + 1, error: error.to_string() });
        }
    }
    Ok(found)
}

/// The kinds of block that hold a private key.
#[derive(Clone, Copy)]
enum KeyFormat {
    Pkcs8,
    Pkcs1,
    Sec1,
}

/// A decoded key, which is wiped.
struct KeyDer {
    format: KeyFormat,
    bytes: Zeroizing<Vec<u8>>,
}

impl KeyDer {
    fn borrowed(&self) -> PrivateKeyDer<'_> {
        let bytes = self.bytes.as_slice();
        match self.format {
            KeyFormat::Pkcs8 => PrivateKeyDer::Pkcs8(bytes.into()),
            KeyFormat::Pkcs1 => PrivateKeyDer::Pkcs1(bytes.into()),
            KeyFormat::Sec1 => PrivateKeyDer::Sec1(bytes.into()),
        }
    }
}

/// The first private key of a text. The parser of `rustls-pki-types` leaves copies of what it reads; this one leaves none.
fn private_key_der(pem: &str) -> Result<KeyDer, KeyError> {
    let mut lines = pem.lines().map(str::trim);
    while let Some(line) = lines.next() {
        let Some(label) = line.strip_prefix("-----BEGIN ").and_then(|rest| rest.strip_suffix("-----")) else {
            continue;
        };
        let format = match label {
            "PRIVATE KEY" => KeyFormat::Pkcs8,
            "RSA PRIVATE KEY" => KeyFormat::Pkcs1,
            "EC PRIVATE KEY" => KeyFormat::Sec1,
            "ENCRYPTED PRIVATE KEY" => return Err(KeyError::Encrypted),
            _ => continue,
        };
        // What is decoded is never longer, so that no vector grows and leaves a part of the key behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(pem.len()));
        let mut decoder = Base64::default();
        for line in lines.by_ref() {
            if line.starts_with("-----END ") {
                decoder.finish()?;
                return Ok(KeyDer { format, bytes });
            }
            // The old headers of OpenSSL (RFC 1421).
            if line.contains(':') {
                if line.contains("ENCRYPTED") {
                    return Err(KeyError::Encrypted);
                }
                continue;
            }
            line.bytes().try_for_each(|byte| decoder.push(byte, &mut bytes))?;
        }
        return Err(KeyError::Damaged);
    }
    Err(KeyError::None)
}

/// Decodes Base64 (RFC 4648, section 4) in any number of pieces.
#[derive(Default)]
struct Base64 {
    bits: u32,
    /// Characters of the group of four that is not complete, padding included.
    characters: u8,
    padding: u8,
}

impl Base64 {
    fn push(&mut self, character: u8, into: &mut Vec<u8>) -> Result<(), KeyError> {
        let value = match character {
            b'A'..=b'Z' => character - b'A',
            b'a'..=b'z' => character - b'a' + 26,
            b'0'..=b'9' => character - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' if self.characters >= 2 => {
                self.padding += 1;
                0
            }
            _ => return Err(KeyError::Damaged),
        };
        if self.padding > 0 && character != b'=' {
            return Err(KeyError::Damaged);
        }
        self.bits = self.bits << 6 | u32::from(value);
        self.characters += 1;
        if self.characters == 4 {
            let [_, group @ ..] = self.bits.to_be_bytes();
            into.extend_from_slice(&group[..3 - usize::from(self.padding)]);
            self.bits = 0;
            // After padding comes nothing more.
            self.characters = if self.padding > 0 { 4 } else { 0 };
        } else if self.characters > 4 {
            return Err(KeyError::Damaged);
        }
        Ok(())
    }

    fn finish(&self) -> Result<(), KeyError> {
        if matches!(self.characters, 0 | 4) { Ok(()) } else { Err(KeyError::Damaged) }
    }
}

#[cfg(test)]
mod tests;
