//! The cache that the supervisor has for its workers: what they store there, who reaches it, and what nobody can take from whom.

use bulkhead_test_support::{
    Server, Setup,
    http::{self, Connection, Response},
    supervisor,
};

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

const FRESH: &str = "Cache-Control: max-age=600\r\n";

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
