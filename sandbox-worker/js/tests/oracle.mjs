// Runs a worker module in the reference binary and fetches from it. The binary is found through WORKERD_BINARY;
// tests that need it skip themselves when the variable is not set.
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const COMPATIBILITY_DATE = "2026-11-01";

/** Path of the reference binary, or undefined when this machine has none. */
export const workerdBinary = process.env.WORKERD_BINARY;

/**
 * Serves `source` (an ES module) from the reference and calls `use({ fetch, output })`. `output()` gives what the
 * process printed so far. The process is ended by its own id whatever `use` does.
 */
export async function withOracle(source, use, { flags = [], extraArgs = [] } = {}) {
  if (workerdBinary === undefined) throw new Error("set WORKERD_BINARY to the path of the reference's executable");
  const directory = await mkdtemp(join(tmpdir(), "oracle-"));
  await writeFile(join(directory, "main.js"), source);
  await writeFile(
    join(directory, "config.capnp"),
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = (
    modules = [(name = "main.js", esModule = embed "main.js")],
    compatibilityDate = "${COMPATIBILITY_DATE}",
    compatibilityFlags = [${flags.map((flag) => `"${flag}"`).join(", ")}],
  ))],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
`,
  );
  const child = spawn(workerdBinary, ["serve", "config.capnp", "--control-fd=3", ...extraArgs], {
    cwd: directory,
    stdio: ["ignore", "pipe", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text) => (stderr += text));
  const exited = new Promise((resolve) => child.once("close", resolve));
  try {
    const port = await new Promise((resolve, reject) => {
      let control = "";
      child.once("error", reject);
      child.once("close", () => reject(new Error(`the reference ended before it listened: ${stderr}`)));
      child.stdio[3].setEncoding("utf8").on("data", (text) => {
        control += text;
        const match = /"port":(\d+)/.exec(control);
        if (match !== null) resolve(Number(match[1]));
      });
    });
    return await use({
      fetch: (path = "/", init) => fetch(`http://127.0.0.1:${port}${path}`, init),
      output: () => ({ stdout, stderr }),
    });
  } finally {
    child.kill("SIGKILL");
    await exited;
    await rm(directory, { recursive: true, force: true });
  }
}
