// Miniflare, of two major versions, with Bulkhead where it looks for its runtime: what it starts answers, and it is told why a
// worker does not start. Then the process by itself, as Miniflare starts and stops it: with SIGKILL alone.
//
// BULKHEAD_SUPERVISOR names the supervisor; the worker's program is beside it.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import test from "node:test";

const supervisor = process.env.BULKHEAD_SUPERVISOR;
assert(supervisor, "BULKHEAD_SUPERVISOR names the program to test");
process.env.MINIFLARE_WORKERD_PATH = supervisor;

const worker = (body) => ({
  modules: true,
  compatibilityDate: "2026-07-01",
  script: `import { DurableObject, WorkerEntrypoint } from "cloudflare:workers";
    export class Obj extends DurableObject {}
    export class E extends WorkerEntrypoint {}
    export default { async fetch(req, env, ctx) { ${body} } }`,
});

/** What a worker with these options answers to a request that Node sends through Miniflare. */
const answer = async (miniflare, options, use = async (instance) => (await instance.dispatchFetch("http://x/a?b")).text()) => {
  const { Miniflare, convertV4MiniflareOptions = (same) => same } = miniflare;
  const instance = new Miniflare(convertV4MiniflareOptions(options));
  try {
    return await use(instance);
  } finally {
    await instance.dispose();
  }
};

for (const name of ["miniflare4", "miniflare5"]) {
  const miniflare = await import(name);

  test(`${name}: a worker answers`, async () => {
    assert.equal(await answer(miniflare, worker("return new Response(`hi ${req.method} ${req.url}`)")), "hi GET http://x/a?b");
  });

  test(`${name}: bindings`, async () => {
    const options = { ...worker("return Response.json([env.T, env.J.a])"), bindings: { T: "t", J: { a: 1 } } };
    assert.equal(await answer(miniflare, options), '["t",1]');
  });

  test(`${name}: an exception is shown`, async () => {
    assert.match(await answer(miniflare, worker("throw new TypeError('boom')")), /^TypeError: boom/);
  });

  test(`${name}: a request to a function in Node, and one that has a body`, async () => {
    const options = {
      ...worker("return fetch('http://nowhere.test/z', { method: 'POST', body: req.body ?? 'none', headers: { 'x-own': '1' } })"),
      outboundService: async (request) =>
        new miniflare.Response(`node: ${request.method} ${request.url} ${request.headers.get("x-own")} ${await request.text()}`),
    };
    assert.equal(await answer(miniflare, options), "node: POST http://nowhere.test/z 1 none");
    const sent = async (instance) =>
      (await instance.dispatchFetch("http://x/", { method: "POST", body: "x".repeat(300_000) })).text();
    const text = await answer(miniflare, options, sent);
    assert.equal(text.length, "node: POST http://nowhere.test/z 1 ".length + 300_000);
  });

  test(`${name}: a script in service-worker syntax`, async () => {
    const options = {
      script: "addEventListener('fetch', (event) => event.respondWith(new Response(T + new URL(event.request.url).pathname)))",
      compatibilityDate: "2022-09-01",
      bindings: { T: "t" },
    };
    assert.equal(await answer(miniflare, options), "t/a");
  });

  test(`${name}: what is not there yet says so when it is used`, async () => {
    const options = {
      ...worker("try { env.O.getByName('a') } catch (e) { return new Response(`${e}`) }"),
      durableObjects: { O: "Obj" },
    };
    assert.equal(await answer(miniflare, options), "Error: Durable Objects are not supported yet.");
  });

  test(`${name}: a worker that does not start is an error, with its reason`, async () => {
    const { Miniflare, MiniflareCoreError, convertV4MiniflareOptions = (same) => same } = miniflare;
    const lines = [];
    const options = {
      modules: true,
      script: "throw new Error('top')",
      handleRuntimeStdio: (stdout, stderr) => [stdout, stderr].forEach((stream) => stream.on("data", (data) => lines.push(`${data}`))),
    };
    const instance = new Miniflare(convertV4MiniflareOptions(options));
    const failure = await instance.ready.then(() => undefined, (error) => error);
    await instance.dispose().catch(() => {});
    assert(failure instanceof MiniflareCoreError, `${failure}`);
    assert.equal(failure.code, "ERR_RUNTIME_FAILURE");
  });
}

/** Calls `use` with the configuration that Miniflare sends, and the arguments, while what they speak of is there. */
const recorded = async (use) => {
  const { Miniflare } = await import("miniflare4");
  const directory = await mkdtemp(path.join(tmpdir(), "bulkhead-miniflare-"));
  const recorder = path.join(directory, "recorder");
  const script = `#!/bin/sh
cd "${directory}"
cat > config
printf '%s\\n' "$@" > arguments
exec "${supervisor}" "$@" < config
`;
  await writeFile(recorder, script);
  await chmod(recorder, 0o755);
  process.env.MINIFLARE_WORKERD_PATH = recorder;
  const instance = new Miniflare(worker("return new Response('hi')"));
  try {
    await instance.ready;
    const given = (await readFile(path.join(directory, "arguments"), "utf8")).trim().split("\n");
    await use(await readFile(path.join(directory, "config")), given);
  } finally {
    process.env.MINIFLARE_WORKERD_PATH = supervisor;
    await instance.dispose();
    await rm(directory, { recursive: true });
  }
};

const freePort = async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
};

/** The processes that have this parent. */
const childrenOf = async (parent) => {
  const found = [];
  for (const entry of await readdir("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    const stat = await readFile(`/proc/${entry}/stat`, "utf8").catch(() => "");
    if (stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1] === `${parent}`) found.push(Number(entry));
  }
  return found;
};
const isAlive = async (pid) => {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return stat !== "" && stat.slice(stat.lastIndexOf(")") + 2)[0] !== "Z";
};

test("killed fifty times in a row, it leaves no process and its ports free", () =>
  recorded(async (config, given) => {
    assert(given.includes("--control-fd=3") && given.includes("-"), `${given}`);
    const port = await freePort();
    const fixed = given.map((argument) =>
      argument.startsWith("--socket-addr=entry=") ? `--socket-addr=entry=127.0.0.1:${port}` : argument);
    for (let round = 0; round < 50; round++) {
      const child = spawn(supervisor, fixed, { stdio: ["pipe", "pipe", "pipe", "pipe"] });
      const said = [];
      child.stdout.resume();
      child.stderr.on("data", (data) => said.push(data));
      child.stdin.end(config);
      const exited = once(child, "exit");
      let lines = "";
      for await (const data of child.stdio[3]) {
        lines += data;
        if (lines.endsWith("\n")) break;
      }
      const ready = lines.trim().split("\n").map((line) => (line === "" ? undefined : JSON.parse(line)));
      assert.deepEqual(ready, [{ event: "listen", socket: "entry", port }], `round ${round}: ${Buffer.concat(said)}`);
      const response = await fetch(`http://127.0.0.1:${port}/`);
      assert.equal(await response.text(), "hi");
      const children = await childrenOf(child.pid);
      assert(children.length > 0, "workers have processes");
      child.kill("SIGKILL");
      await exited;
      for (const pid of children) {
        while (await isAlive(pid)) await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
  }));
