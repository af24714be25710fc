import { deepStrictEqual, ok, strictEqual, throws } from 'node:assert';

/** The events that an EventSource makes of a text, up to its end. */
async function eventsOf(text, ...names) {
  const source = EventSource.from(new Blob([text]).stream());
  const events = [];
  const ended = new Promise((resolve) => { source.onerror = resolve; });
  for (const name of ['message', ...names]) {
    source.addEventListener(name, ({ type, data, lastEventId }) => events.push([type, data, lastEventId]));
  }
  await ended;
  source.close();
  return events;
}

export const dataLinesAreJoined = {
  async test() {
    deepStrictEqual(await eventsOf('data: one\ndata: two\n\n'), [['message', 'one\ntwo', '']]);
  },
};

export const eventsHaveNames = {
  async test() {
    deepStrictEqual(await eventsOf('event: add\ndata: 1\n\ndata: 2\n\n', 'add'), [['add', '1', ''], ['message', '2', '']]);
  },
};

export const identifiersStay = {
  async test() {
    const text = 'id: 7\ndata: a\n\ndata: b\n\nid\ndata: c\n\n';
    deepStrictEqual(await eventsOf(text), [['message', 'a', '7'], ['message', 'b', '7'], ['message', 'c', '']]);
  },
};

export const commentsAreSkipped = {
  async test() {
    deepStrictEqual(await eventsOf(': hello\ndata: x\n: more\n\n'), [['message', 'x', '']]);
  },
};

export const oneSpaceIsTakenOff = {
  async test() {
    deepStrictEqual(await eventsOf('data:a\n\ndata:  b\n\n'), [['message', 'a', ''], ['message', ' b', '']]);
  },
};

export const linesEndInEachWay = {
  async test() {
    const events = await eventsOf('data: a\r\n\r\ndata: b\n\ndata: c\r\n\r\n');
    deepStrictEqual(events.map(([, data]) => data), ['a', 'b', 'c']);
  },
};

export const whatIsNotEndedIsNoEvent = {
  async test() {
    deepStrictEqual(await eventsOf('data: whole\n\ndata: cut'), [['message', 'whole', '']]);
  },
};

export const statesAndAttributes = {
  async test() {
    deepStrictEqual([EventSource.CONNECTING, EventSource.OPEN, EventSource.CLOSED], [0, 1, 2]);
    const source = EventSource.from(new ReadableStream());
    strictEqual(source.withCredentials, false);
    ok(source instanceof EventTarget);
    source.close();
    strictEqual(source.readyState, EventSource.CLOSED);
  },
};

export const aStreamIsNeeded = {
  test() {
    throws(() => EventSource.from('text'), TypeError);
    throws(() => new EventSource('no url'), { name: 'SyntaxError' });
    const stream = new ReadableStream();
    stream.getReader();
    throws(() => EventSource.from(stream), TypeError);
  },
};

export const aServiceIsListenedTo = {
  async test(controller, env, ctx) {
    const source = new EventSource('http://h/events', { fetcher: ctx.exports.default });
    const opened = new Promise((resolve) => { source.onopen = resolve; });
    const event = await new Promise((resolve) => { source.onmessage = resolve; });
    await opened;
    strictEqual(event.data, 'from /events');
    strictEqual(event.origin, 'http://h');
    source.close();
  },
};

export default {
  fetch(request) {
    const text = `data: from ${new URL(request.url).pathname}\n\n`;
    return new Response(text, { headers: { 'Content-Type': 'text/event-stream' } });
  },
};
