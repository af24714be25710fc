//! A real server behind us: nginx, as Debian packages it.

use std::{
    io::Write as _,
    net::{Ipv4Addr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use bulkhead_test_support::{
    Server, Setup,
    http::Connection,
    runtime::{pid, wait_until},
    supervisor,
};
use nix::sys::signal::{Signal, kill};
use tempfile::TempDir;

/// nginx in the foreground, with a directory of its own.
struct Nginx {
    directory: TempDir,
    port: u16,
    child: Child,
}

impl Nginx {
    fn start() -> Nginx {
        let directory = tempfile::tempdir().expect("a directory");
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let path = directory.path().display();
        // As root it would read files as somebody else, who may not.
        let user = if nix::unistd::geteuid().is_root() { "user root;" } else { "" };
        let config = format!(
            "{user} worker_processes 1; daemon off; pid {path}/pid; error_log {path}/error.log;\n\
             events {{ worker_connections 512; }}\n\
             http {{ access_log off; client_body_temp_path {path}/body; proxy_temp_path {path}/proxy;\n\
               fastcgi_temp_path {path}/fastcgi; uwsgi_temp_path {path}/uwsgi; scgi_temp_path {path}/scgi;\n\
               gzip on; gzip_min_length 100; gzip_types *; keepalive_requests 100;\n\
               server {{ listen 127.0.0.1:{port}; root {path}/root;\n\
                 location /gone {{ return 410 gone; }}\n\
                 location /moved {{ return 301 /a.txt; }} }} }}"
        );
        std::fs::create_dir(directory.path().join("root")).expect("a directory");
        std::fs::write(directory.path().join("nginx.conf"), config).expect("a file");
        for (name, contents) in [("a.txt", "hello ".repeat(10)), ("long.txt", "0123456789".repeat(200_000))] {
            std::fs::write(directory.path().join("root").join(name), contents).expect("a file");
        }
        let child = Nginx::spawn(&directory);
        let nginx = Nginx { directory, port, child };
        nginx.wait();
        nginx
    }

    fn spawn(directory: &TempDir) -> Child {
        // Debian's place, which is not on everybody's path.
        Command::new(if Path::new("/usr/sbin/nginx").exists() { "/usr/sbin/nginx" } else { "nginx" })
            .arg("-c")
            .arg(directory.path().join("nginx.conf"))
            .arg("-e")
            .arg(directory.path().join("error.log"))
            .stdin(Stdio::null())
            .spawn()
            .expect("start nginx, Debian's package of that name")
    }

    fn wait(&self) {
        wait_until("nginx to listen", || std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok());
    }

    /// Ends it with what it does, and starts it anew.
    fn restart(&mut self) {
        self.quit();
        self.child = Nginx::spawn(&self.directory);
        self.wait();
    }

    fn quit(&mut self) {
        kill(pid(self.child.id()), Signal::SIGQUIT).expect("signal nginx");
        wait_until("nginx to end", || self.child.try_wait().expect("a status").is_some());
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = kill(pid(self.child.id()), Signal::SIGTERM);
        let _ = self.child.wait();
    }
}

fn serve(nginx: &Nginx) -> Server {
    let config = format!(
        "using Workerd = import \"/workerd/workerd.capnp\";\nconst config :Workerd.Config = (\n\
         services = [(name = \"backend\", external = (address = \"127.0.0.1:{}\", http = ()))],\n\
         sockets = [(name = \"http\", address = \"127.0.0.1:0\", http = (), service = \"backend\")]);",
        nginx.port
    );
    supervisor!().serve(Setup::config(&config).argument("--shards=1"))
}

#[test]
fn files_ranges_and_encodings_come_through() {
    let nginx = Nginx::start();
    let server = serve(&nginx);
    let direct = |target: &str, headers: &[(&str, &str)], method: &str| {
        let mut both = [nginx.port, server.port()].map(|port| {
            let response = Connection::open(port).request(method, target, headers, b"").expect("a response");
            let mut headers: Vec<_> = response
                .headers
                .iter()
                .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
                .filter(|(name, _)| name != "connection" && name != "date")
                .collect();
            headers.sort();
            (response.status_line, headers, response.body)
        });
        let last = std::mem::take(&mut both[1]);
        assert_eq!(both[0], last, "{method} {target} {headers:?}");
        last
    };
    for method in ["GET", "HEAD"] {
        for target in ["/a.txt", "/long.txt", "/none", "/gone", "/moved", "/"] {
            direct(target, &[], method);
            direct(target, &[("Range", "bytes=3-9")], method);
            direct(target, &[("Accept-Encoding", "gzip")], method);
        }
    }
    let (status, _, body) = direct("/long.txt", &[("Range", "bytes=1000000-1000009")], "GET");
    assert_eq!((status.as_str(), body.as_slice()), ("HTTP/1.1 206 Partial Content", &b"0123456789"[..]));
    let (_, headers, body) = direct("/long.txt", &[("Accept-Encoding", "gzip")], "GET");
    assert!(headers.iter().any(|(name, value)| name == "content-encoding" && value == "gzip"));
    let mut text = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(body.as_slice()), &mut text).expect("gzip");
    assert_eq!(text.len(), 2_000_000);
    let (_, headers, _) = direct("/a.txt", &[], "GET");
    let tag = headers.iter().find(|(name, _)| name == "etag").expect("a tag").1.clone();
    let (status, ..) = direct("/a.txt", &[("If-None-Match", &tag)], "GET");
    assert_eq!(status, "HTTP/1.1 304 Not Modified");
}

#[test]
fn ten_thousand_requests_over_restarts() {
    let mut nginx = Nginx::start();
    let server = serve(&nginx);
    let port = server.port();
    const CLIENTS: usize = 8;
    const REQUESTS: usize = 10_000;
    let (done, failed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let is_down = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (done, failed, is_down) = (done.clone(), failed.clone(), is_down.clone());
            thread::spawn(move || {
                let mut client = Connection::open(port);
                for _ in 0..REQUESTS / CLIENTS {
                    // One that is answered while nginx is down would say nothing.
                    let was_down = is_down.load(Ordering::SeqCst);
                    match client.request("GET", "/a.txt", &[], b"") {
                        Ok(response) if response.status == 200 => assert_eq!(response.body.len(), 60),
                        other => {
                            let is_down_now = is_down.load(Ordering::SeqCst);
                            if !was_down && !is_down_now {
                                failed.fetch_add(1, Ordering::SeqCst);
                                eprintln!("{other:?}");
                            }
                            wait_until("nginx to be back", || !is_down.load(Ordering::SeqCst));
                            client = Connection::open(port);
                        }
                    }
                    done.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    for quarter in 1..=3 {
        wait_until("a quarter of the requests", || done.load(Ordering::SeqCst) >= quarter * REQUESTS / 4);
        is_down.store(true, Ordering::SeqCst);
        nginx.restart();
        is_down.store(false, Ordering::SeqCst);
    }
    for client in clients {
        client.join().expect("no panic");
    }
    let failed = failed.load(Ordering::SeqCst);
    // Those that were in flight when it went down: each client has one at a time.
    assert!(failed <= 3 * CLIENTS, "{failed} of {REQUESTS} requests failed while nginx was there");
    let _ = std::io::stderr().flush();
}

#[test]
fn a_backend_that_is_not_there_is_found_when_it_is() {
    let mut nginx = Nginx::start();
    let server = serve(&nginx);
    let get = || Connection::open(server.port()).request("GET", "/a.txt", &[], b"");
    assert_eq!(get().expect("a response").status, 200);
    nginx.quit();
    get().expect_err("no backend");
    nginx.child = Nginx::spawn(&nginx.directory);
    nginx.wait();
    assert_eq!(get().expect("a response").status, 200);
}
