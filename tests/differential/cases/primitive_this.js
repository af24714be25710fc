// Members of the platform's classes asked of what is no object, and of an object that is none of the class: a probe for each class.
const CLASSES = [
  "AbortController", "AbortSignal", "Blob", "ByteLengthQueuingStrategy", "Cache", "CacheStorage", "CloseEvent", "CompressionStream",
  "CountQueuingStrategy", "Crypto", "CustomEvent", "DOMException", "DecompressionStream", "ErrorEvent", "Event", "EventTarget",
  "ExtendableEvent", "FetchEvent", "File", "FixedLengthStream", "FormData", "Headers", "IdentityTransformStream", "MessageEvent",
  "PromiseRejectionEvent", "ReadableByteStreamController", "ReadableStream", "ReadableStreamBYOBReader", "ReadableStreamBYOBRequest",
  "ReadableStreamDefaultController", "ReadableStreamDefaultReader", "Request", "Response", "ScheduledEvent", "SubtleCrypto",
  "TextDecoder", "TextDecoderStream", "TextEncoder", "TextEncoderStream", "TransformStream", "TransformStreamDefaultController", "URL",
  "URLSearchParams", "WritableStream", "WritableStreamDefaultController", "WritableStreamDefaultWriter",
];
const VALUES = { number: 1, string: "text", boolean: true, symbol: Symbol("s"), bigint: 1n, undefined, null: null, object: {}, function: () => {} };

/** What came of a call, in a word where it is what it should be. */
const told = async (call) => {
  try {
    const value = await call();
    return value === undefined ? "undefined" : typeof value;
  } catch (error) {
    return String(error).startsWith("TypeError: Illegal invocation: function called with incorrect `this` reference.") ? "illegal" : String(error);
  }
};

const probe = (name) => async () => {
  const all = [];
  const members = Object.entries(Object.getOwnPropertyDescriptors(globalThis[name].prototype)).sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [member, { get, value }] of members) {
    const call = get ?? value;
    // A class has its own answer.
    if (typeof call !== "function" || call.prototype !== undefined) continue;
    for (const [kind, receiver] of Object.entries(VALUES)) {
      const came = await told(() => call.call(receiver));
      if (came !== "illegal") all.push(`${member} of ${kind}: ${came}`);
    }
  }
  return all;
};

export default Object.fromEntries(CLASSES.map((name) => [name, probe(name)]));
