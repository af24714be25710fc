// What scripts see of the platform's classes beside what they do: prototypes, order of conversions, and that no script
// runs while the platform works.
const bytes = (text) => new TextEncoder().encode(text);
const stream = (type, ...parts) =>
  new ReadableStream({
    type,
    start(controller) {
      for (const part of parts) controller.enqueue(bytes(part));
      controller.close();
    },
  });
const probes = {};

// ------------------------------------------------------------------------- no script between the bytes and the result

const through = (transform) => stream(undefined, "[", "1]").pipeThrough(transform);
const bodies = {
  text: () => new Response("[1]"),
  "looked at text": () => {
    const response = new Response("[1]");
    response.body;
    return response;
  },
  "a script's stream": () => new Response(stream(undefined, "[", "1]")),
  "a script's byte stream": () => new Response(stream("bytes", "[", "1]")),
  "a clone": () => new Response(stream(undefined, "[", "1]")).clone(),
  "a clone of looked at text": () => bodies["looked at text"]().clone(),
  "an identity transform": () => new Response(through(new IdentityTransformStream())),
  "text streams": () => new Response(through(new TextDecoderStream()).pipeThrough(new TextEncoderStream())),
  "a lone surrogate": () => new Response(
      new ReadableStream({
        start(controller) {
          controller.enqueue("\ud800");
          controller.close();
        },
      }).pipeThrough(new TextEncoderStream()),
    ),
  compression: () =>
    new Response(through(new CompressionStream("gzip")).pipeThrough(new DecompressionStream("gzip"))),
  "a blob's stream": () => new Response(new Blob(["[1]"]).stream()),
  "a blob": () => new Blob(["[1]"]),
  "a form": () => {
    const form = new FormData();
    form.append("a", new Blob(["x"]), "name");
    form.append("b", "text");
    return new Response(form);
  },
};
const { apply, construct } = Reflect;
const { then } = Promise.prototype;
const { setTimeout } = globalThis;
const { defineProperty, getOwnPropertyDescriptor, setPrototypeOf, getPrototypeOf } = Object;

/** Replaces a property by one that notes its use. Gives what puts it back. */
function trap(object, key, log) {
  let before = getOwnPropertyDescriptor(object, key);
  // The members of descriptors may be trapped themselves.
  if (before !== undefined) before = setPrototypeOf(before, null);
  const name = typeof key === "symbol" ? key.description : key;
  if (before !== undefined && typeof before.value === "function") {
    const { value } = before;
    defineProperty(object, key, {
      __proto__: null,
      ...before,
      value: function (...args) {
        log(`call ${name}`);
        return new.target === undefined ? apply(value, this, args) : construct(value, args, new.target);
      },
    });
  } else {
    defineProperty(object, key, {
      __proto__: null,
      configurable: true,
      get() {
        log(`get ${name}`);
        return before?.get === undefined ? before?.value : apply(before.get, this, []);
      },
      set(value) {
        log(`set ${name}`);
        defineProperty(this, key, { __proto__: null, value, writable: true, enumerable: true, configurable: true });
      },
    });
  }
  return () => (before === undefined ? delete object[key] : defineProperty(object, key, before));
}
const TypedArray = getPrototypeOf(Uint8Array);
const traps = {
  "then of objects": [[Object.prototype, "then"]],
  "members of objects": ["get", "set", "value", "done", "size", "bytes", "contentType", "next", "item", "length", "0", "1",
    "transfer", "stream", "ignoreBOM", "fatal", "type", "endings", "resolve", "reject", "promise", "write", "close", "abort",
    "pull", "start", "cancel", "name", "filename", "highWaterMark", "configurable"].map((key) => [Object.prototype, key]),
  promises: [[Promise.prototype, "then"], [Promise.prototype, "catch"], [Promise, Symbol.species], [Promise, "resolve"],
    [Promise, "reject"], [Promise, "withResolvers"], [Promise.prototype, "constructor"]],
  arrays: [[Array.prototype, Symbol.iterator], [Array.prototype, "push"], [Array.prototype, "0"], [Array.prototype, "1"],
    [Array.prototype, "shift"], [getPrototypeOf([][Symbol.iterator]()), "next"]],
  bytes: [...["set", "slice", "subarray", "indexOf", "fill", "constructor", "buffer", "byteLength", "byteOffset", "length",
    Symbol.iterator].map((key) => [TypedArray.prototype, key]), [Uint8Array.prototype, "constructor"],
    [TypedArray, Symbol.species], [ArrayBuffer.prototype, "constructor"], [ArrayBuffer, Symbol.species],
    [ArrayBuffer.prototype, "slice"], [ArrayBuffer.prototype, "transfer"], [globalThis, "Uint8Array"]],
  texts: [...["slice", "indexOf", "toLowerCase", "trim", "charCodeAt", "split", "replace", "padStart", "toWellFormed"].map(
    (key) => [String.prototype, key]), [RegExp.prototype, "exec"], [RegExp.prototype, Symbol.replace],
    [TextDecoder.prototype, "decode"], [TextEncoder.prototype, "encode"], [JSON, "parse"], [Number.prototype, "toString"]],
  functions: [[Function.prototype, "call"], [Function.prototype, "apply"], [Function.prototype, "bind"], [Reflect, "apply"],
    [Reflect, "construct"]],
  "the classes": [[ReadableStream.prototype, "getReader"], [ReadableStreamDefaultReader.prototype, "read"],
    [FormData.prototype, "append"], [Blob.prototype, "arrayBuffer"], [File, Symbol.hasInstance], [globalThis, "Blob"],
    [globalThis, "File"], [globalThis, "FormData"]],
};
for (const [what, list] of Object.entries(traps)) {
  for (const [name, body] of Object.entries(bodies)) {
    probes[`${what}, ${name}`] = async () => {
      const results = [];
      for (const method of ["text", "json", "arrayBuffer", "bytes", "blob", "formData"]) {
        const object = body();
        if (method === "formData" ? name !== "a form" : !(method in object)) continue;
        // Where the result is an object, the standard asks it for `then` when it settles the promise.
        if (what === "then of objects" && method !== "text") continue;
        let seen = "";
        let on = false;
        const restore = [];
        let result;
        try {
          for (let i = 0; i < list.length; i++) {
            restore.unshift(trap(list[i][0], list[i][1], (text) => on && (seen += `${text}, `)));
          }
          on = true;
          const promise = object[method]();
          apply(then, promise, [(value) => (result = value), (error) => (result = error.message)]);
          on = false;
          // The event loop turns with the traps on; what they note is the platform's.
          on = true;
          await new Promise((resolve) => setTimeout(resolve, 5));
          on = false;
        } finally {
          for (const back of restore) back();
        }
        if (result instanceof FormData) result = [...result].map(([key, value]) => [key, value.name ?? value]);
        if (result instanceof Blob) result = result.size;
        // A form's boundary is random.
        if (name === "a form" && method !== "formData") result = result.length ?? result.byteLength ?? result;
        // The await of this probe is a script's own.
        results.push([method, result, what === "promises" ? "" : seen]);
      }
      return results;
    };
  }
}
probes["then of objects that answers"] = async () => {
  const out = [];
  for (const name in bodies) {
    const object = bodies[name]();
    if (name === "a form") continue;
    const cell = {};
    defineProperty(cell, "promise", { value: object.text() });
    Object.prototype.then = function (resolve) {
      delete Object.prototype.then;
      resolve("hijacked");
    };
    apply(then, cell.promise, [(value) => (cell.value = value)]);
    await new Promise((resolve) => setTimeout(resolve, 5));
    delete Object.prototype.then;
    out.push(cell.value);
  }
  return out;
};
probes["a digest stream that is first asked for late"] = async () => {
  let seen = "";
  const list = [...traps.promises, ...traps.functions, [Array.prototype, Symbol.iterator], [Reflect, "defineProperty"]];
  const restore = [];
  let stream;
  try {
    for (let i = 0; i < list.length; i++) restore.unshift(trap(list[i][0], list[i][1], (text) => (seen += `${text}, `)));
    seen = "";
    stream = new crypto.DigestStream("SHA-1");
  } finally {
    const noted = seen;
    for (let i = 0; i < restore.length; i++) restore[i]();
    seen = noted;
  }
  const writer = stream.getWriter();
  await writer.write(bytes("a"));
  await writer.close();
  return [seen, new Uint8Array(await stream.digest)];
};
probes["a class put under File"] = async () => {
  const Parent = getPrototypeOf(File);
  const log = [];
  const response = bodies["a form"]();
  setPrototypeOf(File, function () {
    log.push("ran");
    return {};
  });
  try {
    const form = await response.formData();
    form.append("c", new Blob(["x"]));
    return [log, form.get("a").name, form.get("c").size, await form.get("a").text()];
  } finally {
    setPrototypeOf(File, Parent);
  }
};

// ------------------------------------------------------------------------------------------------------------ iterators

const IteratorPrototype = getPrototypeOf(getPrototypeOf([][Symbol.iterator]()));
const lists = {
  Headers: () => new Headers({ a: "1", b: "2" }),
  URLSearchParams: () => new URLSearchParams("a=1&b=2"),
  FormData: () => {
    const form = new FormData();
    form.append("a", "1");
    form.append("b", "2");
    return form;
  },
};
for (const list in lists) {
  for (const method of ["entries", "keys", "values", Symbol.iterator]) {
    const iterator = () => lists[list]()[method]();
    probes[`iterator of ${list}: ${String(method)}`] = () => {
      const one = iterator();
      const prototype = getPrototypeOf(one);
      const next = getOwnPropertyDescriptor(prototype, "next");
      return [
        getPrototypeOf(prototype) === IteratorPrototype, one instanceof Iterator, one[Symbol.iterator]() === one,
        next.enumerable, next.writable, next.configurable, "return" in one, "throw" in one,
        iterator().map(String).toArray(), iterator().take(1).toArray(), iterator().drop(1).toArray(), [...iterator()],
        Iterator.from(iterator()).toArray(),
      ];
    };
    probes[`next of ${list}: ${String(method)}, on something else`] = () => iterator().next.call({});
  }
}
probes["iterator of a stream"] = () => {
  const prototype = getPrototypeOf(getPrototypeOf(new ReadableStream().values()));
  return prototype === getPrototypeOf(getPrototypeOf(async function* () {}).prototype);
};

// -------------------------------------------------------------------------------------------------------------- classes

for (const [name, make] of Object.entries({
  TextEncoderStream: () => new TextEncoderStream(),
  TextDecoderStream: () => new TextDecoderStream(),
})) {
  probes[`class ${name}`] = () => [
    getPrototypeOf(globalThis[name]) === Function.prototype, Object.prototype.toString.call(make()),
    make().readable instanceof ReadableStream, make().writable instanceof WritableStream,
    ((one) => one.readable === one.readable && one.writable === one.writable)(make()),
  ];
  probes[`class ${name} and TransformStream`] = () => [
    make() instanceof TransformStream, Object.hasOwn(globalThis[name].prototype, "readable"),
  ];
}

const noting = () => {
  const log = [];
  const part = { toString: () => (log.push("part"), "x") };
  const options = {
    get endings() {
      log.push("endings");
    },
    get type() {
      log.push("type");
    },
    get lastModified() {
      log.push("lastModified");
    },
  };
  return { log, part, options, name: { toString: () => (log.push("name"), "n") } };
};
probes["order of a Blob's arguments"] = () => {
  const { log, part, options } = noting();
  new Blob([part, part], options);
  return log.filter((entry) => entry !== "endings");
};
probes["order of a File's arguments"] = () => {
  const { log, part, options, name } = noting();
  new File([part], name, options);
  return [log.indexOf("part") < log.indexOf("type"), log.indexOf("name") < log.indexOf("type")];
};
const failing = (what) => ({
  get type() {
    throw new Error(what);
  },
});
probes["a part that throws, then an option"] = () =>
  new Blob([{ toString: () => { throw new Error("part"); } }], failing("type"));
probes["a part that throws, then bad options"] = () => new Blob([{ toString: () => { throw new Error("part"); } }], 5);
probes["a File's part that throws, then a name"] = () =>
  new File([{ toString: () => { throw new Error("part"); } }], { toString: () => { throw new Error("name"); } });
probes["a File without a name"] = () => new File(["x"]);
probes["a File without anything"] = () => new File();
probes["a File whose super fails leaves nothing behind"] = async () => {
  const Parent = getPrototypeOf(File);
  setPrototypeOf(File, class { constructor() { throw new Error("super"); } });
  let message;
  try {
    new File(["left"], "n");
  } catch (error) {
    message = error.message;
  } finally {
    setPrototypeOf(File, Parent);
  }
  return await new Blob(["own"]).text();
};
probes["a class that extends File"] = async () => {
  class Own extends File {
    constructor() {
      super(["a"], "b", { type: "t/x", lastModified: 5 });
    }
  }
  const own = new Own();
  return [own instanceof Own, own instanceof Blob, own.name, own.type, own.lastModified, await own.text(), own.slice(0, 1).size];
};
export default probes;
