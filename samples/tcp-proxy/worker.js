// Joins each client's connection with one to the backend, and logs how much went through.
const counted = (count) =>
  new TransformStream({
    transform(chunk, controller) {
      count(chunk.byteLength);
      controller.enqueue(chunk);
    },
  });

export default {
  async connect(client, env) {
    const { remoteAddress } = await client.opened;
    const backend = env.BACKEND.connect("backend:9000", { allowHalfOpen: true });
    let [sent, received] = [0, 0];
    try {
      await Promise.all([
        client.readable.pipeThrough(counted((bytes) => (sent += bytes))).pipeTo(backend.writable),
        backend.readable.pipeThrough(counted((bytes) => (received += bytes))).pipeTo(client.writable),
      ]);
    } finally {
      console.log(`${remoteAddress}: ${sent} bytes sent, ${received} received`);
    }
  },
};
