// Answers from the cache, and asks the API for what is not there.
const told = (response, how) => {
  const copy = new Response(response.body, response);
  copy.headers.set("X-Cache", how);
  return copy;
};

export default {
  async fetch(request, env, ctx) {
    const cache = caches.default;
    const key = new Request(request.url);
    if (request.method === "DELETE") {
      return Response.json({ deleted: await cache.delete(key) });
    }
    if (request.method !== "GET") {
      return new Response("only GET and DELETE\n", { status: 405, headers: { Allow: "GET, DELETE" } });
    }
    const found = await cache.match(key);
    if (found) return told(found, "hit");
    const answer = await env.API.fetch(key);
    // The client need not wait until it is stored. What may not be, the cache does not take.
    if (answer.ok) ctx.waitUntil(cache.put(key, answer.clone()));
    return told(answer, "miss");
  },
};
