import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./load.mjs";

const internal = load({ only: "form_encoding.js" });
const { Blob, File, FormData } = internal.globals;
const encode = (text) => new TextEncoder().encode(text);
const decode = (bytes) => new TextDecoder().decode(bytes);

test("parts, type, slice, readers", async () => {
  const blob = new Blob(["a", new Uint8Array([98]), new Blob(["c"]), 5], { type: "Text/X" });
  assert.deepEqual([blob.size, blob.type, await blob.text()], [4, "text/x", "abc5"]);
  assert.equal(await blob.slice(1, -1, "Q").text(), "bc");
  assert.equal(blob.slice(1, -1, "Q").type, "q");
  assert.equal(blob.slice(3, 1).size, 0);
  assert.equal(blob.slice(-2).size, 2);
  assert.deepEqual([...(await blob.bytes())], [97, 98, 99, 53]);
  assert.equal((await blob.arrayBuffer()).byteLength, 4);
  assert.equal(new Blob([], { type: "é" }).type, "");
  assert.equal(await new Blob(["a\r\nb\rc"], { endings: "native" }).text(), "a\nb\nc");
  assert.equal(decode(await internal.collect(blob.stream())), "abc5");
  for (const bad of [5, "abc", {}]) assert.throws(() => new Blob(bad), TypeError);
});

test("what is serialised parses to the same form", async () => {
  const form = new FormData();
  form.append("plain", "1");
  form.append('q"\r\nx', "line1\nline2");
  form.append("empty", "");
  form.append("file", new File([new Uint8Array([0, 13, 10, 45, 45, 255])], 'n"m.bin', { type: "application/x" }));
  const { bytes, contentType } = internal.serializeFormData(form);
  const parsed = internal.parseFormData(bytes, contentType);
  assert.equal(parsed.get("plain"), "1");
  assert.equal(parsed.get('q"\r\nx'), "line1\r\nline2");
  assert.equal(parsed.get("empty"), "");
  const file = parsed.get("file");
  assert.deepEqual([file.name, file.type, [...(await file.bytes())]], ['n"m.bin', "application/x", [0, 13, 10, 45, 45, 255]]);
});

test("multipart: what the reference says about malformed bodies", () => {
  const parse = (text, type = "multipart/form-data; boundary=b") => internal.parseFormData(encode(text), type);
  assert.throws(() => parse("x", "multipart/form-data"), /No boundary string in Content-Type header/);
  assert.throws(() => parse("x"), /No initial boundary string/);
  assert.throws(() => parse("--b\r\n\r\n--b--"), TypeError);
  assert.throws(() => parse('--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nv'), /No subsequent boundary/);
  assert.throws(() => parse("--b\r\nContent-Disposition: form-data\r\n\r\nv\r\n--b--"), /missing a name/);
  assert.throws(() => parse("--b\r\nX: " + "y".repeat(20000) + "\r\n\r\nv\r\n--b--"), /too long/);
  assert.throws(() => parse("x", "text/plain"), /Unrecognized Content-Type/);
  assert.deepEqual([...parse("--b--")], []);
  assert.deepEqual([...parse('--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n--b--')], [["a", ""]]);
});

test("multipart: arbitrary bytes end in a form or a TypeError", () => {
  const base = [...encode('--b\r\nContent-Disposition: form-data; name="a"; filename="f"\r\nContent-Type: x\r\n\r\nv\r\n--b--')];
  let seed = 1;
  const random = (n) => (seed = (seed * 48271) % 2147483647) % n;
  for (let i = 0; i < 5000; i++) {
    const bytes = Uint8Array.from(base);
    for (let j = random(6); j >= 0; j--) bytes[random(bytes.length)] = [13, 10, 45, 34, 59, 61, 98, 0, 255][random(9)];
    try {
      internal.parseFormData(bytes.subarray(0, random(bytes.length + 1)), "multipart/form-data; boundary=b");
    } catch (error) {
      assert.ok(error instanceof TypeError, String(error));
    }
  }
});

test("too many fields are refused", () => {
  const text = "a&".repeat(65537);
  assert.throws(() => internal.parseFormData(encode(text), "application/x-www-form-urlencoded"), RangeError);
});

test("urlencoded", () => {
  const form = internal.parseFormData(encode("a=1&b=%41+c&&=x&d&%zz=%e2%82%ac"), "application/x-www-form-urlencoded;charset=UTF-8");
  assert.deepEqual([...form], [["a", "1"], ["b", "A c"], ["", "x"], ["d", ""], ["%zz", "€"]]);
});
