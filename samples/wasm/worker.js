import gcd from "./gcd.wasm";

const instance = new WebAssembly.Instance(gcd);

export default {
  async fetch(request) {
    const { searchParams } = new URL(request.url);
    const a = Number(searchParams.get("a") ?? 462);
    const b = Number(searchParams.get("b") ?? 1071);
    if (!Number.isSafeInteger(a) || !Number.isSafeInteger(b) || a < 0 || b < 0) {
      return new Response("a and b have to be natural numbers\n", { status: 400 });
    }
    return Response.json({ a, b, gcd: instance.exports.gcd(a, b) });
  },
};
