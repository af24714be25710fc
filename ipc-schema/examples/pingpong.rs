//! What one `EventDispatcher.fetch` costs: `cargo run --release -p bulkhead-ipc --example pingpong [-- options]`.
//!
//! Two threads speak over a socketpair as the supervisor and a worker do, with a head of eight headers in and three
//! headers and thirteen bytes out. Prints the CPU time of a call on either side.
//!
//! Options: `--flight=N` calls in flight (64), `--calls=N` (500000), `--stock` for the transport that comes with
//! `capnp-rpc`.

use std::{cell::Cell, os::unix::net::UnixStream as StdStream, rc::Rc, thread, time::Duration};

use bulkhead_ipc::{
    head,
    transport::{self, Limits},
    worker_capnp::{event_dispatcher, fetch_outcome},
};
use tokio::net::UnixStream;

struct Hello;

const RESPONSE_HEADERS: [(&str, &[u8]); 3] =
    [("content-type", b"text/plain;charset=UTF-8"), ("content-length", b"13"), ("x-served-by", b"bench")];

const REQUEST_HEADERS: [(&str, &[u8]); 8] = [
    ("host", b"127.0.0.1:8080"),
    ("user-agent", b"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/149.0 Safari/537.36"),
    ("accept", b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    ("accept-language", b"en-US,en;q=0.5"),
    ("accept-encoding", b"gzip, deflate, br"),
    ("cookie", b"session=0123456789abcdef0123456789abcdef"),
    ("cache-control", b"no-cache"),
    ("connection", b"keep-alive"),
];

impl event_dispatcher::Server for Hello {
    async fn fetch(
        self: Rc<Self>,
        params: event_dispatcher::FetchParams,
        mut results: event_dispatcher::FetchResults,
    ) -> Result<(), capnp::Error> {
        let request = params.get()?.get_request()?;
        let failed = |error: head::HeadError| capnp::Error::failed(error.to_string());
        let head = head::read_request(request).map_err(failed)?;
        let mut bytes = head.url.len();
        let count = |name: &[u8], value: &[u8]| {
            bytes += name.len() + value.len();
            Ok(())
        };
        head.headers.read(count).map_err(failed)?;
        std::hint::black_box(bytes);
        let mut response = results.get().init_outcome().init_response();
        head::write_response(response.reborrow(), 200, "", 3, RESPONSE_HEADERS);
        response.init_body().set_bytes(b"Hello, world!");
        Ok(())
    }
}

fn thread_cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("schedstat");
    Duration::from_nanos(text.split(' ').next().and_then(|first| first.parse().ok()).expect("a number"))
}

fn option(name: &str, default: usize) -> usize {
    let prefix = format!("--{name}=");
    std::env::args().find_map(|a| a.strip_prefix(&prefix).and_then(|n| n.parse().ok())).unwrap_or(default)
}

fn run(side: impl AsyncFnOnce()) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    tokio::task::LocalSet::new().block_on(&runtime, side());
}

fn stock<T: capnp::capability::FromClientHook>(
    stream: UnixStream,
    side: capnp_rpc::rpc_twoparty_capnp::Side,
    bootstrap: Option<capnp::capability::Client>,
) -> Option<T> {
    use tokio_util::compat::{TokioAsyncReadCompatExt, TokioAsyncWriteCompatExt};
    let (reader, writer) = stream.into_split();
    let network = capnp_rpc::twoparty::VatNetwork::new(
        futures::io::BufReader::new(reader.compat()),
        futures::io::BufWriter::new(writer.compat_write()),
        side,
        Default::default(),
    );
    let is_client = bootstrap.is_none();
    let mut system = capnp_rpc::RpcSystem::new(Box::new(network), bootstrap);
    let client = is_client.then(|| system.bootstrap(capnp_rpc::rpc_twoparty_capnp::Side::Server));
    tokio::task::spawn_local(system);
    client
}

fn main() {
    let (flight, calls) = (option("flight", 64), option("calls", 500_000));
    let is_stock = std::env::args().any(|argument| argument == "--stock");
    let (ours, theirs) = StdStream::pair().expect("a socketpair");
    for stream in [&ours, &theirs] {
        stream.set_nonblocking(true).expect("a non-blocking socket");
    }
    let worker = thread::Builder::new().name("worker".into()).spawn(move || {
        run(async move || {
            let stream = UnixStream::from_std(theirs).expect("a stream");
            let hello: event_dispatcher::Client = capnp_rpc::new_client(Hello);
            if is_stock {
                let _: Option<event_dispatcher::Client> =
                    stock(stream, capnp_rpc::rpc_twoparty_capnp::Side::Server, Some(hello.client));
                tokio::time::sleep(Duration::MAX).await;
            } else {
                let (_, connection) = transport::server(stream, Limits::for_supervisor(), hello.client);
                connection.await.expect("a clean end");
            }
        });
        thread_cpu()
    });
    let worker = worker.expect("a thread");
    run(async move || {
        let stream = UnixStream::from_std(ours).expect("a stream");
        let client: event_dispatcher::Client = if is_stock {
            stock(stream, capnp_rpc::rpc_twoparty_capnp::Side::Client, None).expect("a client")
        } else {
            let (client, _, connection) = transport::client(stream, Limits::for_worker());
            tokio::task::spawn_local(connection);
            client
        };
        let left = Rc::new(Cell::new(calls));
        let start = (std::time::Instant::now(), thread_cpu());
        let tasks: Vec<_> = (0..flight)
            .map(|_| {
                let (client, left) = (client.clone(), left.clone());
                tokio::task::spawn_local(async move {
                    while left.get() > 0 {
                        left.set(left.get() - 1);
                        let mut call = client.fetch_request();
                        let request = call.get().init_request();
                        let url = ["http", "://", "127.0.0.1:8080", "/some/path", "?", "query=1"];
                        head::write_request(request, "GET", &url, "", 8, REQUEST_HEADERS);
                        let response = call.send().promise.await.expect("a response");
                        match response.get().expect("results").get_outcome().expect("an outcome").which() {
                            Ok(fetch_outcome::Response(Ok(response))) => assert_eq!(response.get_status(), 200),
                            _ => panic!("no response"),
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("a task");
        }
        let (wall, cpu) = (start.0.elapsed(), thread_cpu() - start.1);
        println!(
            "{flight} in flight: {:.0} calls/s, supervisor side {:.2} µs of CPU per call",
            calls as f64 / wall.as_secs_f64(),
            cpu.as_secs_f64() * 1e6 / calls as f64
        );
    });
    if is_stock {
        println!("worker side: see `perf stat`");
    } else {
        println!(
            "worker side {:.2} µs of CPU per call",
            worker.join().expect("the thread").as_secs_f64() * 1e6 / calls as f64
        );
    }
}
