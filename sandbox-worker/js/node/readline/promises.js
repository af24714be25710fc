// node:readline/promises.
import { withQuestion } from "internal:readline";

const { question } = {
  async question(query, options) {},
};
const Interface = withQuestion(question);

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
