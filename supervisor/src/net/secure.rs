//! TLS with peers: who they have to be, and what it takes to ask them.

use std::{io, rc::Rc};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::OnceCell,
    task::spawn_blocking,
    time::timeout,
};

use super::{
    address::Destination,
    connect::CONNECT_TIME,
    tls::{
        TlsError, TlsOptions,
        client::{ClientStream, Connector, Inside, server_name},
    },
};

/// How a service speaks TLS.
pub struct Secure {
    options: TlsOptions,
    certificate_host: Option<String>,
    /// Made when it is first needed, for that may read the system's certificates.
    connector: OnceCell<Connector>,
}

impl Secure {
    /// With peers whose certificates are for `certificate_host`, or else for the host that is connected to.
    pub fn new(options: &TlsOptions, certificate_host: Option<&str>) -> Rc<Self> {
        Rc::new(Self {
            options: options.clone(),
            certificate_host: certificate_host.map(str::to_owned),
            connector: OnceCell::new(),
        })
    }

    async fn connector(&self) -> Result<&Connector, TlsError> {
        self.connector
            .get_or_try_init(|| async {
                let options = self.options.clone();
                let made = spawn_blocking(move || Connector::new(&options)).await;
                made.unwrap_or_else(|_| Err(TlsError::Refused("it was not made".to_owned())))
            })
            .await
    }

    /// The handshake with a peer. `host`: whose certificate it has to show, if nothing configured says that. Nothing else has been sent when
    /// it fails.
    ///
    /// # Errors
    ///
    /// The peer is not who it should be (`InvalidData`), does not speak TLS as we do, or went away.
    pub(super) async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        to: &Destination,
        host: Option<&str>,
        inside: Inside,
        stream: S,
    ) -> io::Result<ClientStream<S>> {
        let invalid = |error: TlsError| io::Error::new(io::ErrorKind::InvalidData, error.to_string());
        let host = match (self.certificate_host.as_deref().or(host), to) {
            (Some(host), _) => host.to_owned(),
            (None, Destination::Host { name, .. }) => name.clone(),
            (None, Destination::Ip(address)) => address.ip().to_string(),
            (None, Destination::Unix(_) | Destination::UnixAbstract(_)) => {
                let text = "nothing says whose certificate a Unix socket's peer has to show: set `certificateHost`";
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
        };
        let name = server_name(&host).map_err(invalid)?;
        let connector = self.connector().await.map_err(invalid)?;
        match timeout(CONNECT_TIME, connector.connect(name, inside, stream)).await {
            Ok(result) => result,
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, format!("no handshake within {CONNECT_TIME:?}"))),
        }
    }
}
