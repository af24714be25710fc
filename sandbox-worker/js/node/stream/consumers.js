// node:stream/consumers: all of a stream, as one value.
import { Buffer } from "node:buffer";

const { Blob, JSON: { parse }, TextDecoder } = globalThis;
const { from: bufferFrom } = Buffer;

async function blob(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks[chunks.length] = chunk;
  return new Blob(chunks);
}
async function arrayBuffer(stream) {
  const whole = await blob(stream);
  return whole.arrayBuffer();
}
async function buffer(stream) {
  return bufferFrom(await arrayBuffer(stream));
}
async function text(stream) {
  const decoder = new TextDecoder();
  let result = "";
  for await (const chunk of stream) result += typeof chunk === "string" ? chunk : decoder.decode(chunk, { stream: true });
  return result + decoder.decode();
}
async function json(stream) {
  return parse(await text(stream));
}

export { arrayBuffer, blob, buffer, json, text };
export default { arrayBuffer, blob, buffer, text, json };
