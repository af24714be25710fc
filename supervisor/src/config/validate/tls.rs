//! How TLS is spoken, by sockets and by services that connect somewhere.

use bulkhead_ipc::workerd_capnp::tls_options;
use rustls::pki_types::CertificateDer;
use zeroize::Zeroizing;

use super::Validator;
use crate::{
    config::{model::TlsOptions, position::Cursor},
    net::tls::{
        MinVersion,
        ciphers::{self, CipherListError},
        keys::{self, CertificateError, Keypair, KeypairError},
    },
};

/// Which end of a connection is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TlsRole {
    /// The one that is connected to. It needs a key.
    Server,
    /// The one that connects.
    Client,
}

const CHAIN_HELP: &str = "a certificate in PEM begins with `-----BEGIN CERTIFICATE-----`; it is often embedded: \
    `embed \"cert.pem\"`";

impl Validator<'_> {
    pub(super) fn tls(
        &mut self,
        options: tls_options::Reader<'_>,
        at: &Cursor<'_>,
        role: TlsRole,
    ) -> Option<TlsOptions> {
        const FIELDS: &[&str] =
            &["keypair", "requireClientCerts", "trustBrowserCas", "trustedCertificates", "minVersion", "cipherList"];
        self.refuse_others(options, at, FIELDS);
        let keypair_at = at.field("keypair");
        let keypair = if options.has_keypair() {
            let keypair = self.intact(options.get_keypair(), &keypair_at);
            keypair.and_then(|keypair| self.keypair(keypair, &keypair_at)).map(Some)
        } else if role == TlsRole::Server {
            if !at.is_incomplete() {
                self.error_with_help(
                    at,
                    "TLS configuration: a TLS listener needs a keypair",
                    "write `keypair = (privateKey = embed \"key.pem\", certificateChain = embed \"cert.pem\")`",
                );
            }
            None
        } else {
            Some(None)
        };
        let trusted_at = at.field("trustedCertificates");
        let trusted = self.trusted(options, &trusted_at);
        let trust_browser_cas = options.get_trust_browser_cas();
        let require_client_certs = options.get_require_client_certs();
        if require_client_certs {
            let require_at = at.field("requireClientCerts");
            if role == TlsRole::Client {
                self.error_with_help(
                    &require_at,
                    "nobody connects to this end, so that there are no certificates of clients",
                    "`requireClientCerts` is for the `tlsOptions` of sockets",
                );
            } else if !trust_browser_cas && trusted.as_ref().is_some_and(Vec::is_empty) && !trusted_at.is_incomplete() {
                self.error_with_help(
                    &require_at,
                    "TLS configuration: no root trust anchors were provided",
                    "no client could connect: give the authority of their certificates in `trustedCertificates`",
                );
            }
        }
        let min_version = match options.get_min_version() {
            // Those before TLS 1.2 do not exist here, as in the reference.
            Ok(
                tls_options::Version::GoodDefault
                | tls_options::Version::Ssl3
                | tls_options::Version::Tls1Dot0
                | tls_options::Version::Tls1Dot1
                | tls_options::Version::Tls1Dot2,
            ) => Some(MinVersion::Tls12),
            Ok(tls_options::Version::Tls1Dot3) => Some(MinVersion::Tls13),
            Err(_) => self.newer(&at.field("minVersion")),
        };
        // `None` for a list that is wrong, `Some(None)` for none.
        let cipher_suites = if options.has_cipher_list() {
            let list_at = at.field("cipherList");
            let list = self.string(options.get_cipher_list(), &list_at)?;
            match ciphers::parse(&list) {
                Ok(suites) => Some(Some(suites)),
                Err(_) if list_at.is_incomplete() => None,
                Err(error) => {
                    self.error_with_help(&list_at, error.to_string(), CipherListError::HELP);
                    None
                }
            }
        } else {
            Some(None)
        };
        Some(TlsOptions {
            keypair: keypair?,
            require_client_certs,
            trust_browser_cas,
            trusted_certificates: trusted?.concat(),
            min_version: min_version?,
            cipher_suites: cipher_suites?,
        })
    }

    fn keypair(&mut self, keypair: tls_options::keypair::Reader<'_>, at: &Cursor<'_>) -> Option<Keypair> {
        self.refuse_others(keypair, at, &["privateKey", "certificateChain"]);
        let (key_at, chain_at) = (at.field("privateKey"), at.field("certificateChain"));
        let key = self.string(keypair.get_private_key(), &key_at).map(Zeroizing::new);
        let chain = self.string(keypair.get_certificate_chain(), &chain_at);
        let (key, chain) = (key?, chain?);
        if at.is_incomplete() || key_at.is_incomplete() || chain_at.is_incomplete() {
            return None;
        }
        match Keypair::from_pem(&key, &chain) {
            Ok(keypair) => return Some(keypair),
            Err(KeypairError::Key(error)) => self.error_with_help(&key_at, error.to_string(), error.help()),
            Err(KeypairError::Chain(error)) => self.certificate_error(&chain_at, &error),
            Err(error @ KeypairError::Mismatch) => self.error_with_help(
                &key_at,
                error.to_string(),
                "this is not the key of the first certificate in `certificateChain`: one's own certificate comes first, \
                 before those of its issuers",
            ),
        }
        None
    }

    /// The certificates in each text of the list.
    fn trusted(
        &mut self,
        options: tls_options::Reader<'_>,
        at: &Cursor<'_>,
    ) -> Option<Vec<Vec<CertificateDer<'static>>>> {
        let list = self.intact(options.get_trusted_certificates(), at)?;
        let trusted: Vec<Option<_>> = (0..list.len())
            .map(|index| {
                let at = at.index(index);
                let text = self.string(list.get(index), &at)?;
                match keys::authorities(&text) {
                    Ok(certificates) => Some(certificates),
                    Err(_) if at.is_incomplete() => None,
                    Err(error) => {
                        self.certificate_error(&at, &error);
                        None
                    }
                }
            })
            .collect();
        trusted.into_iter().collect()
    }

    fn certificate_error(&mut self, at: &Cursor<'_>, error: &CertificateError) {
        match error {
            CertificateError::None => self.error_with_help(at, error.to_string(), CHAIN_HELP),
            CertificateError::Damaged(_) | CertificateError::Unreadable { .. } => {
                self.error_with_help(
                    at,
                    error.to_string(),
                    "`openssl x509 -in cert.pem -noout -text` reads one that is whole",
                );
            }
        }
    }
}
