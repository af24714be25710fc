// The other worker: its path says what it does with its end.
export default {
  async fetch(request, env) {
    const path = new URL(request.url).pathname.slice(1);
    if (path === "pass") return fetch(`http://${env.BACKEND}/echo`, request);
    if (path === "throws-first") throw new TypeError("no handshake");
    if (path === "other-status") return new Response("no", { status: 403 });
    const [client, server] = Object.values(new WebSocketPair());
    server.binaryType = "arraybuffer";
    const headers = {};
    if (path !== "never-accepts") server.accept();
    if (path === "echo") server.addEventListener("message", ({ data }) => server.send(data));
    if (path === "greets") { server.send("hello"); server.send(new Uint8Array(2)); }
    if (path === "closes") server.close(4001, "so soon");
    if (path === "throws") server.addEventListener("message", () => { throw new TypeError("boom"); });
    if (path === "throws-later") server.addEventListener("message", async () => { server.close(4002, "later"); throw new TypeError("boom"); });
    if (path === "rejects") setTimeout(() => server.close(4003, "timer"), 1);
    if (path === "closes-with-messages") { for (let i = 0; i < 3; i++) server.send(String(i)); server.close(4004, "after"); }
    if (path === "headers") {
      server.send(JSON.stringify([...request.headers].filter(([name]) => name !== "sec-websocket-key")));
      headers["Sec-WebSocket-Protocol"] = "p";
      headers["X-Other"] = "2";
    }
    return new Response(null, { status: 101, webSocket: client, headers });
  },
};
