//! The server's end of TLS.

use std::{future::Future, io, sync::Arc};

use rustls::{
    ServerConfig,
    crypto::aws_lc_rs::Ticketer,
    server::{NoClientAuth, WebPkiClientVerifier, danger::ClientCertVerifier},
    sign::SingleCertAndKey,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;

use super::{ALPN, SEND_BUFFER, TlsError, TlsOptions, client::Inside};

/// A client's stream after its handshake.
pub type ServerStream<S> = tokio_rustls::server::TlsStream<S>;

/// Takes handshakes. All copies resume each other's sessions.
#[derive(Clone)]
pub struct Acceptor(TlsAcceptor);

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Acceptor").finish_non_exhaustive()
    }
}

impl Acceptor {
    /// Makes a server of what was configured. Reads the system's store where that is trusted, which blocks.
    ///
    /// # Errors
    ///
    /// There is no key, nobody whose certificates could be trusted although clients need one, or the system's store cannot be
    /// read.
    pub fn new(options: &TlsOptions, inside: Inside) -> Result<Acceptor, TlsError> {
        let keypair = options.keypair.as_ref().ok_or(TlsError::NoKeypair)?;
        let provider = options.provider();
        let verifier: Arc<dyn ClientCertVerifier> = if options.require_client_certs {
            WebPkiClientVerifier::builder_with_provider(options.roots()?.into(), provider.clone())
                .build()
                .map_err(|error| TlsError::Refused(error.to_string()))?
        } else {
            Arc::new(NoClientAuth)
        };
        let key = SingleCertAndKey::from(keypair.certified());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&options.versions())?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(key));
        if inside == Inside::Http {
            // Some clients name the older version alone.
            config.alpn_protocols = vec![ALPN.to_vec(), b"http/1.0".to_vec()];
        }
        // Who has an order of suites in mind wants that one; otherwise a client knows best what it is fast at.
        config.ignore_client_order = options.cipher_suites.is_some();
        config.ticketer = Ticketer::new()?;
        Ok(Acceptor(Arc::new(config).into()))
    }

    /// A handshake as the server. It ends when the client lets it: a limit on its time is the caller's.
    ///
    /// The future's error says what the client did wrong, or that it is gone; the client has been told by an alert, as far as
    /// it takes one.
    pub fn accept<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
    ) -> impl Future<Output = io::Result<ServerStream<S>>> + Unpin + use<S> {
        self.0.accept_with(stream, |connection| connection.set_buffer_limit(Some(SEND_BUFFER)))
    }
}
