// Streams of events (HTML Standard, section 9.2), cut at every byte.
import { strictEqual } from 'node:assert';

/** What is told of a stream of these chunks until it ends. */
async function told(chunks) {
  const stream = new ReadableStream({ start(c) { for (const chunk of chunks) c.enqueue(new Uint8Array(chunk)); c.close(); } });
  const source = EventSource.from(stream);
  const events = [];
  const note = (event) => { events.push([event.type, event.data, event.lastEventId]); };
  for (const type of ["message", "add", "remove", "open", "", "x"]) source.addEventListener(type, note);
  await new Promise((done) => { source.onerror = (event) => { if (event.error) done(); }; });
  strictEqual(source.readyState, EventSource.CLOSED);
  return JSON.stringify(events);
}

const m = (data, id = "") => ["message", data, id];
// Each is a text and its events; those at the beginning are the examples of the standard.
const vectors = [
  ["data: This is the first message.\n\ndata: This is the second message, it\ndata: has two lines.\n\ndata: This is the third message.\n\n", [m("This is the first message."), m("This is the second message, it\nhas two lines."), m("This is the third message.")]],
  ["event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\nevent: add\ndata: 113411\n\n", [["add", "73857293", ""], ["remove", "2153", ""], ["add", "113411", ""]]],
  ["data: YHOO\ndata: +2\ndata: 10\n\n", [m("YHOO\n+2\n10")]],
  [": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n", [m("first event", "1"), m("second event"), m(" third event")]],
  // As in the reference, data that are empty are none: the standard has two events here.
  ["data\n\ndata\ndata\n\ndata:", [m("\n")]],
  ["data:test\n\ndata: test\n\n", [m("test"), m("test")]],
  // Ends of lines.
  ["data: a\n\n", [m("a")]],
  ["data: a\r\r", [m("a")]],
  ["data: a\r\n\r\n", [m("a")]],
  ["data: a\rdata: b\ndata: c\r\ndata: d\r\n\n", [m("a\nb\nc\nd")]],
  ["data: a\r\n\r", [m("a")]],
  ["data: a\n\r", [m("a")]],
  ["data: a\r\n\rdata: b\n\r\n", [m("a"), m("b")]],
  ["data: a\n\n\n\r\r\n\ndata: b\n\n", [m("a"), m("b")]],
  ["\n\r\ndata: a\n\n", [m("a")]],
  // The end of the stream.
  ["", []],
  ["data: a", []],
  ["data: a\n", []],
  ["data: a\r", []],
  ["data: a\n\ndata: b\n", [m("a")]],
  // The byte order mark.
  ["\ufeffdata: a\n\n", [m("a")]],
  ["\ufeff\ufeffdata: a\n\ndata: b\n\n", [m("b")]],
  ["data: \ufeffa\n\n", [m("\ufeffa")]],
  // UTF-8.
  ["data: \u00e9\u20ac\u{1f600}\n\n", [m("\u00e9\u20ac\u{1f600}")]],
  [[0x64, 0x61, 0x74, 0x61, 0x3a, 0xff, 0xc3, 0xa9, 0xe2, 0x82, 0x0a, 0x0a], [m("\ufffd\u00e9\ufffd")]],
  ["event: \u00e9\ndata: a\n\nevent:x\ndata:\u2028b\n\n", [["x", "\u2028b", ""]]],
  // Fields.
  ["data:a\n\n", [m("a")]],
  ["data:  a \n\n", [m(" a ")]],
  ["data:\ta\n\n", [m("\ta")]],
  ["data: a: b\n\n", [m("a: b")]],
  [" data: a\n\ndata : b\n\nData: c\n\nDATA: d\n\n", []],
  ["foo: bar\ndata: a\nfoo\n:\n\n", [m("a")]],
  ["data: a\0b\n\n", [m("a\0b")]],
  [":data: a\n\n", []],
  ["data:\ndata: a\ndata:\n\n", [m("\na\n")]],
  ["event: x\n\ndata: a\n\n", [m("a")]],
  ["event: x\nevent: add\ndata: a\n\n", [["add", "a", ""]]],
  ["event: open\ndata: a\n\n", [["open", "a", ""]]],
  ["event\ndata: a\n\n", [["", "a", ""]]], // as in the reference; the standard has a message
  ["data: a\nevent: x\n\n", [["x", "a", ""]]],
  // Identifiers.
  ["id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n", [m("a", "1"), m("b", "1"), m("c")]],
  ["id: 1\n\ndata: a\n\n", [m("a", "1")]],
  ["id: a\0b\ndata: x\n\n", [m("x", "a\0b")]], // as in the reference; the standard ignores such a one
  ["id: 1\nid: 2\ndata: a\n\n", [m("a", "2")]],
  ["id:  \ndata: a\n\n", [m("a", " ")]],
  // The time of reconnection is no event.
  ["retry: 1000\ndata: a\n\nretry: x\n\nretry: -1\n\nretry:\n\nretry: 1e3\n\ndata: b\n\n", [m("a"), m("b")]],
];

const bytesOf = (text) => [...(typeof text === "string" ? new TextEncoder().encode(text) : text)];

export const wholeAndCutAtEveryByte = {
  async test() {
    for (const [text, events] of vectors) {
      const bytes = bytesOf(text);
      const expected = JSON.stringify(events);
      for (let cut = 0; cut <= bytes.length; cut++) {
        strictEqual(await told([bytes.slice(0, cut), bytes.slice(cut)]), expected, `${JSON.stringify(text)} cut at ${cut}`);
      }
      strictEqual(await told(bytes.map((byte) => [byte])), expected, `${JSON.stringify(text)} byte by byte`);
    }
  },
};

export const inThreePiecesAroundEveryEndOfALine = {
  async test() {
    const bytes = bytesOf("data: a\r\ndata: b\r\r\ndata: c\n\r\n\n");
    const expected = JSON.stringify([m("a\nb"), m("c")]);
    for (let first = 0; first <= bytes.length; first++) {
      for (let second = first; second <= bytes.length; second++) {
        const chunks = [bytes.slice(0, first), bytes.slice(first, second), bytes.slice(second)];
        strictEqual(await told(chunks), expected, `${first} ${second}`);
      }
    }
  },
};

export const aLineOfManyPiecesTakesTimeThatGrowsWithItsLength = {
  async test() {
    const piece = bytesOf("x".repeat(64));
    const chunks = [bytesOf("data: "), ...Array.from({ length: 4096 }, () => piece), bytesOf("\n\n")];
    const [[, data]] = JSON.parse(await told(chunks));
    strictEqual(data.length, 4096 * 64);
  },
};
