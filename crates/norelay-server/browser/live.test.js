// A result while its run goes on: seen live, by a second viewer, after a reload, and without scripts.
import assert from "node:assert/strict";
import { test } from "node:test";
import { launch, open } from "./lib/chromium.js";
import { gallery } from "./lib/gallery.js";

const sentence = (page) => page.locator(".verdict .sentence");
const closed = "All tests performed, no relays accepted.";

test("a run is shown live, and its page becomes the permanent one without a reload", async (t) => {
  const site = await gallery(["closed@25"]);
  const browser = await launch();
  t.after(() => (browser.close(), site.stop()));
  const { page, wrongs } = await open(browser);
  await page.goto(site.pages["closed@25"]);
  await page.evaluate(() => { globalThis.same = true; });

  const progress = page.locator("progress");
  await progress.waitFor();
  const early = Number(await progress.getAttribute("value"));
  await page.locator(".verdict .talk li.c").first().waitFor();
  await page.locator("#t1 .mark", { hasText: "Refused" }).waitFor();
  const summary = page.locator("#t1 > summary");
  await summary.click();
  await summary.focus();
  await page.waitForFunction((early) => Number(document.querySelector("progress")?.value) > early + 3, early);
  assert.equal(await page.locator("#t1").getAttribute("open"), "", "what was opened stays open while parts change");

  // A second viewer who comes late sees everything from the start.
  const second = await open(browser);
  await second.page.goto(site.pages["closed@25"]);
  assert.ok(Number(await second.page.locator("progress").getAttribute("value")) > early);
  assert.match(await second.page.locator("#t1 > summary .mark").textContent(), /Refused/);

  await page.getByText(closed, { exact: true }).waitFor({ timeout: 30_000 });
  assert.equal(await page.evaluate(() => globalThis.same), true, "the page was not loaded again");
  assert.equal(await page.locator("#t1").getAttribute("open"), "", "and what was open is open still");
  assert.equal(await page.locator("#say").textContent(), closed, "a screen reader is told");
  assert.equal(await page.locator("[data-live]").count(), 0);
  await second.page.getByText(closed, { exact: true }).waitFor();
  assert.deepEqual([...wrongs, ...second.wrongs], []);
});

test("a reload in the middle loses nothing", async (t) => {
  const site = await gallery(["open@15"]);
  const browser = await launch();
  t.after(() => (browser.close(), site.stop()));
  const { page, wrongs } = await open(browser);
  await page.goto(site.pages["open@15"]);
  await page.locator("progress").waitFor();
  await page.reload();
  await page.getByText("This server is an open relay").first().waitFor({ timeout: 40_000 });
  await page.getByRole("button", { name: "Test again", exact: true }).waitFor({ timeout: 40_000 });
  assert.match(await page.locator(".proof").first().textContent(), /Sent.*Arrived.*3\.1 s later.*From.*2001:db8::7/s);
  assert.deepEqual(wrongs, []);
});

test("without scripts the page refreshes itself, and can be told not to", async (t) => {
  const site = await gallery(["closed@20"]);
  const browser = await launch();
  t.after(() => (browser.close(), site.stop()));
  const { page, context } = await open(browser, { javaScriptEnabled: false });
  await page.goto(site.pages["closed@20"]);
  assert.match(await page.locator(".verdict .word").textContent(), /Testing/);
  await page.getByText(closed, { exact: true }).waitFor({ timeout: 30_000 });
  await page.locator("#t6 > summary").click();
  assert.equal(await page.locator("#t6 .talk li.c", { hasText: "RCPT TO:" }).first().isVisible(), true);
  assert.equal(await page.getByRole("button", { name: "Print" }).count(), 0, "nothing is offered that needs a script");
  await context.close();
});

test("for what a run waits is said, and until when", async (t) => {
  const site = await gallery(["inconclusive:40", "closed:60"]);
  const browser = await launch();
  t.after(() => (browser.close(), site.stop()));
  const { page } = await open(browser);
  for (const name of ["closed:60"]) {
    await page.goto(site.pages[name]);
    assert.equal(await sentence(page).textContent(), "The server is being asked; nothing is decided yet.");
  }
});
