const upperCase = () =>
  new TransformStream({
    transform(chunk, controller) {
      const bytes = new Uint8Array(chunk);
      for (let i = 0; i < bytes.length; i++) {
        if (bytes[i] >= 97 && bytes[i] <= 122) bytes[i] -= 32;
      }
      controller.enqueue(bytes);
    },
  });

function zeroes(total) {
  let left = total;
  const block = 64 * 1024;
  return new ReadableStream({
    pull(controller) {
      if (left === 0) return controller.close();
      const size = Math.min(left, block);
      controller.enqueue(new Uint8Array(size));
      left -= size;
    },
  });
}

export default {
  async fetch(request) {
    const url = new URL(request.url);
    switch (url.pathname) {
      case "/echo":
        return new Response(request.body);
      case "/upper":
        return new Response(request.body?.pipeThrough(upperCase()));
      case "/zeroes":
        return new Response(zeroes(Number(url.searchParams.get("bytes") ?? 1024 * 1024)));
      case "/count": {
        let bytes = 0;
        if (request.body) for await (const chunk of request.body) bytes += chunk.byteLength;
        return Response.json({ bytes });
      }
      default:
        return new Response("Try /echo, /upper, /zeroes?bytes=n or /count.\n", { status: 404 });
    }
  },
};
