// Takes screenshots of pages, for looking at them: node shots.js FOLDER URL=NAME…
import { launch } from "./lib/chromium.js";

const [folder, ...pages] = process.argv.slice(2);
const kinds = { wide: [1200, 900, "light"], dark: [1200, 900, "dark"], phone: [360, 740, "light"] };
const wanted = (process.env.KINDS ?? "wide,dark,phone").split(",");
const browser = await launch();
for (const kind of wanted) {
  const [width, height, colorScheme] = kinds[kind];
  const context = await browser.newContext({ viewport: { width, height }, colorScheme });
  const page = await context.newPage();
  page.on("console", (message) => console.log(kind, message.type(), message.text()));
  page.on("pageerror", (error) => console.log(kind, "error", error.message));
  for (const one of pages) {
    const [name, url, open] = one.split("=");
    await page.goto(url, { waitUntil: "load" });
    if (open) await page.locator(open).first().click();
    await page.waitForTimeout(300);
    await page.screenshot({ path: `${folder}/${name}-${kind}.png`, fullPage: true });
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    if (width > kinds[kind][0]) console.log(`${name} ${kind}: scrolls sideways, ${width} px`);
  }
  await context.close();
}
await browser.close();
