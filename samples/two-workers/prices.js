import { WorkerEntrypoint } from "cloudflare:workers";

const prices = new Map([["apple", "3"], ["pear", "4"]]);
const fruitOf = (request) => new URL(request.url).pathname.split("/").pop();

export default {
  async fetch(request) {
    const fruit = fruitOf(request);
    if (fruit === "rotten") throw new RangeError("nobody buys that");
    const price = prices.get(fruit);
    return price === undefined ? new Response("unknown", { status: 404 }) : new Response(price);
  },
};

export class Admin extends WorkerEntrypoint {
  async fetch(request) {
    prices.set(fruitOf(request), await request.text());
    return new Response(`changed by ${this.ctx.props.who}`);
  }
}
