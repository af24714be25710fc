// FormData (XMLHttpRequest Standard section 4).
(function (internal) {
  "use strict";
  const {
    FunctionPrototypeApply, getPrototypeOf, setPrototypeOf, brand, isObject, notOfType, toUSVString, shape,
    defineProperty, withoutObjectPrototype,
  } = internal.primordials;
  const { blobBytes, blobType, makeFile, isFile, fileModified } = internal;
  const { Blob, File } = internal.globals;
  const SymbolIterator = Symbol.iterator;
  const TypeErrorConstructor = TypeError;
  const DateNow = Date.now;

  // What a compatibility flag changes.
  let resultsHaveValue = true;
  internal.atBind((flag) => {
    resultsHaveValue = flag("enable_fast_jsg_struct");
  });

  class Entry {
    constructor(name, value) {
      this.name = name;
      this.value = value;
      this.next = undefined;
    }
  }
  class FormState {
    constructor() {
      this.first = undefined;
      this.last = undefined;
      this.length = 0;
      this.removals = 0;
    }
    append(name, value) {
      const entry = new Entry(name, value);
      if (this.last === undefined) this.first = entry;
      else this.last.next = entry;
      this.last = entry;
      this.length++;
    }
    /** Removes the entries called `name` after `kept`. */
    remove(name, kept) {
      let before;
      for (let entry = this.first; entry !== undefined; entry = entry.next) {
        if (entry.name === name && entry !== kept) {
          if (before === undefined) this.first = entry.next;
          else before.next = entry.next;
          this.length--;
          this.removals++;
        } else {
          before = entry;
        }
      }
      this.last = before;
    }
    find(name) {
      let entry = this.first;
      while (entry !== undefined && entry.name !== name) entry = entry.next;
      return entry;
    }
  }
  /** Iterates by index over the live list, as the standard says; it follows the links while nothing was removed. */
  class Cursor {
    constructor(form) {
      this.form = form;
      this.index = 0;
      this.entry = undefined;
      this.removals = form.removals;
    }
    next() {
      const { form } = this;
      let entry;
      if (this.entry !== undefined && this.removals === form.removals) {
        entry = this.entry.next;
      } else {
        this.removals = form.removals;
        entry = form.first;
        for (let i = 0; i < this.index && entry !== undefined; i++) entry = entry.next;
      }
      if (entry === undefined) return undefined;
      this.index++;
      this.entry = entry;
      return entry;
    }
  }
  const convertValue = (name, value, filename, hasFilename) => {
    const bytes = blobBytes(value);
    if (bytes === undefined) {
      // The standard refuses a file name beside a string; the reference ignores it.
      return toUSVString(value);
    }
    if (isFile(value)) {
      return hasFilename ? makeFile(bytes, blobType(value), toUSVString(filename), fileModified(value)) : value;
    }
    return makeFile(bytes, blobType(value), hasFilename ? toUSVString(filename) : name, DateNow());
  };

  let formOf;
  class FormData {
    #f = new FormState();
    static #check = brand((value) => #f in value);
    constructor(form = undefined) {
      if (form !== undefined) {
        throw new TypeErrorConstructor("FormData cannot be constructed from a form element here.");
      }
    }
    static {
      formOf = (value) => (isObject(value) && #f in value ? value.#f : undefined);
    }
    append(name, value, filename = undefined) {
      FormData.#check(this);
      if (arguments.length < 2) throw notOfType("append", "FormData", arguments.length + 1, "File or Blob or string");
      const key = toUSVString(name);
      this.#f.append(key, convertValue(key, value, filename, filename !== undefined));
    }
    delete(name) {
      FormData.#check(this);
      if (arguments.length < 1) throw notOfType("delete", "FormData", 1, "string");
      this.#f.remove(toUSVString(name), undefined);
    }
    get(name) {
      FormData.#check(this);
      if (arguments.length < 1) throw notOfType("get", "FormData", 1, "string");
      const entry = this.#f.find(toUSVString(name));
      return entry === undefined ? null : entry.value;
    }
    getAll(name) {
      FormData.#check(this);
      if (arguments.length < 1) throw notOfType("getAll", "FormData", 1, "string");
      const key = toUSVString(name);
      const values = [];
      for (let entry = this.#f.first; entry !== undefined; entry = entry.next) {
        if (entry.name === key) {
          defineProperty(values, values.length, {
            __proto__: null, value: entry.value, writable: true, enumerable: true, configurable: true,
          });
        }
      }
      return values;
    }
    has(name) {
      FormData.#check(this);
      if (arguments.length < 1) throw notOfType("has", "FormData", 1, "string");
      return this.#f.find(toUSVString(name)) !== undefined;
    }
    set(name, value, filename = undefined) {
      FormData.#check(this);
      if (arguments.length < 2) throw notOfType("set", "FormData", arguments.length + 1, "string");
      const key = toUSVString(name);
      const converted = convertValue(key, value, filename, filename !== undefined);
      const entry = this.#f.find(key);
      if (entry === undefined) {
        this.#f.append(key, converted);
      } else {
        entry.value = converted;
        this.#f.remove(key, entry);
      }
    }
    entries() {
      FormData.#check(this);
      return new FormIterator(this.#f, 0);
    }
    keys() {
      FormData.#check(this);
      return new FormIterator(this.#f, 1);
    }
    values() {
      FormData.#check(this);
      return new FormIterator(this.#f, 2);
    }
    forEach(callback, thisArg = undefined) {
      FormData.#check(this);
      if (typeof callback !== "function") throw notOfType("forEach", "FormData", 1, "function");
      const cursor = new Cursor(this.#f);
      for (let entry; (entry = cursor.next()) !== undefined; ) {
        FunctionPrototypeApply(callback, thisArg, [entry.value, entry.name, this]);
      }
    }
  }
  shape(FormData, "FormData");
  defineProperty(FormData.prototype, SymbolIterator, {
    __proto__: null, value: FormData.prototype.entries, writable: true, configurable: true,
  });

  const IteratorPrototype = getPrototypeOf(getPrototypeOf([][SymbolIterator]()));
  class FormIterator {
    #cursor;
    #kind;
    static #check = brand((value) => #cursor in value);
    constructor(form, kind) {
      this.#cursor = new Cursor(form);
      this.#kind = kind;
    }
    static {
      delete this.prototype.constructor;
    }
    next() {
      FormIterator.#check(this);
      const entry = this.#cursor.next();
      if (entry === undefined) return resultsHaveValue ? { done: true, value: undefined } : { done: true };
      const value = this.#kind === 0 ? [entry.name, entry.value] : this.#kind === 1 ? entry.name : entry.value;
      return { done: false, value };
    }
  }
  setPrototypeOf(FormIterator.prototype, IteratorPrototype);
  shape(FormIterator, "FormData Iterator");

  const isFormData = (value) => formOf(value) !== undefined;

  internal.globals.FormData = FormData;
  withoutObjectPrototype([Entry, FormState, Cursor]);

  return { formOf, isFormData };
})
