import { rejects, strictEqual } from 'node:assert';

const ILLEGAL =
  'Illegal invocation: function called with incorrect `this` reference. See ' +
  'https://developers.cloudflare.com/workers/observability/errors/#illegal-invocation-errors for details.';

/** What is thrown, as text. */
function thrown(run) {
  try {
    run();
  } catch (error) {
    return `${error.name}: ${error.message}`;
  }
  return 'nothing was thrown';
}

async function rejected(run) {
  try {
    await run();
  } catch (error) {
    return `${error.name}: ${error.message}`;
  }
  return 'nothing was rejected';
}

export const aBodyThatWasRead = {
  async test() {
    const response = new Response('x');
    await response.text();
    strictEqual(
      await rejected(() => response.text()),
      'TypeError: Body has already been used. It can only be used once. Use tee() first if you need to read it twice.',
    );
  },
};

export const aGetWithABody = {
  test() {
    strictEqual(
      thrown(() => new Request('http://h/', { body: 'x' })),
      'TypeError: Request with a GET or HEAD method cannot have a body.',
    );
  },
};

export const aStatusThatIsNone = {
  test() {
    strictEqual(
      thrown(() => new Response(null, { status: 42 })),
      'RangeError: Responses may only be constructed with status codes in the range 200 to 599, inclusive.',
    );
    strictEqual(
      thrown(() => new Response('x', { status: 204 })),
      'TypeError: Response with null body status (101, 204, 205, or 304) cannot have a body.',
    );
  },
};

export const aLockedStream = {
  test() {
    const stream = new ReadableStream();
    stream.getReader();
    strictEqual(thrown(() => stream.getReader()), 'TypeError: This ReadableStream is currently locked to a reader.');
    const sink = new WritableStream();
    sink.getWriter();
    strictEqual(thrown(() => sink.getWriter()), 'TypeError: This WritableStream is currently locked to a writer.');
  },
};

export const urlsThatAreNone = {
  async test() {
    strictEqual(thrown(() => new URL('no url')), 'TypeError: Invalid URL string.');
    strictEqual(thrown(() => new Request('no url')), 'TypeError: Invalid URL: no url');
    strictEqual(await rejected(() => fetch('no url')), 'TypeError: Invalid URL: no url');
  },
};

export const textThatIsNotBase64 = {
  test() {
    strictEqual(
      thrown(() => atob('%')),
      'InvalidCharacterError: atob() called with invalid base64-encoded data. (Only whitespace, \'+\', \'/\', alphanumeric ASCII, and up to two terminal \'=\' signs when the input data length is divisible by 4 are allowed.)',
    );
    strictEqual(
      thrown(() => btoa('☃')),
      'InvalidCharacterError: btoa() can only operate on characters in the Latin1 (ISO/IEC 8859-1) range.',
    );
  },
};

export const argumentsOfAWrongType = {
  test() {
    strictEqual(
      thrown(() => new Headers(5)),
      "TypeError: Failed to construct 'Headers': constructor parameter 1 is not of type 'Headers or Sequence or object'.",
    );
    strictEqual(
      thrown(() => new Headers().set('a')),
      "TypeError: Failed to execute 'set' on 'Headers': parameter 2 is not of type 'string'.",
    );
    strictEqual(thrown(() => Headers.prototype.get.call({}, 'a')), `TypeError: ${ILLEGAL}`);
    strictEqual(thrown(() => new Crypto()), 'TypeError: Illegal constructor');
  },
};

export const headersThatAreNone = {
  test() {
    strictEqual(thrown(() => new Headers().set('a', 'x\ny')), 'TypeError: Invalid header value.');
  },
};

export const abortsAndTimeouts = {
  async test() {
    strictEqual(thrown(() => AbortSignal.abort().throwIfAborted()), 'AbortError: The operation was aborted');
    strictEqual(
      await rejected(() => scheduler.wait(1000, { signal: AbortSignal.timeout(1) })),
      'TimeoutError: The operation was aborted due to timeout',
    );
  },
};

export const whatCannotBeCloned = {
  test() {
    strictEqual(thrown(() => structuredClone(() => {})), 'DataCloneError: () => {} could not be cloned.');
    strictEqual(thrown(() => structuredClone(Symbol('s'))), 'DataCloneError: Symbol(s) could not be cloned.');
  },
};

export const codeFromText = {
  test() {
    strictEqual(thrown(() => eval('1')), 'EvalError: Code generation from strings disallowed for this context');
  },
};

export const randomValues = {
  test() {
    strictEqual(
      thrown(() => crypto.getRandomValues(new Uint8Array(65537))),
      'QuotaExceededError: getRandomValues() only accepts buffers of size <= 64K but provided 65537 bytes.',
    );
  },
};

export const digestsThatAreNotKnown = {
  async test() {
    strictEqual(
      await rejected(() => crypto.subtle.digest('MD6', new Uint8Array())),
      'NotSupportedError: Unrecognized or unimplemented digest algorithm requested.',
    );
    await rejects(crypto.subtle.digest('SHA-256', 'text'), TypeError);
  },
};

export const modulesThatAreNotThere = {
  async test() {
    strictEqual(await rejected(() => import('no-such')), 'Error: No such module "no-such".');
    strictEqual(await rejected(() => import('node:no-such')), 'Error: No such module "node:no-such".');
  },
};

export const redirectsToNowhere = {
  test() {
    strictEqual(thrown(() => Response.redirect('http://h/', 200)), 'RangeError: 200 is not a redirect status code. It must be one of: 301, 302, 303, 307, or 308.');
    strictEqual(thrown(() => Response.redirect('::')), 'TypeError: Unable to parse URL: ::');
  },
};
