export default {
  "append and read": () => { const f = new FormData(); f.append("a", "1"); f.append("a", 2); f.set("b", "x"); return [[...f], f.get("a"), f.getAll("a"), f.has("b"), f.get("nope")]; },
  "delete and set": () => { const f = new FormData(); f.append("a", "1"); f.append("a", "2"); f.set("a", "3"); f.delete("b"); return [...f]; },
  "blob becomes a file": () => { const f = new FormData(); f.append("a", new Blob(["x"])); const v = f.get("a"); return [v instanceof File, v.name, v.size]; },
  "file name": () => { const f = new FormData(); f.append("a", new Blob(["x"]), "n.txt"); return f.get("a").name; },
  "blob": async () => { const b = new Blob(["ab", new Uint8Array([99]), new Blob(["d"])], { type: "Text/Plain" }); return [b.size, b.type, await b.text()]; },
  "blob slice": async () => { const b = new Blob(["abcdef"]).slice(1, -1, "x/y"); return [b.size, b.type, await b.text()]; },
  "blob stream": async () => new Response(new Blob(["abc"]).stream()).text(),
  "file": () => { const f = new File(["a"], "n", { type: "a/b", lastModified: 5 }); return [f.name, f.type, f.lastModified, f.size]; },
  "multipart round trip": async () => { const f = new FormData(); f.append("t", "é"); f.append("f", new File(["x"], "n.txt", { type: "a/b" })); const g = await new Response(f).formData(); const file = g.get("f"); return [g.get("t"), file.name, file.type, await file.text()]; },
};
