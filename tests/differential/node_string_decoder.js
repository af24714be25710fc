// What `node:string_decoder` makes of bytes that come in parts.
import { StringDecoder } from "node:string_decoder";
import * as all from "node:string_decoder";
import { answer } from "./show.js";

const row = (name, run) => ({ name, run });
const tried = (run) => { try { return run(); } catch (error) { return error; } };
const inputs = {
  ascii: [97, 98], two: [0xc3, 0xa4], three: [0xe2, 0x82, 0xac], four: [0xf0, 0x9f, 0x98, 0x80], cut: [0xe2, 0x82], wrong: [0xff, 0x61], mixed: [97, 0xe2, 0x82, 0xac, 98, 0xf0, 0x9f, 0x98], lone: [0x80, 0x61, 0xc3], overlong: [0xc0, 0x80, 0xe0, 0x80, 0xaf],
  surrogate: [0xed, 0xa0, 0x80, 0x61], bom: [0xef, 0xbb, 0xbf, 0x61], units: [0x3d, 0xd8, 0x4d, 0xdc, 0x61, 0], odd: [0x3d, 0xd8, 0x4d], high: [0x3d, 0xd8], broken: [0xe2, 0x82, 0x61, 0xac], toolong: [0xf8, 0x88, 0x80, 0x80, 0x80], several: [0xf0, 0x9f, 0x61, 0xf0, 0x9f, 0x98, 0x80, 0xe2],
};
const encodings = ["utf8", "utf-8", "UTF-8", "utf16le", "ucs2", "UCS-2", "latin1", "binary", "ascii", "hex", "base64", "base64url"];
const state = (d) => [d.lastNeed, d.lastTotal, [...d.lastChar]];

const cases = [
  () => Object.keys(all),
  () => [Object.keys(StringDecoder.prototype), StringDecoder.name, StringDecoder.length],
  () => [Object.keys(new StringDecoder()), new StringDecoder().encoding, new StringDecoder("UTF16LE").encoding, new StringDecoder("binary").encoding, new StringDecoder(null).encoding],
  () => StringDecoder("utf8"),
  () => new StringDecoder("nope"),
  () => new StringDecoder(5),
  () => new StringDecoder().write(5),
  () => new StringDecoder().write(null),
  () => new StringDecoder().write(),
  () => new StringDecoder().write({}),
  () => new StringDecoder().end(5),
  () => [new StringDecoder().write("text"), new StringDecoder().end("text"), new StringDecoder().end(), new StringDecoder("hex").write("text")],
  () => new StringDecoder().write(new Uint16Array([0x6161, 0x6262])),
  () => new StringDecoder().write(new DataView(new Uint8Array([97, 98]).buffer)),
  () => tried(() => new StringDecoder().write(new Uint8Array([97]).buffer)),
  () => { const d = new StringDecoder(); d.write(Buffer.from([0xe2])); return [d.text(Buffer.from([0x82, 0xac, 97]), 2), state(d)]; },
  () => tried(() => StringDecoder.prototype.write.call({}, Buffer.from("a"))),
  () => { const d = new StringDecoder(); d.end(Buffer.from([0xe2])); return [d.write(Buffer.from("a")), d.end()]; },
  ...encodings.flatMap((encoding) =>
    Object.keys(inputs).map((input) =>
      row(`${encoding} ${input}`, () => {
        const bytes = Buffer.from(inputs[input]);
        const seen = [];
        for (const size of [1, 2, 3, bytes.length]) {
          const d = new StringDecoder(encoding);
          const parts = [];
          for (let i = 0; i < bytes.length; i += size) parts.push(d.write(bytes.subarray(i, i + size)), d.lastNeed, d.lastTotal);
          seen.push(parts, d.end(), state(d).slice(0, 2));
        }
        return seen;
      }))),
];

export default { fetch: () => answer(cases) };
