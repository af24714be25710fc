// The values that follow a continuation to where it runs: what AsyncLocalStorage and cloudflare:workers keep there.
//
// V8 carries a frame along, which native code knows as `[event, store, span]` (src/io/frame.rs). The store is the head of a
// list with an entry for each key that has a value, the one that was set last first; neither list nor frame is ever changed.
// An entry is found by a walk: there are as many as a program has storages in use at a time, which are few.
//
// While modules are evaluated there is no event: a frame with a store then has undefined in its place.
import { getFrame, setFrame } from "native:frame";
import scripts from "native:scripts";

const { ErrorConstructor, ReflectApply, flag } = scripts.primordials;

const storeOf = (frame) => (frame === undefined ? undefined : frame[1]);
const eventOf = (frame) => (frame === undefined ? undefined : frame[0]);

const without = (entry, key) => {
  if (entry === undefined || entry.key === key) return entry?.next;
  const next = without(entry.next, key);
  return next === entry.next ? entry : { key: entry.key, value: entry.value, next };
};

/** Calls `callback` with `store` for what it does and what follows from that. */
const callIn = (store, callback, receiver, args) => {
  const outer = getFrame();
  if (storeOf(outer) === store) return ReflectApply(callback, receiver, args);
  setFrame(outer === undefined ? [undefined, store, undefined] : [outer[0], store, outer[2]]);
  try {
    return ReflectApply(callback, receiver, args);
  } finally {
    setFrame(outer);
  }
};

/** The value of a key, or `missing` where it has none. */
export const valueOf = (key, missing) => {
  for (let entry = storeOf(getFrame()); entry !== undefined; entry = entry.next) {
    if (entry.key === key) return entry.value;
  }
  return missing;
};

/** Calls `callback` with another value for a key. */
export const callWith = (key, value, callback, receiver, args) =>
  callIn({ key, value, next: without(storeOf(getFrame()), key) }, callback, receiver, args);

const isBound = flag("bind_asynclocalstorage_snapshot_to_request");

/** What is current: a function that calls another one with it. */
export const capture = () => {
  const frame = getFrame();
  const store = storeOf(frame);
  const event = isBound ? eventOf(frame) : undefined;
  return (callback, receiver, args) => {
    if (event !== undefined && event !== eventOf(getFrame())) {
      throw new ErrorConstructor(
        "Cannot call this AsyncLocalStorage bound function outside of the request in which it was created.",
      );
    }
    return callIn(store, callback, receiver, args);
  };
};
