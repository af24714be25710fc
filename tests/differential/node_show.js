// The text of a value that both runtimes make alike, and the answer with that of all cases.

export const show = (value, depth = 3) => {
  if (value === undefined) return "undefined";
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "symbol") return value.toString();
  if (typeof value === "function") return `function ${value.name}`;
  if (typeof value === "number") return Object.is(value, -0) ? "-0" : String(value);
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (value instanceof Error) {
    const own = ["generatedMessage", "operator", "actual", "expected"].filter((key) => Object.hasOwn(value, key));
    const details = own.map((key) => ` ${key}=${show(value[key], 1)}`);
    return `${value.constructor.name} ${value.name} ${value.code}: ${value.message} [${Object.keys(value)}] ${value}${details.join("")}`;
  }
  if (ArrayBuffer.isView(value)) {
    const bytes = Array.from(new Uint8Array(value.buffer, value.byteOffset, value.byteLength), (byte) => byte.toString(16));
    const others = Object.keys(value).slice(value.length);
    return `${value.constructor.name} ${bytes.join(" ")}${others.map((key) => ` ${key}=${show(value[key], 1)}`).join("")}`;
  }
  if (value instanceof ArrayBuffer) return `ArrayBuffer ${value.byteLength}`;
  if (depth < 0) return "...";
  if (Array.isArray(value)) return `[${value.map((item) => show(item, depth - 1)).join(", ")}]`;
  return `{${Object.keys(value).map((key) => `${key}: ${show(value[key], depth - 1)}`).join(", ")}}`;
};

/** What each case gives or throws, by its name or else its source. */
export const answer = async (cases) => {
  const seen = [];
  for (const one of cases) {
    const { name, run } = typeof one === "function" ? { name: String(one).replace(/^(async )?\(\) => /, ""), run: one } : one;
    let text;
    try {
      text = show(await run());
    } catch (error) {
      text = `throws ${show(error)}`;
    }
    seen.push([name, text]);
  }
  return Response.json(seen);
};
