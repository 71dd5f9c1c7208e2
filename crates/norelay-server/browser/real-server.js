#!/usr/bin/env node
// The whole way before a real mail server: a guest of the conformance suite (conformance/src/guest.rs), in the tester's
// network. Type the server's address, press the button, watch, read verdict, proof, cause and remedy; have the remedy
// applied as it is printed; test again. A closed server's page shows the one sentence.
import assert from "node:assert/strict";
import { writeFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { sideways, violations } from "./lib/axe.js";
import { launch, open } from "./lib/chromium.js";
import { service } from "./lib/service.js";

const closed = "All tests performed, no relays accepted.";
const [server, tester, address] = ["198.51.100.25", "203.0.113.2", "target.test"];
const { CONFORMANCE_VERDICT: verdict, CONFORMANCE_CAUSES: causes, SCREENSHOTS: folder } = process.env;
const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** Has the suite apply what a report prints, and gives the remedies' names. */
async function cure(report) {
  const place = mkdtempSync(join(tmpdir(), "norelay-report-"));
  writeFileSync(join(place, "report.json"), report);
  console.log(`cure ${join(place, "report.json")}`);
  const { value } = await answers.next();
  rmSync(place, { recursive: true });
  return value.split(" ").slice(1);
}

/** Types what is to be tested, presses the button, watches until the end. */
async function ask(page, home, target) {
  await page.goto(home);
  await page.getByLabel("Host, address, domain or mail address").fill(target);
  await page.getByRole("button", { name: "Test for relay" }).click();
  await page.waitForURL(/\/t\/[a-z2-7]{26}/);
  assert.match(await page.locator("#result").getAttribute("data-live"), /^\/t\/.*\/live/, "it is shown while it runs");
  await isOver(page);
  await isSmall(page.url());
  await isAccessible(page.url());
}

const isOver = (page) => page.getByRole("button", { name: "Test again", exact: true }).waitFor({ timeout: 120_000 });
const word = (page) => page.locator(".verdict .word").textContent();
const sentence = (page) => page.locator(".verdict .sentence").textContent();
const shot = (page, name) => folder && page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });

/** What the first paint of a page takes, all requests together, is little however many paths and tests it tells of. */
async function isSmall(address) {
  const { page, context } = await open(browser);
  const sizes = [];
  page.on("requestfinished", (request) => sizes.push(request.sizes().then(({ responseBodySize }) => responseBodySize)));
  await page.goto(address, { waitUntil: "networkidle" });
  const octets = (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
  assert.ok(octets > 10_000 && octets < 100 * 1024, `the first paint takes ${octets} octets`);
  if (folder) console.error(`the first paint takes ${octets} octets in ${sizes.length} requests`);
  await context.close();
}

/** With everything opened, axe finds nothing and nothing overflows, in light and dark, on a desk and on a phone. */
async function isAccessible(address) {
  for (const view of [
    { viewport: { width: 1280, height: 900 }, colorScheme: "light" },
    { viewport: { width: 360, height: 740 }, colorScheme: "dark" },
  ]) {
    const { page, context, wrongs } = await open(browser, view);
    await page.goto(address);
    await page.evaluate(() => document.querySelectorAll("details:not(.test)").forEach((one) => (one.open = true)));
    await page.locator("details.test > summary").first().click();
    assert.deepEqual([...await violations(page), ...await sideways(page), ...wrongs], []);
    await context.close();
  }
}

/** The page of an open server leads from the verdict to the proof, to the cause, to the remedy, and to a closed one. */
async function isOpen(page, name) {
  assert.equal(await word(page), "Open relay");
  const proof = await page.locator(".verdict .proof li").first().textContent();
  assert.match(proof, new RegExp(
    String.raw`Sent\s*\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC through ${server}:\d+.*` +
    String.raw`Arrived\s*\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC, [\d.]+ m?s later\s*` +
    String.raw`From\s*${server}, the server itself, which called itself mx\.target\.test`, "s"));
  await page.getByRole("heading", { name: "What to do now" }).waitFor();
  await shot(page, `${name}-open`);
  const result = page.url();
  const report = await page.request.get(`${result}.json`);
  const diagnosis = (await report.json()).diagnosis;
  assert.deepEqual(diagnosis.map(({ cause }) => cause), causes.split(" "), "the true cause");
  const why = page.locator("section", { has: page.getByRole("heading", { name: "Why it relays" }) });
  for (const { evidence } of diagnosis) for (const line of evidence) {
    assert.ok((await why.textContent()).includes(line), `the page has the evidence: ${line}`);
  }
  await why.locator(".remedies a").first().click();
  await page.waitForURL(/\/fix\/postfix#/);
  const lines = await page.locator(`section:has(#${new URL(page.url()).hash.slice(1)}) pre`).allTextContents();
  assert.ok(lines.length > 0, "the remedy's lines are shown");
  await shot(page, `${name}-fix`);
  assert.ok((await cure(await report.text())).length > 0, "the report prints lines that can be applied");
  await page.goto(result);
  // Postfix's processes read what was changed when they next begin: who tests at once may meet an old one.
  for (let tries = 0; tries < 4 && await word(page) !== "Closed"; tries++) {
    const before = page.url();
    await page.getByRole("button", { name: "Test again", exact: true }).click();
    await page.waitForURL((url) => url.href !== before);
    await isOver(page);
  }
  await isClosed(page, name);
  const since = page.locator("section", { has: page.getByRole("heading", { name: "Since the previous test" }) });
  assert.match(await since.textContent(), /Verdict\s*Open relay\s*Closed/);
}

async function isClosed(page, name) {
  assert.equal(await word(page), "Closed");
  assert.equal(await sentence(page), closed);
  await shot(page, `${name}-closed`);
}

const site = await service(`receiver.listen=${tester}:25`, "test.resolver=192.0.2.53:53", "test.blacklists=false");
const browser = await launch();
try {
  const { page, wrongs } = await open(browser);
  const name = process.env.CONFORMANCE_SCENARIO.replace("::", "-");
  await ask(page, site.home, address);
  await (verdict === "open" ? isOpen : isClosed)(page, name);
  assert.deepEqual(wrongs, []);
} finally {
  await browser.close();
  site.stop();
}
process.exit(0);
