// The list behind every queue of a stream.
(function (internal) {
  "use strict";
  const { withoutObjectPrototype } = internal.primordials;

  /** A first-in-first-out list that no patched Array.prototype can see. */
  class List {
    constructor() {
      this.head = undefined;
      this.tail = undefined;
      this.length = 0;
    }
    push(item) {
      const node = { item, next: undefined };
      if (this.tail === undefined) this.head = node;
      else this.tail.next = node;
      this.tail = node;
      this.length++;
    }
    shift() {
      const node = this.head;
      this.head = node.next;
      if (this.head === undefined) this.tail = undefined;
      this.length--;
      return node.item;
    }
    get first() {
      return this.head.item;
    }
  }

  withoutObjectPrototype([List]);
  Object.assign(internal.streams, { List });
  return {};
})
