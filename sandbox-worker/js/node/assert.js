// node:assert.
export * from "node-internal:internal_assert";
export { default } from "node-internal:internal_assert";
