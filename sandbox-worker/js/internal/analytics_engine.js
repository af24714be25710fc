// What a data point of an `analyticsEngine` binding becomes: a JSON object, posted to the service that the binding names.
import { fetch } from "native:channels";
import scripts from "native:scripts";

const {
  ArrayIsArray, arrayBufferByteLength, Bytes, fieldNotOfType, isArrayBuffer, isObject, isView, notOfType, toUSVString, viewBuffer,
  viewByteLength, viewByteOffset,
} = scripts.primordials;
const { encodeUtf8 } = scripts;
const { now } = Date;
const toBigInt = BigInt;
const { stringify } = JSON;

const MAX_DOUBLES = 20;
const MAX_BLOBS = 20;
const MAX_INDEX = 96;
const MAX_BLOB_BYTES = 16000;

const listOf = (event, field) => {
  const list = event[field];
  if (list === undefined) return [];
  if (!ArrayIsArray(list)) throw fieldNotOfType(field, "AnalyticsEngineEvent", "Array");
  return list;
};

/** The bytes of a text or a buffer; undefined for what is left out. */
const bytesOf = (value) => {
  if (value === undefined || value === null) return undefined;
  if (isArrayBuffer(value)) return new Bytes(value, 0, arrayBufferByteLength(value));
  if (isView(value)) return new Bytes(viewBuffer(value), viewByteOffset(value), viewByteLength(value));
  return encodeUtf8(toUSVString(value));
};

/** JSON of bytes: a list of numbers. */
const list = (bytes) => {
  let text = "[";
  const length = bytes === undefined ? 0 : viewByteLength(bytes);
  for (let i = 0; i < length; i++) text += i === 0 ? bytes[i] : `,${bytes[i]}`;
  return `${text}]`;
};

/** JSON of a number, where some have no number for it. */
const number = (value) => (value - value !== 0 ? stringify(`${value}`) : value === 0 && 1 / value < 0 ? "-0" : `${value}`);

/** Sends a data point, unless it is more than one may have: as in the reference, nobody is told. */
export const write = (position, dataset, event) => {
  let indexes = [];
  let doubles = [];
  let blobs = [];
  if (event !== undefined && event !== null) {
    if (!isObject(event)) throw notOfType("writeDataPoint", "AnalyticsEngine", 1, "AnalyticsEngineEvent");
    indexes = listOf(event, "indexes");
    doubles = listOf(event, "doubles");
    blobs = listOf(event, "blobs");
  }
  const index = bytesOf(indexes[0]);
  if (indexes.length > 1 || doubles.length > MAX_DOUBLES || blobs.length > MAX_BLOBS) return undefined;
  if (index !== undefined && viewByteLength(index) > MAX_INDEX) return undefined;
  // As the reference counts it, in numbers that do not have all digits.
  const timestamp = toBigInt(now() * 1000000);
  let text = `{"accountId":"1","dataset":${list(encodeUtf8(dataset))},"schemaVersion":"0","index1":${list(index)},"timestamp":"${timestamp}"`;
  for (let i = 0; i < MAX_DOUBLES; i++) text += `,"double${i + 1}":${number(i < doubles.length ? +doubles[i] : 0)}`;
  let total = 0;
  for (let i = 0; i < blobs.length; i++) {
    const bytes = bytesOf(blobs[i]);
    if (bytes === undefined) continue;
    total += viewByteLength(bytes);
    text += `,"blob${i + 1}":${list(bytes)}`;
  }
  if (total > MAX_BLOB_BYTES) return undefined;
  return fetch(position, "https://fake-host", { __proto__: null, method: "POST", body: encodeUtf8(`${text}}`) });
};
