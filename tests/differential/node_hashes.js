// Hashes and HMACs of node:crypto.
import { answer } from "./show.js";
import crypto from "node:crypto";
import { pipeline } from "node:stream/promises";
import { Readable } from "node:stream";

const cases = [];
const add = (...more) => cases.push(...more);
const names = ["md5", "MD5", "sha1", "SHA-1", "sha256", "SHA256", "sha-256", "sha384", "sha512", "RSA-SHA256", "RSA-MD5", "DSA-SHA1", "ecdsa-with-SHA1", "ripemd160", "nope", "", 5, undefined, null, "blake2b512", "sha3-256"];
for (const name of names) {
  cases.push({ name: `createHash ${name}`, run: () => crypto.createHash(name).update("x").digest("hex") });
  cases.push({ name: `createHmac ${name}`, run: () => crypto.createHmac(name, "key").update("x").digest("hex") });
  cases.push({ name: `hash ${name}`, run: () => crypto.hash(name, "x") });
}
for (const size of [0, 1, 55, 56, 63, 64, 65, 111, 112, 127, 128, 129, 1000]) {
  for (const name of ["md5", "sha1", "sha256", "sha512"]) cases.push({ name: `${name} of ${size} bytes`, run: () => crypto.createHash(name).update(new Uint8Array(size).fill(7)).digest("base64") });
  cases.push({ name: `key of ${size} bytes`, run: () => ["md5", "sha256", "sha384"].map((name) => crypto.createHmac(name, new Uint8Array(size).fill(9)).update("text").digest("base64")) });
}
for (const encoding of ["hex", "base64", "base64url", "latin1", "binary", "buffer", "utf8", "HEX", "nope", undefined, null]) {
  cases.push({ name: `digest as ${encoding}`, run: () => crypto.createHash("sha256").update("x").digest(encoding) });
  cases.push({ name: `hmac as ${encoding}`, run: () => crypto.createHmac("sha256", "k").update("x").digest(encoding) });
  cases.push({ name: `hash as ${encoding}`, run: () => crypto.hash("sha256", "x", encoding) });
}
for (const [name, data] of Object.entries({ number: 5, nothing: undefined, null: null, object: {}, "an ArrayBuffer": new ArrayBuffer(2), shorts: new Uint16Array([1, 2]), "a view": new DataView(new ArrayBuffer(2)), "a Buffer": Buffer.from("ab"), "empty text": "", "text": "\u20ac" })) {
  cases.push({ name: `update with ${name}`, run: () => crypto.createHash("sha256").update(data).digest("hex") });
  cases.push({ name: `hmac of ${name}`, run: () => crypto.createHmac("sha256", "k").update(data).digest("hex") });
  cases.push({ name: `key of ${name}`, run: () => crypto.createHmac("sha256", data).update("x").digest("hex") });
}
add(
  () => crypto.createHash("sha256").update("zz", "hex").digest("hex"), () => crypto.createHash("sha256").update("ff", "hex").digest("hex"),
  () => { const h = crypto.createHash("sha256"); h.digest(); return h.digest(); }, () => { const h = crypto.createHash("sha256"); h.digest(); return h.update("x"); },
  () => { const h = crypto.createHash("sha256").update("a"); const c = h.copy(); c.update("b"); return [h.digest("hex"), c.digest("hex"), c instanceof crypto.Hash]; },
  () => { const h = crypto.createHash("sha256"); h.digest(); return h.copy(); },
  () => crypto.createHash("sha256", { outputLength: 5 }), () => crypto.createHash("sha256", { outputLength: 32 }).digest("hex"), () => crypto.createHash("sha256", { outputLength: -1 }),
  async () => { const h = crypto.createHash("md5"); h.end("x"); const seen = []; for await (const chunk of h) seen.push(chunk); return seen; },
  async () => { const h = crypto.createHash("md5"); h.setEncoding("hex"); await pipeline(Readable.from(["a", "b"]), h); return h.read(); },
  async () => { const h = crypto.createHmac("md5", "k"); h.end("x"); return h.toArray(); },
  () => crypto.Hash("md5").update("x").digest("hex"), () => new crypto.Hash("md5").update("x").digest("hex"), () => crypto.Hmac("md5", "k").update("x").digest("hex"),
  () => { const h = crypto.createHmac("sha256", "k"); return [h.digest("hex"), h.digest("hex"), h.digest()]; },
  () => { const h = crypto.createHmac("sha256", "k"); h.digest(); return h.update("x"); }, () => crypto.createHmac("sha256"), () => crypto.createHmac("sha256", "6b", { encoding: "hex" }).digest("hex"),
  () => { const h = crypto.createHash("md5"); return h.update("a") === h; }, () => Object.getOwnPropertyNames(crypto.Hash.prototype).sort(), () => Object.getOwnPropertyNames(crypto.Hmac.prototype).sort(),
);

export default { fetch: () => answer(cases) };
