//! The table of workloads: what a handler does, how it is asked, what it has to answer, and what its numbers are to be
//! beside the other runtime's.

/// One workload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    /// Code at the top level of the module.
    pub(crate) top: &'static str,
    /// The body of the handler `async fetch(request, env, ctx)`, or for [`How::Calls`] an expression that gives a number.
    pub(crate) handler: &'static str,
    pub(crate) request: Request,
    pub(crate) answer: Answer,
    pub(crate) how: How,
    pub(crate) target: Target,
}

/// What is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Request {
    Get,
    /// A POST with a content type and a body.
    Post(&'static str, fn() -> Vec<u8>),
}

/// The body that has to come back, with status 200.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    Text(&'static str),
    Bytes(fn() -> Vec<u8>),
    /// The request's body.
    Echo,
    /// What gives the request's body after `gunzip`.
    Gzip,
    /// What [`How::Calls`] answers where the expression gives this number each time.
    EachTime(u64),
}

/// How it is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) enum How {
    /// Requests per second over keep-alive connections with one request in flight on each, and the processor time of each.
    Rate { connections: usize },
    /// Processor time for each megabyte of the request's body, over one connection.
    PerMegabyte { requests: u64 },
    /// Processor time for each evaluation of an expression, which one request asks for this many times. Clocks of
    /// scripts stand still while script runs, so the time is that of the runtime's processes.
    Calls { times: u64 },
}

/// What the ratio (ours to theirs) is to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Target {
    /// Of a number that is better when it is higher.
    AtLeast(f64),
    /// Of a number that is better when it is lower.
    AtMost(f64),
}

const KIB_64: Request = Request::Post("text/plain", || lines(64 * 1024));
const MIB_8: Request = Request::Post("text/plain", || lines(8 * 1024 * 1024));
const IDENTITY: &str = "return new Response(request.body.pipeThrough(new IdentityTransformStream()));";
const GZIP: &str = "return new Response(request.body.pipeThrough(new CompressionStream('gzip')));";
const TRANSFORM: &str = "
    const stream = new TransformStream({ transform(chunk, controller) { controller.enqueue(chunk); } });
    return new Response(request.body.pipeThrough(stream));";
const PASS_THROUGH: &str = "return new Response(request.body);";
const TIMER: &str = "await new Promise((done) => setTimeout(done, 1)); return new Response('done');";

/// All rows, in the order in which they are printed.
pub(crate) const WORKLOADS: &[Workload] = &[
    // Requests and bodies.
    Workload {
        name: "1 MiB of bytes from memory",
        top: "const body = new Uint8Array(1 << 20).fill(97);",
        handler: "return new Response(body);",
        request: Request::Get,
        answer: Answer::Bytes(|| vec![b'a'; 1 << 20]),
        how: How::Rate { connections: 8 },
        target: Target::AtLeast(1.0),
    },
    Workload {
        name: "1 MiB of text from memory",
        top: "const body = 'a'.repeat(1 << 20);",
        handler: "return new Response(body);",
        request: Request::Get,
        answer: Answer::Bytes(|| vec![b'a'; 1 << 20]),
        how: How::Rate { connections: 8 },
        target: Target::AtLeast(1.0),
    },
    Workload {
        name: "tee of 64 KiB",
        top: "",
        handler: "
            const [one, other] = request.body.tee();
            await new Response(one).arrayBuffer();
            return new Response(other);",
        request: KIB_64,
        answer: Answer::Echo,
        how: How::Rate { connections: 16 },
        target: Target::AtLeast(1.5),
    },
    Workload {
        name: "clone of 64 KiB",
        top: "",
        handler: "await request.clone().arrayBuffer(); return new Response(request.body);",
        request: KIB_64,
        answer: Answer::Echo,
        how: How::Rate { connections: 16 },
        target: Target::AtLeast(1.5),
    },
    Workload {
        name: "identity of 64 KiB",
        top: "",
        handler: IDENTITY,
        request: KIB_64,
        answer: Answer::Echo,
        how: How::Rate { connections: 16 },
        target: Target::AtLeast(1.0),
    },
    Workload {
        name: "pass-through of 64 KiB",
        top: "",
        handler: PASS_THROUGH,
        request: KIB_64,
        answer: Answer::Echo,
        how: How::Rate { connections: 16 },
        target: Target::AtLeast(1.0),
    },
    Workload {
        name: "transform of 64 KiB in script",
        top: "",
        handler: TRANSFORM,
        request: KIB_64,
        answer: Answer::Echo,
        how: How::Rate { connections: 16 },
        target: Target::AtLeast(1.0),
    },
    Workload {
        name: "gzip of 64 KiB",
        top: "",
        handler: GZIP,
        request: KIB_64,
        answer: Answer::Gzip,
        how: How::Rate { connections: 16 },
        target: Target::AtLeast(1.0),
    },
    Workload {
        name: "JSON",
        top: "",
        handler: "return Response.json({ name: 'hello', tags: ['one', 'two'], nested: { number: 1.5, yes: true } });",
        request: Request::Get,
        answer: Answer::Text(r#"{"name":"hello","tags":["one","two"],"nested":{"number":1.5,"yes":true}}"#),
        how: How::Rate { connections: 64 },
        target: Target::AtLeast(1.0),
    },
    Workload {
        name: "echo of JSON",
        top: "",
        handler: "return Response.json(await request.json());",
        request: Request::Post("application/json", json),
        answer: Answer::Echo,
        how: How::Rate { connections: 64 },
        target: Target::AtLeast(1.0),
    },
    Workload {
        name: "forms",
        top: "",
        handler: "
            const form = await request.formData();
            return new Response([...form].map(([name, value]) => `${name}=${value}`).join(' '));",
        request: Request::Post("application/x-www-form-urlencoded", || {
            b"name=Alice&city=K%C3%B6ln&tag=a&tag=b+c".into()
        }),
        answer: Answer::Text("name=Alice city=Köln tag=a tag=b c"),
        how: How::Rate { connections: 64 },
        target: Target::AtLeast(1.0),
    },
    Workload {
        name: "setTimeout of 1 ms, alone",
        top: "",
        handler: TIMER,
        request: Request::Get,
        answer: Answer::Text("done"),
        how: How::Rate { connections: 1 },
        target: Target::AtLeast(1.0),
    },
    Workload {
        name: "setTimeout of 1 ms",
        top: "",
        handler: TIMER,
        request: Request::Get,
        answer: Answer::Text("done"),
        how: How::Rate { connections: 64 },
        target: Target::AtLeast(1.0),
    },
    // Long bodies.
    Workload {
        name: "pass-through of 8 MiB",
        top: "",
        handler: PASS_THROUGH,
        request: MIB_8,
        answer: Answer::Echo,
        how: How::PerMegabyte { requests: 40 },
        target: Target::AtMost(0.35),
    },
    Workload {
        name: "arrayBuffer of 8 MiB sent back",
        top: "",
        handler: "return new Response(await request.arrayBuffer());",
        request: MIB_8,
        answer: Answer::Echo,
        how: How::PerMegabyte { requests: 30 },
        target: Target::AtMost(1.0),
    },
    Workload {
        name: "identity of 8 MiB",
        top: "",
        handler: IDENTITY,
        request: MIB_8,
        answer: Answer::Echo,
        how: How::PerMegabyte { requests: 40 },
        target: Target::AtMost(1.0),
    },
    Workload {
        name: "clone of 8 MiB",
        top: "",
        handler: "ctx.waitUntil(request.clone().arrayBuffer()); return new Response(request.body);",
        request: MIB_8,
        answer: Answer::Echo,
        how: How::PerMegabyte { requests: 20 },
        target: Target::AtMost(1.0),
    },
    Workload {
        name: "CompressionStream of 8 MiB",
        top: "",
        handler: GZIP,
        request: MIB_8,
        answer: Answer::Gzip,
        how: How::PerMegabyte { requests: 8 },
        target: Target::AtMost(1.0),
    },
    Workload {
        name: "TransformStream of 8 MiB in script",
        top: "",
        handler: TRANSFORM,
        request: MIB_8,
        answer: Answer::Echo,
        how: How::PerMegabyte { requests: 5 },
        target: Target::AtMost(0.5),
    },
    // What script calls.
    calls(
        "headers: make, set, get, iterate",
        "",
        "(() => {
            const headers = new Headers({ 'content-type': 'text/plain', 'x-request': 'abc' });
            headers.set('x-more', '1');
            headers.append('accept', 'text/html');
            let length = headers.get('content-type').length;
            for (const [name, value] of headers) length += name.length + value.length;
            return length;
        })()",
        66,
        100_000,
    ),
    calls(
        "URLs: parse, read, search parameters",
        "",
        "(() => {
            const url = new URL('https://example.com/a/b?one=1&two=2#top');
            return url.hostname.length + url.pathname.length + url.searchParams.get('two').length + url.href.length;
        })()",
        55,
        200_000,
    ),
    calls(
        "events: listen, dispatch",
        "const target = new EventTarget(); let heard = 0; target.addEventListener('tick', () => { heard = 1; });",
        "(heard = 0, target.dispatchEvent(new Event('tick')), heard)",
        1,
        300_000,
    ),
    calls(
        "structuredClone of a small object",
        "const value = { name: 'hello', tags: ['one', 'two'], nested: { number: 1.5, yes: true } };",
        "structuredClone(value).tags.length",
        2,
        200_000,
    ),
    calls(
        "structuredClone of 100 records",
        "const value = Array.from({ length: 100 }, (_, id) => ({ id, name: `record ${id}`, on: true }));",
        "structuredClone(value).length",
        100,
        10_000,
    ),
    calls("btoa of 12 characters", "const text = 'Hello World!';", "btoa(text).length", 16, 5_000_000),
    calls("btoa of 4 KiB", "const text = 'a'.repeat(4096);", "btoa(text).length", 5464, 800_000),
    calls("atob of 16 characters", "const text = btoa('Hello World!');", "atob(text).length", 12, 2_500_000),
    calls("atob of 4 KiB", "const text = btoa('a'.repeat(3072));", "atob(text).length", 3072, 800_000),
    calls(
        "TextEncoder.encode of 12 characters",
        "const encoder = new TextEncoder(); const text = 'Hello World!';",
        "encoder.encode(text).length",
        12,
        1_000_000,
    ),
    calls(
        "TextEncoder.encode of 4 KiB",
        "const encoder = new TextEncoder(); const text = 'a'.repeat(4096);",
        "encoder.encode(text).length",
        4096,
        300_000,
    ),
    calls(
        "TextEncoder.encode of 4 KiB beyond ASCII",
        "const encoder = new TextEncoder(); const text = '\u{fc}\u{17f}'.repeat(2048);",
        "encoder.encode(text).length",
        8192,
        150_000,
    ),
    calls(
        "TextEncoder.encodeInto of 4 KiB",
        "const encoder = new TextEncoder(); const text = 'a'.repeat(4096); const into = new Uint8Array(4096);",
        "encoder.encodeInto(text, into).written",
        4096,
        2_000_000,
    ),
    calls(
        "TextDecoder.decode of 12 bytes",
        "const decoder = new TextDecoder(); const bytes = new TextEncoder().encode('Hello World!');",
        "decoder.decode(bytes).length",
        12,
        3_000_000,
    ),
    calls(
        "TextDecoder.decode of 4 KiB",
        "const decoder = new TextDecoder(); const bytes = new Uint8Array(4096).fill(97);",
        "decoder.decode(bytes).length",
        4096,
        1_500_000,
    ),
    calls("await of a value", "", "await 1", 1, 10_000_000),
    calls("await of an async function", "async function one() { return 1; }", "await one()", 1, 10_000_000),
    calls("then of a promise", "const one = Promise.resolve(1);", "await one.then((value) => value)", 1, 4_000_000),
];

/// A row of [`How::Calls`]: `each` is evaluated `times` times in a request and gives `value` each time.
const fn calls(name: &'static str, top: &'static str, each: &'static str, value: u64, times: u64) -> Workload {
    Workload {
        name,
        top,
        handler: each,
        request: Request::Get,
        answer: Answer::EachTime(value),
        how: How::Calls { times },
        target: Target::AtMost(1.0),
    }
}

/// `length` bytes of text as logs have it: it shrinks to about a tenth, and no part of it is all the same.
pub(crate) fn lines(length: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(length + 128);
    let mut number = 1_u32;
    while text.len() < length {
        // A linear congruential generator: the same text in every run.
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (client, size, path) = (number >> 24, (number >> 8) & 0xffff, number >> 28);
        text.extend_from_slice(
            format!("10.0.0.{client} - GET /assets/page-{path}/index.html HTTP/1.1 200 {size} \"Mozilla/5.0\"\n")
                .as_bytes(),
        );
    }
    text.truncate(length);
    text
}

/// An array of ten objects.
fn json() -> Vec<u8> {
    let records: Vec<String> =
        (0..10).map(|id| format!(r#"{{"id":{id},"name":"record {id}","tags":["one","two"],"on":true}}"#)).collect();
    format!("[{}]", records.join(",")).into_bytes()
}
