import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { build } from "esbuild";
import { launch, open, padded, photo, stack } from "./support.js";

const adapter = new URL("../../uppy/photodrop.js", import.meta.url);
let browser;
let bundle;
before(async () => {
  browser = await launch();
  const entry = `import Uppy from "@uppy/core"; import AwsS3 from "@uppy/aws-s3";
    import { photodrop } from ${JSON.stringify(adapter.pathname)};
    window.upload = async (name, type, base64, api, token) => {
      const data = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
      const uppy = new Uppy();
      uppy.use(AwsS3, photodrop(uppy, api, () => token));
      uppy.addFile({ name, type, data: new Blob([data], { type }) });
      const result = await uppy.upload();
      return { successful: result.successful.map((file) => file.meta.photoId), failed: result.failed.map((file) => file.error) };
    };`;
  const built = await build({ stdin: { contents: entry, resolveDir: import.meta.dirname }, bundle: true, write: false, format: "iife" });
  bundle = built.outputFiles[0].text;
});
after(() => browser?.close());

async function page() {
  const page = await open(browser, { bypassCSP: true });
  await page.addScriptTag({ content: bundle });
  return page;
}

const upload = (page, path, type) =>
  page.evaluate((given) => window.upload(...given), [path.split("/").at(-1), type, readFileSync(path).toString("base64"), stack.api_url, stack.token]);

async function settled(id) {
  for (let look = 0; look < 200; look++) {
    const answer = await fetch(`${stack.api_url}/api/v4/photo/${id}`, { headers: { authorization: `Bearer ${stack.token}` } });
    const record = await answer.json();
    if (record.status !== "pending") return record;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`${id} is still pending`);
}

test("Uppy puts a photo", async () => {
  const tab = await page();
  const { successful, failed } = await upload(tab, photo("photo-6mp.jpg"), "image/jpeg");
  assert.deepEqual(failed, []);
  assert.equal((await settled(successful[0])).status, "ready");
  await tab.context().close();
});

test("Uppy sends a large photo in parts", async () => {
  const tab = await page();
  let parts = 0;
  tab.on("request", (request) => (parts += request.method() === "PUT" && request.url().includes("partNumber=") ? 1 : 0));
  const { successful, failed } = await upload(tab, padded("photo-6mp.jpg", 11 * 1024 * 1024), "image/jpeg");
  assert.deepEqual(failed, []);
  assert.equal(parts, 3);
  assert.equal((await settled(successful[0])).status, "ready");
  await tab.context().close();
});

test("Uppy's second attempt after a lost answer meets 412, and that is a success", async () => {
  const tab = await page();
  const statuses = [];
  await tab.route((url) => url.pathname.includes(stack.originals_bucket), async (route) => {
    if (route.request().method() !== "PUT") return route.continue();
    const answer = await route.fetch();
    statuses.push(answer.status());
    return statuses.length === 1 ? route.abort("connectionreset") : route.fulfill({ response: answer });
  });
  const { successful, failed } = await upload(tab, photo("grayscale.jpg"), "image/jpeg");
  assert.deepEqual(statuses, [200, 412]);
  assert.deepEqual(failed, []);
  assert.equal((await settled(successful[0])).status, "ready");
  await tab.context().close();
});

test("the documentation shows the adapter that is tested", () => {
  const documented = readFileSync(new URL("../../../docs/UPPY.md", import.meta.url), "utf8");
  assert.ok(documented.includes(readFileSync(adapter, "utf8").trim()));
});
