// node:dgram: there are no datagrams. As in the reference the module is there, and what is sent goes nowhere.
import { invalidArgType, validateFunction, validateString } from "internal:node_errors";
import EventEmitter from "node:events";
import scripts from "native:scripts";

const { ReflectApply, defineProperty, setPrototypeOf } = scripts.primordials;

function Socket(type, listener) {
  ReflectApply(EventEmitter, this, []);
  if (type !== null && typeof type === "object") validateString(type.type, "options.type");
  else if (typeof type !== "string") throw invalidArgType("type", "of type object", type);
  if (listener !== undefined) {
    validateFunction(listener, "callback");
    this.on("message", listener);
  }
}
setPrototypeOf(Socket.prototype, EventEmitter.prototype);
setPrototypeOf(Socket, EventEmitter);

const add = (name, length, give) => {
  const method = (() => function () {
    return give(this);
  })();
  defineProperty(method, "length", { __proto__: null, value: length, configurable: true });
  Socket.prototype[name] = method;
};
const nothing = () => undefined;
const itself = (socket) => socket;
const zero = () => 0;
for (const [name, length, give] of [
  ["bind", 3, itself], ["connect", 3, nothing], ["disconnect", 0, nothing], ["sendto", 6, nothing], ["send", 6, nothing],
  ["close", 1, itself], ["address", 0, () => ({})], ["remoteAddress", 0, () => ({})], ["setBroadcast", 1, nothing],
  ["setTTL", 1, nothing], ["setMulticastTTL", 1, nothing], ["setMulticastLoopback", 1, nothing], ["setMulticastInterface", 1, nothing],
  ["addMembership", 2, nothing], ["dropMembership", 2, nothing], ["addSourceSpecificMembership", 3, nothing],
  ["dropSourceSpecificMembership", 3, nothing], ["ref", 0, itself], ["unref", 0, itself], ["setRecvBufferSize", 1, nothing],
  ["setSendBufferSize", 1, nothing], ["getRecvBufferSize", 0, zero], ["getSendBufferSize", 0, zero], ["getSendQueueSize", 0, zero],
  ["getSendQueueCount", 0, zero],
]) add(name, length, give);
Socket.prototype[Symbol.asyncDispose] = (() => async function () {
  this.close();
})();

function createSocket(type, listener) {
  return new Socket(type, listener);
}

export { Socket, createSocket };
export default { createSocket, Socket };
