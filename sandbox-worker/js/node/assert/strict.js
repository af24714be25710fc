// node:assert/strict, of which only the default export differs.
import { strict } from "node-internal:internal_assert";
export * from "node-internal:internal_assert";
export default strict;
