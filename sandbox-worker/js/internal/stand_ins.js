// What a module of Node's has and cannot do here yet: it is there, can be extended, and says so when it is called or constructed.
import { coded, notImplemented } from "internal:node_errors";
import scripts from "native:scripts";

const { ErrorConstructor, PromiseReject, defineProperty, setPrototypeOf } = scripts.primordials;
const { create } = Object;

const shaped = (value, name, length) => {
  defineProperty(value, "name", { __proto__: null, value: name, configurable: true });
  defineProperty(value, "length", { __proto__: null, value: length, configurable: true });
  return value;
};
const extending = (made, Parent) => {
  if (Parent !== undefined) {
    setPrototypeOf(made.prototype, Parent.prototype);
    setPrototypeOf(made, Parent);
  }
  return made;
};

/** What makes the stand-ins of a module, which is in what they say. */
export const standIns = (module) => {
  const refuse = (name) =>
    coded(ErrorConstructor, "ERR_METHOD_NOT_IMPLEMENTED", `${module}.${name} is not implemented yet`);
  return {
    function: (name, length, Parent) =>
      extending(shaped(function () { throw refuse(name); }, name, length), Parent),
    class: (name, length, Parent) =>
      extending(shaped(class { constructor() { throw refuse(name); } }, name, length), Parent),
    /** Rejects what it gives. */
    async: (name, length) => shaped(() => PromiseReject(refuse(name)), name, length),
    /** What the reference has no more than the name of. */
    absent: (name, length, shown = name) => shaped(() => { throw notImplemented(shown); }, name, length),
    /** Its properties cannot be changed, nor found by looking for what can be enumerated. */
    fixed: (object) => {
      for (const name in object) defineProperty(object, name, { __proto__: null, writable: false, enumerable: false, configurable: false });
      return object;
    },
    instance: (Class) => create(Class.prototype),
    with: (Class, members) => {
      for (const name in members) Class[name] = members[name];
      return Class;
    },
  };
};
