//! What `caches` sends to the service that stands behind it, and what it makes of the answers: the same through both programs.

use bulkhead_test_support::{
    Runtime, Setup,
    expectations::{Observation, check},
    http,
    runtime::wait_until,
};

use super::origin::{Origin, Seen, Step};

const CONFIG: &str = r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "new", worker = .new),
    (name = "old", worker = .old),
    (name = "none", worker = .none),
    (name = "cache", external = (address = "127.0.0.1:PORT", http = (cfBlobHeader = "CF-Blob"))),
  ],
  sockets = [
    (name = "new", address = "127.0.0.1:0", http = (), service = "new"),
    (name = "old", address = "127.0.0.1:0", http = (), service = "old"),
    (name = "none", address = "127.0.0.1:0", http = (), service = "none"),
  ],
);
const modules :List(Workerd.Worker.Module) = [(name = "worker", esModule = embed "cache.js")];
const new :Workerd.Worker = (modules = .modules, compatibilityDate = "2026-08-01", cacheApiOutbound = "cache");
const old :Workerd.Worker = (modules = .modules, compatibilityDate = "2022-12-01", cacheApiOutbound = "cache");
const none :Workerd.Worker = (modules = .modules, compatibilityDate = "2026-08-01");
"#;

/// What the cache answers by the last part of the path, if it ends the connection with that.
fn answer(name: &str) -> (Vec<u8>, bool) {
    let hit = |rest: &str| format!("HTTP/1.1 200 OK\r\nCF-Cache-Status: HIT\r\n{rest}").into_bytes();
    let status = |status: &str, value: &str, rest: &str| {
        format!("HTTP/1.1 {status}\r\nCF-Cache-Status: {value}\r\n{rest}").into_bytes()
    };
    let five = "Content-Length: 5\r\n\r\nhello";
    let bytes = match name {
        "hit" => hit("X-A: b\r\nContent-Length: 5\r\n\r\nhello"),
        "chunked" => hit("Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"),
        "gzip" => {
            let packed = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xcbH\xcd\xc9\xc9\x07\0\x86\xa6\x106\x05\0\0\0";
            [&hit("Content-Encoding: gzip\r\nContent-Length: 25\r\n\r\n")[..], packed].concat()
        }
        "long" => hit(&format!("Content-Length: {}\r\n\r\n{}", 300 << 10, "x".repeat(300 << 10))),
        "broken" => return (hit("Content-Length: 50\r\n\r\nhello"), true),
        "brokenchunk" => return (hit("Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n"), true),
        "garbage" => return (b"garbage\r\n\r\n".to_vec(), true),
        "close" => return (Vec::new(), true),
        "miss" | "missed" => status("200 OK", "MISS", five),
        "miss504" => status("504 Gateway Timeout", "MISS", "Content-Length: 0\r\n\r\n"),
        "hit504" => status("504 Gateway Timeout", "HIT", five),
        "plain504" => b"HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 2\r\n\r\nab".to_vec(),
        "none" => b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab".to_vec(),
        "expired" => status("200 OK", "EXPIRED", five),
        "updating" => status("200 OK", "UPDATING", five),
        "stale" => status("200 OK", "STALE", five),
        "revalidated" => status("200 OK", "REVALIDATED", five),
        "lower" => status("200 OK", "hit", five),
        "twice" => status("200 OK", "HIT\r\nCF-Cache-Status: MISS", five),
        "hit206" => {
            status("206 Partial Content", "HIT", "Content-Range: bytes 0-4/9\r\nContent-Length: 5\r\n\r\nhello")
        }
        "hit304" => status("304 Not Modified", "HIT", "ETag: \"x\"\r\n\r\n"),
        "hit404" => status("404 Not Found", "HIT", five),
        "hit302" => status("302 Found", "HIT", "Location: /hit\r\nContent-Length: 0\r\n\r\n"),
        "hit204" => status("204 No Content", "HIT", "\r\n"),
        "s204" => b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
        _ => match name.strip_prefix('s') {
            Some(status) => format!("HTTP/1.1 {status} Odd\r\nContent-Length: 4\r\n\r\nbody").into_bytes(),
            None => b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec(),
        },
    };
    (bytes, false)
}

fn cache() -> Origin {
    Origin::start(|seen: &Seen| {
        let path = seen.line.split(' ').nth(1).unwrap_or_default().split('?').next().unwrap_or_default();
        let (bytes, ends) = answer(path.rsplit('/').next().unwrap_or_default());
        let mut steps = vec![Step::Send(bytes)];
        steps.extend(ends.then_some(Step::Close));
        steps
    })
}

/// A request that the cache has read. The order of headers says nothing.
fn text(seen: Seen) -> String {
    let body = String::from_utf8_lossy(&seen.body).into_owned();
    let Some((head, rest)) = body.split_once("\r\n\r\n").filter(|_| seen.line.starts_with("PUT ")) else {
        return seen.text();
    };
    // Nor does the case of their names.
    let lower = |line: &str| match line.split_once(": ") {
        Some((name, value)) => format!("{}: {value}", name.to_ascii_lowercase()),
        None => line.to_owned(),
    };
    let mut lines: Vec<String> = head.split("\r\n").map(lower).collect();
    if let [_status, _framing, rest @ ..] = &mut lines[..] {
        rest.sort_unstable();
    }
    let (count, start) = (rest.len(), rest.chars().take(100).collect::<String>());
    let head = lines.join("|");
    format!("{} {head} {count} {start:?}", Seen { body: Vec::new(), ..seen }.text())
}

fn observe(runtime: &Runtime) -> Vec<(String, String)> {
    let cache = cache();
    let config = CONFIG.replace("PORT", &cache.port().to_string());
    let setup = Setup::config(&config).file("cache.js", include_str!("cache.js")).argument("--experimental");
    let server = runtime.serve(setup.sockets(3));
    let ask = |socket: &str, path: &str| {
        let response = http::Connection::open(server.port_of(socket)).request("GET", path, &[], b"");
        response.map_or_else(|error| format!("no response: {error}"), |response| response.text())
    };
    let names: Vec<String> = serde_json::from_str(&ask("new", "/names")).expect("the names of all probes");
    let mut observed = Vec::new();
    for socket in ["new", "old", "none"] {
        for (index, name) in names.iter().enumerate() {
            // Of old only what flags can change.
            if socket == "old" && name.contains("answer") {
                continue;
            }
            let told = ask(socket, &format!("/{index}"));
            let mut seen: Vec<String> = cache.take_seen().into_iter().map(text).collect();
            // The reference asks again where a connection ends, as often as it had others open.
            seen.dedup();
            observed.push((format!("cache/{socket}: {name}"), format!("{told} {seen:#?}")));
        }
    }
    assert_eq!(server.stop().code, Some(0));
    observed
}

#[test]
fn caches_ask_and_are_answered() {
    let (reference, ours) = (observe(&Runtime::workerd()), observe(&bulkhead_test_support::supervisor!()));
    assert!(ours.len() > 400, "{} probes", ours.len());
    let observations = ours.into_iter().zip(reference).map(|((key, ours), (other, reference))| {
        assert_eq!(key, other);
        Observation { key, reference, ours }
    });
    check("cache", &observations.collect::<Vec<_>>());
}

/// What is kept of one request for the next, and what is done when the response is over.
const EVENTS: &str = r#"
const told = (value) => (value instanceof Error ? `${value.name}|${value.message}` : value);
const url = "http://example.com/";
const routes = {
  keep: async () => { globalThis.kept = await caches.default.match(`${url}hit`); return kept.status; },
  "read what was kept": () => kept.text(),
  "keep another": async () => { globalThis.kept = await caches.default.match(`${url}hit`); return kept.status; },
  "put what another has kept": () => caches.default.put(`${url}s204`, kept),
  "keep a cache": async () => { globalThis.named = await caches.open("n"); return "kept"; },
  "match in a kept cache": async () => (await named.match(`${url}hit`)).text(),
  "keep a request": () => { globalThis.request = new Request(`${url}hit`, { headers: { a: "b" } }); return "kept"; },
  "match a kept request": async () => (await caches.default.match(request)).text(),
  "put later": (ctx) => {
    const body = new ReadableStream({ async pull(c) { await scheduler.wait(5); c.enqueue(new TextEncoder().encode("later")); c.close(); } });
    ctx.waitUntil(scheduler.wait(20).then(() => caches.default.put(`${url}s204`, new Response(body))));
    return "now";
  },
  "put what is answered with": async (ctx) => {
    const found = await caches.default.match(`${url}long`);
    ctx.waitUntil(caches.default.put(`${url}s204`, found.clone()));
    return found;
  },
  "delete later": (ctx) => { ctx.waitUntil(scheduler.wait(20).then(() => caches.default.delete(`${url}ok`))); return "now"; },
  "put without waiting": () => { caches.default.put(`${url}s204`, new Response("hello")); return scheduler.wait(50).then(() => "done"); },
};
const names = Object.keys(routes);
export default {
  async fetch(incoming, env, ctx) {
    const path = new URL(incoming.url).pathname;
    if (path === "/names") return Response.json(names);
    const value = await (async () => routes[names[Number(path.slice(1))]](ctx))().catch(told);
    return value instanceof Response ? value : new Response(JSON.stringify(value));
  },
};
"#;

#[test]
fn caches_are_asked_by_the_events_they_are_asked_in() {
    let observe = |runtime: &Runtime| {
        let cache = cache();
        let config = CONFIG.replace("PORT", &cache.port().to_string());
        let server =
            runtime.serve(Setup::config(&config).file("cache.js", EVENTS).argument("--experimental").sockets(3));
        let ask = |path: &str| {
            let response = http::Connection::open(server.port_of("new")).request("GET", path, &[], b"");
            response.map_or_else(|error| format!("no response: {error}"), |response| response.text())
        };
        let names: Vec<String> = serde_json::from_str(&ask("/names")).expect("the names of all routes");
        let mut observed = Vec::new();
        for (index, name) in names.iter().enumerate() {
            let told = ask(&format!("/{index}"));
            let mut seen = cache.take_seen();
            if name.contains("later") || name.contains("answered") {
                let last = if name.starts_with("delete") { "PURGE" } else { "PUT" };
                wait_until(name, || {
                    seen.extend(cache.take_seen());
                    seen.iter().any(|seen| seen.line.starts_with(last))
                });
            }
            let seen: Vec<String> = seen.into_iter().map(text).collect();
            observed.push((
                format!("cache_events/{name}"),
                format!("{} {} {seen:#?}", told.len(), &told[..told.len().min(300)]),
            ));
        }
        assert_eq!(server.stop().code, Some(0));
        observed
    };
    let (reference, ours) = (observe(&Runtime::workerd()), observe(&bulkhead_test_support::supervisor!()));
    let observations = ours.into_iter().zip(reference);
    let observations = observations.map(|((key, ours), (_, reference))| Observation { key, reference, ours });
    check("cache_events", &observations.collect::<Vec<_>>());
}

#[test]
fn what_caches_ask_is_counted_with_what_the_event_asks() {
    let cache = cache();
    let config = CONFIG.replace("PORT", &cache.port().to_string()).replace(
        "const modules",
        "using Bulkhead = import \"/bulkhead/policy.capnp\";\nconst policy :Bulkhead.Policy = (workers = [(name = \"new\", limits = (subrequests = 5))]);\nconst modules",
    );
    let worker = r#"export default { async fetch() {
        const url = "http://example.com/";
        const calls = [() => caches.default.match(url + "miss"), () => caches.default.put(url + "s204", new Response("x")), () => caches.default.delete(url + "ok")];
        let count = 0;
        try { for (;;) { await calls[count % 3](); count++; } } catch (error) { return new Response(`${count} ${error}`); }
    } };"#;
    let setup = Setup::config(&config).file("cache.js", worker).constant("config").sockets(3);
    let server = bulkhead_test_support::supervisor!().serve(setup);
    let told = http::Connection::open(server.port_of("new")).request("GET", "/", &[], b"").expect("a response").text();
    assert_eq!(told, "5 Error: Too many subrequests.");
    assert_eq!(cache.take_seen().len(), 5);
    assert_eq!(server.stop().code, Some(0));
}
