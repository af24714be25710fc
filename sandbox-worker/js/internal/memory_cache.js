// Reading a memory cache, and having it forget, which the supervisor has, over a channel to it: see there (`service/memory_cache`) for the requests.
import { deserialize, fetch, serialize } from "native:channels";
import scripts from "native:scripts";

const { getOwnPropertyDescriptor, isObject, toUSVString, uncurryThis } = scripts.primordials;
const BaseTypeError = TypeError;
const encode = encodeURIComponent;
const { Response } = globalThis;

/** An attribute of a class; before a date it is a property of each object. */
const attribute = (Class, name) => {
  const own = getOwnPropertyDescriptor(Class.prototype, name);
  return own === undefined ? (object) => object[name] : uncurryThis(own.get);
};
const statusOf = attribute(Response, "status");
const headersOf = attribute(Response, "headers");
const bodyOf = attribute(Response, "body");
const bytesOf = uncurryThis(Response.prototype.arrayBuffer);
const getHeader = uncurryThis(globalThis.Headers.prototype.get);
const cancel = uncurryThis(globalThis.ReadableStream.prototype.cancel);

const urlOf = (key) => `http://cache/?${encode(toUSVString(key))}`;

const FOUND = 200;
const YOURS = 202;

/** What a fallback gave: the value, and when it expires. */
const produced = async (fallback, key) => {
  const given = fallback(key);
  if (!isObject(given) && given !== undefined && given !== null) {
    throw new BaseTypeError("Callback returned incorrect type; expected 'Promise'");
  }
  const result = await given;
  if (result === undefined || result === null) {
    throw new BaseTypeError("Cannot initialize CacheValueProduceResult with required members from an undefined or null value.");
  }
  if (!isObject(result)) {
    throw new BaseTypeError("Incorrect type for Promise: the Promise did not resolve to 'CacheValueProduceResult'.");
  }
  const { value } = result;
  const { expiration } = result;
  const expires = expiration === undefined ? undefined : +expiration;
  if (expires !== undefined && expires !== expires) {
    throw new BaseTypeError("Expiration time must not be NaN.");
  }
  return { __proto__: null, value, expires };
};

/** The value of a key, or what `fallback` gives where there is none: of those that ask at the same time, one does. */
export const read = async (position, key, fallback) => {
  const url = urlOf(key);
  const asked = fallback === undefined ? {} : { __proto__: null, fallback: "1" };
  const response = await fetch(position, url, { __proto__: null, headers: asked });
  const status = statusOf(response);
  if (status === FOUND) return deserialize(await bytesOf(response));
  if (status !== YOURS) return undefined;
  // It is this event's turn for as long as it holds the response; without a ticket it looks for itself alone.
  const ticket = getHeader(headersOf(response), "ticket");
  try {
    const { value, expires } = await produced(fallback, key);
    const body = serialize(value);
    if (ticket === null) return value;
    const headers = { __proto__: null, ticket };
    if (expires !== undefined) headers.expires = `${expires}`;
    await fetch(position, url, { __proto__: null, method: "PUT", headers, body });
    return value;
  } finally {
    if (ticket !== null) cancel(bodyOf(response)).catch(() => {});
  }
};

/** Has the cache forget the value of a key. */
export const forget = async (position, key) => {
  await fetch(position, urlOf(key), { __proto__: null, method: "DELETE" });
};
