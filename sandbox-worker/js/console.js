// The console. As in the reference, log, debug, info, warn and error print; the other methods only speak to an
// inspector, of which there is none.
(function (internal) {
  "use strict";
  const { defineProperty } = internal.primordials;
  const printing = {
    debug(...data) {
      internal.log("debug", internal.formatArguments(data));
    },
    error(...data) {
      internal.log("error", internal.formatArguments(data));
    },
    info(...data) {
      internal.log("info", internal.formatArguments(data));
    },
    log(...data) {
      internal.log("log", internal.formatArguments(data));
    },
    warn(...data) {
      internal.log("warn", internal.formatArguments(data));
    },
  };
  const silent = [
    "dir", "dirxml", "table", "trace", "group", "groupCollapsed", "groupEnd", "clear", "count", "countReset", "assert",
    "profile", "profileEnd", "time", "timeLog", "timeEnd", "timeStamp",
  ];
  // The namespace object's prototype is an empty object of its own (Console Standard section 1).
  const console = { __proto__: {} };
  for (const name in printing) console[name] = printing[name];
  for (let i = 0; i < silent.length; i++) {
    const name = silent[i];
    console[name] = {
      [name]() {},
    }[name];
  }
  // V8's own: consoles that speak to the inspector only.
  if (typeof globalThis.console?.context === "function") console.context = globalThis.console.context;
  for (const name in console) if (name !== "context") defineProperty(console[name], "length", { __proto__: null, value: 0, configurable: true });
  defineProperty(console, Symbol.toStringTag, { __proto__: null, value: "console", configurable: true });
  internal.globals.console = console;
  return {};
})
