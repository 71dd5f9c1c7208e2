// Checks every report and page in a directory with its format's own checker: `check.mjs DIRECTORY MODULES JUNIT-XSD`.
// HTML by the W3C's checker (errors and warnings) and by html-validate (accessibility), SARIF by its standard's own
// schema, JUnit by the schema that Jenkins reads by. None of them needs a network. Each checker is also given a file
// with a fault: one that accepts everything would prove nothing.

import { spawnSync } from "node:child_process";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, join } from "node:path";

const [directory, modules, xsd] = process.argv.slice(2);
const require = createRequire(join(modules, "x.js"));
const read = (file) => readFileSync(file, "utf8");

const run = (program, ...parameters) => {
  const ran = spawnSync(program, parameters, { encoding: "utf8", maxBuffer: 1 << 28 });
  if (ran.error) throw ran.error;
  return ran;
};

/// A checker takes files and gives a map of what is wrong, by the file's name; all in one process, since Java starts slowly.
const gather = (complaints) => {
  const wrong = new Map();
  for (const [file, text] of complaints) wrong.set(file, [...(wrong.get(file) ?? []), text]);
  return wrong;
};

// What the W3C's checker says for nothing. It does not work out the hash of the page's own style, by which the page's policy
// allows it; a browser does. And it sees no reason for the roles of tables and their parts: on a narrow screen they are
// laid out as blocks, and without the roles a screen reader would find no table there.
const allowed = [
  ".*Inline style violates Content Security Policy.*",
  "The “(table|rowgroup|row|columnheader|rowheader|cell)” role is unnecessary for element .*",
  "The “role” attribute must not be used on a “t[rdh]” element which has a “table” ancestor .*",
].join("|");
const w3c = (files) => {
  const ran = run("java", "-jar", join(modules, "vnu-jar/build/dist/vnu.jar"), "--format", "json", "--filterpattern", allowed, ...files);
  const { messages } = JSON.parse(ran.stderr);
  const matters = messages.filter(({ type, subType }) => type !== "info" || subType === "warning");
  return gather(matters.map(({ url, lastLine, message }) => [basename(url ?? "?"), `${lastLine}: ${message}`]));
};

// The roles are as above; the rest is taste, and two buttons of one form may share a name.
const off = ["no-redundant-role", "long-title", "doctype-style", "no-implicit-button-type", "form-dup-name"];
const accessible = (files) => {
  const program = join(modules, "html-validate/bin/html-validate.mjs");
  const rules = off.flatMap((rule) => ["--rule", `${rule}:off`]);
  const ran = run("node", program, "--preset", "recommended,a11y", ...rules, "--formatter", "json", ...files);
  const results = JSON.parse(ran.stdout);
  const said = ({ filePath, messages }) =>
    messages.map(({ line, ruleId, message }) => [basename(filePath), `${line}: ${message} (${ruleId})`]);
  return gather(results.flatMap(said));
};

const sarif = (files) => {
  const ajv = new (require("ajv-draft-04").default)({ strict: false, allErrors: true, unicodeRegExp: false });
  require("ajv-formats").default(ajv);
  const is = ajv.compile(JSON.parse(read(join(modules, "@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json"))));
  const said = (file) => (is(JSON.parse(read(file))) ? [] : is.errors.map((error) => [basename(file), JSON.stringify(error)]));
  return gather(files.flatMap(said));
};

const junit = async (files) => {
  const { validateXML } = require("xmllint-wasm");
  const said = async (file) => {
    const { errors } = await validateXML({ xml: [{ fileName: "report.xml", contents: read(file) }], schema: [read(xsd)] });
    return errors.map((error) => [basename(file), error.rawMessage]);
  };
  return gather((await Promise.all(files.map(said))).flat());
};

const checks = [
  { name: "W3C's checker", kind: "html", check: w3c },
  { name: "html-validate", kind: "html", check: accessible },
  { name: "SARIF's schema", kind: "sarif", check: sarif },
  { name: "JUnit's schema", kind: "xml", check: junit },
];
const broken = {
  html: (text) => text.replace("<main", '<main><img src="x"></main><main'),
  sarif: (text) => text.replace(/"level": "[a-z]+"/, '"level": "dreadful"'),
  xml: (text) => text.replace("<testcase ", '<testcase shoe_size="43" '),
};

let [passed, failed] = [0, 0];
const count = (good, line) => {
  good ? passed++ : failed++;
  if (!good) console.log(`FAILED ${line}`);
};
for (const { name, kind, check } of checks) {
  const files = readdirSync(directory).filter((file) => file.endsWith(`.${kind}`) && !file.startsWith("broken.")).sort();
  if (files.length === 0) throw new Error(`there is no .${kind} in ${directory}`);
  const fault = `broken.${kind}`;
  writeFileSync(join(directory, fault), broken[kind](read(join(directory, files[0]))));
  const wrong = await check([...files, fault].map((file) => join(directory, file)));
  for (const file of files) count(!wrong.has(file), `${file}, says ${name}:\n  ${wrong.get(file)?.join("\n  ")}`);
  count(wrong.has(fault), `${name} accepts ${fault}`);
  const strange = [...wrong.keys()].filter((file) => file !== fault && !files.includes(file));
  count(strange.length === 0, `${name} complains of ${strange}: ${strange.map((file) => wrong.get(file))}`);
  console.log(`${name}: ${files.length} files`);
}
console.log(`# pass ${passed}\n# fail ${failed}`);
process.exit(failed === 0 ? 0 : 1);
