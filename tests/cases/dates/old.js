import { strictEqual, throws } from 'node:assert';

export const membersAreOnTheObject = {
  test() {
    strictEqual(Object.hasOwn(Response.prototype, 'status'), false);
    strictEqual(Object.hasOwn(new Response(), 'status'), true);
  },
};

export const thereIsNoNavigator = {
  test() {
    strictEqual(typeof navigator, 'undefined');
  },
};

export const constructorsOfStreamsThrow = {
  test() {
    throws(() => new WritableStream());
  },
};

export const redirectsAreNotParsed = {
  test() {
    strictEqual(Response.redirect('http://h').headers.get('location'), 'http://h');
  },
};

export const cookiesAreJoined = {
  test() {
    strictEqual(typeof new Headers().getSetCookie, 'undefined');
  },
};
