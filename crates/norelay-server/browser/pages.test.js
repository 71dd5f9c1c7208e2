// Every page in light and dark, wide and narrow: axe finds nothing, nothing overflows, nothing is loaded from elsewhere.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { sideways, violations } from "./lib/axe.js";
import { launch, open } from "./lib/chromium.js";
import { gallery } from "./lib/gallery.js";

const states = ["closed", "open", "suspect", "inconclusive", "unreachable", "hostile", "multihop"];
const views = [
  { name: "wide, light", viewport: { width: 1200, height: 900 }, colorScheme: "light" },
  { name: "wide, dark", viewport: { width: 1200, height: 900 }, colorScheme: "dark" },
  { name: "phone, light", viewport: { width: 360, height: 740 }, colorScheme: "light" },
  { name: "phone, dark", viewport: { width: 360, height: 740 }, colorScheme: "dark" },
  // 1280 px at 400 %, the reflow of WCAG 2.2 success criterion 1.4.10.
  { name: "320 px", viewport: { width: 320, height: 256 }, colorScheme: "light", reducedMotion: "reduce" },
];

let browser, site;
before(async () => {
  site = await gallery([...states, "closed:90", "open:250"]);
  browser = await launch();
});
after(async () => {
  await browser?.close();
  site?.stop();
});

const addresses = () => {
  const { home, ...results } = site.pages;
  const still = [
    "", "tests", "tests/percent-host", "tests/ctl-postmaster", "fix", "fix/postfix", "blacklist", "api", "about/scanner",
    "about/accuracy", "privacy", "optout", "verify", "status", "nowhere",
  ];
  const one = results.open;
  return [
    ...still.map((path) => home + path),
    ...Object.values(results),
    `${one}/transcript`, `${one}/transcript/foreign-to-foreign`, `${one}/delete`, `${results.hostile}/transcript`,
  ];
};

for (const view of views) {
  test(`every page is accessible and fits: ${view.name}`, async () => {
    const { page, context, wrongs } = await open(browser, view);
    const found = [];
    for (const address of addresses()) {
      const response = await page.goto(address, { waitUntil: "domcontentloaded" });
      if (response.status() === 404) wrongs.splice(0); // the browser complains of the page that is not there
      for (const summary of await page.locator("details.test summary").all().then((all) => all.slice(0, 2))) {
        await summary.click();
      }
      const where = new URL(address).pathname;
      found.push(...(await violations(page)).map((one) => `${where}: ${one}`));
      found.push(...(await sideways(page)).map((one) => `${where} ${one}`));
      found.push(...wrongs.splice(0).map((one) => `${where}: ${one}`));
    }
    assert.deepEqual(found, []);
    await context.close();
  });
}

test("the form's complaint is accessible too", async () => {
  const { page, context } = await open(browser);
  await page.goto(site.pages.home);
  await page.evaluate(() => document.getElementById("target").removeAttribute("required"));
  await page.getByRole("button", { name: "Test for relay" }).click();
  const field = page.getByLabel("Host, address, domain or mail address");
  assert.equal(await field.getAttribute("aria-invalid"), "true");
  assert.match(await page.locator("#problem").textContent(), /Type the name/);
  assert.deepEqual(await violations(page), []);
  await context.close();
});

test("the first paint is under 100 KiB in all", async () => {
  for (const name of states) {
    const { page, context } = await open(browser);
    const bodies = [];
    page.on("response", (response) => bodies.push(response.body()));
    await page.goto(site.pages[name], { waitUntil: "networkidle" });
    const octets = (await Promise.all(bodies)).reduce((sum, body) => sum + body.length, 0);
    assert.ok(octets > 10_000 && octets < 100 * 1024, `${name}: ${octets} octets`);
    await context.close();
  }
});

test("every colour has words beside it", async () => {
  const { page, context } = await open(browser);
  for (const name of states) {
    await page.goto(site.pages[name]);
    for (const mark of await page.locator(".mark, .verdict .word").all()) {
      assert.match((await mark.textContent()).trim(), /^[A-Z0-9]/, name);
    }
  }
  await context.close();
});
