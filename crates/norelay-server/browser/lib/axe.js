// Runs axe in a page, with every rule that it has.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** What axe found, in words. */
export async function violations(page) {
  // The page's policy keeps scripts out; the debugger's protocol is no part of the page.
  await page.evaluate(axe);
  const found = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  return found.violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html.slice(0, 160)} ${node.failureSummary}`));
}

/** Whether a page is wider than the window, in words. */
export async function sideways(page) {
  const [page_width, window_width] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  return page_width > window_width ? [`scrolls sideways: ${page_width} of ${window_width} px`] : [];
}
