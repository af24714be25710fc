//! `CompressionStream` and `DecompressionStream` from the outside: what stays bounded, and who waits for whom. What
//! they have in common with the reference is compared in `tests/differential/cases/compression.js`.

mod support;

use support::eval;

/// Runs the body of an async function that can use `pack(format, bytes)`, `all(stream)` and `tick()`.
fn run(body: &str) -> String {
    eval(&format!(
        "(async () => {{
            'use strict';
            const tick = () => new Promise((resolve) => setTimeout(resolve, 1));
            const all = async (stream) => new Uint8Array(await new Response(stream).arrayBuffer());
            const pack = (format, bytes) => {{
              const c = new CompressionStream(format), w = c.writable.getWriter();
              w.write(bytes); w.close();
              return all(c.readable);
            }};
            {body}
        }})()"
    ))
}

#[test]
fn a_bomb_is_read_piece_by_piece() {
    let seen = run("const out = [];
        for (const format of ['gzip', 'deflate', 'deflate-raw']) {
          const bomb = await pack(format, new Uint8Array(32 << 20));
          const d = new DecompressionStream(format), w = d.writable.getWriter(), r = d.readable.getReader();
          await w.write(bomb); await w.close();
          let total = 0, largest = 0;
          for (;;) {
            const { done, value } = await r.read();
            if (done) break;
            total += value.length;
            if (value.length > largest) largest = value.length;
          }
          out.push(total === 32 << 20, largest <= 64 << 10, bomb.length < 100000);
        }
        return out.every((fine) => fine)");
    assert_eq!(seen, "true");
}

#[test]
fn a_write_waits_while_the_output_of_an_earlier_one_does() {
    // The second is trailing data, which is found only when somebody has read the output of the first.
    let seen = run("const bomb = await pack('gzip', new Uint8Array(4 << 20));
        const d = new DecompressionStream('gzip'), w = d.writable.getWriter(), r = d.readable.getReader();
        w.closed.catch(() => {});
        let written = 'waits';
        await w.write(bomb);
        w.write(bomb).then(() => { written = 'done' }, (error) => { written = String(error) });
        for (let i = 0; i < 5; i++) await tick();
        const before = written;
        let error;
        try { while (!(await r.read()).done) {} } catch (e) { error = String(e) }
        await tick();
        return [before, written, error]");
    let trailing = "TypeError: Trailing bytes after end of compressed data";
    assert_eq!(seen, format!(r#"["waits","done","{trailing}"]"#));
}

#[test]
fn who_waits_is_told_when_the_reader_goes() {
    let seen = run("const bomb = await pack('gzip', new Uint8Array(4 << 20));
        const d = new DecompressionStream('gzip'), w = d.writable.getWriter();
        w.closed.catch(() => {});
        await w.write(bomb);
        const second = w.write(bomb).then(() => 'done', (error) => String(error));
        await tick();
        await d.readable.cancel(new RangeError('gone'));
        return [await second, await w.write(bomb).catch(String)]");
    assert_eq!(seen, r#"["RangeError: gone","RangeError: gone"]"#);
}

#[test]
fn a_late_error_ends_both_sides() {
    let seen = run("const bomb = await pack('gzip', new Uint8Array(4 << 20));
        bomb[bomb.length - 1] ^= 1;
        const d = new DecompressionStream('gzip'), w = d.writable.getWriter();
        const closed = w.closed.catch(String);
        await w.write(bomb);
        return [await all(d.readable).catch(String), await closed]");
    let failed = "TypeError: Decompression failed.";
    assert_eq!(seen, format!(r#"["{failed}","{failed}"]"#));
}

#[test]
fn slow_pipes() {
    let seen = run("let n = 0;
        const source = new ReadableStream({ async pull(c) {
          await tick();
          if (n++ === 20) c.close(); else c.enqueue(new TextEncoder().encode('chunk ' + n + ';'));
        } });
        const through = source.pipeThrough(new CompressionStream('deflate')).pipeThrough(new DecompressionStream('deflate'));
        return (await new Response(through).text()).split(';').length");
    assert_eq!(seen, "21");
}

#[test]
fn scripts_cannot_get_between() {
    let seen = run("const seen = [];
        const spy = (object, key) => Object.defineProperty(object, key, {
          get() { seen.push(key); return undefined; }, set() { seen.push(key); }, configurable: true });
        for (const key of ['write', 'close', 'abort', 'pull', 'cancel', 'codec', 'feeding', 'caughtUp', 'push', 'finish', 'release'])
          spy(Object.prototype, key);
        const c = new CompressionStream('gzip'), w = c.writable.getWriter();
        const own = Object.prototype.hasOwnProperty.call(c, 'codec');
        WritableStreamDefaultWriter.prototype.write.call(w, new Uint8Array(1));
        WritableStreamDefaultWriter.prototype.close.call(w);
        const length = (await all(c.readable)).length;
        return [seen, own, length]");
    assert_eq!(seen, "[[],false,21]");
}

#[test]
fn streams_that_nobody_ends_are_collected() {
    // A gigabyte, were they kept.
    let seen = run("for (let i = 0; i < 3000; i++) {
          new CompressionStream('gzip').writable.getWriter().write(new Uint8Array(10));
          if (i % 100 === 0) await tick();
        }
        return 'fine'");
    assert_eq!(seen, "fine");
}

#[test]
fn streams_that_are_kept_have_a_bound() {
    let seen = run("const kept = [];
        for (let i = 0; i < 3000; i++) {
          const c = new CompressionStream('gzip'), w = c.writable.getWriter();
          w.closed.catch(() => {});
          kept.push(c);
          try { await w.write(new Uint8Array(10)); } catch (e) { return [i > 500 && i < 1000, String(e)]; }
        }
        return kept.length");
    assert_eq!(
        seen,
        r#"[true,"RangeError: Too many compression streams are open. Close them, or read what they hold."]"#
    );
}
