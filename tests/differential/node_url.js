// What `node:url`, `node:querystring` and `node:punycode` give for many texts.
import url, * as allOfUrl from "node:url";
import querystring, * as allOfQuerystring from "node:querystring";
import punycode, * as allOfPunycode from "node:punycode";
import { answer } from "./show.js";

const addresses = [
  "", "http://example.com", "http://example.com/", "http://user:pass@example.com:8080/p/a/t/h?query=string#hash", "HTTP://EXAMPLE.COM/A", "//host/path", "/path?a=b", "?a=b", "#h", "path/to", "mailto:a@b.c", "javascript:alert('x');",
  "http://a.b/?c=d&e=f#g?h", "http://x.y.com+a/b/c", "http://[::1]:80/a", "http://[fe80::1]", "http://a@b@c/", "http://a@b?@c", "http://a.b/\tbc\ndr\ref g\"hq'j<kl>", "x:1", "file:///etc/passwd", "file://localhost/etc", "file:///C:/a", "coap:u:p@::1:61616/.well-known/r?n=T#c",
  "http://example.com:", "http://example.com:/a:b", "git+ssh://git@github.com:a/b.git", "http:/a", "http:a", "dot.test://foo/bar", "svn+ssh://foo/bar", "  http://a.b  ", "http://a.b/ c", "http://a\\b/c", "\\\\a\\b", "http://ex%41mple.com", "http://\u00e4\u00f6.de/\u00fc", "http://xn--4ca.de",
  "ws://www.example.com", "http://user:p%40ss@host/", "http://a.com/?q=%20x y", "/a?b#c?d", "a?b=c", "data:text/plain,hi", "http://a_b.com", "http://a..b/c", "http://-a.com", "http://example.com/?#", "http://example.com/#", "foo:bar", "foo://bar", "http://host.com:8080?a", "http://1.2.3.4:99/", "//u:p@h:1/x",
];
const bases = [
  ["/one/two/three", "four"], ["http://example.com/", "/one"], ["http://example.com/one", "/two"], ["http://a/b/c/d;p?q", "../g"], ["http://a/b/c/d;p?q", "g?y"], ["http://a/b/c/d;p?q", "?y"], ["http://a/b/c/d;p?q", "#s"], ["http://a/b/c/d;p?q", "//g"], ["http://a/b/c/d;p?q", "g:h"], ["http://a/b/c/d;p?q", ""], ["http://a/b/c/d;p?q", "../../../g"],
  ["http://a/b/c/d;p?q", "./../g"], ["http://a/b/c/d;p?q", "g/./h"], ["http://a/b/c/d;p?q", "."], ["http://a/b/c/d;p?q", ".."], ["/users/../../../../etc", "p"], ["foo", "bar"], ["a/b/c", "../d"], ["mailto:a@b", "mailto:c@d"], ["mailto:a@b", "c"], ["http://u:p@h/x", "y"], ["http://u:p@h/x", "//k/y"], ["x:", "http://a/"], ["fred:///s//a/b/c", "../../../g"], ["http://example.com", "https:foo"], [".", "#hash1"], ["http:///s//a/b/c", "../g"], ["http://www.foo.com/x", "http:y"], ["javascript:a", "b"], ["/a/b", "/c/../d/./e"], ["", "a"], ["a", ""],
];
const queries = [
  "", "a", "a=", "a=b", "a=b&c=d", "a=1&a=2&a=3", "=b", "&", "&&a=b&&", "a=b=c", "a+b=c+d", "%61=%62", "a=%", "a=%zz", "a=%e4", "a=%c3%a4", "a=%F0%9F%98%80", "a&b&c", "__proto__=1", "a[]=1&a[]=2", "\u00e4=\u00f6", "a=b;c=d", "a%3Db=c", "a=%2", "hasOwnProperty=x", "a==&b", "foo=%EDndex", "a=b&a", "   a  =  b ",
];
const values = [{}, { a: "b" }, { a: ["1", 2, "x y"] }, { a: 1, b: true, c: null, d: undefined, e: NaN, f: Infinity, g: 1n }, { "a b": "c&d=e" }, { a: "\u00e4\ud83d\ude00" }, { a: {} }, { a: [] }, { a: [[]] }, { a: () => 1 }, { a: Symbol("s") }, { a: "!'()*~-._" }, [1, 2], "text", null, undefined, 5, { a: new Date(0) }, { a: "\ud800" }, { "": "x" }];
const domains = ["example.com", "EXAMPLE.com", "\u00e4.de", "espa\u00f1ol.com", "xn--espaol-zwa.com", "xn--i\u00f1valid.com", "\u4e2d\u6587.com", "xn--fiq228c.com", "", "a b", "1.2.3.4", "[::1]", "a..b", "xn--", "\ud800.com", "stra\u00dfe.de", "\u3002a", "fa\u00df.de", "xn--a", "1", "0x7f.1", "a:80", "a/b", "a@b", "a%41b"];
const labels = ["", "a", "a-", "\u00fc", "b\u00fccher", "ma\u00f1ana", "\u4e2d\u6587", "\ud83d\ude00", "a\u00e4b\u00f6c", "\ud800", "A\u00dc", "\u00fcebung-1"];
const codes = ["", "a-", "tda", "bcher-kva", "maana-pta", "fiq228c", "e28h", "-", "--", "\u00e4", "a-\u00e4", "zzzzzzzz", "AZ-", "BCHER-KVA"];
const names = ["\u00fc.com", "b\u00fccher.de", "xn--bcher-kva.de", "a@\u00fc.com", "\u00e4@b\u00fccher.de", "a.b\u3002c", "plain", "", "xn--", "xn--zzzzzzzzz.a"];
const files = ["file:///a/b", "file:///a%20b", "file:///a%2fb", "file://host/a", "http://a/b", "file:///C:/a", "file:///%E4%BD%A0", "file:///a?b#c", "nope", 5, {}, null, "file:///a%5Cb", "file:///%"];
const plain = ["/a/b", "a/b", "/a b", "/a%b", "/a?b#c", "/a\\b", "/a\nb\tc\rd", "C:\\a", "/a/", "", ".", "\\\\server\\share\\f", "/\u00e4", "\\\\x", 5, undefined, "/a/../b"];
const row = (name, run) => ({ name, run });
const text = (value) => { try { return JSON.stringify(value) ?? String(value); } catch { return String(Object.keys(value)); } };
const members = (value) => Object.keys(value).map((key) => [key, value[key]]);
const tried = (run) => { try { return run(); } catch (error) { return error; } };

export const cases = [
  () => [Object.keys(allOfUrl), Object.keys(url), Object.keys(allOfQuerystring), Object.keys(querystring), Object.keys(allOfPunycode), Object.keys(punycode)],
  () => [url, querystring, punycode].map((m) => Object.keys(m).map((key) => [key, typeof m[key], m[key].name, m[key].length])),
  () => [url.URL === URL, url.URLSearchParams === URLSearchParams, querystring.decode === querystring.parse, querystring.encode === querystring.stringify],
  () => Object.keys(url.Url.prototype).map((key) => [key, url.Url.prototype[key].length]),
  () => [members(new url.Url()), members(url.Url())],
  ...addresses.flatMap((one) => [
    row(`parse ${text(one)}`, () => members(url.parse(one))),
    row(`parse ${text(one)} with a query and slashes`, () => members(url.parse(one, true, true))),
    row(`format ${text(one)}`, () => [url.format(one), url.parse(one).format(), url.resolve("http://base/x/y", one), url.resolve(one, "../z")]),
  ]),
  ...bases.map((pair) => row(`resolve ${text(pair)}`, () => [url.resolve(...pair), members(url.resolveObject(...pair))])),
  ...["http://ex ample.com", "http://a:b:c:99999999/", "http://[::1", "http://%zz/", "http://xn--iñvalid.com/", "http://a^b", "http://a:x", "http://[a", "http://a[b]c/", "http://]a", "http://[::1]x/", "http://[zz]/", "http://256.1/", "x://1.2"].map((one) => row(`parse ${text(one)}, which is none`, () => members(url.parse(one)))),
  ...[undefined, null, 5, {}, [], true, Symbol("s")].map((value) => row(`parse what is no text: ${String(value)}`, () => [tried(() => url.parse(value)), tried(() => url.resolve(value, "a")), tried(() => url.format(value))])),
  ...[{ protocol: "http", host: "a.b" }, { protocol: "http:", hostname: "a", port: 80, pathname: "b" }, { host: "h", pathname: "/p?#" }, { protocol: "mailto", pathname: "a@b" }, { query: { a: 1, b: [2, 3] } }, { search: "x" }, { search: "?x#y" }, { hash: "h" }, { hash: "#h" }, { auth: "u:p", host: "h" }, { auth: "u@x:p", hostname: "h", slashes: true }, { hostname: "::1", protocol: "http" }, { slashes: true, pathname: "a" }, { protocol: "file", pathname: "/a" }, { protocol: "x", slashes: true, host: "h" }, { pathname: "a#b?c", search: "#" }].map((object) => row(`format ${text(object)}`, () => url.format(object))),
  ...[{}, { auth: false }, { fragment: false }, { search: false }, { unicode: true }, { auth: false, fragment: false, search: false, unicode: true }, null, 5, undefined].map((options) => row(`format a URL with ${text(options)}`, () => url.format(new URL("http://u:p@xn--4ca.de:8/p?s#h"), options))),
  ...files.map((one) => row(`fileURLToPath ${text(one)}`, () => [tried(() => url.fileURLToPath(one)), tried(() => url.fileURLToPath(one, { windows: true })), tried(() => url.fileURLToPath(one, { windows: false }))])),
  () => url.fileURLToPath(new URL("file:///x/y")),
  ...plain.map((one) => row(`pathToFileURL ${text(one)}`, () => [tried(() => url.pathToFileURL(one).href), tried(() => url.pathToFileURL(one, { windows: true }).href)])),
  () => [url.toPathIfFileURL("a"), url.toPathIfFileURL(new URL("file:///a")), tried(() => url.toPathIfFileURL(new URL("http://a")))],
  ...["http://u:p@a.b:8/c?d#e", "https://[::1]/", "file:///x", "http://u%40:p%3A@h/"].map((one) => row(`urlToHttpOptions ${one}`, () => { const o = url.urlToHttpOptions(new URL(one)); return [members(o), Object.getPrototypeOf(o) === null]; })),
  () => url.urlToHttpOptions("x"),
  ...domains.map((one) => row(`domains of ${text(one)}`, () => [tried(() => url.domainToASCII(one)), tried(() => url.domainToUnicode(one))])),
  ...[undefined, 5, null, {}].map((one) => row(`domains of ${text(one)}`, () => [tried(() => url.domainToASCII(one)), tried(() => url.domainToUnicode(one))])),
  () => url.domainToASCII(),
  ...queries.flatMap((one) => [
    row(`querystring.parse ${text(one)}`, () => { const o = querystring.parse(one); return [members(o), Object.getPrototypeOf(o) === null]; }),
    row(`querystring.parse ${text(one)} otherwise`, () => [members(querystring.parse(one, ";", ":")), members(querystring.parse(one, "&&", "==")), members(querystring.parse(one, null, null, { maxKeys: 1 })), querystring.unescape(one), querystring.escape(one)]),
  ]),
  ...values.map((value, index) => row(`querystring.stringify ${index}`, () => [tried(() => querystring.stringify(value)), tried(() => querystring.stringify(value, ";", ":"))])),
  ...[undefined, null, 5, {}, [], true, 1n].map((value) => row(`querystring of ${text(typeof value === "bigint" ? "1n" : value)}`, () => [tried(() => members(querystring.parse(value))), tried(() => querystring.escape(value)), tried(() => querystring.unescape(value))])),
  () => querystring.escape(Symbol("s")),
  () => querystring.escape({ toString: () => "x y" }),
  () => querystring.escape("\ud800"),
  () => querystring.stringify({ a: "b c" }, null, null, { encodeURIComponent: (t) => `<${t}>` }),
  () => members(querystring.parse("a=b%20c", null, null, { decodeURIComponent: (t) => `<${t}>` })),
  () => members(querystring.parse("a=b%20c&d=e", null, null, { decodeURIComponent: () => { throw new Error("no"); } })),
  () => members(querystring.parse(Array.from({ length: 1200 }, (_, i) => `k${i}=v`).join("&"))).length,
  () => members(querystring.parse(Array.from({ length: 1200 }, (_, i) => `k${i}=v`).join("&"), null, null, { maxKeys: 0 })).length,
  () => [querystring.unescapeBuffer("a%20b%zz%4"), querystring.unescapeBuffer("a+b", true)],
  () => { const before = querystring.unescape; querystring.unescape = (t) => `(${t})`; try { return members(querystring.parse("a=%20")); } finally { querystring.unescape = before; } },
  () => { const before = querystring.escape; querystring.escape = (t) => `(${t})`; try { return querystring.stringify({ a: "b" }); } finally { querystring.escape = before; } },
  ...labels.map((one) => row(`punycode of ${text(one)}`, () => [tried(() => punycode.encode(one)), tried(() => punycode.decode(punycode.encode(one))), punycode.ucs2.decode(one)])),
  ...codes.map((one) => row(`punycode.decode ${text(one)}`, () => punycode.decode(one))),
  ...names.map((one) => row(`punycode of the name ${text(one)}`, () => [tried(() => punycode.toASCII(one)), tried(() => punycode.toUnicode(one))])),
  () => [punycode.ucs2.encode([97, 128512]), punycode.ucs2.encode([]), punycode.version, punycode.ucs2.decode.name],
  () => punycode.toASCII(5),
  () => punycode.toUnicode(undefined),
  () => punycode.decode(5),
  () => punycode.encode(5),
];

export default { fetch: () => answer(cases) };
