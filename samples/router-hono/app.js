import { Hono } from "hono";
import { HTTPException } from "hono/http-exception";
import { bodyLimit } from "hono/body-limit";
import { cors } from "hono/cors";
import { etag } from "hono/etag";
import { basicAuth } from "hono/basic-auth";
import { prettyJSON } from "hono/pretty-json";
import { requestId } from "hono/request-id";
import { secureHeaders } from "hono/secure-headers";
import { stream, streamSSE, streamText } from "hono/streaming";
import { getCookie, setCookie, deleteCookie } from "hono/cookie";
import { html } from "hono/html";

const books = new Map([
  ["1", { id: "1", title: "A Fire Upon the Deep", author: "Vernor Vinge" }],
  ["2", { id: "2", title: "Solaris", author: "Stanisław Lem" }],
]);

const app = new Hono();

app.use("*", async (c, next) => {
  await next();
  c.res.headers.append("X-Trail", "outer");
});
app.use("/api/*", cors({ origin: "https://example.com", allowMethods: ["GET", "POST"], maxAge: 600 }));
app.use("/api/*", prettyJSON());
app.use("/etag/*", etag());
app.use("/secure/*", secureHeaders());
app.use("/admin/*", basicAuth({ username: "admin", password: "secret" }));
app.use("/id/*", requestId({ generator: () => "fixed-id" }));

app.get("/", (c) => c.text(`${c.env.GREETING} from hono`));
app.get("/html", (c) => c.html(html`<!doctype html><p title="${'"quoted"'}">${"<escaped>"}</p>`));
app.get("/redirect", (c) => c.redirect("/", 301));
app.get("/empty", (c) => c.body(null, 204));
app.get("/status/:code{[0-9]+}", (c) => c.text("status", Number(c.req.param("code"))));
app.get("/wild/*", (c) => c.text(c.req.path));
app.get("/optional/:first/:second?", (c) => c.json(c.req.param()));
app.get("/query", (c) => c.json({ one: c.req.query("q") ?? null, all: c.req.queries("tag") ?? [], raw: c.req.query() }));
app.get("/headers", (c) => c.json({ agent: c.req.header("user-agent") ?? null, accept: c.req.header("accept") ?? null }));
app.get("/secure/page", (c) => c.text("secure"));
app.get("/etag/page", (c) => c.text("tagged"));
app.get("/admin/page", (c) => c.text("welcome"));
app.get("/id/page", (c) => c.text(c.get("requestId")));

app.get("/cookies", (c) => {
  setCookie(c, "session", "abc 123", { path: "/", httpOnly: true, sameSite: "Lax", maxAge: 3600 });
  setCookie(c, "theme", "dark");
  deleteCookie(c, "old");
  return c.json(getCookie(c));
});

const api = new Hono();
api.get("/books", (c) => c.json([...books.values()]));
api.get("/books/:id", (c) => {
  const book = books.get(c.req.param("id"));
  if (!book) throw new HTTPException(404, { message: "no such book" });
  return c.json(book);
});
api.post("/books", async (c) => {
  const body = await c.req.json();
  if (typeof body.title !== "string") return c.json({ error: "title is missing" }, 422);
  return c.json({ id: "3", ...body }, 201, { Location: "/api/books/3" });
});
api.put("/books/:id", async (c) => c.json({ id: c.req.param("id"), ...(await c.req.json()) }));
api.delete("/books/:id", (c) => c.body(null, 204));
app.route("/api", api);

app.post("/echo", async (c) => c.body(await c.req.arrayBuffer(), 200, { "Content-Type": "application/octet-stream" }));
app.post("/text", async (c) => c.text((await c.req.text()).toUpperCase()));
app.post("/limited", bodyLimit({ maxSize: 16 }), async (c) => c.text(await c.req.text()));
app.all("/any", (c) => c.text(c.req.method));
app.on("PURGE", "/cache", (c) => c.text("purged"));

app.get("/stream", (c) =>
  stream(c, async (out) => {
    for (const part of ["one ", "two ", "three"]) await out.write(part);
  }),
);
app.get("/stream-text", (c) =>
  streamText(c, async (out) => {
    for (let line = 1; line <= 3; line++) {
      await out.writeln(`line ${line}`);
      await out.sleep(1);
    }
  }),
);
app.get("/events", (c) =>
  streamSSE(c, async (out) => {
    for (let id = 0; id < 3; id++) await out.writeSSE({ data: JSON.stringify({ id }), event: "tick", id: String(id) });
  }),
);

app.get("/throw", () => {
  throw new Error("broken on purpose");
});
app.get("/throw/http", () => {
  throw new HTTPException(418, { message: "I'm a teapot" });
});
app.get("/background", (c) => {
  c.executionCtx.waitUntil(Promise.resolve());
  return c.text("scheduled");
});

app.notFound((c) => c.json({ error: "not found", path: c.req.path }, 404));
app.onError((error, c) => {
  if (error instanceof HTTPException) return error.getResponse();
  return c.json({ error: error.message }, 500);
});

export default app;
