/** What the service answers that `service-fetch.js` asks. */
export default {
  async fetch(request) {
    const { pathname } = new URL(request.url);
    const headers = { 'x-method': request.method };
    if (pathname === '/body') return new Response(request.body, { headers });
    if (pathname === '/method') return new Response(null, { headers });
    if (pathname.startsWith('/status/')) return new Response(null, { status: Number(pathname.slice(8)) });
    switch (pathname) {
      case '/form': {
        const entries = [];
        for (const [name, value] of await request.formData()) {
          entries.push(typeof value === 'string' ? [name, value] : [name, value.name, value.type, await value.text()]);
        }
        return Response.json(entries);
      }
      case '/cookies': {
        const response = new Response('cookies');
        response.headers.append('Set-Cookie', 'a=1');
        response.headers.append('Set-Cookie', 'b=2; Path=/');
        return response;
      }
      case '/redirect':
        return new Response(null, { status: 302, headers: { Location: '/method' } });
      case '/redirect-307':
        return new Response(null, { status: 307, headers: { Location: '/method' } });
      case '/loop':
        return new Response(null, { status: 302, headers: { Location: '/loop' } });
      case '/never':
        await scheduler.wait(60_000);
        return new Response('too late');
      case '/throw':
        throw new RangeError('out of range');
      case '/no-response':
        return 'no response';
      case '/cf':
        return Response.json(request.cf);
      case '/endless':
        return new Response(new ReadableStream({ pull: (stream) => stream.enqueue(new Uint8Array(1024)) }));
      default:
        return Response.json({ url: request.url, headers: Object.fromEntries(request.headers) }, { headers });
    }
  },
};
