//! `caches` over the cache of our own, and the sample that uses it.

use bulkhead_test_support::{Server, Setup, http, runtime::wait_until};

const CONFIG: &str = r#"using Workerd = import "/workerd/workerd.capnp";
using Bulkhead = import "/bulkhead/policy.capnp";
const config :Workerd.Config = (
  services = [(name = "one", worker = .worker), (name = "two", worker = .worker)],
  sockets = [
    (name = "one", address = "127.0.0.1:0", http = (), service = "one"),
    (name = "two", address = "127.0.0.1:0", http = (), service = "two"),
  ],
);
const policy :Bulkhead.Policy = (cache = ());
const worker :Workerd.Worker = (modules = [(name = "worker", esModule = embed "worker.js")], compatibilityDate = "2026-08-01");
"#;

/// Each line of `probes` gives `true`; what it gives in place of that is shown.
const WORKER: &str = r#"
const bytes = (text) => new TextEncoder().encode(text);
const text = async (cache, key) => (await (await cache.match(key))?.text()) ?? "none";
const long = { headers: { "Cache-Control": "max-age=1000" } };
const stored = async (response, name = crypto.randomUUID(), cache = caches.default) => {
  const key = `http://a/${name}`;
  await cache.put(key, response);
  return key;
};
const drip = (chunks, end) => new ReadableStream({ async pull(c) { await scheduler.wait(1); const chunk = chunks.shift(); if (chunk !== undefined) c.enqueue(bytes(chunk)); else end(c); } });
const same = (given, wanted) => JSON.stringify(given) === JSON.stringify(wanted) || given;
const probes = {
  "text": async () => same(await text(caches.default, await stored(new Response("hello", long))), "hello"),
  "status, text and headers": async () => {
    const found = await caches.default.match(await stored(new Response("no", { status: 404, statusText: "Odd", headers: { ...long.headers, "X-A": "b", "Content-Type": "text/x" } })));
    return same([found.status, found.headers.get("x-a"), found.headers.get("content-type"), found.headers.get("cf-cache-status"), await found.text()], [404, "b", "text/x", "HIT", "no"]);
  },
  "nothing": async () => same([await caches.default.match("http://a/never"), await caches.default.delete("http://a/never")], [undefined, false]),
  "empty": async () => same(await text(caches.default, await stored(new Response(null, long))), ""),
  "stream": async () => same(await text(caches.default, await stored(new Response(drip(["hel", "lo"], (c) => c.close()), long))), "hello"),
  "stream of 3 MiB": async () => {
    const piece = "x".repeat(100_000);
    return same((await text(caches.default, await stored(new Response(drip(Array(32).fill(piece), (c) => c.close()), long)))).length, 3_200_000);
  },
  "3 MiB": async () => same((await text(caches.default, await stored(new Response("y".repeat(3 << 20), long)))).length, 3 << 20),
  "stream that breaks": async () => {
    let error;
    const key = "http://a/breaks";
    await caches.default.put(key, new Response(drip(["hel"], (c) => c.error(new Error("boom"))), long)).catch((e) => { error = e.message; });
    return same([error, await text(caches.default, key)], ["boom", "none"]);
  },
  "one that breaks takes nothing away": async () => {
    const key = await stored(new Response("old", long));
    await caches.default.put(key, new Response(drip(["new"], (c) => c.error(new Error("boom"))), long)).catch(() => {});
    return same(await text(caches.default, key), "old");
  },
  "replaced": async () => { const key = await stored(new Response("old", long)); await caches.default.put(key, new Response("new", long)); return same(await text(caches.default, key), "new"); },
  "deleted": async () => { const key = await stored(new Response("x", long)); return same([await caches.default.delete(key), await text(caches.default, key), await caches.default.delete(key)], [true, "none", false]); },
  "gzip": async () => {
    const found = await caches.default.match(await stored(new Response("hello".repeat(1000), { headers: { ...long.headers, "Content-Encoding": "gzip" } })));
    return same([found.headers.get("content-encoding"), (await found.text()).length], ["gzip", 5000]);
  },
  "no-store": async () => same(await text(caches.default, await stored(new Response("x", { headers: { "Cache-Control": "no-store" } }))), "none"),
  "stale at once": async () => same(await text(caches.default, await stored(new Response("x", { headers: { "Cache-Control": "max-age=0" } }))), "none"),
  "cookies": async () => same(await text(caches.default, await stored(new Response("x", { headers: { ...long.headers, "Set-Cookie": "a=b" } }))), "none"),
  "named": async () => {
    const key = await stored(new Response("default", long));
    const [a, b] = await Promise.all([caches.open("a"), caches.open("b/é")]);
    await b.put(key, new Response("b", long));
    return same([await text(a, key), await text(b, key), await text(await caches.open("b/é"), key), await text(caches.default, key), await b.delete(key), await text(b, key), await text(caches.default, key)],
      ["none", "b", "b", "default", true, "none", "default"]);
  },
  "query and fragment": async () => { const key = await stored(new Response("x", long)); return same([await text(caches.default, `${key}?q`), await text(caches.default, `${key}#f`)], ["none", "x"]); },
  "vary": async () => {
    const key = `http://a/${crypto.randomUUID()}`;
    const by = (language) => new Request(key, { headers: { "Accept-Language": language } });
    for (const language of ["de", "fr"]) await caches.default.put(by(language), new Response(language, { headers: { ...long.headers, Vary: "Accept-Language" } }));
    return same([await text(caches.default, by("de")), await text(caches.default, by("fr")), await text(caches.default, by("en"))], ["de", "fr", "none"]);
  },
  "range": async () => {
    const key = await stored(new Response("hello", long));
    const found = await caches.default.match(new Request(key, { headers: { Range: "bytes=1-3" } }));
    return same([found.status, found.headers.get("content-range"), await found.text()], [206, "bytes 1-3/5", "ell"]);
  },
  "condition": async () => {
    const key = await stored(new Response("hello", { headers: { ...long.headers, ETag: '"x"' } }));
    const found = await caches.default.match(new Request(key, { headers: { "If-None-Match": '"x"' } }));
    return same([found.status, await found.text()], [304, ""]);
  },
  "many at once": async () => {
    const keys = await Promise.all(Array.from({ length: 50 }, (_, i) => stored(new Response(`${i}`, long))));
    return same(await Promise.all(keys.map((key) => text(caches.default, key))), Array.from({ length: 50 }, (_, i) => `${i}`));
  },
  "read in part": async () => {
    const key = await stored(new Response("z".repeat(1 << 20), long));
    const reader = (await caches.default.match(key)).body.getReader();
    await reader.read();
    await reader.cancel();
    return same((await text(caches.default, key)).length, 1 << 20);
  },
  "what was found goes into another": async () => {
    const key = await stored(new Response(drip(["a", "b"], (c) => c.close()), long));
    const other = await caches.open("other");
    await other.put(key, await caches.default.match(key));
    return same(await text(other, key), "ab");
  },
};
export default {
  async fetch(incoming, env, ctx) {
    const { pathname } = new URL(incoming.url);
    switch (pathname) {
      case "/probes": {
        const failed = [];
        for (const [name, run] of Object.entries(probes)) {
          const given = await run().catch((error) => String(error));
          if (given !== true) failed.push(`${name}: ${JSON.stringify(given)}`);
        }
        return new Response(failed.join("\n"));
      }
      // Stored when the answer has left.
      case "/later": ctx.waitUntil(scheduler.wait(10).then(() => stored(new Response(drip(["la", "ter"], (c) => c.close()), long), "later"))); return new Response("now");
      case "/found": return new Response(await text(caches.default, "http://a/later"));
    }
  },
};
"#;

fn get(server: &Server, socket: &str, path: &str) -> String {
    let response = http::Connection::open(server.port_of(socket)).request("GET", path, &[], b"");
    response.expect("a response").text()
}

#[test]
fn what_is_put_is_matched_until_it_is_deleted() {
    let server = bulkhead_test_support::supervisor!().serve(Setup::config(CONFIG).file("worker.js", WORKER).sockets(2));
    assert_eq!(get(&server, "one", "/probes"), "");
    assert_eq!(get(&server, "one", "/found"), "none");
    assert_eq!(get(&server, "one", "/later"), "now");
    wait_until("what is stored later is there", || get(&server, "one", "/found") == "later");
    // The other has a cache of its own, under the same names.
    assert_eq!(get(&server, "two", "/found"), "none");
    assert_eq!(get(&server, "two", "/probes"), "");
    assert_eq!(server.stop().code, Some(0));
}

#[test]
fn the_sample_answers_from_its_cache() {
    let server = bulkhead_test_support::supervisor!().serve(Setup::sample("cached-api"));
    let ask = |method: &str, path: &str| {
        let response = http::Connection::open(server.port()).request(method, path, &[], b"").expect("a response");
        (response.status, response.header("x-cache").map(str::to_owned), response.text())
    };
    let some = |text: &str| Some(text.to_owned());
    let twelve = |asked: u32| format!(r#"{{"number":12,"square":144,"asked":{asked}}}"#);
    assert_eq!(ask("GET", "/squares/12"), (200, some("miss"), twelve(1)));
    // It is stored when the answer has left.
    wait_until("it is stored", || ask("GET", "/squares/12").1 == some("hit"));
    let (status, how, text) = ask("GET", "/squares/12");
    assert_eq!((status, how), (200, some("hit")));
    let asked: u32 =
        serde_json::from_str::<serde_json::Value>(&text).expect("JSON")["asked"].as_u64().expect("a number") as u32;
    assert_eq!(text, twelve(asked));
    assert_eq!(ask("DELETE", "/squares/12"), (200, None, r#"{"deleted":true}"#.to_owned()));
    assert_eq!(ask("GET", "/squares/12"), (200, some("miss"), twelve(asked + 1)));
    assert_eq!(ask("GET", "/nothing"), (404, some("miss"), "not found\n".to_owned()));
    assert_eq!(ask("POST", "/squares/12").0, 405);
    assert_eq!(server.stop().code, Some(0));
}
