/** A cache that keeps what it is given, for the requests that `caches` makes of its calls. */
const entries = new Map();

async function parse(request) {
  const bytes = new Uint8Array(await request.arrayBuffer());
  const latin = Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');
  const end = latin.indexOf('\r\n\r\n');
  const [first, ...lines] = latin.slice(0, end).split('\r\n');
  const pairs = lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]);
  const headers = new Headers(pairs.filter(([name]) => !/^(content-length|transfer-encoding)$/i.test(name)));
  return { status: Number(first.split(' ')[1]), headers, body: bytes.slice(end + 4) };
}

export default {
  async fetch(request) {
    const key = `${request.headers.get('CF-Cache-Namespace')} ${request.url}`;
    switch (request.method) {
      case 'PUT':
        entries.set(key, await parse(request));
        return new Response(null, { status: 204 });
      case 'PURGE':
        return new Response(null, { status: entries.delete(key) ? 200 : 404 });
      default: {
        const entry = entries.get(key);
        if (!entry) return new Response(null, { status: 504, headers: { 'CF-Cache-Status': 'MISS' } });
        const response = new Response(entry.body, entry);
        response.headers.set('CF-Cache-Status', 'HIT');
        return response;
      }
    }
  },
};
