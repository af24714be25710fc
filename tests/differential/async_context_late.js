// Imported by a way of async_context.js.
globalThis.seeInModule();
await undefined;
globalThis.seeInModule();
