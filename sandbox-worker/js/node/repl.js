// node:repl: as in the reference the module is there, and says that it is not implemented when it is used.
import { notImplemented } from "internal:node_errors";
import { Interface } from "internal:readline";
import { builtinModules as all } from "node:module";

const builtinModules = [];
for (let i = 0; i < all.length; i++) if (all[i][0] !== "_" && all[i] !== "node:test") builtinModules[builtinModules.length] = all[i];
const _builtinLibs = builtinModules;

const BaseSyntaxError = SyntaxError;
class Recoverable extends BaseSyntaxError {
  constructor(err) {
    super();
    this.err = err;
  }
}

class REPLServer extends Interface {
  constructor() {
    super();
    throw notImplemented("REPLServer");
  }

  setupHistory(historyPath, callback) {
    throw notImplemented("setupHistory");
  }

  defineCommand(keyword, command) {
    throw notImplemented("defineCommand");
  }

  displayPrompt(preserveCursor) {
    throw notImplemented("displayPrompt");
  }

  clearBufferedCommand() {
    throw notImplemented("clearBufferedCommand");
  }
}

const REPL_MODE_SLOPPY = Symbol("repl-sloppy");
const REPL_MODE_STRICT = Symbol("repl-strict");
function start() {
  throw notImplemented("start");
}
function writer() {
  throw notImplemented("writer");
}
writer.options = {};

export { REPLServer, REPL_MODE_SLOPPY, REPL_MODE_STRICT, Recoverable, _builtinLibs, builtinModules, start, writer };
export default { writer, start, Recoverable, REPLServer, builtinModules, _builtinLibs, REPL_MODE_SLOPPY, REPL_MODE_STRICT };
