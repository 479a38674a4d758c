// Another origin's page, and a stolen refresh token of a session that has ended, get nothing.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { cognito, launch, open, signedIn, stack } from "./support.js";

let browser;
let foreign;
before(async () => {
  browser = await launch();
  foreign = createServer((_, answer) => answer.setHeader("content-type", "text/html").end("<!doctype html><title>Another site</title>"));
  await new Promise((resolve) => foreign.listen(0, "127.0.0.1", resolve));
});
after(async () => {
  await browser?.close();
  foreign?.close();
});

const refresh = (token) =>
  cognito("InitiateAuth", { ClientId: stack.user_pool_client_id, AuthFlow: "REFRESH_TOKEN_AUTH", AuthParameters: { REFRESH_TOKEN: token } });
const refreshToken = (page) => page.evaluate(() => JSON.parse(sessionStorage.getItem("photodrop")).refreshToken);

test("sign-out revokes the refresh token", async () => {
  const page = await signedIn(browser);
  const token = await refreshToken(page);
  assert.equal((await refresh(token)).status, 200);
  const revoked = page.waitForResponse((answer) => answer.request().headers()["x-amz-target"]?.endsWith(".RevokeToken"));
  await page.getByRole("button", { name: "Sign out" }).click();
  assert.equal((await revoked).status(), 200);
  const { status, body } = await refresh(token);
  assert.equal(status, 400);
  assert.match(body.message, /revoked/i);
  assert.equal(await page.evaluate(() => sessionStorage.getItem("photodrop")), null);
  assert.equal(await page.locator("#sign-in-error").textContent(), "");
  assert.deepEqual(page.errors, []);
  await page.context().close();
});

test("sign-out without a connection ends the session on the page and says so", async () => {
  const page = await signedIn(browser);
  await page.context().setOffline(true);
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.locator("#sign-in-error", { hasText: "signed out on this page" }).waitFor();
  assert.equal(await page.evaluate(() => sessionStorage.getItem("photodrop")), null);
  await page.context().close();
});

test("no frame shows the page", async () => {
  const page = await open(browser);
  await page.goto(`http://127.0.0.1:${foreign.address().port}/`);
  const answered = page.waitForEvent("requestfinished", (request) => request.url() === stack.web_url).catch(() => {});
  await page.evaluate((url) => {
    const frame = document.createElement("iframe");
    frame.src = url;
    document.body.append(frame);
    return new Promise((resolve) => (frame.onload = resolve));
  }, stack.web_url);
  await Promise.race([answered, new Promise((resolve) => setTimeout(resolve, 1000))]);
  assert.ok(!page.frames().some((frame) => frame.url() === stack.web_url), "the frame is empty");
  const answer = await fetch(stack.web_url);
  assert.equal(answer.headers.get("content-security-policy"), "frame-ancestors 'none'");
  assert.equal(answer.headers.get("x-frame-options"), "DENY");
  await page.context().close();
});

test("a page of another origin is refused by the emulator and by the page's server", async () => {
  const page = await open(browser);
  await page.goto(`http://127.0.0.1:${foreign.address().port}/`);
  const seen = new Map();
  page.on("response", (answer) => seen.set(answer.url(), answer.status()));
  const credential = encodeURIComponent(`test/20260101/${stack.region}/lambda/aws4_request`);
  const attempts = [
    [`${stack.endpoint}/_ministack/reset`, { method: "POST", body: "{}" }],
    [`${stack.endpoint}/_ministack/config`, { method: "POST", body: "{}" }],
    [`${stack.endpoint}/_ministack/health`, {}],
    [`${stack.endpoint}/2015-03-31/functions?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=${credential}&X-Amz-Signature=0`, { method: "POST", body: "{}" }],
    [`${stack.endpoint}/${stack.originals_bucket}`, {}],
    [`${stack.api_url}/health`, {}],
    [`${stack.web_url}config.json`, {}],
  ];
  for (const [url, options] of attempts) {
    await page.evaluate(([url, options]) => fetch(url, { mode: "no-cors", headers: { "content-type": "text/plain" }, ...options }), [url, options]);
    const cors = await page.evaluate(([url, options]) => fetch(url, options).then((answer) => answer.status, () => "blocked"), [url, options]);
    assert.equal(cors, "blocked", url);
    assert.equal(seen.get(url), 403, url);
  }
  // Nothing was reset.
  assert.equal((await fetch(`${stack.api_url}/health/ready`)).status, 200);
  await page.context().close();
});
