// Percent-encoding as Node's modules have it.
import { classed } from "internal:node_errors";
import scripts from "native:scripts";

const { uncurryThis } = scripts.primordials;
const BaseURIError = URIError;
const charCodeAt = uncurryThis(String.prototype.charCodeAt);
const slice = uncurryThis(String.prototype.slice);

const HEX = "0123456789ABCDEF";
const escaped = (byte) => `%${HEX[byte >> 4]}${HEX[byte & 15]}`;


/** The units that `encodeURIComponent` keeps. */
export const isPlain = (code) =>
  (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122) || code === 33 || code === 45 || code === 46 ||
  code === 95 || code === 126 || (code >= 39 && code <= 42);
/** Percent-encodes what is not plain, in UTF-8. */
export const encodeWith = (text, isKept) => {
  let result = "";
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    let code = charCodeAt(text, i);
    if (isKept(code)) continue;
    result += slice(text, start, i);
    if (code >= 0xd800 && code <= 0xdfff) {
      i++;
      if (i >= text.length) throw classed(BaseURIError, "ERR_INVALID_URI", "URI malformed");
      code = 0x10000 + (((code & 0x3ff) << 10) | (charCodeAt(text, i) & 0x3ff));
    }
    start = i + 1;
    if (code < 0x80) result += escaped(code);
    else if (code < 0x800) result += escaped(0xc0 | (code >> 6)) + escaped(0x80 | (code & 63));
    else if (code < 0x10000) result += escaped(0xe0 | (code >> 12)) + escaped(0x80 | ((code >> 6) & 63)) + escaped(0x80 | (code & 63));
    else {
      result += escaped(0xf0 | (code >> 18)) + escaped(0x80 | ((code >> 12) & 63)) + escaped(0x80 | ((code >> 6) & 63)) +
        escaped(0x80 | (code & 63));
    }
  }
  return result + slice(text, start);
};

