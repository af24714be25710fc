export default {
  "time origin": () => performance.timeOrigin,
  "mark and measure": () => [typeof performance.mark, typeof performance.measure],
  "console members": () => Object.getOwnPropertyNames(console).sort(),
  "console returns": () => [console.debug("probe"), console.log === console.log],
  "headers from a fetch event": (request) => [...request.headers].map(([name]) => name),
  "url of the request": (request) => new URL(request.url).protocol,
  "handler arguments": function () { return arguments.length; },
};
