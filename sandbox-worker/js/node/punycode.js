// node:punycode: the encoding of RFC 3492, and what it makes of the names of hosts.
import scripts from "native:scripts";

const { uncurryThis } = scripts.primordials;
const charCodeAt = uncurryThis(String.prototype.charCodeAt);
const slice = uncurryThis(String.prototype.slice);
const { fromCharCode, fromCodePoint } = String;
const { floor } = Math;
const BaseRangeError = RangeError;

const BASE = 36;
const TMIN = 1;
const TMAX = 26;
const SKEW = 38;
const DAMP = 700;
const INITIAL_BIAS = 72;
const INITIAL_N = 128;
const MAX_INT = 2147483647;

const overflow = () => new BaseRangeError("Overflow: input needs wider integers to process");
const invalid = () => new BaseRangeError("Invalid input");

const digitOf = (code) => {
  if (code >= 48 && code < 58) return code - 22;
  if (code >= 65 && code < 91) return code - 65;
  if (code >= 97 && code < 123) return code - 97;
  return BASE;
};
const unitOf = (digit) => fromCharCode(digit < 26 ? digit + 97 : digit + 22);
const adapt = (difference, count, isFirst) => {
  let delta = isFirst ? floor(difference / DAMP) : difference >> 1;
  delta += floor(delta / count);
  let k = 0;
  for (; delta > ((BASE - TMIN) * TMAX) >> 1; k += BASE) delta = floor(delta / (BASE - TMIN));
  return floor(k + ((BASE - TMIN + 1) * delta) / (delta + SKEW));
};
const threshold = (k, bias) => (k <= bias ? TMIN : k >= bias + TMAX ? TMAX : k - bias);

function ucs2decode(string) {
  const points = [];
  for (let i = 0; i < string.length; i++) {
    const high = charCodeAt(string, i);
    if (high >= 0xd800 && high <= 0xdbff && i + 1 < string.length) {
      const low = charCodeAt(string, i + 1);
      if (low >= 0xdc00 && low <= 0xdfff) {
        points[points.length] = ((high & 0x3ff) << 10) + (low & 0x3ff) + 0x10000;
        i++;
        continue;
      }
    }
    points[points.length] = high;
  }
  return points;
}
function ucs2encode(codePoints) {
  let text = "";
  for (let i = 0; i < codePoints.length; i++) text += fromCodePoint(codePoints[i]);
  return text;
}

function decode(input) {
  const output = [];
  const { length } = input;
  const last = input.lastIndexOf("-");
  for (let i = 0; i < last; i++) {
    const code = charCodeAt(input, i);
    if (code >= 0x80) throw new BaseRangeError("Illegal input >= 0x80 (not a basic code point)");
    output[i] = code;
  }
  let i = 0;
  let n = INITIAL_N;
  let bias = INITIAL_BIAS;
  for (let at = last > 0 ? last + 1 : 0; at < length;) {
    const before = i;
    for (let weight = 1, k = BASE; ; k += BASE) {
      if (at >= length) throw invalid();
      const digit = digitOf(charCodeAt(input, at++));
      if (digit >= BASE) throw invalid();
      if (digit > floor((MAX_INT - i) / weight)) throw overflow();
      i += digit * weight;
      const t = threshold(k, bias);
      if (digit < t) break;
      if (weight > floor(MAX_INT / (BASE - t))) throw overflow();
      weight *= BASE - t;
    }
    const count = output.length + 1;
    bias = adapt(i - before, count, before === 0);
    if (floor(i / count) > MAX_INT - n) throw overflow();
    n += floor(i / count);
    i %= count;
    if (n > 0x10ffff) throw invalid();
    for (let j = output.length; j > i; j--) output[j] = output[j - 1];
    output[i++] = n;
  }
  return ucs2encode(output);
}

function encode(input) {
  const points = ucs2decode(input);
  let output = "";
  for (let j = 0; j < points.length; j++) if (points[j] < 0x80) output += fromCharCode(points[j]);
  const basic = output.length;
  let handled = basic;
  if (basic > 0) output += "-";
  let n = INITIAL_N;
  let delta = 0;
  let bias = INITIAL_BIAS;
  while (handled < points.length) {
    let next = MAX_INT;
    for (let j = 0; j < points.length; j++) if (points[j] >= n && points[j] < next) next = points[j];
    if (next - n > floor((MAX_INT - delta) / (handled + 1))) throw overflow();
    delta += (next - n) * (handled + 1);
    n = next;
    for (let j = 0; j < points.length; j++) {
      if (points[j] < n && ++delta > MAX_INT) throw overflow();
      if (points[j] !== n) continue;
      let q = delta;
      for (let k = BASE; ; k += BASE) {
        const t = threshold(k, bias);
        if (q < t) break;
        output += unitOf(t + ((q - t) % (BASE - t)));
        q = floor((q - t) / (BASE - t));
      }
      output += unitOf(q);
      bias = adapt(delta, handled + 1, handled === basic);
      delta = 0;
      handled++;
    }
    delta++;
    n++;
  }
  return output;
}

/** `domain` with `change` applied to each label of its host: what is before an `@` stays. */
const mapLabels = (domain, change) => {
  const parts = domain.split("@");
  let host = parts[0];
  let result = "";
  if (parts.length > 1) {
    result = `${parts[0]}@`;
    host = parts[1];
  }
  let start = 0;
  for (let i = 0; i <= host.length; i++) {
    const code = i < host.length ? charCodeAt(host, i) : 0x2e;
    if (code !== 0x2e && code !== 0x3002 && code !== 0xff0e && code !== 0xff61) continue;
    result += change(slice(host, start, i));
    if (i < host.length) result += ".";
    start = i + 1;
  }
  return result;
};
const isAscii = (text) => {
  for (let i = 0; i < text.length; i++) if (charCodeAt(text, i) > 0x7f) return false;
  return true;
};

function toUnicode(domain) {
  return mapLabels(domain, (label) => (slice(label, 0, 4) === "xn--" ? decode(slice(label, 4).toLowerCase()) : label));
}
function toASCII(domain) {
  return mapLabels(domain, (label) => (isAscii(label) ? label : `xn--${encode(label)}`));
}

const version = "2.1.0";
const ucs2 = { decode: ucs2decode, encode: ucs2encode };
export { decode, encode, toASCII, toUnicode, ucs2, version };
export default { version, ucs2, decode, encode, toASCII, toUnicode };
