import { strictEqual } from 'node:assert';

export default {
  fetch(request) {
    if (new URL(request.url).pathname === '/throw') throw new Error('thrown by the callee');
    return new Response(request.body);
  },
  test() {
    strictEqual(typeof fetch, 'function');
  },
};

export const other = {
  fetch(request, env, ctx) {
    return Response.json(ctx.props);
  },
};
