// node:timers.
import {
  Timeout, clearImmediate, clearInterval, clearTimeout, setImmediate, setInterval, setTimeout,
} from "node-internal:internal_timers";
import * as promises from "node:timers/promises";
import scripts from "native:scripts";

const { ErrorConstructor } = scripts.primordials;
const instead = () => new ErrorConstructor("Not implemented. Please use setTimeout() instead.");

function active(timer) {
  throw instead();
}
function unenroll(timer) {
  throw instead();
}
function enroll(item, msecs) {
  throw instead();
}

export {
  Timeout, active, clearImmediate, clearInterval, clearTimeout, enroll, promises, setImmediate, setInterval, setTimeout, unenroll,
};
export default {
  promises, setTimeout, clearTimeout, setImmediate, clearImmediate, setInterval, clearInterval, active, unenroll, enroll,
};
