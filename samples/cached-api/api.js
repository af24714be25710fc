// An API that takes its time, and counts how often it is asked.
let asked = 0;

export default {
  async fetch(request) {
    const { pathname } = new URL(request.url);
    const number = /^\/squares\/(\d{1,6})$/.exec(pathname);
    if (number === null) return new Response("not found\n", { status: 404 });
    asked++;
    await scheduler.wait(50);
    const body = { number: Number(number[1]), square: Number(number[1]) ** 2, asked };
    return Response.json(body, { headers: { "Cache-Control": "public, max-age=60" } });
  },
};
