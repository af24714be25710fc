// Asks the reference for the second column of observed.jsonl: `WORKERD_BINARY=… node observe.mjs` rewrites the file.
// Each row is a JavaScript expression, evaluated in the handler of a GET request, and what the reference makes of it.
import { readFileSync, writeFileSync } from "node:fs";
import { withOracle } from "../../js/tests/oracle.mjs";

const file = new URL("observed.jsonl", import.meta.url);
const rows = readFileSync(file, "utf8").trim().split("\n").map((line) => JSON.parse(line)[0]);
const show = readFileSync(new URL("show.js", import.meta.url), "utf8");
const source = `${show}
const cases = [
${rows.map((row) => `async (request, ctx) => (${row}),`).join("\n")}
];
export default {
  async fetch(request, env, ctx) {
    const results = [];
    for (const run of cases) results.push(await observe(run, request, ctx));
    return Response.json(results);
  },
};`;
const results = await withOracle(source, async ({ fetch }) => (await fetch("/x?y=z")).json());
writeFileSync(file, rows.map((row, index) => `${JSON.stringify([row, results[index]])}\n`).join(""));
