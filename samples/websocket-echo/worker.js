import page from "page.html";

export default {
  fetch(request) {
    if (request.headers.get("Upgrade") !== "websocket") {
      return new Response(page, { headers: { "Content-Type": "text/html;charset=utf-8" } });
    }
    // One end is the client's, the other one ours.
    const { 0: client, 1: server } = new WebSocketPair();
    server.accept();
    // Bytes would come as a Blob otherwise, which is not sent.
    server.binaryType = "arraybuffer";
    let count = 0;
    server.addEventListener("message", ({ data }) => server.send(typeof data === "string" ? `${++count}: ${data}` : data));
    server.addEventListener("close", ({ code, reason }) => server.close(code === 1005 ? 1000 : code, reason));
    return new Response(null, { status: 101, webSocket: client });
  },
};
