// The whole way, with the real service and scripted mail servers: type an address, press the button, watch, read the
// verdict, open a transcript, print; also without scripts, on a phone, and by keyboard alone.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, before, test } from "node:test";
import { launch, open } from "./lib/chromium.js";
import { service } from "./lib/service.js";
import { forward, smtp } from "./lib/smtp.js";

const closed = "All tests performed, no relays accepted.";
const servers = {};
let browser, site;

before(async () => {
  site = await service();
  for (const name of ["closed", "slow", "open", "sink", "hostile", "greylist"]) {
    servers[name] = await smtp(name, (message) => forward(message, site.receiver));
  }
  browser = await launch();
});
after(async () => {
  await browser?.close();
  site?.stop();
  Object.values(servers).forEach((server) => server.stop());
});

const target = (name) => `127.0.0.1:${servers[name].port}`;
const field = (page) => page.getByLabel("Host, address, domain or mail address");
const sentence = (page) => page.locator(".verdict .sentence");

/** Types a server's address and presses the button. */
async function ask(page, name) {
  await page.goto(site.home);
  await field(page).fill(target(name));
  await page.getByRole("button", { name: "Test for relay" }).click();
  await page.waitForURL(/\/t\/[a-z2-7]{26}/);
}

test("a closed server: asked, watched, read, opened, printed", async () => {
  const { page, context, wrongs } = await open(browser);
  await ask(page, "slow");
  await page.locator("progress").waitFor();
  const before = Number(await page.locator("progress").getAttribute("value"));
  await page.waitForFunction((before) => Number(document.querySelector("progress")?.value) > before, before);
  await page.getByLabel("The dialogue under way").waitFor();
  await sentence(page).filter({ hasText: closed }).waitFor({ timeout: 120_000 });
  assert.equal(await sentence(page).textContent(), closed);
  assert.equal(await page.locator(".verdict .word").textContent(), "Closed");

  await page.locator("#t1 > summary").click();
  const line = page.locator("#t1 .talk li", { hasText: "554 5.7.1" }).first();
  await line.waitFor();
  assert.match(await line.textContent(), /Relay access denied/);

  const pdf = await page.pdf({ format: "A4" });
  assert.equal(pdf.subarray(0, 5).toString(), "%PDF-");
  const text = execFileSync("pdftotext", ["-layout", "-", "-"], { input: pdf }).toString();
  for (const words of [closed, "Relay test of", "RCPT TO:<", "A stranger writes to a stranger", "Said with EHLO"]) {
    assert.ok(text.includes(words), `the print has ${words}`);
  }
  for (const words of ["Test again", "Keep and share", "Catalogue"]) assert.ok(!text.includes(words), `the print has no ${words}`);
  assert.deepEqual(wrongs, []);
  await context.close();
});

test("an open server: the proof, when sent, when arrived, from which address", async () => {
  const { page, context, wrongs } = await open(browser);
  await ask(page, "open");
  await sentence(page).filter({ hasText: "open relay" }).waitFor({ timeout: 60_000 });
  const proof = page.locator(".verdict .proof li").first();
  assert.match(await proof.textContent(), new RegExp(
    String.raw`Sent\s*\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC through 127\.0\.0\.1:${servers.open.port}\s*` +
    String.raw`Arrived\s*\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC, [\d.]+ m?s later\s*From\s*127\.0\.0\.1, the server itself, which called itself mx\.test`));
  await page.getByRole("button", { name: "Test again", exact: true }).waitFor({ timeout: 60_000 });
  await page.getByRole("heading", { name: "What to do now" }).waitFor();
  await page.getByRole("heading", { name: "Why it relays" }).waitFor();
  assert.deepEqual(wrongs, []);
  await context.close();
});

test("a server that takes everything and delivers nothing is suspect, never open", async () => {
  const { page, context } = await open(browser);
  await ask(page, "sink");
  await sentence(page).filter({ hasText: "suspect" }).waitFor({ timeout: 90_000 });
  assert.equal(await page.locator(".verdict .word").textContent(), "Suspect");
  await context.close();
});

test("hostile banners and replies do nothing but stand there", async () => {
  const { page, context, wrongs } = await open(browser);
  await ask(page, "hostile");
  await page.getByRole("button", { name: "Test again", exact: true }).waitFor({ timeout: 60_000 });
  for (const path of ["", "/transcript", "/transcript/foreign-to-foreign", "/delete"]) {
    await page.goto(page.url().match(/^.*\/t\/[a-z2-7]{26}/)[0] + path);
    for (const summary of await page.locator("details.test summary").all().then((all) => all.slice(0, 3))) await summary.click();
    const found = await page.evaluate(() => ({
      title: document.title,
      strange: document.querySelectorAll("main img, main script, main svg[onload], main [onmouseover], main [onerror]").length,
      controls: /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202e]/.test(document.body.innerText),
    }));
    assert.match(found.title, /norelay$/);
    assert.equal(found.strange, 0);
    assert.equal(found.controls, false, "no control reaches the page's text");
  }
  const text = await page.goto(page.url().replace("/delete", "/transcript")).then(() => page.locator("main").innerText());
  for (const words of [`<script>document.title="owned"</script>`, "<svg onload=alert(3)>", String.raw`\x1b[2J`, "{{7*7}}"]) {
    assert.ok(text.includes(words), `it is shown as text: ${words}`);
  }
  assert.deepEqual(wrongs, []);
  await context.close();
});

test("without scripts: asked, watched, read, opened", async () => {
  const { page, context, wrongs } = await open(browser, { javaScriptEnabled: false });
  await ask(page, "slow");
  assert.match(await page.locator(".verdict .word").textContent(), /Testing|Waiting/);
  await page.getByRole("link", { name: "Stop refreshing this page" }).click();
  await page.getByRole("link", { name: "Refresh this page" }).click();
  await sentence(page).filter({ hasText: closed }).waitFor({ timeout: 120_000 });
  await page.locator("#t6 > summary").click();
  await page.locator("#t6 .talk li", { hasText: "RCPT TO:" }).first().waitFor();
  await page.getByRole("link", { name: "Transcripts" }).click();
  await page.getByRole("heading", { name: "Transcripts" }).waitFor();
  assert.deepEqual(wrongs, []);
  await context.close();
});

test("on a phone of 360 pixels", async () => {
  const { page, context, wrongs } = await open(browser, { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true });
  await page.goto(site.home);
  await field(page).fill(target("closed"));
  await page.getByRole("button", { name: "Test for relay" }).tap();
  await sentence(page).filter({ hasText: closed }).waitFor({ timeout: 60_000 });
  await page.locator("#t1 > summary").tap();
  await page.locator("#t1 .talk").first().waitFor();
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth) <= 360, "nothing scrolls sideways");
  // WCAG 2.2 success criterion 2.5.8: what is tapped is at least 24 px high, but for links within sentences.
  for (const one of await page.locator("button:visible, summary:visible, nav a:visible, .button:visible, input:visible").all()) {
    const box = await one.boundingBox();
    assert.ok(box.height >= 24, `${await one.evaluate((node) => node.outerHTML.slice(0, 80))} is ${box.height} px high`);
  }
  assert.deepEqual(wrongs, []);
  await context.close();
});

test("by keyboard alone", async () => {
  const { page, context, wrongs } = await open(browser);
  await page.goto(site.home);
  const focused = () => page.evaluate(() => document.activeElement?.textContent?.trim() || document.activeElement?.id);
  /** Presses Tab until an element is in focus; every stop on the way must be visible. */
  const tabTo = async (matches, most = 60) => {
    for (let presses = 0; presses < most; presses++) {
      await page.keyboard.press("Tab");
      const seen = await page.evaluate(() => {
        const style = getComputedStyle(document.activeElement);
        return document.activeElement === document.body || style.outlineStyle !== "none";
      });
      assert.ok(seen, `the focus shows at ${await focused()}`);
      if (await page.evaluate(matches)) return;
    }
    assert.fail(`not reached with Tab: ${matches}`);
  };
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "Skip to the content");
  await page.keyboard.press("Enter");
  await tabTo(`document.activeElement.id === "target"`);
  await page.keyboard.type(target("closed"));
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/t\//);
  await sentence(page).filter({ hasText: closed }).waitFor({ timeout: 60_000 });
  await tabTo(`document.activeElement.matches("#t1 > summary")`);
  await page.keyboard.press("Enter");
  await page.locator("#t1 .talk").first().waitFor();
  await tabTo(`document.activeElement.textContent === "Transcript, explained line by line"`);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: /^Test 1: / }).waitFor();
  assert.deepEqual(wrongs, []);
  await context.close();
});

test("one test alone, one path alone, and what changed since", async () => {
  const { page, context } = await open(browser);
  await ask(page, "closed");
  await page.getByRole("button", { name: "Test again", exact: true }).waitFor({ timeout: 60_000 });
  await page.locator("#t6 > summary").click();
  await page.getByRole("button", { name: "Run test 6 again" }).click();
  await page.waitForURL(/\/t\//);
  await sentence(page).filter({ hasText: closed }).waitFor({ timeout: 60_000 });
  assert.equal(await page.locator(".tests > div > details[id='t6']").count(), 1);
  assert.equal(await page.locator("#t1").count(), 0, "only the test that was asked for");
  await page.getByRole("button", { name: /^Test again at 127\.0\.0\.1.*in the clear/ }).click();
  await page.getByRole("button", { name: "Test again", exact: true }).waitFor({ timeout: 60_000 });
  await page.getByRole("heading", { name: "Since the previous test" }).waitFor();
  await context.close();
});

test("a result is stopped, and deleted", async () => {
  const { page, context } = await open(browser);
  await ask(page, "slow");
  await page.getByRole("button", { name: "Stop the test" }).click();
  await page.getByText("before its end; what was not asked is not known").waitFor({ timeout: 30_000 });
  assert.doesNotMatch(await sentence(page).textContent(), /no relays accepted/);
  await page.getByRole("link", { name: "Delete", exact: true }).click();
  await page.getByRole("button", { name: "Delete the result" }).click();
  await page.getByRole("heading", { name: "Deleted" }).waitFor();
  await page.goBack();
  await page.goBack();
  assert.equal((await page.reload()).status(), 404);
  await context.close();
});

test("another site's form starts nothing", async () => {
  const { page, context } = await open(browser);
  await page.goto("data:text/html,<meta charset=utf-8>" + encodeURIComponent(
    `<form action="${site.home}" method="post"><input name="target" value="${target("closed")}"><button>go</button></form>`));
  await page.getByRole("button", { name: "go" }).click();
  await page.getByRole("heading", { name: "Sent from elsewhere" }).waitFor();
  await context.close();
});

test("no page can be put into another's frame", async () => {
  const { page, context } = await open(browser);
  await page.goto("data:text/html," + encodeURIComponent(`<iframe src="${site.home}"></iframe>`));
  await page.waitForFunction(() => frames.length === 1);
  const frame = page.frames()[1];
  await frame.waitForLoadState();
  assert.equal(frame.url(), "chrome-error://chromewebdata/", "the browser refuses to show it");
  await context.close();
});

test("the address is copied, and the verdict of what can't be is a sentence", async () => {
  const { page, context } = await open(browser, { permissions: ["clipboard-read", "clipboard-write"] });
  await ask(page, "greylist");
  await page.getByRole("button", { name: "Copy" }).click();
  await page.getByRole("button", { name: "Copied" }).waitFor();
  assert.match(await page.evaluate(() => navigator.clipboard.readText()), /^http:\/\/.*\/t\/[a-z2-7]{26}$/);
  await context.close();
});
