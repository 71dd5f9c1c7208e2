// Checks every report in a directory with its format's own checker: `check.mjs DIRECTORY MODULES JUNIT-XSD`.
// HTML by the W3C's checker (errors and warnings) and by html-validate (accessibility), SARIF by its standard's own
// schema, JUnit by the schema that Jenkins reads by. None of them needs a network.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

const [directory, modules, xsd] = process.argv.slice(2);
const require = createRequire(join(modules, "x.js"));
const { validateXML } = require("xmllint-wasm");
const ajv = new (require("ajv-draft-04").default)({ strict: false, allErrors: true, unicodeRegExp: false });
require("ajv-formats").default(ajv);
const isSarif = ajv.compile(
  JSON.parse(readFileSync(join(modules, "@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json"), "utf8")),
);

const run = (program, ...parameters) => {
  const ran = spawnSync(program, parameters, { encoding: "utf8", maxBuffer: 1 << 26 });
  return { clean: ran.status === 0, said: `${ran.stdout ?? ""}${ran.stderr ?? ""}${ran.error ?? ""}` };
};

// The checker does not work out the hash of the page's own style, by which the page's policy allows it; a browser does.
const pattern = ".*Inline style violates Content Security Policy.*";
const checks = {
  html: [
    (file) => run("java", "-jar", join(modules, "vnu-jar/build/dist/vnu.jar"), "--Werror", "--filterpattern", pattern, file),
    (file) => run("node", join(modules, "html-validate/bin/html-validate.mjs"), "--preset", "recommended,a11y", "--rule", "long-title:off", file),
  ],
  sarif: [
    (file) => {
      const clean = isSarif(JSON.parse(readFileSync(file, "utf8")));
      return { clean, said: JSON.stringify(isSarif.errors, null, 1) };
    },
  ],
  xml: [
    async (file) => {
      const read = (name) => readFileSync(name, "utf8");
      const { valid, errors } = await validateXML({ xml: [{ fileName: file, contents: read(file) }], schema: [read(xsd)] });
      return { clean: valid, said: errors.map((error) => error.rawMessage).join("\n") };
    },
  ],
};

// What each checker must complain of: one that accepts everything would prove nothing.
const broken = {
  html: (text) => text.replace("<main>", '<main><img src="x"><main>'),
  sarif: (text) => text.replace(/"level": "[a-z]+"/, '"level": "dreadful"'),
  xml: (text) => text.replace("<testcase ", "<testcase shoe_size=\"43\" "),
};

let [passed, failed] = [0, 0];
const count = (good, name, said) => {
  good ? passed++ : failed++;
  console.log(`${good ? "ok    " : "FAILED"} ${name}${good ? "" : `\n${said}`}`);
};
const seen = new Set();
for (const name of readdirSync(directory).sort()) {
  const kind = name.split(".").pop();
  for (const check of checks[kind] ?? []) {
    const file = join(directory, name);
    const { clean, said } = await check(file);
    count(clean, name, said);
    if (!seen.has(check)) {
      seen.add(check);
      const bad = join(mkdtempSync(join(tmpdir(), "broken-")), `broken.${kind}`);
      writeFileSync(bad, broken[kind](readFileSync(file, "utf8")));
      count(!(await check(bad)).clean, `a broken ${kind} is refused`, "it was accepted");
    }
  }
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 && seen.size === Object.values(checks).flat().length ? 0 : 1);
