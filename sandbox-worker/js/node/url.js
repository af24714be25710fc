// node:url: URLs as they were before the URL Standard, and what makes paths of those of files.
import { classed, coded, invalidArgType, invalidArgValue, validateObject, validateString } from "internal:node_errors";
import { encodeWith, isPlain } from "internal:percent";
import { posix, win32 } from "node-internal:internal_path";
import punycode from "node:punycode";
import querystring from "node:querystring";
import scripts from "native:scripts";

const { hrefOf } = scripts;
const { ErrorConstructor, isObject, uncurryThis } = scripts.primordials;
const BaseTypeError = TypeError;
const { URL, URLSearchParams, decodeURIComponent } = globalThis;
const charCodeAt = uncurryThis(String.prototype.charCodeAt);
const exec = uncurryThis(RegExp.prototype.exec);
const indexOf = uncurryThis(String.prototype.indexOf);
const includes = uncurryThis(String.prototype.includes);
const slice = uncurryThis(String.prototype.slice);
const startsWith = uncurryThis(String.prototype.startsWith);
const toLowerCase = uncurryThis(String.prototype.toLowerCase);
const NumberOf = Number;
const { parse: parseQuery, stringify: stringifyQuery } = querystring;

// ------------------------------------------------------------------------------------------------- names of hosts

/** The name as the URL Standard has it in a URL with a host, or an empty text. */
const asciiName = (name) => {
  if (name[0] !== "[" && exec(/[:@]/, name) !== null) return "";
  const href = hrefOf(`ws://${name}`);
  if (href === undefined) return "";
  const rest = slice(href, 5);
  return slice(rest, 0, indexOf(rest, "/"));
};
function domainToASCII(domain) {
  if (arguments.length < 1) throw coded(BaseTypeError, "ERR_MISSING_ARGS", 'The "domain" argument must be specified');
  return asciiName(`${domain}`);
}
const unicodeName = (name) => {
  let result = "";
  let start = 0;
  for (let i = 0; i <= name.length; i++) {
    if (i < name.length && name[i] !== ".") continue;
    const label = slice(name, start, i);
    let shown = label;
    if (startsWith(label, "xn--")) {
      try {
        const plain = punycode.decode(slice(label, 4));
        if (asciiName(plain) === label) shown = plain;
      } catch {
        // Shown as it is.
      }
    }
    result += shown + (i < name.length ? "." : "");
    start = i + 1;
  }
  return result;
};
function domainToUnicode(domain) {
  if (arguments.length < 1) throw coded(BaseTypeError, "ERR_MISSING_ARGS", 'The "domain" argument must be specified');
  return unicodeName(asciiName(`${domain}`));
}

// ---------------------------------------------------------------------------------------------------------- files

const isURL = (value) => isObject(value) && value.href && value.protocol && value.auth === undefined && value.path === undefined;

function fileURLToPath(path, options) {
  let url = path;
  if (typeof url === "string") url = new URL(url);
  else if (!isURL(url)) throw invalidArgType("path", "of type string or an instance of URL", path);
  if (url.protocol !== "file:") throw classed(ErrorConstructor, "ERR_INVALID_URL_SCHEME", "The URL must be of scheme file");
  const { hostname, pathname } = url;
  const badPath = (why) => classed(ErrorConstructor, "ERR_INVALID_FILE_URL_PATH", `File URL path must ${why}`);
  if (options?.windows) {
    if (exec(/%(2f|5c)/i, pathname) !== null) throw badPath("not include encoded \\ or / characters");
    let plain = "";
    for (let i = 0; i < pathname.length; i++) plain += pathname[i] === "/" ? "\\" : pathname[i];
    plain = decodeURIComponent(plain);
    if (hostname !== "") return `\\\\${domainToUnicode(hostname)}${plain}`;
    if (exec(/^\\[a-z]:/i, plain) === null) throw badPath("be absolute");
    return slice(plain, 1);
  }
  if (hostname !== "") {
    throw classed(ErrorConstructor, "ERR_INVALID_FILE_URL_HOST", 'File URL host must be "localhost" or empty on linux');
  }
  if (exec(/%2f/i, pathname) !== null) throw badPath("not include encoded / characters");
  return decodeURIComponent(pathname);
}

const fileEscapes = { __proto__: null, "%": "%25", "\\": "%5C", "\n": "%0A", "\r": "%0D", "\t": "%09", "?": "%3F", "#": "%23" };
function pathToFileURL(filepath, options) {
  validateString(filepath, "filepath");
  const isWindows = options?.windows;
  if (isWindows && startsWith(filepath, "\\\\")) {
    const isLong = startsWith(filepath, "\\\\?\\UNC\\");
    const start = isLong ? 8 : 2;
    const end = indexOf(filepath, "\\", start);
    if (end === -1) throw invalidArgValue("path", filepath, "Missing UNC resource path");
    if (end === 2) throw invalidArgValue("path", filepath, "Empty UNC servername");
    const url = new URL("file://");
    url.hostname = domainToASCII(slice(filepath, start, end));
    url.pathname = escapedPath(slice(filepath, end), true);
    return url;
  }
  let resolved = isWindows ? win32.resolve(filepath) : posix.resolve(filepath);
  const last = filepath[filepath.length - 1];
  const separator = isWindows ? "\\" : "/";
  if ((last === "/" || (isWindows && last === "\\")) && resolved[resolved.length - 1] !== separator) resolved += "/";
  return new URL(`file://${isWindows && resolved[0] !== "\\" ? "/" : ""}${escapedPath(resolved, isWindows)}`);
}
const escapedPath = (path, isWindows) => {
  let text = "";
  for (let i = 0; i < path.length; i++) {
    if (isWindows && path[i] === "\\") text += "/";
    else text += fileEscapes[path[i]] ?? path[i];
  }
  return text;
};

function toPathIfFileURL(fileURLOrPath) {
  return isURL(fileURLOrPath) ? fileURLToPath(fileURLOrPath) : fileURLOrPath;
}

function urlToHttpOptions(url) {
  const { hostname, pathname, port, username, password, search } = url;
  const options = {
    __proto__: null,
    ...url,
    protocol: url.protocol,
    hostname: hostname && hostname[0] === "[" ? slice(hostname, 1, -1) : hostname,
    hash: url.hash,
    search,
    pathname,
    path: `${pathname || ""}${search || ""}`,
    href: url.href,
  };
  if (port !== "") options.port = NumberOf(port);
  if (username || password) options.auth = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return options;
}

// ----------------------------------------------------------------------------------------------- before the standard

const set = (list, add = "") => {
  const names = { __proto__: null };
  for (let i = 0; i < list.length; i++) names[list[i]] = names[list[i] + add] = true;
  return names;
};
const withoutHost = set(["javascript"], ":");
const withSlashes = set(["http", "https", "ftp", "gopher", "file", "ws", "wss"], ":");

const fields = ["protocol", "slashes", "auth", "host", "port", "hostname", "hash", "search", "query", "pathname", "path", "href"];

function Url() {
  for (let i = 0; i < fields.length; i++) this[fields[i]] = null;
}

const isBlank = (code) => code === 32 || (code >= 9 && code <= 13 && code !== 11) || code === 160 || code === 65279;
/** What ends a host without being what separates it from the rest. */
const outsideHosts = set(["\t", "\n", "\r", " ", '"', "%", "'", ";", "<", ">", "\\", "^", "`", "{", "|", "}"]);
const escapes = {
  __proto__: null, "\t": "%09", "\n": "%0A", "\r": "%0D", " ": "%20", '"': "%22", "'": "%27", "<": "%3C", ">": "%3E", "\\": "%5C", "^": "%5E",
  "`": "%60", "{": "%7B", "|": "%7C", "}": "%7D",
};
const isInName = (code) =>
  (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || (code >= 48 && code <= 57) || code === 46 || code === 45 || code === 43 ||
  code === 95 || code > 127;
/** The forbidden host code points of the URL Standard, and `%`: of a name, and between brackets. */
const outsideBrackets = set(["\0", "\t", "\n", "\r", " ", "#", "%", "/", "<", ">", "?", "@", "\\", "^", "|"]);
const outsideNames = { ...outsideBrackets, __proto__: null, ":": true, "[": true, "]": true };
const hasAny = (text, characters) => {
  for (let i = 0; i < text.length; i++) if (characters[text[i]]) return true;
  return false;
};

/** How long the protocol is that a text begins with, with its colon; 0: there is none. */
const protocolLength = (text) => {
  for (let i = 0; i < text.length; i++) {
    const code = charCodeAt(text, i);
    if (code === 58) return i > 0 ? i + 1 : 0;
    if (code > 127 || code === 95 || !isInName(code)) return 0;
  }
  return 0;
};
/** Whether two slashes are followed by someone and by the host that he asks. */
const namesUser = (text) => {
  if (!startsWith(text, "//")) return false;
  const at = indexOf(text, "@", 2);
  return at > 2 && indexOf(slice(text, 2, at), "/") === -1 && at + 1 < text.length && text[at + 1] !== "@" && text[at + 1] !== "/";
};

const invalidUrl = (input) => classed(ErrorConstructor, "ERR_INVALID_URL", "Invalid URL", { __proto__: null, input });

/** The text without blanks around it, and with slashes for backslashes before what is no part of a path. */
const straighten = (url) => {
  let start = 0;
  let end = url.length;
  while (start < end && isBlank(charCodeAt(url, start))) start++;
  while (end > start && isBlank(charCodeAt(url, end - 1))) end--;
  let text = "";
  let isPath = true;
  for (let i = start; i < end; i++) {
    if (url[i] === "?" || url[i] === "#") isPath = false;
    text += isPath && url[i] === "\\" ? "/" : url[i];
  }
  return text;
};

const isAscii = (text) => {
  for (let i = 0; i < text.length; i++) if (charCodeAt(text, i) > 127) return false;
  return true;
};

/** Takes the host, with who asks it, off the start of `rest`; gives what is left. */
const takeHost = (target, rest, url) => {
  let at = -1;
  let end = -1;
  for (let i = 0; i < rest.length; i++) {
    if (rest[i] === "/" || rest[i] === "?" || rest[i] === "#") {
      if (end === -1) end = i;
      break;
    }
    if (rest[i] === "@") {
      at = i;
      end = -1;
    } else if (end === -1 && outsideHosts[rest[i]]) end = i;
  }
  if (at !== -1) target.auth = decodeURIComponent(slice(rest, 0, at));
  target.host = end === -1 ? slice(rest, at + 1) : slice(rest, at + 1, end);
  let left = end === -1 ? "" : slice(rest, end);
  target.parseHost();
  if (typeof target.hostname !== "string") target.hostname = "";
  const { hostname } = target;
  const isBracketed = hostname[0] === "[" && hostname[hostname.length - 1] === "]";
  if (!isBracketed && (includes(hostname, "[") || includes(hostname, "]"))) throw invalidUrl(url);
  if (!isBracketed) {
    for (let i = 0; i < hostname.length; i++) {
      if (isInName(charCodeAt(hostname, i))) continue;
      target.hostname = slice(hostname, 0, i);
      left = `/${slice(hostname, i)}${left}`;
      break;
    }
  }
  target.hostname = target.hostname.length > 255 ? "" : toLowerCase(target.hostname);
  if (target.hostname !== "") {
    if (isBracketed) {
      if (hasAny(target.hostname, outsideBrackets)) throw invalidUrl(url);
    } else {
      // What looks like an address stays as it is.
      if (!isAscii(target.hostname) || includes(target.hostname, "xn--")) target.hostname = asciiName(target.hostname);
      if (target.hostname === "" || hasAny(target.hostname, outsideNames)) throw invalidUrl(url);
    }
  }
  target.host = `${target.hostname}${target.port ? `:${target.port}` : ""}`;
  if (isBracketed) {
    target.hostname = slice(target.hostname, 1, -1);
    if (left[0] !== "/") left = `/${left}`;
  }
  return left;
};

Url.prototype.parse = function parse(url, parseQueryString, slashesDenoteHost) {
  validateString(url, "url");
  let rest = straighten(url);
  // Most are a path of this server.
  const isPath = rest[0] === "/" && !startsWith(rest, "///") && exec(/[#@\s]/, rest) === null;
  if (isPath && !slashesDenoteHost) {
    const question = indexOf(rest, "?");
    this.path = rest;
    this.href = rest;
    this.pathname = question === -1 ? rest : slice(rest, 0, question);
    if (question !== -1) {
      this.search = slice(rest, question);
      this.query = slice(rest, question + 1);
      if (parseQueryString) this.query = parseQuery(this.query);
    } else if (parseQueryString) {
      this.search = null;
      this.query = { __proto__: null };
    }
    return this;
  }
  const length = protocolLength(rest);
  const lower = length === 0 ? undefined : toLowerCase(slice(rest, 0, length));
  if (lower !== undefined) {
    this.protocol = lower;
    rest = slice(rest, length);
  }
  let slashes = false;
  if (slashesDenoteHost || lower !== undefined || namesUser(rest)) {
    slashes = startsWith(rest, "//");
    if (slashes && !(lower !== undefined && withoutHost[lower])) {
      rest = slice(rest, 2);
      this.slashes = true;
    }
  }
  if (!(lower !== undefined && withoutHost[lower]) && (slashes || (lower !== undefined && !withSlashes[lower]))) {
    rest = takeHost(this, rest, url);
  }
  if (!(lower !== undefined && withoutHost[lower])) {
    let escaped = "";
    for (let i = 0; i < rest.length; i++) escaped += escapes[rest[i]] ?? rest[i];
    rest = escaped;
  }
  const hash = indexOf(rest, "#");
  let end = rest.length;
  if (hash !== -1) {
    this.hash = slice(rest, hash);
    end = hash;
  }
  const question = indexOf(rest, "?");
  if (question !== -1 && question < end) {
    this.search = slice(rest, question, end);
    this.query = slice(rest, question + 1, end);
    if (parseQueryString) this.query = parseQuery(this.query);
    end = question;
  } else if (parseQueryString) {
    this.search = null;
    this.query = { __proto__: null };
  }
  if (end > 0) this.pathname = slice(rest, 0, end);
  if (lower !== undefined && withSlashes[lower] && this.hostname && !this.pathname) this.pathname = "/";
  if (this.pathname || this.search) this.path = `${this.pathname || ""}${this.search || ""}`;
  this.href = this.format();
  return this;
};

const replaceIn = (text, from, to) => {
  let result = "";
  for (let i = 0; i < text.length; i++) result += text[i] === from ? to : text[i];
  return result;
};

Url.prototype.format = function format() {
  let auth = this.auth || "";
  if (auth) auth = `${encodeWith(auth, (code) => code === 58 || isPlain(code))}@`;
  let protocol = this.protocol || "";
  let pathname = this.pathname || "";
  let hash = this.hash || "";
  let host = "";
  let query = "";
  if (this.host) host = auth + this.host;
  else if (this.hostname) {
    const { hostname } = this;
    host = auth + (includes(hostname, ":") && hostname[0] !== "[" ? `[${hostname}]` : hostname);
    if (this.port) host += `:${this.port}`;
  }
  if (this.query !== null && typeof this.query === "object") query = stringifyQuery(this.query);
  let search = this.search || (query && `?${query}`) || "";
  if (protocol && protocol[protocol.length - 1] !== ":") protocol += ":";
  pathname = replaceIn(replaceIn(pathname, "#", "%23"), "?", "%3F");
  if (this.slashes || withSlashes[protocol]) {
    if (this.slashes || host) {
      if (pathname && pathname[0] !== "/") pathname = `/${pathname}`;
      host = `//${host}`;
    } else if (startsWith(protocol, "file")) host = "//";
  }
  search = replaceIn(search, "#", "%23");
  if (hash && hash[0] !== "#") hash = `#${hash}`;
  if (search && search[0] !== "?") search = `?${search}`;
  return protocol + host + pathname + search + hash;
};

const splitPath = (path) => {
  const parts = [];
  if (!path) return parts;
  let start = 0;
  for (let i = 0; i <= path.length; i++) {
    if (i < path.length && path[i] !== "/") continue;
    parts[parts.length] = slice(path, start, i);
    start = i + 1;
  }
  return parts;
};
const joined = (parts) => {
  let text = "";
  for (let i = 0; i < parts.length; i++) text += (i === 0 ? "" : "/") + parts[i];
  return text;
};
const unshift = (list, value) => {
  for (let i = list.length; i > 0; i--) list[i] = list[i - 1];
  list[0] = value;
};
const shift = (list) => {
  const first = list[0];
  for (let i = 0; i + 1 < list.length; i++) list[i] = list[i + 1];
  if (list.length > 0) list.length--;
  return first;
};
/** Has a host be the first segment of a path. */
const intoPath = (path, host) => {
  if (!host) return;
  if (path[0] === "") path[0] = host;
  else unshift(path, host);
};
/** Has the first segment of a path be the host. */
const outOfPath = (target, host) => {
  target.hostname = target.host = host;
  const at = host ? indexOf(host, "@") : -1;
  if (at > 0) {
    target.auth = slice(host, 0, at);
    target.host = target.hostname = slice(host, at + 1);
  }
};
const finish = (target) => {
  target.href = target.format();
  return target;
};
const setPath = (target) => {
  if (target.pathname !== null || target.search !== null) target.path = `${target.pathname || ""}${target.search || ""}`;
};

Url.prototype.resolveObject = function resolveObject(given) {
  let relative = given;
  if (typeof relative === "string") relative = new Url().parse(relative, false, true);
  const result = new Url();
  for (const key in this) if (fieldNames[key]) result[key] = this[key];
  result.hash = relative.hash;
  if (relative.href === "") return finish(result);

  // Another host.
  if (relative.slashes && !relative.protocol) {
    for (const key in relative) if (fieldNames[key] && key !== "protocol") result[key] = relative[key];
    if (withSlashes[result.protocol] && result.hostname && !result.pathname) result.path = result.pathname = "/";
    return finish(result);
  }

  // Another protocol.
  if (relative.protocol && relative.protocol !== result.protocol) {
    if (!withSlashes[relative.protocol]) {
      for (const key in relative) if (fieldNames[key]) result[key] = relative[key];
      return finish(result);
    }
    result.protocol = relative.protocol;
    let { pathname } = relative;
    if (!relative.host && relative.protocol !== "file:" && relative.protocol !== "file" && !withoutHost[relative.protocol]) {
      const path = splitPath(pathname);
      while (path.length > 0 && !(relative.host = shift(path)));
      relative.host ||= "";
      relative.hostname ||= "";
      if (path[0] !== "") unshift(path, "");
      if (path.length < 2) unshift(path, "");
      pathname = joined(path);
    }
    result.pathname = pathname;
    result.search = relative.search;
    result.query = relative.query;
    result.host = relative.host || "";
    result.auth = relative.auth;
    result.hostname = relative.hostname || relative.host;
    result.port = relative.port;
    if (result.pathname || result.search) result.path = `${result.pathname || ""}${result.search || ""}`;
    result.slashes ||= relative.slashes;
    return finish(result);
  }

  // Another path.
  const isSourceAbsolute = result.pathname && result.pathname[0] === "/";
  const isAbsolute = relative.host || (relative.pathname && relative.pathname[0] === "/");
  let mustBeAbsolute = isAbsolute || isSourceAbsolute || (result.host && relative.pathname);
  const dropsDots = mustBeAbsolute;
  let path = splitPath(result.pathname);
  const added = splitPath(relative.pathname);
  const isOpaque = result.protocol && !withSlashes[result.protocol];
  if (isOpaque) {
    // Its host is where its path begins.
    result.hostname = "";
    result.port = null;
    intoPath(path, result.host);
    result.host = "";
    if (relative.protocol) {
      relative.hostname = null;
      relative.port = null;
      result.auth = null;
      intoPath(added, relative.host);
      relative.host = null;
    }
    mustBeAbsolute &&= added[0] === "" || path[0] === "";
  }
  if (isAbsolute) {
    if (relative.host || relative.host === "") {
      if (result.host !== relative.host) result.auth = null;
      result.host = relative.host;
      result.port = relative.port;
    }
    if (relative.hostname || relative.hostname === "") {
      if (result.hostname !== relative.hostname) result.auth = null;
      result.hostname = relative.hostname;
    }
    result.search = relative.search;
    result.query = relative.query;
    path = added;
  } else if (added.length > 0) {
    if (path.length > 0) path.length--;
    for (let i = 0; i < added.length; i++) path[path.length] = added[i];
    result.search = relative.search;
    result.query = relative.query;
  } else if (relative.search !== null && relative.search !== undefined) {
    if (isOpaque) outOfPath(result, shift(path));
    result.search = relative.search;
    result.query = relative.query;
    setPath(result);
    return finish(result);
  }
  if (path.length === 0) {
    result.pathname = null;
    result.path = result.search ? `/${result.search}` : null;
    return finish(result);
  }
  const last = path[path.length - 1];
  const isDirectory = last === "" || ((result.host || relative.host || path.length > 1) && (last === "." || last === ".."));
  let up = 0;
  const kept = [];
  for (let i = 0; i < path.length; i++) {
    if (path[i] === ".") continue;
    if (path[i] !== "..") kept[kept.length] = path[i];
    else if (kept.length > 0) kept.length--;
    else up++;
  }
  path = kept;
  if (!mustBeAbsolute && !dropsDots) for (; up > 0; up--) unshift(path, "..");
  if (mustBeAbsolute && path[0] !== "" && !(path[0] && path[0][0] === "/")) unshift(path, "");
  if (isDirectory) {
    const text = joined(path);
    if (text[text.length - 1] !== "/") path[path.length] = "";
  }
  const beginsAtRoot = path[0] === "" || (path[0] && path[0][0] === "/");
  if (isOpaque) outOfPath(result, beginsAtRoot ? "" : path.length > 0 ? shift(path) : "");
  mustBeAbsolute ||= result.host && path.length > 0;
  if (mustBeAbsolute && !beginsAtRoot) unshift(path, "");
  if (path.length === 0) {
    result.pathname = null;
    result.path = null;
  } else result.pathname = joined(path);
  setPath(result);
  result.auth = relative.auth || result.auth;
  result.slashes ||= relative.slashes;
  return finish(result);
};

Url.prototype.resolve = function resolve(relative) {
  return this.resolveObject(urlParse(relative, false, true)).format();
};

Url.prototype.parseHost = function parseHost() {
  let { host } = this;
  const port = exec(/:[0-9]*$/, host);
  if (port !== null) {
    if (port[0] !== ":") this.port = slice(port[0], 1);
    host = slice(host, 0, host.length - port[0].length);
  }
  if (host) this.hostname = host;
};
const fieldNames = set(fields);

function urlParse(url, parseQueryString, slashesDenoteHost) {
  return url instanceof Url ? url : new Url().parse(url, parseQueryString, slashesDenoteHost);
}
const { parse } = {
  parse(url, parseQueryString, slashesDenoteHost) {
    return urlParse(url, parseQueryString, slashesDenoteHost);
  },
};

function format(urlObject, options) {
  if (typeof urlObject === "string") return urlParse(urlObject).format();
  if (!isObject(urlObject)) throw invalidArgType("urlObject", "one of type object or string", urlObject);
  if (!isURL(urlObject)) return Url.prototype.format.call(urlObject);
  const { fragment, unicode, search, auth } = { fragment: true, unicode: false, search: true, auth: true, ...chosen(options) };
  const { protocol, username, password, hostname, port, pathname } = urlObject;
  let text = protocol;
  if (startsWith(slice(urlObject.href, protocol.length), "//")) text += "//";
  if (auth && (username || password)) text += `${username}${password ? `:${password}` : ""}@`;
  text += unicode ? unicodeName(hostname) : hostname;
  if (port) text += `:${port}`;
  text += pathname;
  if (search) text += urlObject.search;
  if (fragment) text += urlObject.hash;
  return text;
}
const chosen = (options) => {
  if (options === undefined || options === null) return undefined;
  validateObject(options, "options");
  const found = {};
  if (options.fragment !== undefined && options.fragment !== null) found.fragment = !!options.fragment;
  if (options.unicode !== undefined && options.unicode !== null) found.unicode = !!options.unicode;
  if (options.search !== undefined && options.search !== null) found.search = !!options.search;
  if (options.auth !== undefined && options.auth !== null) found.auth = !!options.auth;
  return found;
};

function resolve(source, relative) {
  return urlParse(source, false, true).resolve(relative);
}
function resolveObject(source, relative) {
  return source ? urlParse(source, false, true).resolveObject(relative) : relative;
}

export {
  URL, URLSearchParams, Url, domainToASCII, domainToUnicode, fileURLToPath, format, parse, pathToFileURL, resolve, resolveObject,
  toPathIfFileURL, urlToHttpOptions,
};
export default {
  domainToASCII, domainToUnicode, URL, URLSearchParams, fileURLToPath, pathToFileURL, toPathIfFileURL, urlToHttpOptions, format, parse,
  resolve, resolveObject, Url,
};
