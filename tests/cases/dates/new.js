import { strictEqual } from 'node:assert';

export const membersAreOnThePrototype = {
  test() {
    strictEqual(Object.hasOwn(Response.prototype, 'status'), true);
    strictEqual(Object.hasOwn(new Response(), 'status'), false);
  },
};

export const thereIsANavigator = {
  test() {
    strictEqual(typeof navigator, 'object');
  },
};

export const streamsAreConstructed = {
  test() {
    strictEqual(new WritableStream() instanceof WritableStream, true);
  },
};

export const redirectsAreUrls = {
  test() {
    strictEqual(Response.redirect('http://h').headers.get('location'), 'http://h/');
  },
};

export const cookiesAreSeparate = {
  test() {
    strictEqual(typeof new Headers().getSetCookie, 'function');
  },
};
