// Bodies that were read, in part or to the end, or given away: what is left of them.
const bytes = (text) => new TextEncoder().encode(text);
const stream = (...parts) =>
  new ReadableStream({
    start(controller) {
      for (const part of parts) controller.enqueue(bytes(part));
      controller.close();
    },
  });

const bodies = {
  text: () => "abc",
  "a script's stream": () => stream("abc"),
  "an empty text": () => "",
  null: () => null,
  parameters: () => new URLSearchParams("a=b"),
};
const objects = {
  response: (body) => new Response(body),
  request: (body) => new Request("http://a.test/", { method: "POST", body }),
};

// Everything that reads a body to its end or gives it away leaves it used.
const uses = {
  "text()": (r) => r.text(),
  "text() of a looked at body": (r) => (r.body, r.text()),
  "arrayBuffer()": (r) => (r.body, r.arrayBuffer()),
  "bytes()": (r) => (r.body, r.bytes()),
  "blob()": (r) => (r.body, r.blob()),
  "json() that fails": (r) => (r.body, r.json().catch(() => {})),
  "text() that nobody awaits": (r) => void (r.body, r.text()),
  "text() of another object": (r) => new Response(r.body).text(),
  "pipeTo()": (r) => r.body?.pipeTo(new WritableStream()),
  iteration: async (r) => {
    for await (const _ of r.body ?? []);
  },
  "cancel()": (r) => r.body?.cancel(),
  "a read": async (r) => {
    const reader = r.body?.getReader();
    await reader?.read();
    reader?.releaseLock();
  },
  "tee()": (r) => void r.body?.tee(),
};
// `clone()` of what is used but not locked is the standard's (see docs/compatibility.md), and not compared.
const isLocked = (r) => r.body?.locked ?? false;
const steps = {
  state: (r) => [r.bodyUsed, isLocked(r), r.body === r.body],
  clone: async (r) => (r.bodyUsed && !isLocked(r) ? undefined : [await r.clone().text(), r.bodyUsed]),
  text: (r) => r.text(),
  arrayBuffer: (r) => r.arrayBuffer(),
  bytes: (r) => r.bytes(),
  json: (r) => r.json(),
  formData: async (r) => [...(await r.formData())],
  blob: async (r) => (await r.blob()).size,
  "new Response": (r) => new Response(r.body).text(),
  "new Request": (r) => new Request("http://a.test/", { method: "POST", body: r.body }).text(),
  "new Request of it": (r) => (r instanceof Request ? new Request(r).text() : undefined),
  getReader: (r) => r.body.getReader().read(),
  pipeTo: (r) => r.body.pipeTo(new WritableStream()),
  pipeThrough: async (r) => {
    for await (const chunk of r.body.pipeThrough(new TransformStream())) return chunk;
  },
  tee: (r) => r.body.tee().length,
  iterate: async (r) => {
    for await (const chunk of r.body) return chunk;
  },
  cancel: (r) => r.body.cancel(),
};

const outcome = async (run) => {
  try {
    return await run();
  } catch (error) {
    return `${error.name}: ${error.message}`;
  }
};
const probes = {};
for (const object in objects) {
  for (const body in bodies) {
    for (const use in uses) {
      probes[`${object} of ${body} after ${use}`] = async () => {
        const outcomes = {};
        for (const step in steps) {
          const r = objects[object](bodies[body]());
          await uses[use](r);
          outcomes[step] = await outcome(() => steps[step](r));
        }
        return outcomes;
      };
    }
  }
}

// Giving a body to another request: what both have then.
const given = {
  "new Request(request)": (a) => new Request(a),
  "new Request(request, init)": (a) => new Request(a, { method: "PUT" }),
  "new Request(request, { body })": (a) => new Request(a, { body: "other" }),
  "new Request(url, request)": (a) => new Request("http://b.test/", a),
  "new Request(request, request)": (a) => new Request(a, a),
  "new Response(body)": (a) => new Response(a.body),
  "clone()": (a) => a.clone(),
};
for (const body of ["text", "a script's stream", "parameters"]) {
  for (const looked of [true, false]) {
    for (const give in given) {
      const make = () => {
        const a = objects.request(bodies[body]());
        const before = looked ? a.body : undefined;
        return { a, before, b: given[give](a) };
      };
      probes[`${give} of ${looked ? "a looked at " : ""}${body}`] = async () => {
        const { a, before, b } = make();
        const out = [looked && a.body === before, before?.locked, a.body === b.body, a.body === a.body];
        out.push(a.bodyUsed, a.body.locked, b.bodyUsed, b.body.locked);
        for (const step of ["text", "new Response", "getReader", "cancel", "tee", "new Request of it"]) {
          // A branch of a tee is canceled when the other is (the standard's).
          if (step === "cancel" && give === "clone()") continue;
          const { a: used } = make();
          out.push(await outcome(() => steps[step](used)));
        }
        if (looked) out.push(await outcome(() => make().before.getReader().read()));
        out.push(await outcome(() => b.text()), a.bodyUsed, a.body.locked, b.bodyUsed, b.body.locked);
        return out;
      };
    }
  }
}
probes["a transform's readable side stays its object"] = async () => {
  const { readable, writable } = new IdentityTransformStream();
  const transform = new TransformStream();
  const side = transform.readable;
  const a = new Request("http://a.test/", { method: "POST", body: side });
  const b = new Request(a);
  const c = new Request(new Request("http://a.test/", { method: "POST", body: readable }));
  const writer = writable.getWriter();
  writer.write(bytes("through"));
  writer.close();
  return [transform.readable === side, side.locked, a.body === side, b.body === side, await c.text()];
};
probes["a stream of a class of the script's own"] = async () => {
  class Own extends ReadableStream {}
  const own = new Own({ start: (c) => (c.enqueue(bytes("own")), c.close()) });
  const a = new Request("http://a.test/", { method: "POST", body: own });
  const b = new Request(a);
  return [a.body === own, own.locked, b.body === own, b.body instanceof Own, await b.text()];
};
probes["initializers that are used or locked"] = async () => {
  const used = objects.request("a");
  await used.text();
  const locked = objects.request("a");
  locked.body.getReader();
  return [
    await outcome(() => new Request("http://b.test/", used)),
    await outcome(() => new Request("http://b.test/", locked).text()),
  ];
};

// Calls of fetch() that cannot be: none of them goes out.
const urls = ["ftp://a/", "file:///etc/passwd", "about:blank", "blob:http://a/b", "http://a:99999/", "http://a:x/", "http://",
  "", "foo", "/x", "ws://a/", "wss://a/", "javascript:1", "mailto:a@b", "FTP://A/", "http://a b/", 5, null, undefined];
for (const url of urls) {
  probes[`fetch of ${String(url)}`] = () => outcome(() => fetch(url));
  probes[`fetch of a request of ${String(url)}`] = () => outcome(() => fetch(new Request(url)));
}
probes["fetch of a URL object"] = () => outcome(() => fetch(new URL("ftp://a/")));
const consumed = (r) => [r.bodyUsed, r.body?.locked];
probes["fetch that fails uses the body"] = async () => {
  const out = [];
  for (const body in bodies) {
    for (const looked of [true, false]) {
      const r = new Request("ftp://a/", { method: "POST", body: bodies[body]() });
      const before = looked ? r.body : undefined;
      out.push(await outcome(() => fetch(r)), consumed(r), looked && r.body === before);
      out.push(await outcome(() => r.text()), await outcome(() => fetch(r)));
    }
  }
  return out;
};
probes["fetch that fails leaves a body that it does not send"] = async () => {
  const r = objects.request("kept");
  const failed = await outcome(() => fetch("ftp://a/", { method: "POST", body: "other" }));
  return [failed, await outcome(() => fetch(new Request("ftp://a/", r), { body: "other" })), consumed(r), await r.text()];
};
probes["fetch with a stream in its initializer"] = async () => {
  const body = stream("x");
  return [await outcome(() => fetch("ftp://a/", { method: "POST", body })), body.locked];
};
probes["fetch of a used and of a locked request"] = async () => {
  const used = objects.request("a");
  await used.text();
  const locked = objects.request("a");
  locked.body.getReader();
  return [await outcome(() => fetch(used)), await outcome(() => fetch(locked))];
};
probes["fetch with an aborted signal"] = async () => {
  const r = objects.request("a");
  return [
    await outcome(() => fetch(r, { signal: AbortSignal.abort() })),
    consumed(r),
    await outcome(() => fetch("http://a.test/", { signal: AbortSignal.abort(new Error("why")) })),
    await outcome(() => fetch(new Request("http://a.test/", { signal: AbortSignal.abort("text") })).catch((reason) => reason)),
  ];
};
for (const init of [5, "x", { method: "B AD" }, { headers: { "a b": "c" } }, { redirect: "zz" }, { body: "x" }, { signal: 5 }]) {
  probes[`fetch with ${JSON.stringify(init)}`] = () => outcome(() => fetch("http://a.test/", init));
}
probes["fetch gives a promise whatever its arguments are"] = () => {
  const promise = fetch("ftp://a/", { method: Symbol("m") });
  promise.catch(() => {});
  return promise instanceof Promise;
};
export default probes;
