//! The cache that the supervisor has for its workers: what they store there, who reaches it, and what nobody can take from whom.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use bulkhead_test_support::{
    Server, Setup,
    http::{self, Connection, Response},
    process,
    runtime::wait_until,
    supervisor,
};
use nix::sys::signal::Signal;
use tempfile::TempDir;

/// Two workers, which hand what they are asked to their caches as it is: the body of a `PUT` is a response with its head.
const CONFIG: &str = r#"
using Workerd = import "/workerd/workerd.capnp";
using Bulkhead = import "/bulkhead/policy.capnp";
const config :Workerd.Config = (
  services = [(name = "one", worker = .worker), (name = "two", worker = .worker)],
  sockets = [
    (name = "one", address = "127.0.0.1:0", http = (), service = "one"),
    (name = "two", address = "127.0.0.1:0", http = (), service = "two"),
  ],
);
const worker :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "worker.js")],
  compatibilityDate = "2026-08-01",
  bindings = [(name = "CACHE", service = "cache")],
);
const policy :Bulkhead.Policy = (cache = (OPTIONS));
"#;

const WORKER: &str = r#"
const put = (env, name, size) => env.CACHE.fetch(`http://flood/${name}`, {
  method: "PUT", body: `HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\n\r\n${"f".repeat(size)}`,
});
export default { async fetch(request, env) {
  const url = new URL(request.url);
  if (url.pathname === "/flood") {
    const [count, size] = [Number(url.searchParams.get("count")), Number(url.searchParams.get("size"))];
    const statuses = {};
    for (let n = 0; n < count; n++) {
      const { status } = await put(env, n, size);
      statuses[status] = (statuses[status] ?? 0) + 1;
    }
    return Response.json(statuses);
  }
  if (url.pathname === "/left") {
    const left = [];
    for (let n = 0; n < Number(url.searchParams.get("count")); n++) {
      const response = await env.CACHE.fetch(`http://flood/${n}`);
      await response.arrayBuffer();
      if (response.status === 200) left.push(n);
    }
    return new Response(left.join());
  }
  return env.CACHE.fetch(`http://example.com${url.pathname}${url.search}`, request);
} };
"#;

fn setup(options: &str) -> Setup {
    Setup::config(&CONFIG.replace("OPTIONS", options)).file("worker.js", WORKER).sockets(2)
}

fn serve(options: &str) -> Server {
    supervisor!().serve(setup(options))
}

/// Asks the worker of this name.
fn ask(server: &Server, worker: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
    let mut connection = Connection::open(server.port_of(worker));
    connection.request(method, path, headers, body).expect("a response")
}

fn get(server: &Server, worker: &str, path: &str) -> Response {
    ask(server, worker, "GET", path, &[], b"")
}

/// Stores a response with these headers, and gives the status.
fn put(server: &Server, worker: &str, path: &str, headers: &str, body: &[u8]) -> u16 {
    let response = [format!("HTTP/1.1 200 OK\r\n{headers}\r\n").as_bytes(), body].concat();
    ask(server, worker, "PUT", path, &[], &response).status
}

const FRESH: &str = "Cache-Control: max-age=86400\r\n";

#[test]
fn one_line_gives_every_worker_a_cache_of_its_own() {
    let server = serve("");
    assert_eq!(get(&server, "one", "/a").status, 504);
    assert_eq!(
        put(&server, "one", "/a", &format!("{FRESH}ETag: \"x\"\r\nX-A: b\r\nContent-Length: 5\r\n"), b"hello"),
        204
    );
    let hit = get(&server, "one", "/a");
    assert_eq!((hit.status, hit.text().as_str(), hit.header("cf-cache-status")), (200, "hello", Some("HIT")));
    assert!(hit.header("x-a") == Some("b") && hit.header("age").is_some() && hit.header("date").is_some(), "{hit:?}");
    // Nobody else has it, nor another cache of the same worker.
    assert_eq!(get(&server, "two", "/a").status, 504);
    assert_eq!(ask(&server, "two", "PURGE", "/a", &[], b"").status, 404);
    assert_eq!(ask(&server, "one", "GET", "/a", &[("CF-Cache-Namespace", "n")], b"").status, 504);
    assert_eq!(get(&server, "one", "/a?b").status, 504);

    let head = ask(&server, "one", "HEAD", "/a", &[], b"");
    assert_eq!((head.status, head.header("content-length")), (200, Some("5")));
    assert_eq!(ask(&server, "one", "GET", "/a", &[("If-None-Match", "\"x\"")], b"").status, 304);
    let part = ask(&server, "one", "GET", "/a", &[("Range", "bytes=1-3")], b"");
    assert_eq!((part.status, part.text().as_str(), part.header("content-range")), (206, "ell", Some("bytes 1-3/5")));
    assert_eq!(ask(&server, "one", "GET", "/a", &[("Range", "bytes=7-")], b"").status, 416);

    assert_eq!(ask(&server, "one", "PURGE", "/a", &[], b"").status, 200);
    assert_eq!(get(&server, "one", "/a").status, 504);
    assert_eq!(ask(&server, "one", "PURGE", "/a", &[], b"").status, 404);
    assert_eq!(ask(&server, "one", "POST", "/a", &[], b"").status, 405);
}

#[test]
fn what_cannot_be_stored_is_not() {
    let server = serve("objectBytes = 100000");
    let long = vec![b'x'; 100_001];
    for (headers, body, expected) in [
        ("Cache-Control: no-store\r\n", &b"x"[..], 413),
        ("Cache-Control: max-age=600\r\nSet-Cookie: a=b\r\n", b"x", 413),
        ("Cache-Control: max-age=600\r\nContent-Length: 2\r\n", b"x", 400),
        ("Cache-Control: max-age=600\r\nContent-Length: 1\r\n", b"xy", 400),
        ("Cache-Control: max-age=600\r\nContent-Length: 100001\r\n", &long, 413),
        ("Cache-Control: max-age=600\r\n", &long, 413),
        ("no header\r\n", b"x", 400),
        ("Cache-Control: max-age=600\r\nContent-Length: 100000\r\n", &long[1..], 204),
    ] {
        assert_eq!(put(&server, "one", "/b", headers, body), expected, "{headers}");
        assert_eq!(get(&server, "one", "/b").status, if expected == 204 { 200 } else { 504 }, "{headers}");
    }
    assert_eq!(ask(&server, "one", "PUT", "/c", &[], b"HTTP/1.1 200 OK\r\n").status, 400);
    let long = format!("/{}", "k".repeat(70_000));
    let key =
        ask(&server, "one", "PUT", &long[..60_000], &[], b"HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\n\r\nlong");
    assert_eq!(key.status, 204);
    assert_eq!(get(&server, "one", &long[..60_000]).text(), "long");
}

#[test]
fn responses_that_vary_are_kept_beside_each_other() {
    let server = serve("");
    let body =
        |language: &str| format!("HTTP/1.1 200 OK\r\n{FRESH}Vary: Accept-Language\r\n\r\n{language}").into_bytes();
    for language in ["de", "fr"] {
        let language = (language, body(language));
        assert_eq!(ask(&server, "one", "PUT", "/v", &[("Accept-Language", language.0)], &language.1).status, 204);
    }
    let text = |language: &str| {
        let response = ask(&server, "one", "GET", "/v", &[("Accept-Language", language)], b"");
        if response.status == 200 { response.text() } else { response.status.to_string() }
    };
    assert_eq!([text("de"), text("fr"), text("it")], ["de", "fr", "504"]);
    // As many as somebody likes are no more than there may be.
    for n in 0..100 {
        let language = format!("x-{n}");
        let response = body(&language);
        assert_eq!(ask(&server, "one", "PUT", "/v", &[("Accept-Language", language.as_str())], &response).status, 204);
    }
    assert_eq!([text("de"), text("x-99")], ["504", "x-99"]);
    let kept = (0..100).filter(|n| text(&format!("x-{n}")) != "504").count();
    assert_eq!(kept, 64);
}

#[test]
fn what_has_a_tag_is_purged_together() {
    let server = serve("");
    for (path, tags) in
        [("/a", "Cache-Tag: red, blue\r\n"), ("/b", "Cache-Tag: Red\r\n"), ("/c", "Cache-Tag: blue\r\n"), ("/d", "")]
    {
        assert_eq!(put(&server, "one", path, &format!("{FRESH}{tags}"), b"x"), 204);
        assert_eq!(put(&server, "two", path, &format!("{FRESH}{tags}"), b"x"), 204);
    }
    assert_eq!(ask(&server, "one", "PURGE", "/", &[("Cache-Tag", "red, green")], b"").status, 200);
    let statuses = |worker| ["/a", "/b", "/c", "/d"].map(|path| get(&server, worker, path).status);
    assert_eq!(statuses("one"), [504, 504, 200, 200]);
    assert_eq!(statuses("two"), [200; 4]);
    assert_eq!(put(&server, "one", "/a", &format!("{FRESH}Cache-Tag: red\r\n"), b"x"), 204);
    assert_eq!(statuses("one"), [200, 504, 200, 200]);
}

/// A worker that fills the space loses its own entries, and the other one none.
#[test]
fn a_flood_takes_nothing_from_a_neighbour() {
    let server = serve("memoryBytes = 4194304");
    let body = vec![b'n'; 10_000];
    for n in 0..20 {
        assert_eq!(put(&server, "two", &format!("/{n}"), FRESH, &body), 204);
    }
    let flood = http::get(server.port_of("one"), "/flood?count=400&size=50000").expect("a response");
    assert_eq!(flood.text(), r#"{"204":400}"#);
    for n in 0..20 {
        assert_eq!(get(&server, "two", &format!("/{n}")).body, body, "/{n}");
    }
    // Of the flood there is as much as there is room for, and it is what came last.
    let left = http::get(server.port_of("one"), "/left?count=400").expect("a response").text();
    let left: Vec<usize> = left.split(',').map(|n| n.parse().expect("a number")).collect();
    assert!((60..84).contains(&left.len()) && left.contains(&399) && !left.contains(&0), "{left:?}");
}

/// Kills of a server that stores responses; many where somebody has time.
fn kills() -> usize {
    std::env::var("BULKHEAD_CACHE_KILLS").map_or(3, |kills| kills.parse().expect("a number of kills"))
}

fn on_disk(directory: &TempDir, options: &str) -> String {
    format!("directory = \"{}\"{options}", directory.path().display())
}

/// All files beneath a directory, of which some may go meanwhile.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(files(&entry.path())),
            _ => found.push(entry.path()),
        }
    }
    found
}

/// A body that nobody takes for another one.
fn body_of(name: &str, length: usize) -> Vec<u8> {
    name.bytes().chain(*b"/").cycle().take(length).collect()
}

fn kill(server: Server) {
    server.signal(Signal::SIGKILL);
    server.wait();
}

#[test]
fn what_was_stored_on_disk_is_there_after_a_kill() {
    let directory = TempDir::new().expect("a directory");
    let server = serve(&on_disk(&directory, ""));
    let lengths = [("/empty", 0), ("/short", 10), ("/piece", 256 << 10), ("/hot", 1 << 20), ("/long", (3 << 20) + 7)];
    for (path, length) in lengths {
        let known = format!("{FRESH}Cache-Tag: {}\r\nContent-Length: {length}\r\n", &path[1..]);
        assert_eq!(put(&server, "one", path, &known, &body_of(path, length)), 204, "{path}");
        let unknown = format!("{path}?unknown");
        assert_eq!(put(&server, "one", &unknown, FRESH, &body_of(&unknown, length)), 204, "{unknown}");
    }
    let check = |server: &Server| {
        for (path, length) in lengths {
            for path in [path.to_owned(), format!("{path}?unknown")] {
                let hit = get(server, "one", &path);
                assert!(hit.status == 200 && hit.body == body_of(&path, length), "{path}: {}", hit.status);
            }
        }
        let part = ask(server, "one", "GET", "/long", &[("Range", "bytes=2000000-2000099")], b"");
        assert_eq!((part.status, &part.body[..]), (206, &body_of("/long", 3 << 20)[2_000_000..2_000_100]));
        assert_eq!(get(server, "two", "/long").status, 504);
    };
    check(&server);
    let again = supervisor!().serve_to_exit(setup(&on_disk(&directory, "")));
    assert!(again.stderr.contains("another process uses it"), "{}", again.stderr);
    kill(server);

    let server = serve(&on_disk(&directory, ""));
    check(&server);
    assert_eq!(ask(&server, "one", "PURGE", "/short?unknown", &[], b"").status, 200);
    assert_eq!(ask(&server, "one", "PURGE", "/", &[("Cache-Tag", "long")], b"").status, 200);
    kill(server);

    let server = serve(&on_disk(&directory, ""));
    for (path, status) in [("/short", 200), ("/short?unknown", 504), ("/long", 504), ("/long?unknown", 200)] {
        assert_eq!(get(&server, "one", path).status, status, "{path}");
    }
    kill(server);

    // What a worker had that is there no more is removed.
    let other = CONFIG.replace("OPTIONS", &on_disk(&directory, "")).replace("\"one\"", "\"other\"");
    let _server = supervisor!().serve(Setup::config(&other).file("worker.js", WORKER).sockets(2));
    assert_eq!(files(directory.path()), Vec::<PathBuf>::new());
}

#[test]
fn an_entry_that_is_not_as_it_was_written_is_none() {
    let directory = TempDir::new().expect("a directory");
    let options = on_disk(&directory, "");
    let server = serve(&options);
    let paths: Vec<_> = (0..12).map(|n| format!("/{n}")).collect();
    let length = |n: usize| if n.is_multiple_of(2) { 1000 } else { (1 << 20) + 1000 };
    for (n, path) in paths.iter().enumerate() {
        assert_eq!(put(&server, "one", path, FRESH, &body_of(path, length(n))), 204);
    }
    kill(server);
    // What of each is broken: its beginning, its head, its body, its end, its length.
    let mut broken = 0;
    for file in files(directory.path()) {
        let mut bytes = fs::read(&file).expect("a file");
        let long = bytes.len() > 1 << 20;
        let at = match broken % 6 {
            0 => 3,
            1 => 40,
            2 => bytes.len() / 2,
            3 => bytes.len() - 2,
            4 => {
                bytes.pop();
                5
            }
            _ => {
                bytes.clear();
                0
            }
        };
        if let Some(byte) = bytes.get_mut(at).filter(|_| broken % 6 < 4) {
            *byte ^= 0x10;
        }
        assert!(long || bytes.len() < 3000);
        fs::write(&file, bytes).expect("a file");
        broken += 1;
    }
    assert_eq!(broken, 12);
    let server = serve(&options);
    for path in &paths {
        assert_eq!(get(&server, "one", path).status, 504, "{path}");
    }
    wait_until("all that was broken is gone", || files(directory.path()).is_empty());

    // One that is exchanged while it is in use.
    assert_eq!(put(&server, "one", "/long", FRESH, &body_of("/long", 2 << 20)), 204);
    assert_eq!(get(&server, "one", "/long").body.len(), 2 << 20);
    let [file] = &files(directory.path())[..] else { panic!("one file") };
    let mut bytes = fs::read(file).expect("a file");
    bytes[1 << 20] ^= 1;
    fs::write(file, bytes).expect("a file");
    assert_eq!(get(&server, "one", "/long").status, 504);
    assert_eq!(put(&server, "one", "/long", FRESH, b"new"), 204);
    assert_eq!(get(&server, "one", "/long").text(), "new");
}

#[test]
fn a_kill_while_responses_are_stored_loses_no_other() {
    let directory = TempDir::new().expect("a directory");
    let options = on_disk(&directory, "");
    let stored: Mutex<BTreeMap<String, usize>> = Mutex::default();
    for round in 0..=kills() {
        let server = serve(&options);
        for (path, length) in &*stored.lock().expect("a lock") {
            let hit = get(&server, "one", path);
            assert!(hit.status == 200 && hit.body == body_of(path, *length), "{path} in round {round}: {}", hit.status);
        }
        let leftover = |file: &PathBuf| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        assert!(!files(directory.path()).iter().any(leftover));
        if round == kills() {
            break;
        }
        let (is_over, port) = (AtomicBool::new(false), server.port_of("one"));
        thread::scope(|scope| {
            for writer in 0..4 {
                let (stored, is_over) = (&stored, &is_over);
                scope.spawn(move || {
                    let mut connection = Connection::open(port);
                    for n in 0.. {
                        let path = format!("/{round}-{writer}-{n}");
                        let length = if n % 5 == 4 { (1 << 20) + n } else { 1000 * n };
                        let response = format!("HTTP/1.1 200 OK\r\n{FRESH}\r\n");
                        let body = [response.as_bytes(), &body_of(&path, length)].concat();
                        match connection.request("PUT", &path, &[], &body) {
                            Ok(response) if response.status == 204 => {
                                stored.lock().expect("a lock").insert(path, length);
                            }
                            // What was under way when it was killed.
                            _ if is_over.load(Ordering::SeqCst) => return,
                            other => panic!("{path}: {other:?}"),
                        }
                    }
                });
            }
            let enough = (round + 1) * 15;
            wait_until("some are stored", || stored.lock().expect("a lock").len() >= enough);
            is_over.store(true, Ordering::SeqCst);
            kill(server);
        });
    }
}

/// A directory holds what it may, whatever is put there, and a flood takes nothing from a neighbour.
#[test]
fn files_stay_within_their_limit() {
    let directory = TempDir::new().expect("a directory");
    let options = on_disk(&directory, ", diskBytes = 16777216, memoryBytes = 1048576");
    let server = serve(&options);
    let body = body_of("neighbour", 100_000);
    for n in 0..10 {
        assert_eq!(put(&server, "two", &format!("/{n}"), FRESH, &body), 204);
    }
    let before = process::resident(server.pid());
    let flood = http::get(server.port_of("one"), "/flood?count=150&size=200000").expect("a response");
    assert_eq!(flood.text(), r#"{"204":150}"#);
    let used =
        || files(directory.path()).iter().filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum::<u64>();
    assert!((12 << 20..=16 << 20).contains(&used()), "{}", used());
    for n in 0..10 {
        assert_eq!(get(&server, "two", &format!("/{n}")).body, body, "/{n}");
    }
    // One that is as long as there may be does not come into the memory.
    let long = body_of("long", 4 << 20);
    assert_eq!(put(&server, "one", "/long", FRESH, &long), 204);
    assert!(get(&server, "one", "/long").body == long);
    assert_eq!(put(&server, "one", "/longer", FRESH, &[&long[..], b"!"].concat()), 413);
    let grown = process::resident(server.pid()).saturating_sub(before);
    assert!(grown < 24 << 20, "{grown} bytes more");
    kill(server);
    let server = serve(&options.replace("16777216", "16777217"));
    assert!(get(&server, "one", "/long").body == long);
    assert_eq!(get(&server, "two", "/3").body, body);
}

/// Responses that stop, or break off, leave nothing, and keep nobody from what is theirs.
#[test]
fn a_response_that_does_not_come_leaves_nothing() {
    let directory = TempDir::new().expect("a directory");
    let server = serve(&on_disk(&directory, ", memoryBytes = 1048576"));
    let begun =
        format!("PUT /stalls HTTP/1.1\r\nHost: h\r\nContent-Length: 9000000\r\n\r\nHTTP/1.1 200 OK\r\n{FRESH}\r\n");
    let mut stalled: Vec<_> = (0..8).map(|_| Connection::open(server.port_of("one"))).collect();
    for connection in &mut stalled {
        connection.send(&begun).expect("it is sent");
        connection.send(vec![b'x'; 100_000]).expect("it is sent");
    }
    // A neighbour stores and reads meanwhile.
    for n in 0..20 {
        assert_eq!(put(&server, "two", &format!("/{n}"), FRESH, &body_of("n", 20_000)), 204);
        assert_eq!(get(&server, "two", &format!("/{n}")).body.len(), 20_000);
    }
    drop(stalled);
    assert_eq!(get(&server, "one", "/stalls").status, 504);
    assert_eq!(put(&server, "one", "/whole", FRESH, &body_of("w", 2 << 20)), 204);
    assert_eq!(get(&server, "one", "/whole").body.len(), 2 << 20);
    wait_until("only what is whole has a file", || files(directory.path()).len() == 21);
}
