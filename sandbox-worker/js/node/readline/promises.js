// node:readline/promises.
import EventEmitter from "node:events";

class Interface extends EventEmitter {
  terminal = false;
  line = "";
  cursor = 0;

  getPrompt() {
    return "";
  }

  setPrompt(prompt) {}

  prompt(preserveCursor) {}

  async question(query, options) {}

  pause() {
    return this;
  }

  resume() {
    return this;
  }

  close() {}

  write(data, key) {}

  getCursorPos() {
    return { rows: 0, cols: 0 };
  }

  [Symbol.dispose]() {}

  async [Symbol.asyncDispose]() {}

  async *[Symbol.asyncIterator]() {}
}

class Readline {
  clearLine(direction) {
    return this;
  }

  clearScreenDown() {
    return this;
  }

  async commit() {}

  cursorTo(x, y) {
    return this;
  }

  moveCursor(dx, dy) {
    return this;
  }

  rollback() {
    return this;
  }
}

function createInterface() {
  return new Interface();
}

export { Interface, Readline, createInterface };
export default { Interface, Readline, createInterface };
