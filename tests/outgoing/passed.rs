//! Requests that a worker does not answer: `ctx.passThroughOnException()`, and service workers that do not care. What is left of the
//! body reaches what the global `fetch()` goes to.

use bulkhead_test_support::{
    Runtime, Server, Setup,
    expectations::{Observation, check},
    http::Connection,
};

use super::origin::{Origin, Seen, Step};

const WORKER: &str = r#"
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const fail = (text) => { throw new Error(text); };
const routes = {
  throws: () => fail("at once"),
  later: async () => { await sleep(1); throw new TypeError("later"); },
  text: () => Promise.reject("a text"),
  hangs: () => new Promise(() => {}),
  wrong: () => "no response",
  network: () => Response.error(),
  used: async () => { const response = new Response("x"); await response.text(); return response; },
  read: async (request) => { await request.text(); fail("after reading"); },
  "read-bytes": async (request) => { await request.arrayBuffer(); fail("after reading"); },
  begun: async (request) => { await request.body?.getReader({ mode: "byob" }).read(new Uint8Array(3)); fail("after some"); },
  one: async (request) => { await request.body?.getReader().read(); fail("after one"); },
  locked: (request) => { request.body?.getReader(); fail("locked"); },
  cancelled: async (request) => { await request.body?.cancel(); fail("cancelled"); },
  copied: async (request) => { await request.clone().text(); fail("copied"); },
  moved: (request) => { new Response(request.body); fail("moved"); },
  sent: async (request, ctx, env) => { await (await fetch("http://a.test/first", { method: "POST", body: request.body ?? "-" })).text(); fail("sent"); },
  waits: async (request, ctx) => { ctx.waitUntil(sleep(1).then(() => fail("beside"))); return new Response("answered"); },
  answers: () => new Response("answered"),
  redirect: () => fail("redirect"),
  lost: () => fail("lost"),
  missing: () => fail("missing"),
};
export default {
  async fetch(request, env, ctx) {
    const name = new URL(request.url).pathname.slice(1);
    if (!name.startsWith("not-")) ctx.passThroughOnException();
    return routes[name.replace("not-", "")](request, ctx, env);
  },
};
"#;

/// Listeners, with and without the same wish.
const LISTENER: &str = r#"
addEventListener("fetch", (event) => {
  const { pathname } = new URL(event.request.url);
  if (pathname.includes("pass")) event.passThroughOnException();
  if (pathname.includes("ignore")) return;
  if (pathname.includes("reject")) event.respondWith(Promise.reject(new Error("rejected")));
  if (pathname.includes("throw")) throw new Error("thrown");
  if (pathname.includes("read")) event.respondWith(event.request.text().then(() => { throw new Error("read"); }));
});
"#;

/// Workers that call one that passes its requests on; and what stands behind one, which fails.
const CALLER: &str = r#"
export default {
  async fetch(request, env) {
    const response = await env.FRONT.fetch("http://b.test/throws", { method: "POST", body: "of the caller", cf: { of: "caller" } });
    return new Response(`${response.status} ${await response.text()}`);
  },
};
"#;
const FAILING: &str = "export default { fetch() { throw new RangeError('from behind'); } };";
const SEES: &str = r#"
export default {
  async fetch(request) {
    const { url, method, cf, redirect } = request;
    return Response.json({ url, method, cf: cf ?? null, redirect, headers: [...request.headers], body: await request.text() });
  },
};
"#;

fn setup(origin: &Origin) -> Setup {
    // Nothing listens there: the port is the test's own, and closed again.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let module = |name: &str, file: &str, outbound: &str, more: &str| {
        format!(
            "(name = \"{name}\", worker = (modules = [(name = \"worker\", esModule = embed \"{file}\")], \
             compatibilityDate = \"2026-08-01\", globalOutbound = \"{outbound}\"{more})), "
        )
    };
    let script = |name: &str, outbound: &str| {
        format!(
            "(name = \"{name}\", worker = (serviceWorkerScript = embed \"listener.js\", compatibilityDate = \"2026-08-01\", \
             globalOutbound = \"{outbound}\")), "
        )
    };
    let front = |name: &str| format!(", bindings = [(name = \"FRONT\", service = \"{name}\")]");
    let services = [
        module("main", "worker.js", "origin", ""),
        module("closed", "worker.js", "nowhere", ""),
        module("failing", "worker.js", "throws", ""),
        module("seen", "worker.js", "sees", ""),
        module("circle", "worker.js", "circle", ""),
        module("called", "caller.js", "origin", &front("main")),
        module("called-seen", "caller.js", "origin", &front("seen")),
        module("called-failing", "caller.js", "origin", &front("failing")),
        module("throws", "failing.js", "origin", ""),
        module("sees", "sees.js", "origin", ""),
        script("script", "origin"),
        script("script-failing", "throws"),
        script("script-closed", "nowhere"),
        format!("(name = \"origin\", external = (address = \"127.0.0.1:{}\", http = ())), ", origin.port()),
        format!("(name = \"nowhere\", external = (address = \"{closed}\", http = ())), "),
    ];
    let socket = |name: &&str| {
        format!("(name = \"{name}\", address = \"127.0.0.1:0\", http = (cfBlobHeader = \"Cf\"), service = \"{name}\")")
    };
    let config = format!(
        "using Workerd = import \"/workerd/workerd.capnp\";\nconst config :Workerd.Config = (services = [{}], sockets = [{}]);",
        services.concat(),
        SOCKETS.iter().map(socket).collect::<Vec<_>>().join(", ")
    );
    [
        ("worker.js", WORKER),
        ("listener.js", LISTENER),
        ("caller.js", CALLER),
        ("failing.js", FAILING),
        ("sees.js", SEES),
    ]
    .into_iter()
    .fold(Setup::config(&config).sockets(SOCKETS.len()), |setup, (name, text)| setup.file(name, text))
}

const SOCKETS: &[&str] = &[
    "main",
    "closed",
    "failing",
    "seen",
    "called",
    "called-seen",
    "called-failing",
    "script",
    "script-failing",
    "script-closed",
    "circle",
];

fn origin() -> Origin {
    Origin::start(|request| match &request.line {
        line if line.contains("lost") => vec![Step::Close],
        line if line.contains("redirect") => {
            vec![Step::Send(b"HTTP/1.1 302 Found\r\nLocation: /else\r\nContent-Length: 5\r\n\r\nmoved".to_vec())]
        }
        line if line.contains("missing") => {
            vec![Step::Send(b"HTTP/1.1 404 Nothing\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc".to_vec())]
        }
        line if line.starts_with("HEAD") => {
            vec![Step::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nX-Origin: 1\r\n\r\n".to_vec())]
        }
        _ => vec![Step::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nX-Origin: 1\r\n\r\norigin".to_vec())],
    })
}

/// One request; what the client got, and what the origin read.
fn exchange(server: &Server, origin: &Origin, socket: &str, method: &str, path: &str, rest: &[u8]) -> String {
    let mut client = Connection::open(server.port_of(socket));
    let head =
        format!("{method} {path} HTTP/1.1\r\nHost: h.test\r\nConnection: close\r\nX-A: 1\r\nCf: {{\"a\":1}}\r\n");
    client.send([head.as_bytes(), rest].concat()).expect("a request");
    let got = match client.response(method) {
        Ok(mut response) => {
            response.headers.sort();
            let headers: Vec<String> =
                response.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
            format!("{} [{}] {:?}", response.status_line, headers.join("; "), response.text())
        }
        Err(error) => format!("nothing: {:?}", error.kind()),
    };
    let seen: Vec<String> = origin.take_seen().iter().map(short).collect();
    format!("{got} <- {}", seen.join(" then "))
}

/// A long body by its length and its bytes' number.
fn short(seen: &Seen) -> String {
    let mut seen = seen.clone();
    if seen.body.len() > 100 {
        seen.body = format!("{} bytes", seen.body.len()).into_bytes();
    }
    seen.text()
}

fn with_length(bytes: usize) -> Vec<u8> {
    [format!("Content-Length: {bytes}\r\n\r\n").as_bytes(), &vec![b'x'; bytes]].concat()
}

fn observe(runtime: &Runtime) -> Vec<(String, String)> {
    let origin = origin();
    let server = runtime.serve(setup(&origin));
    let mut all = Vec::new();
    let mut ask = |socket: &str, method: &str, path: &str, kind: &str, rest: &[u8]| {
        let got = exchange(&server, &origin, socket, method, path, rest);
        all.push((format!("{socket}, {method} {path}{kind}"), got));
    };
    let names: Vec<&str> = WORKER
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.split_once(": ")?.0.trim_matches('"').into())
        .filter(|name| !name.contains(char::is_whitespace))
        .collect();
    assert!(names.len() > 20, "{names:?}");
    for name in &names {
        let path = format!("/{name}?q=1");
        ask("main", "GET", &path, "", b"\r\n");
        ask("main", "POST", &path, " with a body", &with_length(11));
        // How much one read brings is for each runtime to choose.
        if *name != "one" {
            ask("main", "POST", &path, " with a long body", &with_length(300_000));
        }
        // A body that is here as a whole goes out with its length in ours.
        if *name != "sent" {
            ask("main", "PUT", &path, " in chunks", b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
        }
    }
    for path in ["/throws", "/read"] {
        ask("main", "HEAD", path, "", b"\r\n");
        ask("main", "OPTIONS", path, "", b"\r\n");
        ask("main", "POST", path, " with an empty body", b"Content-Length: 0\r\n\r\n");
        ask("main", "POST", &format!("/not-{}", &path[1..]), "", &with_length(5));
        for socket in ["closed", "failing", "seen"] {
            ask(socket, "GET", path, "", b"\r\n");
            ask(socket, "POST", path, " with a body", &with_length(5));
        }
    }
    for socket in ["called", "called-seen", "called-failing"] {
        ask(socket, "GET", "/", "", b"\r\n");
    }
    for socket in ["script", "script-failing", "script-closed"] {
        for what in ["ignore", "reject", "throw", "reject-throw", "read"] {
            for way in ["", "-pass"] {
                ask(socket, "GET", &format!("/{what}{way}"), "", b"\r\n");
                // Where what stands behind throws and has not read the body, the reference closes the connection.
                if (socket, what, way) != ("script-failing", "ignore", "") {
                    ask(socket, "POST", &format!("/{what}{way}"), " with a body", &with_length(5));
                }
            }
        }
    }
    assert_eq!(server.stop().code, Some(0));
    all
}

#[test]
fn what_is_not_answered_is_passed_on_as_by_the_reference() {
    let (reference, ours) = (observe(&Runtime::workerd()), observe(&bulkhead_test_support::supervisor!()));
    assert!(reference.len() >= 140, "{} exchanges", reference.len());
    let observations: Vec<Observation> = reference
        .into_iter()
        .zip(ours)
        .map(|((name, reference), (same, ours))| {
            assert_eq!(name, same);
            Observation { key: format!("passed/{name}"), reference, ours }
        })
        .collect();
    check("passed", &observations);
}

#[test]
fn a_worker_that_passes_requests_on_to_itself_comes_to_an_end() {
    let origin = origin();
    let server = bulkhead_test_support::supervisor!().serve(setup(&origin));
    let got = exchange(&server, &origin, "circle", "POST", "/throws", &with_length(5));
    assert!(got.starts_with("HTTP/1.1 500 Internal Server Error") && got.ends_with("\"\" <- "), "{got}");
    server.wait_for_stderr(|text| text.contains("Subrequest depth limit exceeded."));
    // The log has what failed, and why nothing could be done about it; of what was answered in the end, it has nothing.
    exchange(&server, &origin, "closed", "GET", "/throws", b"\r\n");
    server.wait_for_stderr(|text| text.contains("Its request was passed on, which failed: cannot connect to"));
    exchange(&server, &origin, "main", "GET", "/later", b"\r\n");
    assert!(!server.stderr().contains("TypeError: later"), "{}", server.stderr());
    assert_eq!(server.stop().code, Some(0));
}
