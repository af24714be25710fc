import page from "page.html";

/** Who is in which room: mailboxes, which any event may put texts into. */
const rooms = new Map();

/** Bytes that a member may be behind with reading. */
const MAX_BEHIND = 1 << 20;

/** What one member has not been sent yet. */
class Mailbox {
  #texts = [];
  #wake = () => {};
  #isOpen = true;

  /** Says whether there was room. There is none when the event that sends the texts is gone. */
  put(text) {
    if (this.#texts.length === 1000) return false;
    this.#texts.push(text);
    this.#wake();
    return true;
  }

  close() {
    this.#isOpen = false;
    this.#wake();
  }

  /** The texts as they come, for the event that the mailbox belongs to: it makes the promise that others resolve. */
  async *texts() {
    while (this.#isOpen) {
      if (this.#texts.length === 0) await new Promise((wake) => (this.#wake = wake));
      yield* this.#texts.splice(0);
    }
  }
}

async function deliver(mailbox, socket) {
  for await (const text of mailbox.texts()) {
    if (socket.bufferedAmount > MAX_BEHIND) return socket.close(1008, "You do not read what the others say.");
    socket.send(text);
  }
}

function enter(url) {
  const name = url.searchParams.get("name")?.slice(0, 40) || "somebody";
  const room = rooms.get(url.pathname) ?? new Set();
  rooms.set(url.pathname, room);
  const say = (text) => room.forEach((mailbox) => mailbox.put(text) || room.delete(mailbox));

  const { 0: client, 1: server } = new WebSocketPair();
  server.accept();
  const mailbox = new Mailbox();
  room.add(mailbox);
  say(`${name} has come in. (${room.size} here)`);
  const leave = () => {
    mailbox.close();
    if (!room.delete(mailbox)) return;
    if (room.size === 0) rooms.delete(url.pathname);
    say(`${name} has left. (${room.size} here)`);
  };
  server.addEventListener("message", ({ data }) => {
    if (typeof data === "string") say(`${name}: ${data}`);
    else server.close(1003, "This is a chat of texts.");
  });
  server.addEventListener("close", leave);
  server.addEventListener("error", leave);
  deliver(mailbox, server).catch(() => {}).finally(leave);
  return new Response(null, { status: 101, webSocket: client });
}

export default {
  fetch(request) {
    if (request.headers.get("Upgrade") === "websocket") return enter(new URL(request.url));
    return new Response(page, { headers: { "Content-Type": "text/html;charset=utf-8" } });
  },
};
