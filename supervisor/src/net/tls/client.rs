//! The client's end of TLS.

use std::{future::Future, io, sync::Arc};

use rustls::{
    ClientConfig,
    client::ResolvesClientCert,
    pki_types::ServerName,
    sign::{CertifiedKey, SingleCertAndKey},
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use super::{ALPN, SEND_BUFFER, TlsError, TlsOptions};

/// A server's stream after its handshake.
pub type ClientStream<S> = tokio_rustls::client::TlsStream<S>;

/// Whose certificate a server has to show: its name or address without brackets and port.
///
/// # Errors
///
/// The text is neither a DNS name nor an IP address.
pub fn server_name(host: &str) -> Result<ServerName<'static>, TlsError> {
    ServerName::try_from(host.to_owned())
        .map_err(|_| TlsError::Refused(format!("`{host}` is not a name that a certificate can have")))
}

/// Begins handshakes. All copies resume each other's sessions, which are kept in memory: one for each service, so that no
/// session of one tenant is resumed for another.
#[derive(Clone)]
pub struct Connector {
    pub(super) http: TlsConnector,
    /// Says no protocol: what is spoken is for the two ends to know.
    pub(super) other: TlsConnector,
}

/// What is spoken inside of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inside {
    /// HTTP, which both ends say (RFC 7301).
    Http,
    /// Anything, of which nothing is said.
    Other,
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector").finish_non_exhaustive()
    }
}

impl Connector {
    /// Makes a client of what was configured. Reads the system's store where that is trusted, which blocks. One that trusts
    /// nobody has all its handshakes fail.
    ///
    /// # Errors
    ///
    /// The system's store cannot be read.
    pub fn new(options: &TlsOptions) -> Result<Connector, TlsError> {
        let builder = ClientConfig::builder_with_provider(options.provider())
            .with_protocol_versions(&options.versions())?
            .with_root_certificates(options.roots()?);
        let mut config = match &options.keypair {
            None => builder.with_no_client_auth(),
            Some(keypair) => {
                let key: Arc<CertifiedKey> = keypair.certified();
                let resolver: Arc<dyn ResolvesClientCert> = Arc::new(SingleCertAndKey::from(key));
                builder.with_client_cert_resolver(resolver)
            }
        };
        let other = Arc::new(config.clone()).into();
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(Connector { http: Arc::new(config).into(), other })
    }

    /// A handshake as the client, with the server that has a certificate for `name`, which is told that name. It ends when the
    /// server lets it: a limit on its time is the caller's.
    ///
    /// The future's error says what is wrong with the server or its certificate. Nothing of what was to be sent has left then.
    pub fn connect<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        name: ServerName<'static>,
        inside: Inside,
        stream: S,
    ) -> impl Future<Output = io::Result<ClientStream<S>>> + Unpin + use<S> {
        let connector = match inside {
            Inside::Http => &self.http,
            Inside::Other => &self.other,
        };
        connector.connect_with(name, stream, |connection| connection.set_buffer_limit(Some(SEND_BUFFER)))
    }
}
