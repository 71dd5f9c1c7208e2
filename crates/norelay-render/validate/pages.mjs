// Saves every page of the service that links lead to: `pages.mjs DIRECTORY GALLERY FOLDER LOG…`. GALLERY is the program of
// norelay-server's example, which serves the results of the logs.

import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

/// More pages than there are.
const MAX_PAGES = 1000;
const [directory, program, folder, ...logs] = process.argv.slice(2);
const gallery = spawn(program, ["127.0.0.1:0", folder, ...logs], { stdio: ["ignore", "pipe", "inherit"] });
try {
  const wanted = [];
  for await (const line of createInterface({ input: gallery.stdout })) {
    const [name, address] = line.split(" ");
    wanted.push(address);
    if (name === "home") break;
  }
  const home = new URL(wanted.at(-1));
  for (const path of ["/optout", "/verify", "/status", "/blacklist", "/no/such/page"]) wanted.push(new URL(path, home).href);
  const seen = new Set(wanted);
  let saved = 0;
  for (const address of wanted) {
    const answer = await fetch(address);
    const text = await answer.text();
    if (!answer.headers.get("content-type")?.startsWith("text/html")) continue;
    const path = new URL(address).pathname.replace(/\/t\/[^/]{16,}/, (id) => `/t/${id.slice(3, 9)}`);
    writeFileSync(join(directory, `page${path.replaceAll("/", "_")}.html`), text);
    saved++;
    for (const [, reference] of text.matchAll(/<a [^>]*href="([^"#]+)/g)) {
      const next = new URL(reference.replaceAll("&amp;", "&"), address);
      next.hash = "";
      // A page with another question is the same page: what a link asks for may be a test.
      if (next.origin === home.origin && next.search === "" && !seen.has(next.href) && seen.size < MAX_PAGES) {
        seen.add(next.href);
        wanted.push(next.href);
      }
    }
  }
  if (saved < 100) throw new Error(`the service has ${saved} pages only`);
} finally {
  gallery.kill();
}
