// Serves every state of a result: the core's logs, put into a store (examples/gallery.rs).
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "../../../..");
const target = process.env.CARGO_TARGET_DIR ?? join(root, "target");
export const program = (name) => join(target, "debug", name);
export const logs = join(root, "crates/norelay-core/tests/logs");

/** Starts it; `wanted` are logs such as "closed", "closed:90" (still running), "closed@20" (a line each 20 ms). */
export async function gallery(wanted) {
  const folder = mkdtempSync(join(tmpdir(), "norelay-gallery-"));
  const files = wanted.map((log) => join(logs, log.replace(/^([a-z]+)/, "$1.jsonl")));
  const child = spawn(program("examples/gallery"), ["127.0.0.1:0", folder, ...files], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const pages = {};
  for await (const line of createInterface({ input: child.stdout })) {
    const [name, url] = line.split(" ");
    pages[name] = url;
    if (name === "home") break;
  }
  if (!pages.home) throw new Error("the gallery did not start");
  const stop = () => {
    child.kill();
    rmSync(folder, { recursive: true, force: true });
  };
  return { pages, stop };
}
