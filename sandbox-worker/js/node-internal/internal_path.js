// node:path, in both styles. There is no working directory that could be changed: relative paths begin at the root.
import { matchesPattern } from "internal:globs";
import { validateObject, validateString } from "internal:node_errors";
import scripts from "native:scripts";

const { ReflectApply, uncurryThis } = scripts.primordials;
const { bind } = Function.prototype;
const charCodeAt = uncurryThis(String.prototype.charCodeAt);
const endsWith = uncurryThis(String.prototype.endsWith);
const lastIndexOf = uncurryThis(String.prototype.lastIndexOf);
const slice = uncurryThis(String.prototype.slice);
const startsWith = uncurryThis(String.prototype.startsWith);
const toLowerCase = uncurryThis(String.prototype.toLowerCase);

const isSlash = (code) => code === 47;
const isAnySlash = (code) => code === 47 || code === 92;
const isLetter = (code) => (code >= 65 && code <= 90) || (code >= 97 && code <= 122);

/** The segments of a path, without those that say nothing, and with `..` resolved where that is possible. */
const resolveDots = (path, mayGoUp, separator, isSeparator) => {
  const kept = [];
  let start = 0;
  for (let i = 0; i <= path.length; i++) {
    if (i < path.length && !isSeparator(charCodeAt(path, i))) continue;
    const segment = slice(path, start, i);
    start = i + 1;
    if (segment === "" || segment === ".") continue;
    if (segment !== "..") kept[kept.length] = segment;
    else if (kept.length > 0 && kept[kept.length - 1] !== "..") kept.length--;
    else if (mayGoUp) kept[kept.length] = "..";
  }
  return join(kept, 0, separator);
};
const join = (parts, from, separator) => {
  let text = "";
  for (let i = from; i < parts.length; i++) text += (i === from ? "" : separator) + parts[i];
  return text;
};

/** Where the last segment from `root` on begins and ends: what separates it from nothing is no part of it. */
const lastSegment = (path, root, isSeparator) => {
  let end = path.length;
  while (end > root && isSeparator(charCodeAt(path, end - 1))) end--;
  let start = end;
  while (start > root && !isSeparator(charCodeAt(path, start - 1))) start--;
  return { start, end };
};
/** Where the ending of a name begins, or its length. */
const endingOf = (name) => {
  const dot = lastIndexOf(name, ".");
  return dot <= 0 || name === ".." ? name.length : dot;
};
const withoutSuffix = (path, name, suffix) => {
  if (suffix === undefined) return name;
  if (suffix === path) return "";
  return suffix !== "" && name !== suffix && endsWith(name, suffix) ? slice(name, 0, name.length - suffix.length) : name;
};
const withDot = (ext) => (ext ? `${ext[0] === "." ? "" : "."}${ext}` : "");
const formatWith = (separator, pathObject) => {
  validateObject(pathObject, "pathObject");
  const dir = pathObject.dir || pathObject.root;
  const base = pathObject.base || `${pathObject.name || ""}${withDot(pathObject.ext)}`;
  if (!dir) return base;
  return dir === pathObject.root ? `${dir}${base}` : `${dir}${separator}${base}`;
};
/** The way from one list of segments to another. */
const between = (from, to, separator) => {
  let common = 0;
  while (common < from.length && common < to.length && from[common].key === to[common].key) common++;
  const parts = [];
  for (let i = common; i < from.length; i++) parts[parts.length] = "..";
  for (let i = common; i < to.length; i++) parts[parts.length] = to[i].text;
  return { common, text: join(parts, 0, separator) };
};
const segmentsOf = (path, isSeparator, keyOf) => {
  const found = [];
  let start = 0;
  for (let i = 0; i <= path.length; i++) {
    if (i < path.length && !isSeparator(charCodeAt(path, i))) continue;
    const text = slice(path, start, i);
    start = i + 1;
    if (text !== "") found[found.length] = { text, key: keyOf(text) };
  }
  return found;
};
const bound = (method) => ReflectApply(bind, method, [undefined]);
const named = (separator) => {
  const methods = {
    _format(pathObject) {
      return formatWith(separator, pathObject);
    },
  };
  return bound(methods._format);
};

// ---------------------------------------------------------------------------------------------------------- posix

export const posix = {
  resolve(...args) {
    let path = "";
    let isAbsolute = false;
    for (let i = args.length - 1; i >= 0 && !isAbsolute; i--) {
      validateString(args[i], `paths[${i}]`);
      if (args[i] === "") continue;
      path = `${args[i]}/${path}`;
      isAbsolute = args[i][0] === "/";
    }
    return `/${resolveDots(path, false, "/", isSlash)}`;
  },
  normalize(path) {
    validateString(path, "path");
    if (path === "") return ".";
    const isAbsolute = path[0] === "/";
    const isDirectory = path[path.length - 1] === "/";
    const rest = resolveDots(path, !isAbsolute, "/", isSlash);
    if (rest === "") return isAbsolute ? "/" : isDirectory ? "./" : ".";
    return `${isAbsolute ? "/" : ""}${rest}${isDirectory ? "/" : ""}`;
  },
  isAbsolute(path) {
    validateString(path, "path");
    return path[0] === "/";
  },
  join(...args) {
    let joined = "";
    for (let i = 0; i < args.length; i++) {
      validateString(args[i], "path");
      if (args[i] !== "") joined += joined === "" ? args[i] : `/${args[i]}`;
    }
    return joined === "" ? "." : posix.normalize(joined);
  },
  relative(from, to) {
    validateString(from, "from");
    validateString(to, "to");
    if (from === to) return "";
    const keyOf = (text) => text;
    return between(segmentsOf(posix.resolve(from), isSlash, keyOf), segmentsOf(posix.resolve(to), isSlash, keyOf), "/").text;
  },
  toNamespacedPath(path) {
    return path;
  },
  dirname(path) {
    validateString(path, "path");
    if (path === "") return ".";
    const { start } = lastSegment(path, 0, isSlash);
    if (start === 0) return path[0] === "/" ? "/" : ".";
    if (start === 1) return "/";
    return start === 2 && path[0] === "/" ? "//" : slice(path, 0, start - 1);
  },
  basename(path, suffix) {
    if (suffix !== undefined) validateString(suffix, "ext");
    validateString(path, "path");
    const { start, end } = lastSegment(path, 0, isSlash);
    return withoutSuffix(path, slice(path, start, end), suffix);
  },
  extname(path) {
    validateString(path, "path");
    const { start, end } = lastSegment(path, 0, isSlash);
    const name = slice(path, start, end);
    return slice(name, endingOf(name));
  },
  format: named("/"),
  parse(path) {
    validateString(path, "path");
    const parsed = { root: "", dir: "", base: "", ext: "", name: "" };
    if (path === "") return parsed;
    const isAbsolute = path[0] === "/";
    const { start, end } = lastSegment(path, isAbsolute ? 1 : 0, isSlash);
    if (isAbsolute) parsed.root = "/";
    fillParts(parsed, slice(path, start, end));
    if (isAbsolute && start === 1 && parsed.base === "..") {
      // As in Node.js, where the root hides that this is no name.
      parsed.name = ".";
      parsed.ext = ".";
    }
    if (start > 1 || (start === 1 && !isAbsolute)) parsed.dir = slice(path, 0, start - 1);
    else if (isAbsolute) parsed.dir = "/";
    return parsed;
  },
  matchesGlob(path, pattern) {
    return matches(path, pattern, false);
  },
  sep: "/",
  delimiter: ":",
  win32: null,
  posix: null,
};
const fillParts = (parsed, base) => {
  const ending = endingOf(base);
  parsed.base = base;
  parsed.name = slice(base, 0, ending);
  parsed.ext = slice(base, ending);
};
const matches = (path, pattern, isWindows) => {
  validateString(path, "path");
  validateString(pattern, "pattern");
  return matchesPattern(path, pattern, isWindows);
};

// ---------------------------------------------------------------------------------------------------------- win32

/** What a path begins with: its device (a drive or a share), where the rest begins, and whether that begins at a root. */
const rootOf = (path) => {
  const { length } = path;
  if (length === 0) return { device: "", end: 0, isAbsolute: false, isShare: false };
  const first = charCodeAt(path, 0);
  if (isAnySlash(first)) {
    if (length > 1 && isAnySlash(charCodeAt(path, 1))) {
      let at = 2;
      const host = at;
      while (at < length && !isAnySlash(charCodeAt(path, at))) at++;
      const hostEnd = at;
      while (at < length && isAnySlash(charCodeAt(path, at))) at++;
      const share = at;
      while (at < length && !isAnySlash(charCodeAt(path, at))) at++;
      if (hostEnd > host && hostEnd < length && share < length && at > share) {
        const hostName = slice(path, host, hostEnd);
        const device = `\\\\${hostName}\\${slice(path, share, at)}`;
        // With the separator after the share, if there is one.
        return { device, end: at < length ? at + 1 : at, isAbsolute: true, isShare: true, isWhole: at === length, hostName, shareAt: share };
      }
    }
    return { device: "", end: 1, isAbsolute: true, isShare: false };
  }
  if (isLetter(first) && path[1] === ":") {
    const isAbsolute = length > 2 && isAnySlash(charCodeAt(path, 2));
    return { device: slice(path, 0, 2), end: isAbsolute ? 3 : 2, isAbsolute, isShare: false };
  }
  return { device: "", end: 0, isAbsolute: false, isShare: false };
};
const startOfNames = (path) => (isLetter(charCodeAt(path, 0)) && path[1] === ":" ? 2 : 0);

const trimmed = (path) => {
  let start = 0;
  let end = path.length;
  while (start < end && path[start] === "\\") start++;
  while (end > start && path[end - 1] === "\\") end--;
  return slice(path, start, end);
};

export const win32 = {
  resolve(...args) {
    let device = "";
    let tail = "";
    let isAbsolute = false;
    for (let i = args.length - 1; i >= -1; i--) {
      let path;
      if (i >= 0) {
        path = args[i];
        validateString(path, `paths[${i}]`);
        if (path === "") continue;
      } else path = device === "" ? "/" : `${device}\\`;
      const root = rootOf(path);
      if (root.device !== "") {
        if (device === "") device = root.device;
        else if (toLowerCase(root.device) !== toLowerCase(device)) continue;
      }
      if (!isAbsolute) {
        tail = `${slice(path, root.isShare && !root.isWhole ? root.end - 1 : root.end)}\\${tail}`;
        isAbsolute = root.isAbsolute;
      }
      if (isAbsolute && device !== "") break;
    }
    tail = resolveDots(tail, !isAbsolute, "\\", isAnySlash);
    return isAbsolute ? `${device}\\${tail}` : `${device}${tail}` || ".";
  },
  normalize(path) {
    validateString(path, "path");
    if (path === "") return ".";
    const { device, end, isAbsolute, isShare, isWhole } = rootOf(path);
    if (path.length === 1 && isAbsolute) return "\\";
    if (isWhole) return `${device}\\`;
    let tail = resolveDots(slice(path, isShare ? end - 1 : end), !isAbsolute, "\\", isAnySlash);
    if (tail === "" && !isAbsolute) tail = ".";
    if (tail !== "" && isAnySlash(charCodeAt(path, path.length - 1))) tail += "\\";
    if (!isAbsolute && device === "" && tail.length >= 2 && isLetter(charCodeAt(tail, 0)) && tail[1] === ":") {
      // What was no drive before is none after.
      return `.\\${tail}`;
    }
    return `${device}${isAbsolute ? "\\" : ""}${tail}`;
  },
  isAbsolute(path) {
    validateString(path, "path");
    if (path === "") return false;
    return isAnySlash(charCodeAt(path, 0)) || (path.length > 2 && isLetter(charCodeAt(path, 0)) && path[1] === ":" && isAnySlash(charCodeAt(path, 2)));
  },
  join(...args) {
    let joined;
    let first;
    for (let i = 0; i < args.length; i++) {
      validateString(args[i], "path");
      if (args[i] === "") continue;
      if (joined === undefined) joined = first = args[i];
      else joined += `\\${args[i]}`;
    }
    if (joined === undefined) return ".";
    // Only what its first part makes one is a share.
    let isNoShare = true;
    let slashes = 0;
    if (isAnySlash(charCodeAt(first, 0))) {
      slashes = 1;
      if (first.length > 1 && isAnySlash(charCodeAt(first, 1))) {
        slashes = 2;
        if (first.length > 2) {
          if (isAnySlash(charCodeAt(first, 2))) slashes = 3;
          else isNoShare = false;
        }
      }
    }
    if (isNoShare) {
      while (slashes < joined.length && isAnySlash(charCodeAt(joined, slashes))) slashes++;
      if (slashes >= 2) joined = `\\${slice(joined, slashes)}`;
    }
    return win32.normalize(joined);
  },
  relative(from, to) {
    validateString(from, "from");
    validateString(to, "to");
    if (from === to) return "";
    const source = win32.resolve(from);
    const target = win32.resolve(to);
    if (source === target || toLowerCase(source) === toLowerCase(target)) return "";
    const isBackslash = (code) => code === 92;
    const sources = segmentsOf(source, isBackslash, toLowerCase);
    const { common, text } = between(sources, segmentsOf(target, isBackslash, toLowerCase), "\\");
    if (common > 0 || sources.length === 0) return text;
    // As in the reference, of two paths without a device of which one begins with the other.
    const a = trimmed(source);
    const b = trimmed(target);
    const isPrefix = a.length <= b.length ? startsWith(toLowerCase(b), toLowerCase(a)) : startsWith(toLowerCase(a), toLowerCase(b));
    return isPrefix ? `${slice(text, 0, 3 * sources.length - 1)}${b}` : target;
  },
  toNamespacedPath(path) {
    if (typeof path !== "string" || path === "") return path;
    const resolved = win32.resolve(path);
    if (resolved.length <= 2) return path;
    if (resolved[0] === "\\" && resolved[1] === "\\") {
      if (resolved[2] !== "?" && resolved[2] !== ".") return `\\\\?\\UNC\\${slice(resolved, 2)}`;
    } else if (isLetter(charCodeAt(resolved, 0)) && resolved[1] === ":" && resolved[2] === "\\") return `\\\\?\\${resolved}`;
    return resolved;
  },
  dirname(path) {
    validateString(path, "path");
    if (path === "") return ".";
    const { end: root, isShare, isWhole } = rootOf(path);
    if (path.length === 1) return root === 1 ? path : ".";
    if (isShare && isWhole) return path;
    const { start } = lastSegment(path, root, isAnySlash);
    if (start > root) return slice(path, 0, start - 1);
    return root === 0 ? "." : slice(path, 0, root);
  },
  basename(path, suffix) {
    if (suffix !== undefined) validateString(suffix, "suffix");
    validateString(path, "path");
    const { start, end } = lastSegment(path, startOfNames(path), isAnySlash);
    return withoutSuffix(path, slice(path, start, end), suffix);
  },
  extname(path) {
    validateString(path, "path");
    const { start, end } = lastSegment(path, startOfNames(path), isAnySlash);
    const name = slice(path, start, end);
    return slice(name, endingOf(name));
  },
  format(pathObject) {
    return formatWith("\\", pathObject);
  },
  parse(path) {
    validateString(path, "path");
    const parsed = { root: "", dir: "", base: "", ext: "", name: "" };
    if (path === "") return parsed;
    const { end: root } = rootOf(path);
    parsed.root = slice(path, 0, root);
    const { start, end } = lastSegment(path, root, isAnySlash);
    fillParts(parsed, slice(path, start, end));
    parsed.dir = start > root ? slice(path, 0, start - 1) : parsed.root;
    return parsed;
  },
  matchesGlob(path, pattern) {
    return matches(path, pattern, true);
  },
  sep: "\\",
  delimiter: ";",
  win32: null,
  posix: null,
};
posix.posix = win32.posix = posix;
posix.win32 = win32.win32 = win32;
