// What most workers use, run once before the snapshot is made, so that no worker compiles it. Nothing may be left of it that
// native code wraps (a URL, a Response): there is no way to put such an object into a snapshot.
() => {
  const read = (stream) => {
    const reader = stream.getReader();
    const next = () => reader.read().then(({ done }) => (done ? reader.releaseLock() : next()));
    return next();
  };
  const chunks = (type) =>
    new ReadableStream({
      type,
      start(controller) {
        controller.enqueue(new Uint8Array(4));
        controller.enqueue(new Uint8Array(4));
        controller.close();
      },
    });
  const pulled = () => {
    let left = 2;
    return new ReadableStream({
      pull(controller) {
        if (left-- > 0) controller.enqueue(new Uint8Array(4));
        else controller.close();
      },
      cancel() {},
    });
  };
  read(chunks());
  read(chunks("bytes"));
  read(pulled());
  pulled().cancel();
  (async () => {
    for await (const chunk of pulled()) void chunk;
  })();
  for (const branch of pulled().tee()) read(branch);
  read(pulled().pipeThrough(new TransformStream({ transform: (chunk, controller) => controller.enqueue(chunk) })));
  read(pulled().pipeThrough(new IdentityTransformStream()));
  pulled().pipeTo(new WritableStream({ write() {}, close() {} }));
  const { readable, writable } = new TransformStream();
  const writer = writable.getWriter();
  read(readable);
  writer.ready.then(() => writer.write(new Uint8Array(4))).then(() => writer.close());

  const target = new EventTarget();
  const listener = (event) => event.preventDefault();
  target.addEventListener("x", listener);
  target.addEventListener("x", { handleEvent() {} }, { once: true });
  target.dispatchEvent(new Event("x", { cancelable: true }));
  target.dispatchEvent(new CustomEvent("x", { detail: 1 }));
  target.removeEventListener("x", listener);

  const controller = new AbortController();
  controller.signal.addEventListener("abort", () => {});
  AbortSignal.any([controller.signal]);
  controller.abort();
  try {
    controller.signal.throwIfAborted();
  } catch (error) {
    void `${error.name} ${error.message} ${error.stack}`;
  }

  const blob = new Blob(["text", new Uint8Array(4)], { type: "text/plain" });
  blob.slice(0, 2).arrayBuffer();
  blob.bytes();
  const form = new FormData();
  form.append("name", "value");
  form.set("file", new File([blob], "name"));
  for (const [name] of form) form.get(name);

  queueMicrotask(() => {});
}
