// node:cluster: there is one process, which is the primary one. As in the reference, others cannot be started.
import { notImplemented } from "internal:node_errors";
import EventEmitter from "node:events";
import process from "node:process";

const SCHED_NONE = 1;
const SCHED_RR = 2;

class Worker extends EventEmitter {
  _connected = false;
  id = 0;

  constructor(options) {
    super();
  }

  get process() {
    return process;
  }

  get exitedAfterDisconnect() {
    return false;
  }

  isConnected() {
    return false;
  }

  isDead() {
    return true;
  }

  send(message, sendHandle, options, callback) {
    return false;
  }

  kill(signal) {}

  destroy(signal) {}

  disconnect() {
    return this;
  }
}

class Cluster extends EventEmitter {
  Worker = Worker;
  isMaster = true;
  isPrimary = true;
  isWorker = false;
  SCHED_NONE = SCHED_NONE;
  SCHED_RR = SCHED_RR;
  schedulingPolicy = SCHED_RR;
  settings = {};
  workers = {};

  setupPrimary(settings) {
    throw notImplemented("cluster.setupPrimary");
  }

  setupMaster(settings) {
    throw notImplemented("cluster.setupWorker");
  }

  disconnect() {
    throw notImplemented("cluster.disconnect");
  }

  fork(env) {
    throw notImplemented("cluster.fork");
  }
}

const cluster = new Cluster();
const { isMaster, isPrimary, isWorker, schedulingPolicy, settings, workers, _eventsCount } = cluster;
const _events = [];
const _maxListeners = 0;
function setupPrimary(given) {
  return cluster.setupPrimary(given);
}
function setupMaster(given) {
  return cluster.setupMaster(given);
}
function disconnect(callback) {
  return cluster.disconnect();
}
function fork(env) {
  return cluster.fork(env);
}

export {
  Cluster, SCHED_NONE, SCHED_RR, Worker, _events, _eventsCount, _maxListeners, disconnect, fork, isMaster, isPrimary, isWorker,
  schedulingPolicy, settings, setupMaster, setupPrimary, workers,
};
export default cluster;
