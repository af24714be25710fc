//! Parts of the engine that programs rarely reach, and that reach for the kernel in ways of their own: memory that is
//! shared, reserved or grown, threads that compile, clocks, time zones, locales. Whatever they ask for must be in the
//! policy's table, and the process must live on.

use bulkhead_test_support::{Setup, http};

/// Each entry is run in a request of its own, after what modules may do while they start.
const UNUSUAL: &str = "
// (module (memory (export \"m\") 1 65536) (func (export \"grow\") (param i32) (result i32) local.get 0 memory.grow)
//   (func (export \"trap\") unreachable) (func (export \"far\") (result i32) i32.const -1 i32.load)
//   (func (export \"deep\") call 3))
const bytes = new Uint8Array([0,97,115,109,1,0,0,0,1,13,3,96,1,127,1,127,96,0,0,96,0,1,127,3,5,4,0,1,2,1,5,6,1,1,1,128,128,4,7,32,5,
  1,109,2,0,4,103,114,111,119,0,0,4,116,114,97,112,0,1,3,102,97,114,0,2,4,100,101,101,112,0,3,
  10,25,4,6,0,32,0,64,0,11,3,0,0,11,7,0,65,127,40,2,0,11,4,0,16,3,11]);
const module = new WebAssembly.Module(bytes);
const compiled = WebAssembly.compile(bytes);
const caught = (f) => { try { return f(); } catch (error) { return error.name; } };
const kept = [];
const ways = {
  wasmGrow: () => { const { m, grow } = new WebAssembly.Instance(module).exports; grow(1000); new Uint8Array(m.buffer)[60_000_000] = 1; return m.buffer.byteLength; },
  wasmTrap: () => caught(() => new WebAssembly.Instance(module).exports.trap()),
  wasmFar: () => caught(() => new WebAssembly.Instance(module).exports.far()),
  wasmDeep: () => caught(() => new WebAssembly.Instance(module).exports.deep()),
  wasmMany: () => { for (let i = 0; i < 200; i++) kept.push(caught(() => new WebAssembly.Instance(module))); return kept.length; },
  wasmCompiled: async () => WebAssembly.Module.exports(await compiled).length,
  sharedMemory: () => caught(() => new WebAssembly.Memory({ initial: 1, maximum: 1000, shared: true }).grow(10)),
  sharedBuffer: () => caught(() => new SharedArrayBuffer(1 << 20, { maxByteLength: 1 << 24 }).grow(1 << 22)),
  resizable: () => { const b = new ArrayBuffer(1 << 12, { maxByteLength: 1 << 26 }); b.resize(1 << 25); b.resize(1); return b.byteLength; },
  transfer: () => structuredClone(new ArrayBuffer(1 << 24)).byteLength,
  atomics: () => caught(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20)),
  atomicsAsync: async () => { const a = new Int32Array(new SharedArrayBuffer(4)); const w = caught(() => Atomics.waitAsync(a, 0, 0, 20)); return w.value ? await Promise.race([w.value, new Promise((f) => setTimeout(f, 100, 'timer'))]) : w; },
  date: () => [new Date(0).toString(), new Date(0).getTimezoneOffset()],
  zones: () => ['Asia/Tokyo', 'America/New_York', 'Europe/Berlin'].map((timeZone) => new Date(0).toLocaleString('de', { timeZone })),
  locales: () => ['ar', 'ja', 'hi', 'th'].map((l) => [new Intl.NumberFormat(l).format(1e6), new Intl.DateTimeFormat(l, { dateStyle: 'full' }).format(0), ['b', 'a'].sort(new Intl.Collator(l).compare)]),
  segments: () => [...new Intl.Segmenter('th', { granularity: 'word' }).segment('สวัสดีชาวโลก')].length,
  names: () => new Intl.DisplayNames('fr', { type: 'region' }).of('US'),
  normalize: () => 'é'.normalize('NFD').length + 'straße'.localeCompare('strasse', 'de', { sensitivity: 'base' }),
  hot: () => { let n = 0; const f = (i) => Math.sin(i) + i; for (let i = 0; i < 3e6; i++) n += f(i); return Math.round(n) > 0; },
  regexp: () => { const r = /(\\w+)@(\\w+)\\.com/g; let n = 0; for (let i = 0; i < 20_000; i++) n += 'a@b.com'.replace(r, '$2').length; return n; },
  bigints: () => (7n ** 200_000n).toString().length,
  garbage: () => { for (let i = 0; i < 200; i++) kept[i] = new Array(100_000).fill({}); kept.length = 0; return 0; },
  buffers: () => { for (let i = 0; i < 500; i++) new Uint8Array(1 << 20).fill(1); return 0; },
  registry: () => { const r = new FinalizationRegistry(() => {}); for (let i = 0; i < 1e5; i++) r.register({}, i); return new WeakRef({}).deref() !== undefined; },
  generators: () => { function* g() { for (let i = 0; i < 1e5; i++) yield i; } return [...g()].length; },
  random: () => crypto.getRandomValues(new Uint8Array(65536)).length + crypto.randomUUID().length + Math.floor(Math.random()),
  digest: async () => (await crypto.subtle.digest('SHA-512', new Uint8Array(1 << 22))).byteLength,
  clocks: () => [typeof performance.now(), typeof Date.now()],
  stack: () => new Error('x').stack.length > 0,
  eval: () => caught(() => eval('1')),
  imports: async () => { try { await import('nope'); } catch (error) { return error.message; } },
  threads: async () => { const all = []; for (let i = 0; i < 50; i++) all.push(new Response('x'.repeat(1 << 16)).text()); return (await Promise.all(all)).length; },
};
export default { async fetch(request) {
  const { pathname } = new URL(request.url);
  if (pathname === '/') return Response.json(Object.keys(ways));
  return Response.json((await ways[pathname.slice(1)]()) ?? null);
} };";

#[test]
fn rarely_used_parts_of_the_engine_stay_within_the_policy() {
    let server = bulkhead_test_support::supervisor!().serve(Setup::module(UNUSUAL));
    let list = http::get(server.port(), "/").expect("the list");
    let ways: Vec<String> = serde_json::from_slice(&list.body).expect("JSON");
    let mut wrong = Vec::new();
    for way in &ways {
        match http::get(server.port(), &format!("/{way}")) {
            Ok(response) if response.status == 200 => println!("{way}: {}", response.text()),
            Ok(response) => wrong.push(format!("{way}: {} {:?}", response.status, response.text())),
            Err(error) => wrong.push(format!("{way}: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}\n{}", server.stderr());
    // That nothing forbidden was called is what every server of these tests is asked when it goes.
    drop(server);
}
