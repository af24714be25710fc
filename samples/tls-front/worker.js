export default {
  fetch(request) {
    return new Response(`Hello over ${new URL(request.url).protocol.slice(0, -1)}\n`);
  },
};
