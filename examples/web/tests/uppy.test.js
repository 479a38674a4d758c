import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { build } from "esbuild";
import { launch, made, open, padded, photo, stack } from "./support.js";

const adapter = new URL("../../uppy/photodrop.js", import.meta.url);
let browser;
let bundle;
before(async () => {
  browser = await launch();
  const entry = `import Uppy from "@uppy/core"; import AwsS3 from "@uppy/aws-s3";
    import { photodrop } from ${JSON.stringify(adapter.pathname)};
    window.upload = async (name, type, base64, api, token, retries) => {
      const data = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
      const uppy = new Uppy();
      uppy.use(AwsS3, photodrop(uppy, api, () => token));
      uppy.addFile({ name, type, data: new Blob([data], { type }) });
      let informed = 0;
      uppy.on("upload-success", () => (informed += 1));
      const attempts = [await uppy.upload()];
      // As a user would press "retry".
      while (attempts.at(-1).failed.length && attempts.length <= retries) attempts.push(await uppy.retryAll());
      const result = attempts.at(-1);
      return { attempts: attempts.length, informed, shown: uppy.getState().info.length, successful: result.successful.map((file) => file.meta.photoId), failed: result.failed.map((file) => file.error) };
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

const upload = (page, path, type, retries = 0) =>
  page.evaluate((given) => window.upload(...given), [path.split("/").at(-1), type, readFileSync(path).toString("base64"), stack.api_url, stack.token, retries]);

/** How many requests made photos: all that were signed without an upload id. */
function photosMade(tab) {
  const made = new Set();
  tab.on("response", async (answer) => {
    if (answer.url().endsWith("/uppy/sign") && answer.ok()) made.add((await answer.json()).photo_id);
  });
  return made;
}

/** Lets the first requests of this kind to the bucket fail as \`fail\` says, and counts all. */
async function lose(tab, matches, count, fail) {
  let seen = 0;
  await tab.route((url) => url.pathname.includes(stack.originals_bucket), async (route) => {
    if (!matches(route.request())) return route.continue();
    seen += 1;
    return seen <= count ? fail(route) : route.continue();
  });
  return () => seen;
}

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

test("Uppy puts a photo of unknown type, and one whose type has another name", async () => {
  const tab = await page();
  const unknown = made("without-extension", readFileSync(photo("alpha.png")));
  for (const [path, type, signed] of [[unknown, "", "application/octet-stream"], [photo("photo-6mp.jpg"), "image/jpg", "image/jpeg"]]) {
    const { successful, failed } = await upload(tab, path, type);
    assert.deepEqual(failed, []);
    const record = await settled(successful[0]);
    assert.deepEqual([record.status, record.content_type], ["ready", signed]);
  }
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
  tab.on("response", (answer) => answer.request().method() === "PUT" && statuses.push(answer.status()));
  await lose(tab, (request) => request.method() === "PUT", 1, async (route) => {
    statuses.push((await route.fetch()).status());
    await route.abort("connectionreset");
  });
  const { successful, failed, informed, shown } = await upload(tab, photo("grayscale.jpg"), "image/jpeg");
  assert.deepEqual(statuses, [200, 412]);
  assert.deepEqual([failed, informed, shown], [[], 1, 0], "one success, and no message of a failure");
  assert.equal((await settled(successful[0])).status, "ready");
  await tab.context().close();
});

test("a retry by hand goes on with the same photo, whether its bytes had come or not", async () => {
  for (const arrives of [false, true]) {
    const tab = await page();
    const made = photosMade(tab);
    // Uppy's own four attempts are lost: the first one's bytes arrive, or none do.
    const puts = await lose(tab, (request) => request.method() === "PUT", 4, async (route) => {
      if (arrives && puts() === 1) {
        const [id] = made;
        assert.equal((await route.fetch()).status(), 200);
        await settled(id);
      }
      await route.abort("connectionreset");
    });
    const { successful, failed, attempts } = await upload(tab, photo("rgb.png"), "image/png", 1);
    assert.deepEqual([failed, attempts, made.size], [[], 2, 1]);
    assert.equal((await settled(successful[0])).status, "ready");
    await tab.context().close();
  }
});

test("a photo that was deleted meanwhile is sent as another one", async () => {
  const tab = await page();
  const made = photosMade(tab);
  const puts = await lose(tab, (request) => request.method() === "PUT", 4, async (route) => {
    if (puts() === 4) {
      const answer = await fetch(`${stack.api_url}/api/v4/photo/${[...made][0]}`, { method: "DELETE", headers: { authorization: `Bearer ${stack.token}` } });
      assert.equal(answer.status, 204);
    }
    await route.abort("connectionreset");
  });
  const { successful, failed, attempts } = await upload(tab, photo("rgb.png"), "image/png", 1);
  assert.deepEqual([failed, attempts, made.size], [[], 2, 2]);
  assert.equal(successful[0], [...made][1]);
  assert.equal((await settled(successful[0])).status, "ready");
  await tab.context().close();
});

test("a large photo goes on with the parts that arrived", async () => {
  const tab = await page();
  const made = photosMade(tab);
  const isSecondPart = (request) => request.method() === "PUT" && request.url().includes("partNumber=2");
  await lose(tab, isSecondPart, 4, (route) => route.abort("connectionreset"));
  const parts = [];
  tab.on("requestfinished", (request) => {
    const part = request.method() === "PUT" && new URL(request.url()).searchParams.get("partNumber");
    if (part) parts.push(part);
  });
  const { successful, failed, attempts } = await upload(tab, padded("photo-6mp.jpg", 11 * 1024 * 1024), "image/jpeg", 1);
  assert.deepEqual([failed, attempts, made.size], [[], 2, 1]);
  assert.deepEqual(parts, ["1", "2", "3"], "the first part is sent once");
  assert.equal((await settled(successful[0])).status, "ready");
  await tab.context().close();
});

test("the documentation shows the adapter that is tested", () => {
  const documented = readFileSync(new URL("../../../docs/UPPY.md", import.meta.url), "utf8");
  assert.ok(documented.includes(readFileSync(adapter, "utf8").trim()));
});
