import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { after, before, test } from "node:test";
import { typeOf } from "../upload.js";
import { card, choose, launch, photo, ready, signedIn } from "./support.js";

const heic = photo("../../photo-heif/testdata/grid-irot.heic");
let browser;
before(async () => (browser = await launch()));
after(() => browser?.close());

test("the file dialog offers what the stack takes, and a HEIC becomes a photo", async () => {
  const page = await signedIn(browser);
  assert.equal(await page.locator("#files").getAttribute("accept"), "image/jpeg,image/png,image/webp,image/gif,image/heic,.heic,.heif");
  await choose(page, heic);
  await ready(page, basename(heic));
  assert.match(await card(page, basename(heic)).locator(".state").textContent(), /\d+ × \d+/);
  assert.deepEqual(page.errors, []);
  await page.context().close();
});

test("a file's first bytes decide its type", async () => {
  const told = async (bytes, type) => typeOf(new Blob([bytes], { type }));
  for (const [path, expected] of [[heic, "application/octet-stream"], [photo("alpha.png"), "image/png"], [photo("lossy.webp"), "image/webp"]]) {
    assert.equal(await told(readFileSync(path), "text/plain"), expected, path);
  }
  assert.equal(await told("\0\0\0\x1cftypmif1\0\0\0\0mif1miafheic", "image/heic"), "image/heic");
  assert.equal(await told("\0\0\0\x1cftypmif1\0\0\0\0mif1miafheic", "image/jpeg"), "application/octet-stream");
  assert.equal(await told("\0\0\0\x1cftypmif1\0\0\0\0mif1miafavif", "image/avif"), "image/avif");
  await assert.rejects(told("Dear diary,"), { code: "NOT_AN_IMAGE" });
  await assert.rejects(told("\0\0\0\x18ftypmp42\0\0\0\0mp42isom", "video/mp4"), { code: "NOT_AN_IMAGE" });
});
