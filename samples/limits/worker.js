// Each path but the first exceeds a limit of config.capnp.
const paths = {
  "/": () => new Response("Try /loop, /memory, /sleep, /later, /headers or /endless.\n"),

  // cpuTimeMs
  "/loop": () => {
    for (;;);
  },

  // heapBytes
  "/memory": () => {
    const kept = [];
    for (;;) kept.push({ text: `${kept.length}`.repeat(100) });
  },

  // wallTimeMs
  "/sleep": () => new Promise((resolve) => setTimeout(resolve, 3_600_000, new Response("Good morning.\n"))),

  // waitUntilMs: the response is sent, what comes after it is cut off.
  "/later": (ctx) => {
    ctx.waitUntil(new Promise((resolve) => setTimeout(resolve, 3_600_000)));
    return new Response("The rest goes on without you.\n");
  },

  // responseHeadBytes
  "/headers": () => new Response("", { headers: { "x-long": "x".repeat(200_000) } }),

  // responseBodyBytes
  "/endless": () => {
    const chunk = new Uint8Array(4096).fill(46);
    return new Response(new ReadableStream({ pull: (controller) => controller.enqueue(chunk) }));
  },
};

export default {
  fetch(request, env, ctx) {
    const answer = paths[new URL(request.url).pathname];
    return answer ? answer(ctx) : new Response("Not Found\n", { status: 404 });
  },
};
