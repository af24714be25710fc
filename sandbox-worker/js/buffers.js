// Buffers that scripts can resize. V8 maps their memory itself, past the allocator that counts what buffers have; so whatever
// makes one, or makes one larger, is counted here.
(function (internal) {
  "use strict";
  const { FunctionPrototypeApply, defineProperty, getOwnPropertyDescriptor } = internal.primordials;
  const { countBuffer, countResized, makeRoom } = internal;
  // Hosts of tests have nothing to count with.
  if (countBuffer === undefined) return {};
  const { construct } = Reflect;
  const { species } = Symbol;

  /** In place of the class `Native`, of which all instances are. */
  const counted = (Native, statics) => {
    const { name, prototype } = Native;
    const Class = function (length) {
      if (new.target === undefined) throw new TypeError(`Constructor ${name} requires 'new'`);
      if (arguments.length < 2) return new.target === Class ? new Native(length) : construct(Native, [length], new.target);
      return countBuffer(construct(Native, [length, arguments[1]], new.target));
    };
    defineProperty(Class, "name", { __proto__: null, value: name });
    defineProperty(Class, "prototype", { __proto__: null, value: prototype, writable: false });
    for (let i = 0; i < statics.length; i++) {
      defineProperty(Class, statics[i], getOwnPropertyDescriptor(Native, statics[i]));
    }
    const inherited = { __proto__: null, value: Class, writable: true, enumerable: false, configurable: true };
    defineProperty(prototype, "constructor", inherited);
    defineProperty(globalThis, name, inherited);
  };

  /** In place of a method that gives a buffer another length. */
  const resizing = (prototype, name) => {
    const original = prototype[name];
    const { [name]: method } = {
      [name](newLength) {
        // Only for a buffer that can be resized is there anything to count; the others know what they refuse.
        const length = makeRoom(this, newLength);
        const result = FunctionPrototypeApply(original, this, [length]);
        countResized(this);
        return countBuffer(result);
      },
    };
    defineProperty(method, "length", { __proto__: null, value: original.length });
    defineProperty(prototype, name, { __proto__: null, value: method });
  };

  counted(ArrayBuffer, ["isView", species]);
  resizing(ArrayBuffer.prototype, "resize");
  resizing(ArrayBuffer.prototype, "transfer");
  internal.atStart(() => {
    if (typeof SharedArrayBuffer !== "function") return;
    counted(SharedArrayBuffer, [species]);
    resizing(SharedArrayBuffer.prototype, "grow");
  });
  return {};
})
