// node:child_process: no process can be started from within a worker. As in the reference the module is there, and says so when it is used.
import { notImplemented, validateString } from "internal:node_errors";
import EventEmitter from "node:events";

const missing = (name) => notImplemented(`child_process.${name}`);

class ChildProcess extends EventEmitter {
  constructor() {
    super();
    throw missing("ChildProcess");
  }

  kill(signal) {
    return false;
  }

  send(message, sendHandle, options, callback) {
    return false;
  }

  disconnect() {}

  unref() {}

  ref() {}

  [Symbol.dispose]() {}
}

function _forkChild(fd, serializationMode) {
  throw missing("_forkChild");
}
function exec(command, options, callback) {
  validateString(command, "command");
  throw missing("exec");
}
function execFile(file, args, options, callback) {
  throw missing("execFile");
}
function execFileSync(file, args, options) {
  throw missing("execFileSync");
}
function execSync(command, options) {
  throw missing("execSync");
}
function fork(modulePath, args, options) {
  throw missing("fork");
}
function spawn() {
  throw missing("spawn");
}
function spawnSync(command, args, options) {
  validateString(command, "command");
  throw missing("spawnSync");
}

export { ChildProcess, _forkChild, exec, execFile, execFileSync, execSync, fork, spawn, spawnSync };
export default { ChildProcess, _forkChild, exec, execFile, execFileSync, execSync, fork, spawn, spawnSync };
