const empty = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]);
const atStart = new WebAssembly.Module(empty);
export default {
  "compiled at start-up": () => Object.prototype.toString.call(new WebAssembly.Instance(atStart)),
  "validate": () => [WebAssembly.validate(empty), WebAssembly.validate(new Uint8Array([1]))],
  "compile in a request": () => WebAssembly.compile(empty),
  "new Module in a request": () => new WebAssembly.Module(empty),
  "instantiate bytes in a request": () => WebAssembly.instantiate(empty),
  "instantiate a module": async () => Object.prototype.toString.call(await WebAssembly.instantiate(atStart)),
  "streaming functions": () => [typeof WebAssembly.compileStreaming, typeof WebAssembly.instantiateStreaming],
  "memory": () => { const m = new WebAssembly.Memory({ initial: 1, maximum: 2 }); const before = m.buffer.byteLength; m.grow(1); return [before, m.buffer.byteLength]; },
  "memory beyond its maximum": () => new WebAssembly.Memory({ initial: 1, maximum: 1 }).grow(1),
  "table and global": () => [new WebAssembly.Table({ initial: 2, element: "anyfunc" }).length, new WebAssembly.Global({ value: "i32", mutable: true }, 5).value],
  "errors": () => [WebAssembly.CompileError.name, WebAssembly.LinkError.name, WebAssembly.RuntimeError.name],
  "names": () => Object.getOwnPropertyNames(WebAssembly).sort(),
};
