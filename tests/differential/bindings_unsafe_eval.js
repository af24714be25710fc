// What an `unsafeEval` binding gives.
const bytes = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]);
const cases = {
  "its class": (u) => [u.constructor.name, String(u), Object.keys(u), Object.getOwnPropertyNames(Object.getPrototypeOf(u)).sort()],
  "no global": () => typeof globalThis.UnsafeEval,
  "the constructor": (u) => new u.constructor(),
  "a clone": (u) => structuredClone(u),
  "eval": (u) => u.eval("1 + 1"),
  "eval without a script": (u) => u.eval(),
  "eval of a number": (u) => u.eval(5),
  "eval of an object": (u) => u.eval({ toString: () => "7" }),
  "eval of a symbol": (u) => u.eval(Symbol("s")),
  "eval with a name": (u) => u.eval("new Error('x').stack", "foo.js").split("\n").slice(0, 2),
  "eval with null for a name": (u) => u.eval("new Error('x').stack", null).split("\n").slice(0, 2),
  "eval without a name": (u) => u.eval("new Error('x').stack").split("\n").slice(0, 2),
  "eval of what does not parse": (u) => u.eval("1 +", "foo.js"),
  "eval of what throws": (u) => u.eval("throw new RangeError('z')"),
  "eval makes globals": (u) => [u.eval("var made = 5; let kept = 6; this === globalThis"), typeof made, u.eval("kept")],
  "eval in eval": (u) => u.eval("eval('1 + 2')"),
  "a function in eval": (u) => u.eval("new Function('return 4')()"),
  "WebAssembly in eval": (u) => u.eval("new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]))") instanceof WebAssembly.Module,
  "a promise of eval": (u) => u.eval("Promise.resolve(5)"),
  "import in eval": async (u) => (await u.eval("import('main.js')")).marked.text,
  "eval of another receiver": (u) => (0, u.eval)("1"),
  "eval after eval": (u) => [u.eval("1"), eval("2")],
  "eval after eval that throws": (u) => {
    try { u.eval("throw 1"); } catch {}
    return eval("2");
  },
  "WebAssembly after eval": (u) => [u.eval("1"), new WebAssembly.Module(bytes)],
  "a function": (u) => String(u.newFunction("return a + b", "nm", "a", "b")),
  "what a function gives": (u) => u.newFunction("return a + b", "nm", "a", "b")(1, 2),
  "a function without a name": (u) => [String(u.newFunction("return 1")), u.newFunction("return 1").name],
  "a function with undefined for a name": (u) => [u.newFunction("return a", undefined, "a")(3), u.newFunction("", undefined).name],
  "a function with an empty name": (u) => u.newFunction("return 1", "").name,
  "a function with a name that is none": (u) => String(u.newFunction("return 1", "n m")),
  "names and lengths": (u) => [u.newFunction("", "x", "a", "b").name, u.newFunction("", "x", "a", "b").length, u.eval.length],
  "a function's stack": (u) => u.newFunction("return new Error('q').stack", "nm")().split("\n").slice(0, 2),
  "a function that does not parse": (u) => u.newFunction("return 1 +", "nm"),
  "a function that leaves itself": (u) => u.newFunction("}, function () {", "nm"),
  "a parameter that is none": (u) => u.newFunction("return 1", "nm", "a b"),
  "parameters that leave their list": (u) => u.newFunction("return 1", "nm", "a) {}, (b"),
  "a comment in a function": (u) => u.newFunction("return 1 // one")(),
  "eval in a function": (u) => u.newFunction("return eval('1 + 2')")(),
  "a function is sloppy": (u) => u.newFunction("return (function () { return this === undefined; })()")(),
  "a function makes objects": (u) => new (u.newFunction("this.a = 1"))().a,
  "an asynchronous function": (u) => String(u.newAsyncFunction("return await a", "nm", "a")),
  "an asynchronous function of two": (u) => [String(u.newAsyncFunction("return a", "nm", "a", "b")), u.newAsyncFunction("", "n", "a", "b").length],
  "what an asynchronous function gives": (u) => u.newAsyncFunction("return await a", "nm", "a")(Promise.resolve(9)),
  "an asynchronous function gives a promise": (u) => u.newAsyncFunction("return a", "nm", "a")(5) instanceof Promise,
  "the name of an asynchronous function": (u) => [u.newAsyncFunction("return 1").name, u.newAsyncFunction("return 1", "x").name],
  "an asynchronous function that does not parse": (u) => u.newAsyncFunction("return 1 +", "nm"),
  "an asynchronous function that throws": (u) => u.newAsyncFunction("throw new RangeError('r')")(),
  "a module": (u) => [u.newWasmModule(bytes) instanceof WebAssembly.Module, u.newWasmModule(bytes.buffer) instanceof WebAssembly.Module],
  "a module that is none": (u) => u.newWasmModule(new Uint8Array([1])),
  "a module of a text": (u) => u.newWasmModule("x"),
  "a module without bytes": (u) => u.newWasmModule(),
};

export const marked = { text: "the main module" };
export default {
  async fetch(request, env) {
    const seen = [];
    for (const [name, run] of Object.entries(cases)) {
      try {
        const value = await run(env.EVAL);
        seen.push([name, `${typeof value} ${JSON.stringify(value) ?? String(value)}`]);
      } catch (error) {
        seen.push([name, `threw ${error}`]);
      }
    }
    return Response.json(seen);
  },
};
