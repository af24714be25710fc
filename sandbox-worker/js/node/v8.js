// node:v8: as in the reference, numbers of the heap are zero, and what would need more says that it is not implemented.
import { invalidArgValue, notImplemented, validateFunction, validateInteger, validateObject, validateString } from "internal:node_errors";
import scripts from "native:scripts";

const { defineProperty } = scripts.primordials;

/** A class whose every method says that it is not there. */
const fill = (Class, methods) => {
  for (let i = 0; i < methods.length; i++) {
    const name = methods[i][0];
    const { [name]: method } = {
      [name]() {
        throw notImplemented(name);
      },
    };
    defineProperty(method, "length", { __proto__: null, value: methods[i][1], configurable: true });
    defineProperty(Class.prototype, name, { __proto__: null, value: method, writable: true, enumerable: false, configurable: true });
  }
};

class Serializer {
  constructor() {
    throw notImplemented("Serializer");
  }
}
fill(Serializer, [
  ["writeHeader", 0], ["writeValue", 1], ["releaseBuffer", 0], ["transferArrayBuffer", 2], ["writeUint32", 1], ["writeUint64", 2],
  ["writeDouble", 1], ["writeRawBytes", 1], ["_getDataCloneError", 1], ["_getSharedArrayBufferId", 1],
  ["_setTreatArrayBufferViewsAsHostObjects", 1], ["_writeHostObject", 1],
]);
class Deserializer {
  constructor(buffer) {
    throw notImplemented("Deserializer");
  }
}
fill(Deserializer, [
  ["readHeader", 0], ["readValue", 0], ["transferArrayBuffer", 2], ["getWireFormatVersion", 0], ["readUint32", 0], ["readUint64", 0],
  ["readDouble", 0], ["readRawBytes", 1], ["_readHostObject", 0],
]);
class DefaultSerializer extends Serializer {}
class DefaultDeserializer extends Deserializer {
  constructor(buffer) {
    super(buffer);
  }
}
class GCProfiler {
  start() {
    throw notImplemented("GCProfiler.start");
  }

  stop() {
    throw notImplemented("GCProfiler.stop");
  }
}

function cachedDataVersionTag() {
  return 0;
}
function getHeapSnapshot() {
  if (arguments.length > 0 && arguments[0] !== undefined) validateObject(arguments[0], "options");
  throw notImplemented("getHeapSnapshot");
}
function getHeapStatistics() {
  return {
    total_heap_size: 0, total_heap_size_executable: 0, total_physical_size: 0, total_available_size: 0, used_heap_size: 0,
    heap_size_limit: 0, malloced_memory: 0, peak_malloced_memory: 0, does_zap_garbage: 0, number_of_native_contexts: 0,
    number_of_detached_contexts: 0, total_global_handles_size: 0, used_global_handles_size: 0, external_memory: 0,
    total_allocated_bytes: 0,
  };
}
function getHeapSpaceStatistics() {
  return [];
}
function getHeapCodeStatistics() {
  return { code_and_metadata_size: 0, bytecode_and_metadata_size: 0, external_script_source_size: 0, cpu_profiler_metadata_size: 0 };
}
function getCppHeapStatistics(type = "detailed") {
  if (type !== "brief" && type !== "detailed") throw invalidArgValue("type", type, "must be one of: 'brief', 'detailed'");
  return {
    committed_size_bytes: 0, resident_size_bytes: 0, used_size_bytes: 0, space_statistics: [], type_names: [], detail_level: type,
  };
}
function setFlagsFromString(flags) {
  validateString(flags, "flags");
  throw notImplemented("setFlagsFromString");
}
function deserialize(buffer) {
  throw notImplemented("deserialize");
}
function serialize(value) {
  throw notImplemented("serialize");
}
function takeCoverage() {
  throw notImplemented("takeCoverage");
}
function stopCoverage() {
  throw notImplemented("stopCoverage");
}
function writeHeapSnapshot(filename) {
  throw notImplemented("writeHeapSnapshot");
}
const promiseHooks = {
  createHook(callbacks) {
    throw notImplemented("promiseHooks.createHook");
  },
  onInit(callback) {
    throw notImplemented("promiseHooks.onInit");
  },
  onBefore(callback) {
    throw notImplemented("promiseHooks.onBefore");
  },
  onAfter(callback) {
    throw notImplemented("promiseHooks.onAfter");
  },
  onSettled(callback) {
    throw notImplemented("promiseHooks.onSettled");
  },
};
function queryObjects(constructor) {
  validateFunction(constructor, "constructor");
  throw notImplemented("queryObjects");
}
const startupSnapshot = {
  addSerializeCallback(callback, data) {
    throw notImplemented("startupSnapshot.addSerializeCallback");
  },
  addDeserializeCallback(callback, data) {
    throw notImplemented("startupSnapshot.addDeserializeCallback");
  },
  setDeserializeMainFunction(callback, data) {
    throw notImplemented("startupSnapshot.setDeserializeMainFunction");
  },
  isBuildingSnapshot() {
    return false;
  },
};
function setHeapSnapshotNearHeapLimit(limit) {
  validateInteger(limit, "limit", 1, 4294967295);
  throw notImplemented("setHeapSnapshotNearHeapLimit");
}
function isStringOneByteRepresentation(content) {
  validateString(content, "content");
  throw notImplemented("isStringOneByteRepresentation");
}

export {
  DefaultDeserializer, DefaultSerializer, Deserializer, GCProfiler, Serializer, cachedDataVersionTag, deserialize, getCppHeapStatistics,
  getHeapCodeStatistics, getHeapSnapshot, getHeapSpaceStatistics, getHeapStatistics, isStringOneByteRepresentation, promiseHooks,
  queryObjects, serialize, setFlagsFromString, setHeapSnapshotNearHeapLimit, startupSnapshot, stopCoverage, takeCoverage,
  writeHeapSnapshot,
};
export default {
  cachedDataVersionTag, getHeapSnapshot, getHeapStatistics, getHeapSpaceStatistics, getHeapCodeStatistics, getCppHeapStatistics,
  setFlagsFromString, Serializer, Deserializer, DefaultSerializer, DefaultDeserializer, deserialize, takeCoverage, stopCoverage, serialize,
  writeHeapSnapshot, promiseHooks, queryObjects, startupSnapshot, setHeapSnapshotNearHeapLimit, GCProfiler, isStringOneByteRepresentation,
};
