// node:inspector/promises.
import { Network, Session, inspectorConsole as console } from "internal:inspector";
import { notImplemented } from "internal:node_errors";

function close() {
  throw notImplemented("Inspector.close");
}
function open() {
  throw notImplemented("Inspector.open");
}
function url() {
  throw notImplemented("Inspector.url");
}
function waitForDebugger() {
  throw notImplemented("Inspector.waitForDebugger");
}

export { Network, Session, close, console, open, url, waitForDebugger };
export default { close, console, Network, open, Session, url, waitForDebugger };
