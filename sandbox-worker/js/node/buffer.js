// node:buffer: Buffer, and what the global scope has of its kind.
import {
  Buffer, INSPECT_MAX_BYTES, SlowBuffer, constants, isAscii, isUtf8, kMaxLength, kStringMaxLength, resolveObjectURL, transcode,
} from "node-internal:internal_buffer";
import scripts from "native:scripts";

const { Blob, globals } = scripts;
const { File } = globals;
const { bind } = Function.prototype;
const { ReflectApply } = scripts.primordials;
const globalObject = globalThis;
const atob = ReflectApply(bind, globalObject.atob, [globalObject]);
const btoa = ReflectApply(bind, globalObject.btoa, [globalObject]);

export {
  Blob, Buffer, File, INSPECT_MAX_BYTES, SlowBuffer, atob, btoa, constants, isAscii, isUtf8, kMaxLength, kStringMaxLength,
  resolveObjectURL, transcode,
};
export default {
  atob, btoa, constants, kMaxLength, kStringMaxLength, Blob, Buffer, File, SlowBuffer, isAscii, isUtf8, transcode,
  INSPECT_MAX_BYTES, resolveObjectURL,
};
