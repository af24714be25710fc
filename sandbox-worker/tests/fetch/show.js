const show = (value) => {
  if (typeof value === "string") return value;
  if (typeof value === "function") return `function ${value.name}`;
  const tag = Object.prototype.toString.call(value);
  if (typeof value === "object" && value !== null && tag !== "[object Object]" && tag !== "[object Array]") return tag;
  return JSON.stringify(value) ?? String(value);
};
const observe = async (run, request, ctx) => {
  try {
    return show(await run(request, ctx));
  } catch (error) {
    const isError = error instanceof Error || error instanceof DOMException;
    return isError ? `${error.name}: ${error.message}` : `thrown ${String(error)}`;
  }
};
