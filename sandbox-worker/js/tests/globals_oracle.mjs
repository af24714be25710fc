// Records what the reference's global scope looks like, into data/oracle-globals.json.
// Run by hand when the reference is upgraded: WORKERD_BINARY=… node globals_oracle.mjs
import { writeFile } from "node:fs/promises";
import { withOracle } from "./oracle.mjs";

const source = `
function key(k) { return typeof k === "symbol" ? k.toString() : k; }
function descriptor(object, k) {
  const d = Object.getOwnPropertyDescriptor(object, k);
  const out = { enumerable: d.enumerable, configurable: d.configurable };
  if ("value" in d) {
    out.writable = d.writable;
    out.type = d.value === null ? "null" : typeof d.value;
    if (typeof d.value === "function") {
      out.length = d.value.length; out.name = d.value.name; out.constructible = isClass(d.value);
    }
    else if (typeof d.value !== "object" && typeof d.value !== "symbol") out.value = d.value;
  } else {
    for (const side of ["get", "set"]) if (d[side]) out[side] = { name: d[side].name, length: d[side].length };
  }
  return out;
}
function isClass(f) { try { Reflect.construct(Object, [], f); return true; } catch { return false; } }
function instantiable(f) { try { new f(); return "yes"; } catch (e) { return String(e); } }
function describe(object) {
  const out = {};
  for (const k of Reflect.ownKeys(object)) out[key(k)] = descriptor(object, k);
  return out;
}
function record() {
  // Interface objects are own properties of the objects on the global's prototype chain, not of the global itself.
  const all = new Set();
  for (let o = globalThis; o !== null && o !== Object.prototype; o = Object.getPrototypeOf(o)) {
    for (const k of Reflect.ownKeys(o)) all.add(key(k));
  }
  const names = [...all].sort();
  const interfaces = {};
  const nodeOnly = new Set(["Buffer", "process", "global"]);
  for (const name of names) {
    let value; try { value = globalThis[name]; } catch { continue; }
    if (nodeOnly.has(name) || value === null || value === globalThis) continue;
    if (typeof value === "function" && typeof value.prototype === "object") {
      const parent = Object.getPrototypeOf(value);
      const protoParent = Object.getPrototypeOf(value.prototype);
      interfaces[name] = {
        length: value.length, name: value.name,
        parent: parent === Function.prototype ? "Function.prototype" : parent?.name ?? null,
        prototypeParent: protoParent === null ? null : key(protoParent[Symbol.toStringTag] ?? protoParent.constructor?.name),
        instantiable: instantiable(value), statics: describe(value), prototype: describe(value.prototype),
      };
    } else if (typeof value === "object") {
      interfaces[name] = { object: true, own: describe(value),
        prototypeName: Object.getPrototypeOf(value)?.constructor?.name ?? null,
        tag: value[Symbol.toStringTag] ?? null };
    }
  }
  const chain = [];
  for (let o = globalThis; o !== null && o !== Object.prototype; o = Object.getPrototypeOf(o)) {
    chain.push({ tag: o[Symbol.toStringTag] ?? null, constructor: o.constructor?.name, own: describe(o) });
  }
  return { names, interfaces, chain };
}
export default { fetch() { return Response.json(record()); } };
`;

const record = await withOracle(source, async ({ fetch }) => (await fetch()).json());
await writeFile(new URL("./data/oracle-globals.json", import.meta.url), JSON.stringify(record, null, 1) + "\n");
console.log(`${record.names.length} globals, ${Object.keys(record.interfaces).length} interfaces`);
