//! Scripts that replace what the language gives them can neither break nor watch the built-ins.

mod support;

use support::{check, eval};

/// Replaces what the built-ins could trip over. Each use is recorded in `seen`, except under `quiet`; `on(promise, f)`
/// hands `f` what a promise is settled with by the original `then`.
const HOSTILE: &str = r#"
let finish;
const finished = new Promise((resolve) => { finish = resolve; });
const seen = new Set();
let quiet = 0;
const { apply, ownKeys, defineProperty, getOwnPropertyDescriptor } = Reflect;
const SetPrototypeAdd = Set.prototype.add;
const note = (what) => { if (quiet === 0) apply(SetPrototypeAdd, seen, [what]); };
const { then } = Promise.prototype;
const on = (promise, f) => {
  quiet++;
  const run = (value) => { try { f(value); } catch (e) { finish(`threw ${e}`); } };
  try { apply(then, promise, [run, (e) => run(`failed: ${e}`)]); } finally { quiet--; }
};
const { String: toText, Error: Failure } = globalThis;
const spoil = (object, name) => {
  const keys = ownKeys(object);
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i];
    const d = getOwnPropertyDescriptor(object, key);
    // `then` consults the constructor and its species, by its definition: they have a test of their own.
    if (!d.configurable || key === "constructor" || key === Symbol.species) continue;
    const what = `${name}.${toText(key)}`;
    if (typeof d.value === "function") {
      defineProperty(object, key, { __proto__: null, value() { note(what); throw new Failure(what); }, configurable: true, writable: true });
    } else if (d.get) {
      defineProperty(object, key, { __proto__: null, get() { note(what); throw new Failure(what); }, configurable: true });
    }
  }
};
function attack() {
  quiet++;
  const prototypes = {
    Array: Array.prototype, ArrayIterator: Object.getPrototypeOf([][Symbol.iterator]()), Promise: Promise.prototype,
    Map: Map.prototype, Set: Set.prototype, WeakMap: WeakMap.prototype, WeakRef: WeakRef.prototype,
    String: String.prototype, Number: Number.prototype, RegExp: RegExp.prototype, Function: Function.prototype,
    ArrayBuffer: ArrayBuffer.prototype, TypedArray: Object.getPrototypeOf(Uint8Array.prototype),
    DataView: DataView.prototype, TextDecoder: TextDecoder.prototype, TextEncoder: TextEncoder.prototype,
    Blob: Blob.prototype, FormData: FormData.prototype, ReadableStream: ReadableStream.prototype,
    Reader: ReadableStreamDefaultReader.prototype, Controller: ReadableStreamDefaultController.prototype,
    WritableStream: WritableStream.prototype, Writer: WritableStreamDefaultWriter.prototype,
    TransformStream: TransformStream.prototype, Headers: Headers.prototype, Event: Event.prototype,
    EventTarget: EventTarget.prototype, AbortSignal: AbortSignal.prototype,
  };
  for (const name of ["Array", "Promise", "Object", "Reflect", "JSON", "Number", "String", "Math"]) {
    prototypes[`${name}()`] = globalThis[name];
  }
  const names = Object.keys(prototypes);
  const accessors = ["0", "1", "done", "value", "get", "set", "next", "return", "length", "stream", "state", "reason",
    "body", "pull", "cancel", "close", "write", "size", "highWaterMark", "enumerable", "writable", "configurable"];
  for (const key of accessors) {
    defineProperty(Object.prototype, key, {
      __proto__: null, configurable: true,
      get() { note(`Object.prototype get ${key}`); return undefined; },
      set(value) {
        note(`Object.prototype set ${key}`);
        defineProperty(this, key, { __proto__: null, value, writable: true, enumerable: true, configurable: true });
      },
    });
  }
  for (const key of ["0", "1", "2"]) {
    defineProperty(Array.prototype, key, {
      __proto__: null, configurable: true,
      get() { note(`Array.prototype get ${key}`); },
      set() { note(`Array.prototype set ${key}`); },
    });
  }
  for (const object of [Array, ArrayBuffer, Object.getPrototypeOf(Uint8Array), RegExp]) {
    defineProperty(object, Symbol.species, { __proto__: null, configurable: true, get() { note("species"); return Object; } });
  }
  for (const name of ["TextDecoder", "TextEncoder", "Uint8Array", "ArrayBuffer", "WeakRef", "queueMicrotask",
    "setTimeout", "structuredClone", "DOMException", "URL", "DataView"]) {
    const spoiled = () => { note(name); throw new Failure(name); };
    globalThis[name] = spoiled;
  }
  for (let i = 0; i < names.length; i++) spoil(prototypes[names[i]], names[i]);
  quiet--;
  globalThis.Promise = globalThis.Object = globalThis.Reflect = globalThis.Error = globalThis.TypeError = undefined;
}
"#;

/// Runs `before`, attacks, runs `after`, which calls `finish(text)`; what that was and what the attack saw.
fn attacked(before: &str, after: &str) -> String {
    eval(&format!(
        "{HOSTILE}
        const bytes = (text) => encode(text); const encoder = new TextEncoder(); const enc = TextEncoder.prototype.encode;
        const encode = (text) => apply(enc, encoder, [text]);
        {before}
        const setOf = Array.from; const join = Array.prototype.join;
        const end = new Promise((resolve) => {{ on(finished, (value) => resolve(`${{value}}`)); }});
        let report; const reported = new Promise((resolve) => {{ report = resolve; }});
        const values = Set.prototype.forEach;
        on(end, (text) => {{ let all = ''; apply(values, seen, [(one) => {{ all += ` [${{one}}]`; }}]); report(text + all); }});
        attack();
        {after}
        reported",
    ))
}

#[test]
fn the_attack_is_seen_when_it_hits() {
    let text = attacked("", "let s = ''; try { [1].map((x) => x) } catch (e) { s = 'threw' } finish(s)");
    assert_eq!(text, "threw [Array.map]");
}

#[test]
fn bodies_of_bytes_are_read() {
    let text = attacked(
        "const a = new Response('text'), b = new Request('http://h/', { method: 'POST', body: '{\"a\":1}' });
        const c = new Response(new Uint8Array([104, 105]));",
        "on(a.text(), (x) => on(b.json(), (y) => on(c.text(), (z) => finish(x + y.a + z))))",
    );
    assert_eq!(text, "text1hi");
}

#[test]
fn bodies_of_streams_are_read() {
    let text = attacked(
        "let c1, c2; const [h, w, v] = [bytes('hello '), bytes('world'), bytes('hi')];
        const s1 = new ReadableStream({ start(c) { c1 = c; } });
        const s2 = new ReadableStream({ type: 'bytes', start(c) { c2 = c; } });
        const enqueue = c1.enqueue, close = c1.close, byteEnqueue = c2.enqueue, byteClose = c2.close;
        const a = new Response(s1), b = new Response(s2); const early = a.text();",
        "on(early, (x) => on(b.text(), (y) => finish(x + '|' + y)));
        apply(enqueue, c1, [h]); apply(byteEnqueue, c2, [v]); apply(enqueue, c1, [w]);
        apply(close, c1, []); apply(byteClose, c2, []);",
    );
    assert_eq!(text, "hello world|hi");
}

#[test]
fn streams_are_piped_and_teed() {
    let text = attacked(
        "let control; const source = new ReadableStream({ start(c) { control = c; } });
        const transform = new TransformStream({ __proto__: null, transform(x, c) { apply(forward, c, [x + x]); } });
        const through = { __proto__: null, readable: transform.readable, writable: transform.writable };
        const forward = TransformStreamDefaultController.prototype.enqueue;
        const { enqueue, close } = ReadableStreamDefaultController.prototype;
        const { pipeThrough, pipeTo, tee, getReader } = ReadableStream.prototype;
        const { read } = ReadableStreamDefaultReader.prototype;",
        "const branches = apply(tee, apply(pipeThrough, source, [through]), []);
        const reader = apply(getReader, branches[0], []);
        let out = '';
        const sink = new WritableStream({ __proto__: null, write(x) { out += x; } });
        on(apply(pipeTo, branches[1], [sink]), () => {
          on(apply(read, reader, []), (r) => { quiet++; const { value } = r; quiet--; finish(out + '|' + value); });
        });
        apply(enqueue, control, ['ab']); apply(enqueue, control, ['cd']); apply(close, control, []);",
    );
    assert_eq!(text, "ababcdcd|abab");
}

#[test]
fn forms_blobs_events_and_signals_work() {
    let text = attacked(
        "const form = new FormData(); form.append('a', 'b'); form.append('f', new File(['x'], 'n'));
        const a = new Response(form); const { get } = FormData.prototype; const blob = new Blob(['bl', 'ob']);
        const target = new EventTarget(); const controller = new AbortController(); let heard = '';
        target.addEventListener('x', () => { heard += 'x'; });
        controller.signal.addEventListener('abort', () => { heard += 'abort'; });
        const event = new Event('x'); const { dispatchEvent } = EventTarget.prototype; const { text } = Blob.prototype;",
        "apply(dispatchEvent, target, [event]); controller.abort(1);
        on(a.formData(), (f) => on(apply(text, blob, []), (b) => finish(apply(get, f, ['a']) + b + heard)))",
    );
    assert_eq!(text, "bblobxabort");
}

/// Reads and pipes streams around `attack`, which can record in `seen`; what was seen, with the results.
fn promises_attacked(attack: &str) -> String {
    eval(&format!(
        "const P = Promise; const seen = []; const {{ join }} = Array.prototype; const {{ then }} = P.prototype;
        const {{ apply, defineProperty }} = Reflect;
        const spy = (name) => ({{ configurable: true, get() {{ seen.push(name); throw new Error(name); }} }});
        const source = () => new ReadableStream({{
          n: 0, pull(c) {{ c.enqueue(new Uint8Array([97])); if (++this.n === 3) c.close(); }},
        }});
        let answer; const result = new P((resolve) => {{ answer = resolve; }});
        const early = new Response(source()).text();
        apply(then, early, [(text) => seen.push(text), answer]);
        const body = source();
        const sink = new WritableStream({{ close() {{ seen.push('piped'); setTimeout(() => answer(seen.join()), 1); }} }});
        {attack}
        body.pipeTo(sink);
        result"
    ))
}

#[test]
fn a_script_s_promise_class_does_not_reach_inside() {
    for attack in [
        "P.prototype.then = () => { seen.push('then'); };",
        "defineProperty(P.prototype, 'constructor', spy('constructor'));",
        "defineProperty(P, Symbol.species, spy('species'));",
        "for (const key of ['value', 'get']) defineProperty(Object.prototype, key, { __proto__: null, get() { seen.push(key); return P; } });
        defineProperty(P.prototype, 'constructor', { __proto__: null, get() { seen.push('constructor'); return P; } });",
        "P.prototype.constructor = class extends P { static get [Symbol.species]() { seen.push('assigned'); throw 1; } };",
        "delete P.prototype.constructor; defineProperty(Object.prototype, 'constructor', spy('inherited'));",
    ] {
        assert_eq!(promises_attacked(attack), "aaa,piped", "{attack}");
    }
}

#[test]
fn internals_are_out_of_reach() {
    check(
        "typeof internal + typeof primordials + Object.keys(globalThis).includes('internal')",
        "undefinedundefinedfalse",
    );
    // Frames of the built-ins give no receivers or functions.
    check(
        "'use strict'; let frames; Error.prepareStackTrace = (e, sites) => sites;
        const t = new EventTarget(); t.addEventListener('x', () => { frames = new Error().stack; }); t.dispatchEvent(new Event('x'));
        Array.isArray(frames) ? frames.filter((f) => f.getThis() !== undefined || f.getFunction() !== undefined).length : frames.slice(0, 9)",
        "0",
    );
}
