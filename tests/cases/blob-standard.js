import { deepStrictEqual, strictEqual, throws } from 'node:assert';

const encode = (text) => new TextEncoder().encode(text);

export const theBytesAreTheBlobsOwn = {
  async test() {
    const bytes = new Uint8Array([1]);
    const blob = new Blob([bytes]);
    bytes[0] = 9;
    (await blob.bytes())[0] = 8;
    deepStrictEqual([...(await blob.bytes())], [1]);
  },
};

export const aBlobLargerThanTheLimitIsRefused = {
  test() {
    const half = new Uint8Array(70 * 1024 * 1024);
    throws(() => new Blob([half, half]), { name: "RangeError", message: "Blob size 146800640 exceeds limit 134217728" });
  },
};

export const file = {
  test() {
    const file = new File(["x"], "a/b", { lastModified: 5, type: "t/p" });
    deepStrictEqual([file.name, file.lastModified, file.size, file.type, file instanceof Blob], ["a/b", 5, 1, "t/p", true]);
    throws(() => new File(["x"]), /parameter 2/);
  },
};

export const formdataEntriesSetDeleteIterationWhileChanging = {
  test() {
    const form = new FormData();
    form.append("a", 1);
    form.append("b", "2");
    form.append("a", new Blob(["z"]), "nm");
    strictEqual(form.get("a"), "1");
    strictEqual(form.getAll("a")[1].name, "nm");
    strictEqual(form.get("none"), null);
    form.set("a", "only");
    deepStrictEqual([...form.keys()], ["a", "b"]);
    form.delete("a");
    form.append("c", "3");
    deepStrictEqual([...form], [["b", "2"], ["c", "3"]]);
    const seen = [];
    for (const [name] of form) {
      seen.push(name);
      if (name === "b") form.append("d", "4");
    }
    deepStrictEqual(seen, ["b", "c", "d"]);
    const iterator = form.values();
    iterator.next();
    form.delete("b");
    strictEqual(iterator.next().value, "4");
    strictEqual(Object.prototype.toString.call(form.entries()), "[object FormData Iterator]");
  },
};
