// What `node:path` gives for many paths, in both styles.
import path, * as all from "node:path";
import posix from "node:path/posix";
import win32 from "node:path/win32";
import { answer } from "./show.js";

const paths = [
  "", ".", "..", "/", "//", "a", "a/", "/a", "/a/", "a/b", "a//b", "/a/b/", "./a", "../a", "a/..", "a/../..", "/..", "/../a", "a/./b", "a/.b", ".a", ".a.b",
  "a.", "a.b", "a.b.c", "..a", "...", "a/b.c/", "a/b.c//", "a\\b", "C:", "C:\\", "C:a", "C:\\a\\b.txt", "c:/a/../b", "\\\\server\\share", "\\\\server\\share\\a\\..\\b",
  "\\\\server\\share\\..\\..", "\\\\?\\C:\\a", "\\\\.\\COM1", "C:\\..\\a", "a\\..\\b", "C:..\\a", "/a\\b/c", "\\a", "//server/share/", "///a", "a/ b /c", "file.tar.gz", "C:.", "C:..", "con", "COM1:", "a:b:c",
];
const pairs = [
  ["/a/b", "/a/c"], ["/a/b", "/a/b"], ["/a/b", "/a/b/c"], ["/a/b/c", "/a"], ["/", "/a"], ["/a", "/"], ["a", "b"], ["/foo", "/foobar"], ["/foobar", "/foo"], ["", "a"],
  ["C:\\a\\b", "C:\\a\\c"], ["C:\\a", "D:\\a"], ["c:\\A", "C:\\a\\b"], ["\\\\s\\h\\a", "\\\\s\\h\\b"], ["C:\\", "C:\\a"], ["C:\\foo", "C:\\foobar"], ["\\\\a\\b", "C:\\a"], ["C:\\a\\..", "C:\\b"],
];
const lists = [
  [], [""], ["a"], ["a", "b"], ["a", "../b"], ["/a", "b", "..", "c"], ["a", "", "b"], ["", ""], ["/", "a"], ["//", "a"], ["a", "/b"], ["/a", "/b"], ["..", ".."], ["a", "..", ".."], ["./a", "./b"],
  ["C:", "a"], ["C:\\", "a"], ["C:\\a", "D:b"], ["C:\\a", "\\b"], ["\\\\s", "h", "a"], ["//s", "h"], ["/", "/s", "h"], ["C:\\a", "C:b"], ["a", "C:\\b", "c"], ["c:/", "..", "//", "a"], ["\\\\s\\h", "..", "x"],
];
const globs = [
  ["a.js", "*.js"], ["a/b.js", "*.js"], ["a/b.js", "**/*.js"], ["b.js", "**/*.js"], ["a/b/c.js", "a/**"], ["a", "?"], ["ab", "?"], ["a", "[ab]"], ["c", "[!ab]"], ["c", "[a-d]"], ["a.ts", "*.{js,ts}"],
  ["a1", "a{1..3}"], ["a4", "a{1..3}"], [".a", "*"], [".a", ".*"], ["a/.b", "a/*"], ["a/b", "a/"], ["a/", "a"], ["a\\b", "a/b"], ["", ""], ["a", "+(a|b)"], ["ab", "@(ab|c)"], ["aab", "*(a|b)"], ["c", "!(a|b)"], ["a", "!a"], ["a/b/c", "a/*/c"],
  ["a/b/d/c", "a/**/c"], ["a/c", "a/**/c"], ["a.b", "a.b"], ["axb", "a.b"], ["A", "a"], ["a", "[[:alpha:]]"], ["1", "[[:alpha:]]"],
];
const wrong = [undefined, null, 5, {}, [], true, () => 1, Symbol("s")];
const row = (name, run) => ({ name, run });
const text = JSON.stringify;

export const cases = [
  () => Object.keys(all),
  () => Object.keys(path),
  () => [path === posix, path.posix === posix, path.win32 === win32, posix.win32 === win32, win32.posix === posix, win32.win32 === win32, all.join === path.join],
  ...["posix", "win32"].flatMap((style) => {
    const p = path[style];
    return [
      row(`${style} functions`, () => Object.keys(p).map((key) => [key, typeof p[key], p[key].name, p[key].length])),
      ...paths.flatMap((one) => [
        row(`${style} parts of ${text(one)}`, () => [p.basename(one), p.dirname(one), p.extname(one), p.isAbsolute(one), p.toNamespacedPath(one)]),
        row(`${style} normalize and parse ${text(one)}`, () => [p.normalize(one), p.parse(one), p.format(p.parse(one))]),
        row(`${style} resolve ${text(one)}`, () => [p.resolve(one), p.resolve("/x/y", one), p.relative(one, "/x")]),
      ]),
      ...pairs.map(([from, to]) => row(`${style} relative ${text([from, to])}`, () => [p.relative(from, to), p.relative(to, from)])),
      ...lists.map((list) => row(`${style} join and resolve ${text(list)}`, () => [p.join(...list), p.resolve(...list)])),
      ...globs.map((pair) => row(`${style} matchesGlob ${text(pair)}`, () => p.matchesGlob(...pair))),
      ...["basename", "dirname", "extname", "isAbsolute", "normalize", "parse", "join", "resolve", "relative", "format", "toNamespacedPath"].map((name) =>
        row(`${style} ${name} of what is no path`, () => wrong.map((value) => { try { return p[name](value); } catch (error) { return error; } }))),
      ...[["a.js", ".js"], ["a.js", "js"], ["a.js", "a.js"], ["a/b.js/", ".js"], [".js", ".js"], ["aaa", "a"], ["a", "aa"], ["abc", "bc"], ["a/bc", "bc"], ["C:x.js", ".js"], ["", "a"], ["a.js", ""], ["a\\b.html", ".html"]].map((pair) => row(`${style} basename ${text(pair)}`, () => p.basename(...pair))),
      row(`${style} basename with an ending that is no text`, () => p.basename("a", 5)),
      row(`${style} relative to what is no text`, () => p.relative("a", 5)),
      ...[{}, { dir: "d" }, { base: "b" }, { dir: "d", base: "b" }, { root: "/", base: "b" }, { root: "/", dir: "/", base: "b" }, { name: "n", ext: ".e" }, { name: "n", ext: "e" }, { ext: "x" }, { dir: "d", name: "n", base: "b" }, { root: "r", name: "n" }, { root: "C:\\", dir: "C:\\", name: "n" }].map((object) => row(`${style} format ${text(object)}`, () => p.format(object))),
    ];
  }),
];

export default { fetch: () => answer(cases) };
