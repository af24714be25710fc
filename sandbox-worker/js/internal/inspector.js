// What node:inspector and its promises share: a worker cannot attach to itself. As in the reference, sessions say so.
import { notImplemented } from "internal:node_errors";
import EventEmitter from "node:events";

class StubSession extends EventEmitter {
  constructor() {
    super();
    throw notImplemented("Session");
  }

  connect() {
    throw notImplemented("Session.connect");
  }

  connectToMainThread() {
    throw notImplemented("Session.connectToMainThread");
  }

  disconnect() {
    throw notImplemented("Session.disconnect");
  }

  post(method, params, callback) {
    throw notImplemented("Session.post");
  }
}
export { StubSession as Session };

function noop() {}
const names = [
  "debug", "error", "info", "log", "warn", "dir", "dirxml", "table", "trace", "group", "groupCollapsed", "groupEnd", "clear", "count",
  "countReset", "assert", "profile", "profileEnd", "time", "timeLog", "timeStamp",
];
export const inspectorConsole = {};
for (let i = 0; i < names.length; i++) inspectorConsole[names[i]] = noop;

export const Network = {
  requestWillBeSent(params) {},
  dataReceived(params) {},
  dataSent(params) {},
  responseReceived(params) {},
  loadingFinished(params) {},
  loadingFailed(params) {},
  webSocketCreated(params) {},
  webSocketHandshakeResponseReceived(params) {},
  webSocketClosed(params) {},
};
