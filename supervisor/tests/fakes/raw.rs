//! A client that is nothing but bytes.
#![allow(unreachable_pub)] // It is a module of several programs.

use std::{
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixListener, UnixStream as StdStream},
    },
    rc::Rc,
    sync::atomic::{AtomicU32, Ordering},
};

use bulkhead_supervisor::{
    body::{Body, next_chunk},
    config::HttpOptions,
    log::Log,
    service::{LocalFuture, Service, ServiceError, ServiceRequest},
    socket::{self, HttpSocket, Limits, Listener},
    upgrade::Upgrade,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    sync::watch,
};

/// Reads every body and answers `ok`. What would come in place of HTTP is none.
struct Ok200;

impl Service for Ok200 {
    fn fetch(&self, request: ServiceRequest) -> LocalFuture<'_, Result<http::Response<Body>, ServiceError>> {
        Box::pin(async move {
            let is_upgrade = request.http.extensions().get::<Upgrade>().is_some();
            let mut body = if is_upgrade { Body::Empty } else { request.http.into_body() };
            while let Some(chunk) = next_chunk(&mut body).await {
                chunk.map_err(|_| ServiceError::BrokenRequest)?;
            }
            Ok(http::Response::new(Body::Bytes("ok".into())))
        })
    }
}

/// A socket in Linux's abstract namespace that listens, and its name there.
pub fn listen() -> (UnixListener, String) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("bulkhead-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let address = SocketAddr::from_abstract_name(&name).expect("a short name");
    let listener = UnixListener::bind_addr(&address).expect("a name that nobody has");
    listener.set_nonblocking(true).expect("a non-blocking socket");
    (listener, name)
}

/// Serves what stands in `bytes`, followed by the end of the stream. Gives what the client reads. Belongs on a `LocalSet`.
pub async fn serve_bytes(options: HttpOptions, limits: &Limits, bytes: &[u8]) -> Vec<u8> {
    let (listener, name) = listen();
    let address = SocketAddr::from_abstract_name(name).expect("a short name");
    let stream = StdStream::connect_addr(&address).expect("the listener");
    stream.set_nonblocking(true).expect("a non-blocking socket");
    let socket = HttpSocket::new("test".into(), options, None, limits, Rc::new(Ok200), Log::to_channel(1).0);
    let (stop, shutdown) = watch::channel(false);
    let client = async {
        let mut answer = Vec::new();
        let (mut read, mut write) = UnixStream::from_std(stream).expect("an event loop").into_split();
        let send = async {
            // The server may have heard enough.
            let _ = write.write_all(bytes).await;
            let _ = write.shutdown().await;
        };
        // One that is reset has read what there was.
        let (_, _) = tokio::join!(send, read.read_to_end(&mut answer));
        drop((read, write));
        let _ = stop.send(true);
        answer
    };
    let serving = socket::serve(vec![(socket::Socket::Http(socket), vec![Listener::Unix(listener)])], limits, shutdown);
    let (served, answer) = tokio::join!(serving, client);
    assert_eq!(served.expect("a listener"), 0, "a connection was cut off");
    answer
}
