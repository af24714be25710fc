// Whether a path matches a pattern, as `path.matchesGlob` has it: `*`, `?`, `[a-z]`, `**`, `{a,b}`, `{1..3}` and `@(a|b)` with its kin.
// Each segment of a pattern becomes a matcher that backtracks; what both sides may cost is bounded by memoizing no more than they hold.
import scripts from "native:scripts";

const { uncurryThis } = scripts.primordials;
const stringSlice = uncurryThis(String.prototype.slice);
const indexOf = uncurryThis(String.prototype.indexOf);
const exec = uncurryThis(RegExp.prototype.exec);
const charCodeAt = uncurryThis(String.prototype.charCodeAt);
const { fromCharCode } = String;
const { abs, max } = Math;

/** How many alternatives the braces of a pattern may become. */
const MAX_ALTERNATIVES = 10000;

const split = (text, separator) => {
  const parts = [];
  let start = 0;
  for (let at = indexOf(text, separator); at !== -1; at = indexOf(text, separator, start)) {
    parts[parts.length] = stringSlice(text, start, at);
    start = at + 1;
  }
  parts[parts.length] = stringSlice(text, start);
  return parts;
};

// --------------------------------------------------------------------------------------------------------- braces

/** The place of the brace that closes the one at `open`, with the commas between; undefined if there is none. */
const closing = (text, open) => {
  let depth = 0;
  const commas = [];
  for (let i = open; i < text.length; i++) {
    if (text[i] === "\\") i++;
    else if (text[i] === "{") depth++;
    else if (text[i] === ",") {
      if (depth === 1) commas[commas.length] = i;
    } else if (text[i] === "}" && --depth === 0) return { close: i, commas };
  }
  return undefined;
};
const numbers = /^(-?\d+)\.\.(-?\d+)(?:\.\.(-?\d+))?$/;
const letters = /^([A-Za-z])\.\.([A-Za-z])(?:\.\.(-?\d+))?$/;
const padded = /^-?0\d/;
/** What a range such as `1..3` stands for, or undefined. */
const range = (body) => {
  const ofNumbers = exec(numbers, body);
  const found = ofNumbers ?? exec(letters, body);
  if (found === null) return undefined;
  const from = ofNumbers ? +found[1] : charCodeAt(found[1], 0);
  const to = ofNumbers ? +found[2] : charCodeAt(found[2], 0);
  const step = max(abs(+(found[3] ?? 1)), 1) * (from > to ? -1 : 1);
  const width = ofNumbers && (exec(padded, found[1]) !== null || exec(padded, found[2]) !== null) ? max(found[1].length, found[2].length) : 0;
  const items = [];
  for (let value = from; step > 0 ? value <= to : value >= to; value += step) {
    if (items.length >= MAX_ALTERNATIVES) break;
    let item = ofNumbers ? `${abs(value)}` : fromCharCode(value);
    while (item.length + (value < 0 ? 1 : 0) < width) item = `0${item}`;
    items[items.length] = ofNumbers && value < 0 ? `-${item}` : item;
  }
  return items;
};
const expand = (text) => {
  for (let open = indexOf(text, "{"); open !== -1; open = indexOf(text, "{", open + 1)) {
    if (open > 0 && text[open - 1] === "\\") continue;
    const found = closing(text, open);
    if (found === undefined) continue;
    const { close, commas } = found;
    const before = stringSlice(text, 0, open);
    const after = stringSlice(text, close + 1);
    let items;
    if (commas.length > 0) {
      items = [];
      let start = open + 1;
      for (let i = 0; i <= commas.length; i++) {
        const end = i < commas.length ? commas[i] : close;
        items[items.length] = stringSlice(text, start, end);
        start = end + 1;
      }
    } else items = range(stringSlice(text, open + 1, close));
    if (items === undefined) continue;
    const all = [];
    for (let i = 0; i < items.length; i++) {
      const ones = expand(before + items[i] + after);
      for (let j = 0; j < ones.length && all.length < MAX_ALTERNATIVES; j++) all[all.length] = ones[j];
    }
    return all;
  }
  return [text];
};

// ------------------------------------------------------------------------------------------------------- segments

/** The set that begins at a bracket, as a test of one unit and where it ends; undefined if the bracket is none of a set. */
const set = (text, open) => {
  let at = open + 1;
  const isNegated = text[at] === "!" || text[at] === "^";
  if (isNegated) at++;
  const start = at;
  const tests = [];
  for (; at < text.length; at++) {
    if (text[at] === "]" && at > start) {
      const holds = (unit) => {
        for (let i = 0; i < tests.length; i++) if (tests[i](unit)) return true;
        return false;
      };
      return { end: at + 1, test: (unit) => holds(unit) !== isNegated };
    }
    if (text[at] === "\\" && at + 1 < text.length) at++;
    const from = text[at];
    if (text[at + 1] === "-" && at + 2 < text.length && text[at + 2] !== "]") {
      const to = text[at + 2];
      tests[tests.length] = (unit) => unit >= from && unit <= to;
      at += 2;
    } else tests[tests.length] = (unit) => unit === from;
  }
  return undefined;
};

/** The parts of a pattern for one segment, up to `end`. */
const parse = (text) => {
  const parts = [];
  for (let at = 0; at < text.length;) {
    const one = text[at];
    if (text[at + 1] === "(" && (one === "?" || one === "*" || one === "+" || one === "@" || one === "!")) {
      let depth = 0;
      let start = at + 2;
      const choices = [];
      let end = -1;
      for (let i = at + 1; i < text.length && end === -1; i++) {
        if (text[i] === "\\") i++;
        else if (text[i] === "(") depth++;
        else if (text[i] === "|" && depth === 1) {
          choices[choices.length] = parse(stringSlice(text, start, i));
          start = i + 1;
        } else if (text[i] === ")" && --depth === 0) {
          choices[choices.length] = parse(stringSlice(text, start, i));
          end = i + 1;
        }
      }
      if (end !== -1) {
        parts[parts.length] = { kind: one, choices };
        at = end;
        continue;
      }
    }
    if (one === "*") {
      if (parts[parts.length - 1]?.kind !== "any") parts[parts.length] = { kind: "any" };
      at++;
    } else if (one === "?") {
      parts[parts.length] = { kind: "one" };
      at++;
    } else if (one === "[") {
      const found = set(text, at);
      parts[parts.length] = found === undefined ? { kind: "unit", unit: one } : { kind: "set", test: found.test };
      at = found === undefined ? at + 1 : found.end;
    } else {
      if (one === "\\" && at + 1 < text.length) at++;
      parts[parts.length] = { kind: "unit", unit: text[at++] };
    }
  }
  return parts;
};

/** Whether what `parts` match from a place on can end where `then` holds. */
const run = (parts, index, text, at, then) => {
  if (index === parts.length) return then(at);
  const part = parts[index];
  const next = (place) => run(parts, index + 1, text, place, then);
  switch (part.kind) {
    case "unit":
      return text[at] === part.unit && next(at + 1);
    case "one":
      return at < text.length && next(at + 1);
    case "set":
      return at < text.length && part.test(text[at]) && next(at + 1);
    case "any":
      for (let place = at; place <= text.length; place++) if (next(place)) return true;
      return false;
    case "!":
      for (let end = text.length; end >= at; end--) {
        let isOne = false;
        for (let i = 0; i < part.choices.length; i++) isOne ||= run(part.choices[i], 0, text, at, (place) => place === end);
        if (!isOne && next(end)) return true;
      }
      return false;
    default: {
      const { kind, choices } = part;
      const choose = (place, follow) => {
        for (let i = 0; i < choices.length; i++) if (run(choices[i], 0, text, place, follow)) return true;
        return false;
      };
      const repeat = (place) => choose(place, (end) => next(end) || (end > place && repeat(end)));
      if (kind === "@") return choose(at, next);
      if (kind === "+") return repeat(at);
      if (kind === "?") return choose(at, next) || next(at);
      return next(at) || repeat(at);
    }
  }
};
const isDots = (text) => text === "." || text === "..";
const matchSegment = (segment, text) => {
  // What is hidden has to be asked for.
  if (text[0] === "." && segment[0] !== "." && segment[0] !== "\\") return false;
  const parts = parse(segment);
  let isMagic = false;
  for (let i = 0; i < parts.length; i++) isMagic ||= parts[i].kind !== "unit";
  if (isMagic && (text === "" || isDots(text))) return false;
  return run(parts, 0, text, 0, (at) => at === text.length);
};

const matchSegments = (pattern, segments) => {
  // What was found out for a pair of places: 1 is a match.
  const known = { __proto__: null };
  const match = (i, j) => {
    const key = `${i}:${j}`;
    if (known[key] !== undefined) return known[key];
    return (known[key] = find(i, j));
  };
  const find = (i, j) => {
    if (i === pattern.length) return j === segments.length || (j === segments.length - 1 && segments[j] === "");
    if (pattern[i] === "**") {
      if (i === pattern.length - 1) {
        for (let k = j; k < segments.length; k++) if (segments[k][0] === ".") return false;
        return true;
      }
      for (let k = j; k < segments.length; k++) {
        if (match(i + 1, k)) return true;
        if (segments[k][0] === ".") return false;
      }
      return false;
    }
    return j < segments.length && matchSegment(pattern[i], segments[j]) && match(i + 1, j + 1);
  };
  return match(0, 0);
};

const segmentsOf = (text) => {
  const all = split(text, "/");
  const kept = [];
  for (let i = 0; i < all.length; i++) {
    if ((all[i] === "" && i > 0 && i < all.length - 1) || (all[i] === "." && i > 0)) continue;
    kept[kept.length] = all[i];
  }
  return kept;
};

export const matchesPattern = (path, pattern, isWindows) => {
  if (pattern === "") return path === "";
  let text = path;
  let glob = pattern;
  if (isWindows) {
    text = "";
    for (let i = 0; i < path.length; i++) text += path[i] === "\\" ? "/" : path[i];
    glob = "";
    for (let i = 0; i < pattern.length; i++) glob += pattern[i] === "\\" ? "/" : pattern[i];
  }
  const segments = segmentsOf(text);
  const alternatives = expand(glob);
  for (let i = 0; i < alternatives.length; i++) if (matchSegments(segmentsOf(alternatives[i]), segments)) return true;
  return false;
};
