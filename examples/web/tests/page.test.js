import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { thumbHashToRGBA } from "thumbhash";
import { ATTEMPTS } from "../protocol.js";
import { decode } from "../thumbhash.js";
import { card, choose, cut, launch, made, open, padded, photo, ready, shot, signedIn, stack, violations } from "./support.js";

let browser;
before(async () => (browser = await launch()));
after(() => browser?.close());

/** Drops a file onto the page. */
async function drop(page, name, bytes) {
  const files = await page.evaluateHandle(([name, base64]) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], name));
    return transfer;
  }, [name, bytes.toString("base64")]);
  await page.dispatchEvent("#drop", "dragenter", { dataTransfer: files });
  await page.locator("#drop.over").waitFor();
  await page.dispatchEvent("#drop", "drop", { dataTransfer: files });
  assert.equal(await page.locator("#drop.over").count(), 0);
}

test("several real photos are uploaded, seen at once as placeholders and then as thumbnails", async () => {
  const page = await signedIn(browser, { colorScheme: "light" });
  const names = ["photo-6mp.jpg", "alpha.png", "lossy.webp", "display-p3.jpg", "orientation-6.jpg"];
  await choose(page, ...names.map(photo));
  await card(page, names[0]).locator(".placeholder[src^='data:image']").waitFor();
  for (const name of names) await ready(page, name);
  for (const name of names) {
    const [width] = await card(page, name).locator(".photo").evaluate((img) => [img.naturalWidth]);
    assert.ok(width > 0, `${name} is shown`);
  }
  assert.match(await card(page, "photo-6mp.jpg").locator(".state").textContent(), /\d+ × \d+/);
  await shot(page, "desktop-light");
  assert.deepEqual(await violations(page), []);
  assert.deepEqual(page.errors, []);
  await page.reload();
  await ready(page, "photo-6mp.jpg");
  assert.match(await card(page, "photo-6mp.jpg").locator(".placeholder").getAttribute("src"), /^data:image\/png/);
  await page.context().close();
});

test("what is no photo, too large or of no known type says so and nothing is retried in vain", async () => {
  const page = await signedIn(browser, { colorScheme: "dark" });
  await choose(page, made("notes.jpg", "Dear diary, this is no photo."), padded("photo-6mp.jpg", 33 * 1024 * 1024), cut("photo-6mp.jpg", 20));
  for (const [name, message] of [["notes.jpg", /not a photo/], ["padded-photo-6mp.jpg", /too large/], ["20-percent-photo-6mp.jpg", /damaged/]]) {
    const state = card(page, name).locator(".state");
    await page.waitForFunction((element) => element.closest(".card").classList.contains("bad"), await state.elementHandle());
    assert.match(await state.textContent(), message);
  }
  assert.equal(await card(page, "notes.jpg").locator(".retry").isHidden(), true);
  // It was never announced.
  await card(page, "notes.jpg").getByRole("button", { name: "Remove notes.jpg" }).waitFor();
  await shot(page, "errors-dark");
  assert.deepEqual(await violations(page), []);
  await page.context().close();
});

test("a damaged photo is shown and says how much of it came", async () => {
  const page = await signedIn(browser);
  await choose(page, cut("photo-6mp.jpg", 90));
  await ready(page, "90-percent-photo-6mp.jpg");
  const state = await card(page, "90-percent-photo-6mp.jpg").locator(".state").textContent();
  assert.match(state, /^3000 × 2000 · .* · Part of this photo is missing: (8\d|9[0-5]) % of it came\.$/);
  await page.context().close();
});

test("a connection lost in the middle is retried, and a lost answer that meets 412 is a success", async () => {
  const page = await signedIn(browser);
  let puts = 0;
  const statuses = [];
  const bucket = (url) => url.pathname.includes(stack.originals_bucket);
  await page.route(bucket, async (route) => {
    if (route.request().method() !== "PUT") return route.continue();
    puts += 1;
    if (puts <= ATTEMPTS) return route.abort("connectionreset");
    const answer = await route.fetch();
    statuses.push(answer.status());
    // The bytes have arrived; the answer has not.
    return puts === ATTEMPTS + 1 ? route.abort("connectionreset") : route.fulfill({ response: answer });
  });
  const name = `lost-${Date.now()}.jpg`; // no other run's
  // From memory: of a file on disk Playwright forwards no bytes.
  await choose(page, { name, mimeType: "image/jpeg", buffer: readFileSync(photo("grayscale.jpg")) });
  const retry = card(page, name).getByRole("button", { name: `Retry ${name}` });
  await retry.waitFor();
  assert.match(await card(page, name).locator(".state").textContent(), /connection was lost/);
  await shot(page, "lost-connection");
  await retry.click();
  await ready(page, name);
  assert.equal(puts, ATTEMPTS + 2);
  assert.deepEqual(statuses, [200, 412]);
  assert.equal(await page.locator(".card .name", { hasText: name }).count(), 1);
  await page.context().close();
});

test("an upload that goes offline half-way is finished by itself when the network is back", async () => {
  const page = await signedIn(browser);
  const network = await page.context().newCDPSession(page);
  const conditions = (offline, uploadThroughput) =>
    network.send("Network.emulateNetworkConditions", { offline, latency: 0, downloadThroughput: -1, uploadThroughput });
  const name = `offline-${Date.now()}.jpg`; // no other run's
  await conditions(false, 150_000);
  await drop(page, name, readFileSync(photo("photo-6mp.jpg")));
  const state = card(page, name).locator(".state");
  await page.waitForFunction((element) => /Uploading [3-8]\d %/.test(element.textContent), await state.elementHandle());
  await shot(page, "uploading");
  await conditions(true, 0);
  await card(page, name).getByRole("button", { name: `Retry ${name}` }).waitFor();
  assert.match(await state.textContent(), /connection was lost/);
  await conditions(false, -1);
  await ready(page, name);
  assert.equal(await page.locator(".card .name", { hasText: name }).count(), 1);
  await page.context().close();
});

test("a photo whose bytes did not come in time is sent as another one", async () => {
  const page = await signedIn(browser);
  const keys = [];
  await page.route((url) => url.pathname.endsWith("/photo/upload"), async (route) => {
    keys.push(route.request().headers()["idempotency-key"]);
    if (keys.length > 1) return route.continue();
    const answer = await route.fetch();
    return route.fulfill({ response: answer, json: { ...(await answer.json()), status: "expired", upload: null } });
  });
  const name = `late-${Date.now()}.png`; // no other run's
  await choose(page, { name, mimeType: "image/png", buffer: readFileSync(photo("rgb.png")) });
  await ready(page, name);
  assert.deepEqual([keys.length, new Set(keys).size], [2, 2]);
  await page.context().close();
});

test("everything works by keyboard alone, and a deleted photo stays gone", { timeout: 60_000 }, async () => {
  const page = await open(browser);
  const choosers = [];
  // From the beginning: Playwright takes a moment to begin to look out for them.
  page.on("filechooser", (chooser) => choosers.push(chooser));
  await page.locator("#user").waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.id), "user");
  await page.keyboard.type(stack.demo_user);
  await page.keyboard.press("Tab");
  await page.keyboard.type("wrong password");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.getElementById("sign-in-error").textContent);
  assert.deepEqual(await violations(page), []);
  await shot(page, "sign-in");
  await page.keyboard.press("Control+A");
  await page.keyboard.type(stack.demo_password);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Your photos" }).waitFor();
  await page.waitForFunction(() => document.activeElement.id === "choose");
  const name = `keyboard-${Date.now()}.png`; // no other run's
  const file = { name, mimeType: "image/png", buffer: readFileSync(photo("rgb.png")) };
  for (const key of ["Space", "Enter"]) {
    await page.keyboard.press(key);
    while (!choosers.length) await page.waitForTimeout(20);
    await choosers.pop().setFiles(key === "Enter" ? [file] : []);
  }
  await ready(page, name);
  const remove = card(page, name).getByRole("button", { name: `Delete ${name}` });
  for (let tabs = 0; tabs < 12 && !(await remove.evaluate((e) => e === document.activeElement)); tabs++) await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.getElementById("status").textContent.endsWith("is deleted."));
  assert.notEqual(await page.evaluate(() => document.activeElement.tagName), "BODY", "the focus is somewhere");
  await page.reload();
  await page.waitForFunction(() => !document.getElementById("more").disabled && !document.getElementById("photos").hidden);
  assert.equal(await page.locator(".card .name", { hasText: name }).count(), 0);
  await page.context().close();
});

test("on a phone nothing runs out of the screen", async () => {
  const page = await signedIn(browser, { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true, reducedMotion: "reduce" });
  await choose(page, photo("wide.png"));
  await ready(page, "wide.png");
  const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(over <= 0, `${over} px too wide`);
  assert.deepEqual(await violations(page), []);
  await shot(page, "phone");
  await page.context().close();
});

test("the decoder of thumbhashes draws what the reference draws", async () => {
  const api = `${stack.api_url}/api/v4/photo?limit=20`;
  const { photos } = await (await fetch(api, { headers: { authorization: `Bearer ${stack.token}` } })).json();
  const hashes = photos.filter((one) => one.thumbhash).map((one) => Uint8Array.from(Buffer.from(one.thumbhash, "base64")));
  assert.ok(hashes.length > 2, "there are photos to compare");
  for (const hash of hashes) {
    const [ours, reference] = [decode(hash), thumbHashToRGBA(hash)];
    assert.deepEqual([ours.width, ours.height], [reference.w, reference.h]);
    // The reference cuts fractions off, a clamped array rounds.
    reference.rgba.forEach((value, at) => assert.ok(Math.abs(value - ours.rgba[at]) <= 1));
  }
});
