// node:worker_threads: there is one thread. As in the reference the module is there, and says what cannot be done.
import { notImplemented } from "internal:node_errors";
import { standIns } from "internal:stand_ins";
import EventEmitter from "node:events";
import scripts from "native:scripts";

const { uncurryThis } = scripts.primordials;
const mapGet = uncurryThis(Map.prototype.get);
const mapSet = uncurryThis(Map.prototype.set);
const mapDelete = uncurryThis(Map.prototype.delete);
const make = standIns("node:worker_threads");

class BroadcastChannel {
  constructor() {
    throw notImplemented("BroadcastChannel");
  }
}

class Worker extends EventEmitter {
  constructor() {
    super();
    throw notImplemented("Worker");
  }
}

const MessageChannel = make.function("MessageChannel", 0);
const MessagePort = make.function("MessagePort", 0, globalThis.EventTarget);
const receiveMessageOnPort = make.function("receiveMessageOnPort", 1);
const moveMessagePortToContext = make.function("moveMessagePortToContext", 2);

const SHARE_ENV = Symbol.for("nodejs.worker_threads.SHARE_ENV");
const isMainThread = true;
const isInternalThread = false;
const parentPort = null;
const resourceLimits = {};
const threadId = 0;
const workerData = null;

const data = new Map();
function getEnvironmentData(key) {
  return mapGet(data, key);
}
function setEnvironmentData(key, value) {
  if (value === undefined) mapDelete(data, key);
  else mapSet(data, key, value);
}

// Nothing is transferred to another thread.
function isMarkedAsUntransferable(object) {
  return false;
}
function markAsUntransferable(object) {}
function markAsUncloneable(object) {}
function postMessageToThread(threadId, value, transferList, timeout) {
  throw notImplemented("postMessageToThread");
}

export {
  BroadcastChannel, MessageChannel, MessagePort, SHARE_ENV, Worker, getEnvironmentData, isInternalThread, isMainThread,
  isMarkedAsUntransferable, markAsUncloneable, markAsUntransferable, moveMessagePortToContext, parentPort, postMessageToThread,
  receiveMessageOnPort, resourceLimits, setEnvironmentData, threadId, workerData,
};
export default {
  BroadcastChannel, MessageChannel, MessagePort, Worker, SHARE_ENV, getEnvironmentData, isMainThread, isMarkedAsUntransferable,
  markAsUntransferable, markAsUncloneable, moveMessagePortToContext, parentPort, receiveMessageOnPort, resourceLimits,
  setEnvironmentData, postMessageToThread, threadId, workerData, isInternalThread,
};
