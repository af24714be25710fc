// node:path, whose style is that of the platform.
export * from "node:path/posix";
export { default } from "node:path/posix";
