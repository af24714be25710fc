import { WorkerEntrypoint } from 'cloudflare:workers';

export default { fetch: () => new Response('default') };

export class Counter extends WorkerEntrypoint {
  count = 0;

  fetch(request) {
    if (request.url.endsWith('/throw')) throw new TypeError('thrown by a class');
    return new Response(`Counter: ${++this.count}`);
  }
}

export class WithProps extends WorkerEntrypoint {
  fetch() {
    return Response.json(this.ctx.props);
  }
}

class Base extends WorkerEntrypoint {
  name() {
    return 'base';
  }
}

export class Derived extends Base {
  fetch() {
    return new Response(`derived of ${this.name()}`);
  }
}

export class NoFetch extends WorkerEntrypoint {
  other() {}
}
