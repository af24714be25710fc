/** Gives back what it gets, in capitals. */
export default {
  async connect(socket) {
    const upper = new TransformStream({
      transform(chunk, controller) {
        controller.enqueue(chunk.map((byte) => (byte >= 97 && byte <= 122 ? byte - 32 : byte)));
      },
    });
    await socket.readable.pipeThrough(upper).pipeTo(socket.writable);
  },
};
