// The page of blacklists, with lists that a DNS server of ours plays: looked up without scripts, accessible, on a phone.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { sideways, violations } from "./lib/axe.js";
import { launch, open } from "./lib/chromium.js";
import { dns } from "./lib/dns.js";
import { service } from "./lib/service.js";

const passes = (zone) => ["2.0.0.127." + zone, "A", "127.0.0.2"];
const lists = ["psbl.surriel.com", "bl.mailspike.net", "all.s5h.net", "dnsbl.dronebl.org", "ix.dnsbl.manitu.net", "bl.blocklist.de"];
let browser, resolver, site;

before(async () => {
  resolver = await dns([
    passes("zen.spamhaus.org"),
    ["25.4.8.8.zen.spamhaus.org", "A", "127.0.0.4"],
    ["25.4.8.8.zen.spamhaus.org", "TXT", "https://check.spamhaus.org/ <b>listed</b>"],
    passes("wl.mailspike.net"),
    ["25.4.8.8.wl.mailspike.net", "A", "127.0.0.18"],
    ["1.0.0.127.bl.spamcop.net", "A", "127.0.0.2"],
    passes("bl.spamcop.net"),
    ...lists.map(passes),
  ]);
  site = await service(`test.resolver=${resolver.address}`);
  browser = await launch();
});
after(async () => {
  await browser?.close();
  site?.stop();
  resolver?.stop();
});

for (const view of [
  { name: "wide, light", viewport: { width: 1200, height: 900 }, colorScheme: "light" },
  { name: "wide, dark", viewport: { width: 1200, height: 900 }, colorScheme: "dark" },
  { name: "phone, light", viewport: { width: 360, height: 740 }, colorScheme: "light" },
]) {
  test(`an address is looked up: ${view.name}`, async () => {
    const { page, context, wrongs } = await open(browser, view);
    await page.goto(`${site.home}blacklist`);
    await page.getByLabel("Address or domain").fill("8.8.4.25");
    await page.getByRole("button", { name: "Look it up" }).click();
    await page.getByText("First close the relay, or prove it closed.").waitFor({ timeout: 30_000 });
    const headings = await page.locator("h2, h3").allTextContents();
    assert.match(headings[0], /^8\.8\.4\.25 is listed/);
    assert.deepEqual(headings.slice(1, 4).map((one) => one.split(" ")[0]), ["Listed", "Unknown", "Vouched"]);
    const listed = page.getByRole("table", { name: "Lists that have it" });
    assert.match(await listed.textContent(), /zen\.spamhaus\.org.*127\.0\.0\.4.*<b>listed<\/b>.*passed/s);
    assert.match(await page.getByRole("table", { name: "Lists that could not tell" }).textContent(), /bl\.spamcop\.net.*failed/s);
    assert.equal(await page.getByText("check.spamhaus.org").count(), 1, "only in the list's own words, no way off yet");
    for (const summary of await page.locator("summary").all()) await summary.click();
    await page.getByText("sorbs.net").first().waitFor();
    assert.deepEqual([...await violations(page), ...await sideways(page), ...wrongs], []);
    if (process.env.SCREENSHOTS) await page.screenshot({ path: `${process.env.SCREENSHOTS}/blacklist-${view.name.replace(", ", "-")}.png`, fullPage: true });
    await context.close();
  });
}

test("without scripts, by keyboard alone, and from there to the test", async () => {
  const { page, context } = await open(browser, { javaScriptEnabled: false });
  await page.goto(`${site.home}blacklist`);
  await page.getByLabel("Address or domain").focus();
  await page.keyboard.type("10.0.0.1");
  await page.keyboard.press("Enter");
  await page.locator("#problem", { hasText: "isn't used on the Internet" }).waitFor();
  await page.getByLabel("Address or domain").fill("8.8.4.25");
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Test for relay" }).waitFor({ timeout: 30_000 });
  await context.close();
});
