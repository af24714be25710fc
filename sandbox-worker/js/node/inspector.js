// node:inspector.
import { Network, Session, inspectorConsole as console } from "internal:inspector";

function close() {}
function open(port, host, wait) {
  return { [Symbol.dispose]() {} };
}
function url() {}
function waitForDebugger() {}

export { Network, Session, close, console, open, url, waitForDebugger };
export default { Session, close, console, open, url, waitForDebugger, Network };
