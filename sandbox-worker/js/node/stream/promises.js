// node:stream/promises: what node:stream does with callbacks.
// The classes first: what is in the next one uses them.
import "internal:stream_readable";
import { finishedPromise as finished, pipelinePromise as pipeline } from "internal:stream_ends";

const promises = { pipeline, finished };

export { finished, pipeline, promises };
export default promises;
