// AssertionError, and the texts that say how two values differ.
import { hide, invalidArgType } from "internal:node_errors";
import scripts from "native:scripts";

const { inspect, inspectWhole, primordials } = scripts;
const { ErrorConstructor, defineProperty, isObject, uncurryThis } = primordials;
const { captureStackTrace } = ErrorConstructor;
const stringSlice = uncurryThis(String.prototype.slice);
const stringIndexOf = uncurryThis(String.prototype.indexOf);
const repeat = uncurryThis(String.prototype.repeat);

/** Longest sum of two texts that are shown beside each other. */
const SHORT = 12;
const WIDTH = 80;
/** Most pairs of lines that are compared for the longest common part. */
const MAX_PAIRS = 1 << 20;

const linesOf = (text) => {
  const lines = [];
  for (let start = 0; ; ) {
    const end = stringIndexOf(text, "\n", start);
    if (end === -1) {
      lines[lines.length] = stringSlice(text, start);
      return lines;
    }
    lines[lines.length] = stringSlice(text, start, end);
    start = end + 1;
  }
};
const joined = (lines) => {
  let text = "";
  for (let i = 0; i < lines.length; i++) text += i === 0 ? lines[i] : `\n${lines[i]}`;
  return text;
};

const HEADERS = {
  __proto__: null,
  deepStrictEqual: "Expected values to be strictly deep-equal:",
  strictEqual: "Expected values to be strictly equal:",
  strictEqualObject: 'Expected "actual" to be reference-equal to "expected":',
  deepEqual: "Expected values to be loosely deep-equal:",
};
const NEGATED = {
  __proto__: null,
  notDeepStrictEqual: 'Expected "actual" not to be strictly deep-equal to:',
  notStrictEqual: 'Expected "actual" to be strictly unequal to:',
  notStrictEqualObject: 'Expected "actual" not to be reference-equal to "expected":',
  notDeepEqual: 'Expected "actual" not to be loosely deep-equal to:',
};

/** The difference of two values, line by line, with some lines around each. */
const difference = (actual, expected, operator) => {
  const left = linesOf(inspectWhole(actual));
  const right = linesOf(inspectWhole(expected));
  const header = HEADERS[operator];
  let caret = "";
  if (left.length === 1 && right.length === 1 && left[0] !== right[0]) {
    const length = left[0].length + right[0].length;
    if (length <= SHORT) {
      const arePrimitive = typeof actual !== "object" && typeof actual !== "function" && typeof expected !== "object" && typeof expected !== "function";
      if (arePrimitive && (actual !== 0 || expected !== 0)) return `${header}\n\n${left[0]} !== ${right[0]}\n`;
    } else if (length < WIDTH) {
      let same = 0;
      while (left[0][same] === right[0][same]) same++;
      if (same > 2) caret = `\n  ${repeat(" ", same)}^`;
    }
  }
  let tail = 0;
  while (tail < left.length && tail < right.length && left[left.length - 1 - tail] === right[right.length - 1 - tail]) tail++;
  if (tail === left.length && tail === right.length) {
    return `Values have same structure but are not reference-equal:\n\n${joined(left)}\n`;
  }
  // Rows of lines that are the same, or of a group of those that are not.
  const rows = [];
  const count = left.length > right.length ? left.length - tail : right.length - tail;
  for (let i = 0; i < count; i++) {
    const a = i < left.length - tail ? left[i] : undefined;
    const b = i < right.length - tail ? right[i] : undefined;
    if (a === b) rows[rows.length] = { text: a, isSame: true };
    else {
      let group = rows[rows.length - 1];
      if (group === undefined || group.isSame) rows[rows.length] = group = { isSame: false, actual: "", expected: "" };
      if (a !== undefined) group.actual += `\n+ ${a}`;
      if (b !== undefined) group.expected += `\n- ${b}`;
    }
  }
  for (let i = left.length - tail; i < left.length; i++) rows[rows.length] = { text: left[i], isSame: true };
  const isShown = (index) => {
    if (!rows[index].isSame || index < 2 || index >= rows.length - 3) return true;
    for (let i = index - 1; i <= index + 2; i++) if (!rows[i].isSame) return true;
    return false;
  };
  let text = "";
  let skipped = false;
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i];
    if (!row.isSame) text += row.actual + row.expected;
    else if (isShown(i)) text += `\n  ${row.text}`;
    else if (isShown(i - 1) && isShown(i + 1)) text += `\n  ${row.text}`;
    else {
      skipped = true;
      text += "\n...";
      while (!isShown(i + 1)) i++;
    }
  }
  return `${header}\n+ actual - expected${skipped ? " ... Lines skipped" : ""}\n${text}${caret}`;
};

const generated = (actual, expected, operator) => {
  if (operator === "deepStrictEqual" || operator === "strictEqual" || operator === "deepEqual") {
    const areObjects = operator === "strictEqual" && isObject(actual) && isObject(expected);
    return difference(actual, expected, areObjects ? "strictEqualObject" : operator);
  }
  if (NEGATED[operator] !== undefined) {
    const lines = linesOf(inspectWhole(actual));
    if (lines.length > 30) {
      lines.length = 26;
      lines[26] = "...";
    }
    return lines.length === 1 ? `${NEGATED[operator]}${lines[0].length > 5 ? "\n\n" : " "}${lines[0]}` : `${NEGATED[operator]}\n\n${joined(lines)}\n`;
  }
  const cut = (text) => (text.length > 512 ? `${stringSlice(text, 0, 509)}...` : text);
  return `${cut(inspect(actual))} ${operator} ${cut(inspect(expected))}`;
};

export class AssertionError extends ErrorConstructor {
  constructor(options) {
    if (typeof options !== "object" || options === null) throw invalidArgType("options", "of type object", options);
    const { message, actual, expected, operator, stackStartFn } = options;
    super(message !== undefined && message !== null ? `${message}` : generated(actual, expected, operator));
    this.generatedMessage = message === undefined || message === null || message === "";
    hide(this, "name", "AssertionError");
    this.code = "ERR_ASSERTION";
    this.actual = actual;
    this.expected = expected;
    this.operator = operator;
    if (typeof stackStartFn === "function") captureStackTrace(this, stackStartFn);
  }

  toString() {
    return `${this.name} [${this.code}]: ${this.message}`;
  }

  [Symbol.for("nodejs.util.inspect.custom")](depth, options) {
    // What was compared is not shown to its depths.
    const { stack } = this;
    return typeof stack === "string" ? stack : this.toString();
  }
}
hide(AssertionError.prototype, Symbol.for("nodejs.util.inspect.custom"), AssertionError.prototype[Symbol.for("nodejs.util.inspect.custom")]);
defineProperty(AssertionError, "name", { __proto__: null, value: "AssertionError", configurable: true });

/** Which lines of two lists are the same, as rows `{ mark, text }`: what is only in the first comes before what is only in the second. */
const aligned = (left, right) => {
  const rows = [];
  let start = 0;
  while (start < left.length && start < right.length && left[start] === right[start]) rows[rows.length] = { mark: "    ", text: left[start++] };
  let tail = 0;
  while (tail < left.length - start && tail < right.length - start && left[left.length - 1 - tail] === right[right.length - 1 - tail]) tail++;
  const height = left.length - start - tail;
  const width = right.length - start - tail;
  const lengths = [];
  const isBounded = height * width <= MAX_PAIRS;
  for (let i = height; isBounded && i >= 0; i--) {
    lengths[i] = [];
    for (let j = width; j >= 0; j--) {
      if (i === height || j === width) lengths[i][j] = 0;
      else if (left[start + i] === right[start + j]) lengths[i][j] = lengths[i + 1][j + 1] + 1;
      else lengths[i][j] = lengths[i + 1][j] >= lengths[i][j + 1] ? lengths[i + 1][j] : lengths[i][j + 1];
    }
  }
  let i = 0;
  let j = 0;
  while (i < height || j < width) {
    if (isBounded && i < height && j < width && left[start + i] === right[start + j]) {
      rows[rows.length] = { mark: "    ", text: left[start + i] };
      i++;
      j++;
    } else if (i < height && (j === width || !isBounded || lengths[i + 1][j] >= lengths[i][j + 1])) {
      rows[rows.length] = { mark: "-   ", text: left[start + i++] };
    } else rows[rows.length] = { mark: "+   ", text: right[start + j++] };
  }
  for (let at = left.length - tail; at < left.length; at++) rows[rows.length] = { mark: "    ", text: left[at] };
  return rows;
};

/** What `strictEqual` says of two values that are not the same. */
export const notSame = (actual, expected) => {
  const options = { __proto__: null, depth: Infinity };
  const left = inspect(actual, options);
  const right = inspect(expected, options);
  if (left === right) {
    let text = "Values have the same structure but are not reference-equal:\n\n";
    const lines = linesOf(left);
    for (let i = 0; i < lines.length; i++) text += `    ${lines[i]}\n`;
    return text;
  }
  const areTexts = typeof actual === "string" && typeof expected === "string";
  const rows = areTexts ? aligned(marked(actual), marked(expected)) : aligned(linesOf(left), linesOf(right));
  let text = "Values are not strictly equal:\n\n\n[Diff] Actual / Expected\n\n\n";
  for (let i = 0; i < rows.length; i++) text += `${rows[i].mark}${rows[i].text}\n`;
  return areTexts ? `${text}\n` : text;
};
/** The lines of a text with what ends them. */
const marked = (text) => {
  const lines = linesOf(text);
  for (let i = 0; i < lines.length - 1; i++) lines[i] += "\\n";
  return lines;
};
