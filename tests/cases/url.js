import { strictEqual, throws } from 'node:assert';

export const partsAreFound = {
  test() {
    const url = new URL('https://user:pass@example.com:8443/a/b?c=d#e');
    strictEqual(url.protocol, 'https:');
    strictEqual(url.username, 'user');
    strictEqual(url.password, 'pass');
    strictEqual(url.host, 'example.com:8443');
    strictEqual(url.hostname, 'example.com');
    strictEqual(url.port, '8443');
    strictEqual(url.pathname, '/a/b');
    strictEqual(url.search, '?c=d');
    strictEqual(url.hash, '#e');
    strictEqual(url.origin, 'https://example.com:8443');
  },
};

export const relativeUrlsAreResolved = {
  test() {
    strictEqual(new URL('../x?y', 'http://h/a/b/c').href, 'http://h/a/x?y');
    strictEqual(new URL('//other/z', 'https://h/a').href, 'https://other/z');
    strictEqual(new URL('', 'http://h/a#f').href, 'http://h/a');
  },
};

export const defaultPortsAreLeftOut = {
  test() {
    strictEqual(new URL('http://h:80/').port, '');
    const url = new URL('https://h:444/');
    url.port = '443';
    strictEqual(url.href, 'https://h/');
  },
};

export const hostsAreNormalized = {
  test() {
    strictEqual(new URL('http://EXAMPLE.com').hostname, 'example.com');
    strictEqual(new URL('http://ü.example').hostname, 'xn--tda.example');
    strictEqual(new URL('http://0x7f.1').hostname, '127.0.0.1');
    strictEqual(new URL('http://[::0001]').hostname, '[::1]');
  },
};

export const whatIsNoUrlIsRefused = {
  test() {
    for (const text of ['', 'a', 'http://', 'http://a b', 'http://[::1']) {
      throws(() => new URL(text), TypeError, text);
      strictEqual(URL.canParse(text), false);
      strictEqual(URL.parse(text), null);
    }
  },
};

export const settersChangeTheHref = {
  test() {
    const url = new URL('http://h/');
    url.pathname = 'a b';
    url.search = 'x=ä';
    url.hash = '';
    strictEqual(url.href, 'http://h/a%20b?x=%C3%A4');
    url.host = 'g:1';
    strictEqual(String(url), 'http://g:1/a%20b?x=%C3%A4');
  },
};

export const parametersAndSearchAreOne = {
  test() {
    const url = new URL('http://h/?a=1');
    url.searchParams.append('b', '2 3');
    strictEqual(url.search, '?a=1&b=2+3');
    url.search = '?c=4';
    strictEqual(url.searchParams.get('c'), '4');
    strictEqual(url.searchParams.get('a'), null);
  },
};
