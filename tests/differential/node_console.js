// `node:console`: the console as a module, and consoles over what can be written to.
import console_, { Console } from "node:console";
import { answer } from "./show.js";

const tried = (run) => { try { return run(); } catch (error) { return error; } };
const sink = () => { const seen = []; return { seen, write(text, done) { seen.push(text); if (typeof done === "function") done(); return true; }, on() {}, once() {}, off() {}, removeListener() {}, listenerCount: () => 0 }; };
const written = (run, options = {}) => { const out = sink(), err = sink(); const c = new Console({ stdout: out, stderr: err, ...options }); const given = run(c); return [given, out.seen, err.seen]; };

const cases = [
  () => [console_ === console, typeof Console, Console.name, Console.length, console.Console === Console, console instanceof Console, {} instanceof Console, new Console(sink()) instanceof Console],
  () => Object.keys(new Console(sink())),
  () => Object.keys(Console.prototype).map((key) => [key, Console.prototype[key].name, Console.prototype[key].length]),
  () => Console(sink()) instanceof Console,
  () => new Console(),
  () => new Console({}),
  () => new Console({ stdout: 5 }),
  () => new Console({ stdout: sink(), stderr: {} }),
  () => new Console({ stdout: sink(), colorMode: "x" }),
  () => new Console({ stdout: sink(), inspectOptions: 5 }),
  () => new Console({ stdout: sink(), groupIndentation: -1 }),
  () => new Console({ stdout: sink(), groupIndentation: "x" }),
  () => written((c) => c.log("a", 1, { b: 2 })),
  () => written((c) => { c.info("i"); c.debug("d"); c.warn("w"); c.error("e"); }),
  () => written((c) => c.log("%s is %d", "x", 5, "more")),
  () => written((c) => { c.group("g"); c.log("in\nside"); c.group(); c.log("deeper"); c.groupEnd(); c.groupEnd(); c.log("out"); }),
  () => written((c) => { c.groupCollapsed("g"); c.log("in"); c.groupEnd(); c.groupEnd(); c.log("out"); }, { groupIndentation: 4 }),
  () => written((c) => { c.count(); c.count(); c.count("x"); c.countReset(); c.count(); c.countReset("nope"); }),
  () => written((c) => { c.assert(true, "no"); c.assert(false, "yes %d", 5); c.assert(false); c.assert(false, { a: 1 }); }),
  () => written((c) => c.dir({ a: { b: { c: { d: 1 } } } }, { depth: 0 })),
  () => written((c) => c.dirxml("a", "b")),
  () => written((c) => { c.table([{ a: 1, b: "x" }, { a: 2, c: true }]); c.table([[1, 2], [3]]); c.table(["x", "y"]); c.table(5); c.table([{ a: 1, b: 2 }], ["b"]); c.table(new Map([["k", 1]])); c.table(new Set([1])); c.table({ r: { c: 1 } }); c.table([]); }),
  () => tried(() => new Console(sink()).table([], 5)),
  () => { const [, out, err] = written((c) => { c.time("t"); c.timeLog("t", "more"); c.timeEnd("t"); c.timeEnd("t"); c.time("u"); c.time("u"); }); return [out.map((line) => line.replace(/[\d.]+(ms|s)/, "N")), err]; },
  () => { const [, , err] = written((c) => c.trace("t")); return err.map((line) => line.split("\n")[0]); },
  () => written((c) => c.clear()),
  () => { const out = sink(); const c = new Console(out, undefined, false); c.error("e"); return out.seen; },
  () => { const out = sink(); const { log } = new Console(out); log("unbound"); return out.seen; },
  () => written((c) => c.log({ a: "x" }), { colorMode: true }),
  () => written((c) => c.log({ a: { b: { c: 1 } } }), { inspectOptions: { depth: 0 } }),
];

export default { fetch: () => answer(cases) };
