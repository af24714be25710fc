// What the listeners of the global object hear of exceptions (HTML, "reporting exceptions").
(function (internal) {
  "use strict";
  const { toDOMString } = internal.primordials;
  const { dispatchTrusted, targetOf } = internal;
  const { ErrorEvent } = internal.globals;
  const globalObject = globalThis;

  /** Whether a listener for events of this type is registered at the global object. */
  const listens = (type) => {
    const types = targetOf(globalObject).types;
    return types !== undefined && types[type] !== undefined;
  };

  let reporting = false;
  internal.atForget(() => {
    reporting = false;
  });
  /** HTML "report an exception": an ErrorEvent at the global object, then the log if nobody canceled it. */
  const reportError = (error) => {
    let handled = false;
    // An exception in a listener of "error" goes straight to the log.
    if (!reporting && listens("error")) {
      reporting = true;
      try {
        let message = "Uncaught";
        try {
          message = `Uncaught ${toDOMString(error)}`;
        } catch {
          // A value that cannot be read is reported without its text.
        }
        const event = new ErrorEvent("error", { __proto__: null, message, error, cancelable: true });
        handled = !dispatchTrusted(globalObject, event);
      } catch (listenersError) {
        internal.reportException(listenersError);
      } finally {
        reporting = false;
      }
    }
    if (!handled) internal.reportException(error);
  };

  return { listens, reportError };
})
