// node:readline.
import { Interface } from "internal:readline";
import * as promises from "node:readline/promises";

function clearLine() {
  return false;
}
function clearScreenDown() {
  return false;
}
function createInterface() {
  return new Interface();
}
function cursorTo() {
  return false;
}
function emitKeypressEvents() {}
function moveCursor() {
  return false;
}

const { Interface: PromiseInterface, Readline, createInterface: createPromiseInterface } = promises;
const shown = { __proto__: null, Interface: PromiseInterface, Readline, createInterface: createPromiseInterface };
export { Interface, clearLine, clearScreenDown, createInterface, cursorTo, emitKeypressEvents, moveCursor, shown as promises };
export default { clearLine, clearScreenDown, createInterface, cursorTo, emitKeypressEvents, moveCursor, Interface, promises: shown };
