// The files of the Uppy adapter, laid out as docs/UPPY.md says.

import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";

const examples = new URL("../../", import.meta.url);
const documented = readFileSync(new URL("../docs/UPPY.md", examples), "utf8");

test("the documented layout of the Uppy adapter loads", async () => {
  const folder = mkdtempSync(join(tmpdir(), "photodrop-"));
  try {
    // The first block of code is the module of the reader: its relative imports are what is copied.
    const imports = [...documented.split("```")[1].matchAll(/^import .* from "\.\/(.*)";$/gm)];
    assert.equal(imports.length, 2);
    for (const [, path] of imports) cpSync(new URL(path, examples), join(folder, path));
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
    writeFileSync(join(folder, "index.js"), imports.map(([line]) => line.replace("import", "export")).join("\n"));
    const { photodrop, tokenSource } = await import(pathToFileURL(join(folder, "index.js")));
    assert.deepEqual([typeof photodrop, typeof tokenSource], ["function", "function"]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
