// The modules that are there so that programs can import them: what each has, and what comes of calling it.
import { answer } from "./show.js";

const names = "child_process cluster dgram domain inspector inspector/promises readline readline/promises repl sqlite stream/web trace_events v8 vm wasi".split(" ");
const tried = async (run) => { try { return await run(); } catch (error) { return error; } };
const skipped = new Set(["constructor", "Symbol(cloudflare:internal-class)", "Symbol(kResourceTypeInspect)"]);
const what = (value, depth = 1) => {
  if (typeof value === "function") return `${value.name}/${value.length}`;
  if (value === null || typeof value !== "object") return String(value);
  if (depth < 0) return Object.prototype.toString.call(value);
  return [value.constructor?.name, Object.keys(value).map((key) => { const d = Object.getOwnPropertyDescriptor(value, key); return `${key}: ${d.get ? "getter" : what(d.value, depth - 1)}`; })];
};
const described = (object) => Reflect.ownKeys(object).filter((key) => !skipped.has(String(key))).map((key) => { const d = Object.getOwnPropertyDescriptor(object, key); return `${String(key)} ${d.get || d.set ? `${d.get?.name} ${!!d.set}` : what(d.value)} ${[d.writable, d.enumerable, d.configurable].map(Number)}`; });

const cases = [];
for (const name of names) {
  const module = await import(`node:${name}`);
  const value = module.default;
  cases.push({ name: `${name} exports`, run: () => Object.keys(module).map((key) => [key, module[key] === value?.[key]]) });
  if (name === "stream/web") continue;
  cases.push({ name: `${name} default`, run: () => [typeof value, value?.constructor?.name, Object.prototype.toString.call(value), described(value)] });
  for (const key of Object.keys(module)) {
    const member = module[key];
    if (key === "default") continue;
    cases.push({ name: `${name}.${key}`, run: () => what(member) });
    if (typeof member !== "function") continue;
    if (member.prototype && Reflect.ownKeys(member.prototype).length > 0) {
      cases.push({ name: `${name}.${key} prototype`, run: () => [Object.getPrototypeOf(member.prototype)?.constructor?.name, described(member.prototype), Reflect.ownKeys(member).filter((k) => !["length", "name", "prototype", "caller", "arguments"].includes(k)).map(String)] });
      cases.push({ name: `new ${name}.${key}()`, run: async () => what(await tried(() => new member())) === "x" || (await tried(() => new member())) });
      cases.push({ name: `new ${name}.${key}("x")`, run: () => tried(() => what(new member("x"))) });
      cases.push({ name: `methods of ${name}.${key}`, run: async () => { let made; try { made = new member("x"); } catch { made = Object.create(member.prototype); } const seen = []; for (const k of Object.getOwnPropertyNames(member.prototype)) { if (k === "constructor" || k === "process") continue; seen.push([k, await tried(() => (typeof made[k] === "function" ? made[k]("x") === made ? "itself" : what(made[k]("x")) : what(made[k])))]); } return seen; } });
    }
    cases.push({ name: `${name}.${key}()`, run: async () => { const given = await tried(() => member()); return given instanceof Error ? given : what(given); } });
    cases.push({ name: `${name}.${key}("x", {})`, run: async () => { const given = await tried(() => member("x", {})); return given instanceof Error ? given : what(given); } });
  }
}

export default { fetch: () => answer(cases) };
