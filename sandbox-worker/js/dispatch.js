// How native code delivers events to service-worker listeners, and rejections that nobody handled.
(function (internal) {
  "use strict";
  const {
    dispatchTrusted, newFetchEvent, newScheduledEvent, newPromiseRejectionEvent, listens, reportError,
  } = internal;
  const globalObject = globalThis;

  return {
    /** Delivers a fetch event; what the first respondWith() was given, or undefined. */
    dispatchFetch(request, ctx) {
      let answered = false;
      let answer;
      const event = newFetchEvent({
        __proto__: null,
        request,
        respondWith(response) {
          if (!answered) {
            answered = true;
            answer = response;
          }
        },
        waitUntil: (promise) => ctx.waitUntil(promise),
        passThroughOnException: () => ctx.passThroughOnException(),
      });
      dispatchTrusted(globalObject, event);
      return answer;
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
