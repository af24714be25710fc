// Connections to servers of any protocol.
import scripts from "native:scripts";

const { newSocketTo } = scripts;

/** Connects to an address, by way of what the global `fetch` goes to. */
export function connect(address, options) {
  return newSocketTo(undefined, address, options, "SocketsModule");
}
