// What the modules of node:http know of headers, methods and numbers without speaking to anybody.
import { coded, validateInteger } from "internal:node_errors";
import scripts from "native:scripts";

const { ArrayIsArray, uncurryThis } = scripts.primordials;
const exec = uncurryThis(RegExp.prototype.exec);
const toLowerCase = uncurryThis(String.prototype.toLowerCase);
const BaseTypeError = TypeError;
const BaseSet = Set;
const setAdd = uncurryThis(Set.prototype.add);

const token = /^[\w!#$%&'*+.^`|~-]+$/;
const notInValues = /[^\t\x20-\x7e\x80-\xff]/;

export function _checkIsHttpToken(value) {
  return exec(token, `${value}`) !== null;
}

export function _checkInvalidHeaderChar(value) {
  return exec(notInValues, `${value}`) !== null;
}

export function validateHeaderName(name, label = undefined) {
  if (typeof name === "string" && name !== "" && _checkIsHttpToken(name)) return;
  throw coded(BaseTypeError, "ERR_INVALID_HTTP_TOKEN", `${label || "Header name"} must be a valid HTTP token ["${name}"]`);
}

export function validateHeaderValue(name, value) {
  if (value === undefined) {
    throw coded(BaseTypeError, "ERR_HTTP_INVALID_HEADER_VALUE", `Invalid value "${value}" for header "${name}"`);
  }
  if (_checkInvalidHeaderChar(value)) throw coded(BaseTypeError, "ERR_INVALID_CHAR", `Invalid character in header content ["${name}"]`);
}

/** The names of headers, each of which may be a list of them, in small letters. */
export function parseUniqueHeadersOption(headers) {
  if (!ArrayIsArray(headers)) return null;
  const names = new BaseSet();
  for (let i = 0; i < headers.length; i++) {
    const list = ArrayIsArray(headers[i]) ? headers[i] : [headers[i]];
    for (let j = 0; j < list.length; j++) setAdd(names, toLowerCase(list[j]));
  }
  return names;
}

export const chunkExpression = /(?:^|\W)chunked(?:$|\W)/i;
export const continueExpression = /(?:^|\W)100-continue(?:$|\W)/i;

/** As in the reference there are no parsers that could be idle. */
export const parsers = { name: "parsers", max: 1000 };
export function setMaxIdleHTTPParsers(max) {
  validateInteger(max, "max", 1, Number.MAX_SAFE_INTEGER);
  parsers.max = max;
}

export const methods = [
  "ACL", "BIND", "CHECKOUT", "CONNECT", "COPY", "DELETE", "GET", "HEAD", "LINK", "LOCK", "M-SEARCH", "MERGE", "MKACTIVITY",
  "MKCALENDAR", "MKCOL", "MOVE", "NOTIFY", "OPTIONS", "PATCH", "POST", "PROPFIND", "PROPPATCH", "PURGE", "PUT", "QUERY", "REBIND",
  "REPORT", "SEARCH", "SOURCE", "SUBSCRIBE", "TRACE", "UNBIND", "UNLINK", "UNLOCK", "UNSUBSCRIBE",
];

export const STATUS_CODES = {
  100: "Continue", 101: "Switching Protocols", 102: "Processing", 103: "Early Hints", 200: "OK", 201: "Created", 202: "Accepted",
  203: "Non-Authoritative Information", 204: "No Content", 205: "Reset Content", 206: "Partial Content", 207: "Multi-Status",
  208: "Already Reported", 226: "IM Used", 300: "Multiple Choices", 301: "Moved Permanently", 302: "Found", 303: "See Other",
  304: "Not Modified", 305: "Use Proxy", 307: "Temporary Redirect", 308: "Permanent Redirect", 400: "Bad Request",
  401: "Unauthorized", 402: "Payment Required", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
  406: "Not Acceptable", 407: "Proxy Authentication Required", 408: "Request Timeout", 409: "Conflict", 410: "Gone",
  411: "Length Required", 412: "Precondition Failed", 413: "Payload Too Large", 414: "URI Too Long", 415: "Unsupported Media Type",
  416: "Range Not Satisfiable", 417: "Expectation Failed", 418: "I'm a Teapot", 421: "Misdirected Request",
  422: "Unprocessable Entity", 423: "Locked", 424: "Failed Dependency", 425: "Too Early", 426: "Upgrade Required",
  428: "Precondition Required", 429: "Too Many Requests", 431: "Request Header Fields Too Large",
  451: "Unavailable For Legal Reasons", 500: "Internal Server Error", 501: "Not Implemented", 502: "Bad Gateway",
  503: "Service Unavailable", 504: "Gateway Timeout", 505: "HTTP Version Not Supported", 506: "Variant Also Negotiates",
  507: "Insufficient Storage", 508: "Loop Detected", 509: "Bandwidth Limit Exceeded", 510: "Not Extended",
  511: "Network Authentication Required",
};
