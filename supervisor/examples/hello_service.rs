//! The HTTP front alone, with a service that answers at once: for profiling.
//!
//! `cargo run --release -p bulkhead-supervisor --example hello_service -- 127.0.0.1:8080 1`

use std::{rc::Rc, sync::Arc};

use bulkhead_supervisor::{
    body::Body,
    config::{HttpOptions, Protocol},
    log::Log,
    net::address::DEFAULT_HTTP_PORT,
    service::{LocalFuture, Service, ServiceError, ServiceRequest},
    shard::{Addressees, Served, ShardServices, ShardSocket, Shards},
    socket::{BoundSocket, Limits, Opening},
};
use bytes::Bytes;
use http::{HeaderValue, Response, header};

struct Hello;

impl Service for Hello {
    fn fetch(&self, _request: ServiceRequest) -> LocalFuture<'_, Result<Response<Body>, ServiceError>> {
        Box::pin(async {
            let mut response = Response::new(Body::Bytes(Bytes::from_static(b"Hello World\n")));
            let kind = HeaderValue::from_static("text/plain;charset=UTF-8");
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
            Ok(response)
        })
    }
}

struct Services;

impl ShardServices for Services {
    fn start(&self, _shard: usize) -> LocalFuture<'_, Result<Served, String>> {
        let sockets = vec![Rc::new(Hello) as Rc<dyn Service>];
        Box::pin(async { Ok(Served { sockets, addressees: Addressees::new(), log: Log::to_channel(1).0 }) })
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:0".into());
    let count = arguments.next().map_or(1, |count| count.parse().expect("a number of shards"));
    let mut bound = BoundSocket::bind(&address, DEFAULT_HTTP_PORT, count).expect("an address to listen on");
    println!("port {}", bound.port());
    let limits = Limits::default();
    let mut shards = Shards::start(count, &limits, Arc::new(Services)).expect("shards");
    let listeners = bound.listen().expect("to listen");
    let socket = |listeners| ShardSocket {
        name: "http".into(),
        address: String::new(),
        protocol: Protocol::Http(HttpOptions::default()),
        tls: None,
        opening: Opening::New(0, listeners),
        log: Log::to_channel(1).0,
    };
    shards
        .serve(listeners.into_iter().map(|listeners| vec![socket(listeners)]).collect(), limits.connections)
        .expect("to serve");
    shards.join().expect("to serve");
}
