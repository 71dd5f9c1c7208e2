// Runs `norelay serve` on the loopback address, with a receiver and an empty store.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { program } from "./gallery.js";

/** Starts it; gives its address, the receiver's port, and how to stop it. */
export async function service(...settings) {
  const folder = mkdtempSync(join(tmpdir(), "norelay-service-"));
  const set = ["receiver.listen=127.0.0.1:0", "test.domain=probe.test", "test.helo=tester.probe.test", "test.wait=20s", "test.timeout=10s", "log.level=error", ...settings];
  const child = spawn(
    program("norelay"),
    ["serve", "--listen", "127.0.0.1:0", "--data", folder, ...set.flatMap((one) => ["--set", one])],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  const [found, said] = [{}, []];
  await new Promise((resolve, reject) => {
    child.on("exit", () => reject(new Error(`norelay serve did not start:\n${said.join("\n")}`)));
    createInterface({ input: child.stderr }).on("line", (line) => {
      said.push(line);
      found.home ??= line.match(/serves on (http:\S+)/)?.[1];
      found.receiver ??= Number(line.match(/receiver listens on \S+:(\d+)/)?.[1]) || undefined;
      if (found.home && found.receiver) resolve();
    });
  });
  const stop = () => {
    child.removeAllListeners("exit");
    child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  };
  return { ...found, stop };
}
