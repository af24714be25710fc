//! TLS by `rustls`: from what a configuration says about it to both ends of a handshake.
//!
//! [`TlsOptions`] is what was configured and checked, [`server::Acceptor`] and [`client::Connector`] are made from it. Keys are
//! read by [`keys`] and stay inside the library from then on; [`ciphers`] translates OpenSSL's names. All cryptography is that
//! of `provider`.

pub mod ciphers;
pub mod client;
pub mod keys;
pub mod server;

use std::sync::{Arc, OnceLock};

use rustls::{
    RootCertStore, SupportedProtocolVersion,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, TrustAnchor},
    version::{TLS12, TLS13},
};

use self::{ciphers::CipherSuites, keys::Keypair};

/// What is spoken inside (RFC 7301).
const ALPN: &[u8] = b"http/1.1";

/// Bytes of records that wait for the kernel to take them, for each connection.
const SEND_BUFFER: usize = 16 << 10;

/// How one end of TLS connections behaves. It has been checked: certificates can be read, and a key is that of its
/// certificate.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TlsOptions {
    /// Who this end is. Servers always have one.
    pub keypair: Option<Keypair>,
    /// Servers only: whether a client without a certificate that is trusted is sent away.
    pub require_client_certs: bool,
    /// Whether the authorities that the system trusts are trusted.
    pub trust_browser_cas: bool,
    /// Authorities that are trusted beside those.
    pub trusted_certificates: Vec<CertificateDer<'static>>,
    /// The oldest version of the protocol that is spoken.
    pub min_version: MinVersion,
    /// The suites of TLS 1.2 that are offered, the preferred one first. `None` is all that there are.
    pub cipher_suites: Option<CipherSuites>,
}

/// The oldest version of the protocol. Those before 1.2 do not exist here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MinVersion {
    /// TLS 1.2 (RFC 5246).
    #[default]
    Tls12,
    /// TLS 1.3 (RFC 8446).
    Tls13,
}

/// Why TLS cannot be spoken as it was configured.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The system's trusted authorities cannot be read.
    #[error("the certificates that this system trusts cannot be read ({0}); is the package ca-certificates installed?")]
    NoSystemStore(String),
    /// A server without a key.
    #[error("TLS configuration: a TLS listener needs a keypair")]
    NoKeypair,
    /// What the library finds wrong.
    #[error("TLS configuration: {0}")]
    Refused(String),
}

impl From<rustls::Error> for TlsError {
    fn from(error: rustls::Error) -> Self {
        TlsError::Refused(error.to_string())
    }
}

/// The cryptography of all TLS: the one place that says whose it is.
fn provider() -> CryptoProvider {
    aws_lc_rs::default_provider()
}

impl TlsOptions {
    /// The provider with the suites that are offered. Those of TLS 1.3 are not chosen by `cipherList`, as in OpenSSL.
    fn provider(&self) -> Arc<CryptoProvider> {
        let mut provider = provider();
        if let Some(suites) = &self.cipher_suites {
            let (mut offered, mut others) = (Vec::new(), Vec::new());
            for suite in std::mem::take(&mut provider.cipher_suites) {
                if suite.tls13().is_some() { &mut offered } else { &mut others }.push(suite);
            }
            let chosen = suites.names().filter_map(|name| others.iter().find(|suite| suite.suite() == name));
            offered.extend(chosen);
            provider.cipher_suites = offered;
        }
        Arc::new(provider)
    }

    fn versions(&self) -> Vec<&'static SupportedProtocolVersion> {
        match self.min_version {
            MinVersion::Tls12 => vec![&TLS13, &TLS12],
            MinVersion::Tls13 => vec![&TLS13],
        }
    }

    /// Whose certificates are trusted. Reads the system's store when it is asked for the first time, which blocks.
    fn roots(&self) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        if self.trust_browser_cas {
            roots.extend(system_store()?.iter().cloned());
        }
        for certificate in &self.trusted_certificates {
            roots.add(certificate.clone())?;
        }
        Ok(roots)
    }
}

/// The authorities that the system trusts, read once. `SSL_CERT_FILE` and `SSL_CERT_DIR` say where, as everywhere.
fn system_store() -> Result<&'static [TrustAnchor<'static>], TlsError> {
    static STORE: OnceLock<Result<Vec<TrustAnchor<'static>>, String>> = OnceLock::new();
    let store = STORE.get_or_init(|| {
        let read = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        // A store holds some that are too old for the parser; no chain can end there.
        roots.add_parsable_certificates(read.certs);
        match (roots.is_empty(), read.errors.first()) {
            (false, _) => Ok(roots.roots),
            (true, Some(error)) => Err(error.to_string()),
            (true, None) => Err("there are none".to_owned()),
        }
    });
    store.as_deref().map_err(|error| TlsError::NoSystemStore(error.clone()))
}

#[cfg(test)]
mod tests;
