// The main module of every differential case: runs one probe of the module `case` and answers with what it observed.
// `GET /` lists the names of the probes, `/<n>` runs the n-th with (request, env, ctx).
import probes from "case";

const names = Object.keys(probes);

// A text for any value, equal for equal observations: no addresses, no order that is not specified, no stack.
function show(value, depth = 0, seen = new Set()) {
  if (value === null || value === undefined || typeof value === "boolean") return String(value);
  if (typeof value === "number") return Object.is(value, -0) ? "-0" : String(value);
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "symbol") return value.toString();
  if (typeof value === "function") return `function ${value.name}/${value.length}`;
  if (depth > 8 || seen.has(value)) return "…";
  seen = new Set(seen).add(value);
  const nested = (inner) => show(inner, depth + 1, seen);
  const tag = Object.prototype.toString.call(value).slice(8, -1);
  if (value instanceof Error || tag === "DOMException") {
    return `${value.constructor?.name}(${value.name}: ${value.message}${tag === "DOMException" ? ` [${value.code}]` : ""})`;
  }
  if (Array.isArray(value)) return `[${value.map(nested).join(", ")}]`;
  if (value instanceof Map) return `Map{${[...value].map(([key, item]) => `${nested(key)} => ${nested(item)}`).join(", ")}}`;
  if (value instanceof Set) return `Set{${[...value].map(nested).join(", ")}}`;
  if (value instanceof ArrayBuffer) return `ArrayBuffer[${[...new Uint8Array(value)]}]`;
  if (ArrayBuffer.isView(value)) {
    return `${tag}[${tag === "DataView" ? [...new Uint8Array(value.buffer, value.byteOffset, value.byteLength)] : [...value]}]`;
  }
  if (value instanceof Date) return `Date(${value.getTime()})`;
  if (value instanceof RegExp) return String(value);
  const prototype = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) {
    return `{${Object.keys(value).map((key) => `${key}: ${nested(value[key])}`).join(", ")}}`;
  }
  return `[object ${tag}]`;
}

async function run(name, request, env, ctx) {
  const timeout = new Promise((resolve) => setTimeout(() => resolve("timeout"), 3000));
  const probe = (async () => {
    try {
      const value = await probes[name](request, env, ctx);
      // What a client sees of it is the observation.
      return value instanceof Response ? value : `returned ${show(value)}`;
    } catch (error) {
      return `threw ${show(error)}`;
    }
  })();
  return Promise.race([probe, timeout]);
}

export default {
  async fetch(request, env, ctx) {
    const index = request.url.slice(request.url.indexOf("/", "http://".length) + 1);
    if (index === "") return new Response(JSON.stringify(names));
    const result = await run(names[Number(index)], request, env, ctx);
    return result instanceof Response ? result : new Response(result);
  },
};
