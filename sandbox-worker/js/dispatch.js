// How native code delivers events to service-worker listeners, and rejections that nobody handled.
(function (internal) {
  "use strict";
  const {
    dispatchTrusted, stopImmediately, newFetchEvent, newScheduledEvent, newPromiseRejectionEvent, newDOMException, listens,
    reportError, isAnswer,
  } = internal;
  const { notOfType } = internal.primordials;
  const globalObject = globalThis;
  const ErrorConstructor = Error;

  const TOO_LATE = "Too late to call FetchEvent.respondWith(). It must be called synchronously in the event handler.";
  const TWICE = "FetchEvent.respondWith() has already been called; it can only be called once.";

  return {
    /** Delivers a fetch event; what respondWith() was given, or undefined. */
    dispatchFetch(request, ctx) {
      let dispatching = true;
      let answered = false;
      let answer;
      const event = newFetchEvent({
        __proto__: null,
        request,
        respondWith(response, event) {
          if (!isAnswer(response)) throw notOfType("respondWith", "FetchEvent", 1, "Promise");
          if (!dispatching) throw newDOMException(TOO_LATE, "InvalidStateError");
          if (answered) throw newDOMException(TWICE, "InvalidStateError");
          answered = true;
          answer = response;
          // Other listeners do not hear of it.
          stopImmediately(event);
        },
        waitUntil: (promise) => ctx.waitUntil(promise),
        passThroughOnException: () => ctx.passThroughOnException(),
      });
      try {
        dispatchTrusted(globalObject, event);
      } finally {
        dispatching = false;
      }
      return answer;
    },

    /** Nobody listens for connections. */
    dispatchConnect() {
      throw new ErrorConstructor("Handler does not export a connect() function.");
    },

    /** Delivers the event of a run of a schedule. */
    dispatchScheduled(controller, ctx) {
      const event = newScheduledEvent({ __proto__: null, controller, waitUntil: (promise) => ctx.waitUntil(promise) });
      dispatchTrusted(globalObject, event);
    },

    /** Delivers an unhandled rejection (HTML, "notify about rejected promises"); whether a listener prevented the log. */
    dispatchUnhandledRejection(promise, reason) {
      if (!listens("unhandledrejection")) return false;
      try {
        return !dispatchTrusted(globalObject, newPromiseRejectionEvent("unhandledrejection", promise, reason, true));
      } catch (error) {
        reportError(error);
        return false;
      }
    },

    /** Tells that a rejection which was delivered has been handled since. As in the reference, the reason is not told. */
    dispatchRejectionHandled(promise) {
      if (!listens("rejectionhandled")) return;
      try {
        dispatchTrusted(globalObject, newPromiseRejectionEvent("rejectionhandled", promise, undefined, false));
      } catch (error) {
        reportError(error);
      }
    },
  };
})
