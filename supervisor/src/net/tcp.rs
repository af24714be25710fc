//! Connections that carry two streams of bytes: as they are, inside of TLS, or first one and then the other.

use std::{pin::Pin, rc::Rc};

use super::{
    address::Destination,
    client::{Client, FetchError, PeerIo, limited, linger},
    connect::connect,
    stream::{Wire, WireStream},
    tls::client::Inside,
};
use crate::{
    body::{Body, PullSource, StartTls},
    duplex::{self, Receiver, Starter},
    upgrade::Transport,
};

/// What comes from a peer.
struct Incoming {
    receiver: Receiver<Box<dyn PeerIo>>,
    starter: Option<Rc<Starter>>,
}

impl PullSource for Incoming {
    fn poll_pull(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<bytes::Bytes, crate::body::BodyError>>> {
        Pin::new(&mut self.receiver).poll_pull(cx)
    }

    fn remaining(&self) -> Option<u64> {
        self.receiver.remaining()
    }

    fn tls(&self) -> Option<Rc<dyn StartTls>> {
        Some(self.starter.clone()? as Rc<dyn StartTls>)
    }
}

impl Client {
    /// Connects to a peer, which is sent `body`; what it sends is the body that this gives. When both have come to their end, or one of them
    /// breaks, or is dropped by its reader, the connection is closed.
    ///
    /// # Errors
    ///
    /// There is no connection.
    pub async fn open(&self, to: &Destination, transport: Transport, body: Body) -> Result<Body, FetchError> {
        let secure = match transport {
            Transport::Plain => None,
            Transport::Tls | Transport::StartTls => Some(self.secure.clone().ok_or(FetchError::NoTls)?),
        };
        let permit = self.share.take().await;
        let wire = Wire::new(connect(to, self.filter.as_ref(), &self.resolver).await?);
        wire.begin_exchange();
        let mut stream: Box<dyn PeerIo> = Box::new(WireStream(wire));
        if let (Transport::Tls, Some(secure)) = (transport, &secure) {
            let handshake = secure.handshake(to, None, Inside::Other, stream).await;
            stream = Box::new(handshake.map_err(|error| FetchError::Handshake(to.clone(), error))?);
        }
        let starter = (transport == Transport::StartTls).then(Rc::<Starter>::default);
        let (receiver, sender) = duplex::split(stream, bytes::Bytes::new());
        let incoming = Incoming { receiver, starter: starter.clone() };
        let to = to.clone();
        tokio::task::spawn_local(async move {
            let handshake = async |stream: Box<dyn PeerIo>, host: Option<String>| match secure {
                Some(secure) => {
                    let stream = secure.handshake(&to, host.as_deref(), Inside::Other, stream).await?;
                    Ok(Box::new(stream) as Box<dyn PeerIo>)
                }
                None => Err(std::io::ErrorKind::Unsupported.into()),
            };
            let offer = |receiver, body| (Body::Pull(Box::pin(Incoming { receiver, starter: None })), limited(body));
            if let Ok(stream) = duplex::carry(sender, limited(body), starter, handshake, offer).await {
                linger(stream).await;
            }
            // Its place among all is free when it is closed.
            drop(permit);
        });
        Ok(Body::Pull(Box::pin(incoming)))
    }
}
