export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url);
    // A request goes on as it is; the response comes back as it is, and its body goes past this worker.
    if (pathname.startsWith("/prices/")) return env.PRICES.fetch(request);
    if (request.method === "PUT") {
      const response = await env.ADMIN.fetch(new URL(pathname, "http://prices/"), { method: "PUT", body: request.body });
      return new Response(`${await response.text()}\n`, { status: response.status });
    }
    // What the other worker throws is thrown here.
    try {
      const [apple, pear] = await Promise.all(
        ["apple", "pear"].map(async (fruit) => (await env.PRICES.fetch(`http://prices/prices/${fruit}`)).text()),
      );
      return new Response(`An apple costs ${apple} and a pear ${pear}.\n`);
    } catch (error) {
      return new Response(`${error}\n`, { status: 502 });
    }
  },
};
