// What node:readline and its promises share: there is no terminal. As in the reference, nothing is read or written.
import EventEmitter from "node:events";

/** A class whose interfaces ask by `question`. */
export function withQuestion(question) {
  class Interface extends EventEmitter {
    terminal = false;
    line = "";
    cursor = 0;

    getPrompt() {
      return "";
    }

    setPrompt(prompt) {}

    prompt(preserveCursor) {}

    // Its place among the names.
    question() {}

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
  Object.defineProperty(Interface.prototype, "question", { value: question });
  return Interface;
}

const { question } = {
  question(query, options, callback) {},
};
export const Interface = withQuestion(question);
