// Tokens that are refused, have ended or were renewed, by the gateway and the user pool of a stack.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { card, choose, cognito, cognitoAdmin, launch, open, photo, ready, shot, signedIn, stack, violations } from "./support.js";

let browser;
before(async () => (browser = await launch()));
after(() => browser?.close());

const isApi = (url) => url.pathname.includes("/api/v4/photo");
const kept = (page) => page.evaluate(() => JSON.parse(sessionStorage.getItem("photodrop")));
const change = (page, session) => page.evaluate((session) => sessionStorage.setItem("photodrop", JSON.stringify(session)), session);
/** The token past the half of its life, with a signature that the gateway refuses. */
const spoiled = (token, changed = {}) => {
  const [header, payload, signature] = token.split(".");
  const claims = JSON.parse(Buffer.from(payload, "base64url"));
  return [header, Buffer.from(JSON.stringify({ ...claims, iat: claims.iat - 7200, ...changed })).toString("base64url"), signature].join(".");
};
const listed = (page) => page.waitForFunction(() => !document.getElementById("photos").hidden && !document.getElementById("more").disabled);

/** The tokens that were sent, each with the status of the answer. The page cannot read every answer: the browser's network log can. */
async function answers(page) {
  const network = await page.context().newCDPSession(page);
  const seen = [];
  const tokens = new Map();
  network.on("Network.requestWillBeSentExtraInfo", ({ requestId, headers }) => {
    const [, bearer] = Object.entries(headers).find(([name]) => name.toLowerCase() === "authorization") ?? [];
    if (bearer) tokens.set(requestId, bearer.slice("Bearer ".length));
  });
  network.on("Network.responseReceivedExtraInfo", ({ requestId, statusCode }) => tokens.has(requestId) && seen.push([tokens.get(requestId), statusCode]));
  await network.send("Network.enable");
  return seen;
}

test("a refused token is renewed, and the photos are listed", async () => {
  const page = await signedIn(browser);
  const session = await kept(page);
  const seen = await answers(page);
  await change(page, { ...session, token: spoiled(session.token) });
  await page.reload();
  await listed(page);
  assert.equal(await page.locator("#notice").textContent(), "");
  const { token } = await kept(page);
  assert.notEqual(token, session.token);
  const statuses = (wanted) => seen.filter(([used]) => used === wanted).map(([, status]) => status);
  assert.deepEqual([...new Set(statuses(spoiled(session.token)))], [401], "the gateway has refused it");
  assert.ok(statuses(token).includes(200));
  await page.context().close();
});

test("a token is renewed before it ends and never sent after", async () => {
  const page = await signedIn(browser);
  const session = await kept(page);
  const seen = await answers(page);
  for (const expiresAt of [Date.now() - 1000, Date.now() + 30_000]) {
    seen.length = 0;
    await change(page, { ...session, expiresAt });
    await page.reload();
    await listed(page);
    assert.ok(seen.length > 0);
    assert.deepEqual(seen.filter(([used, status]) => used === session.token || status === 401), []);
    assert.ok((await kept(page)).expiresAt > Date.now() + 600_000);
  }
  await page.context().close();
});

test("a refused token and a revoked refresh token end the session, and what was stopped goes on after signing in", async () => {
  const page = await signedIn(browser);
  const name = `session-${Date.now()}.png`; // no other run's
  const session = await kept(page);
  const { token, refreshToken } = session;
  // The page lists its photos, and then holds a token that the gateway refuses.
  await page.route(isApi, (route) => route.continue({ headers: { ...route.request().headers(), authorization: `Bearer ${token}` } }));
  await change(page, { ...session, token: spoiled(token) });
  await page.reload();
  await listed(page);
  await page.unrouteAll();
  assert.equal((await cognito("RevokeToken", { ClientId: stack.user_pool_client_id, Token: refreshToken })).status, 200);
  const seen = await answers(page);
  await choose(page, { name, mimeType: "image/png", buffer: readFileSync(photo("rgb.png")) });
  await page.locator("#sign-in-error", { hasText: "You are signed out" }).waitFor();
  assert.deepEqual([...new Set(seen.map(([, status]) => status))], [401], "the gateway has refused it");
  await page.getByRole("button", { name: "Continue as the demo user" }).click();
  await ready(page, name);
  assert.equal(await page.locator(".card .name", { hasText: name }).count(), 1);
  assert.deepEqual(page.errors, []);
  await page.context().close();
});

test("a pasted token that has ended ends the session", async () => {
  const page = await open(browser);
  await page.locator("#by-token summary").click();
  await page.locator("#token").fill(spoiled(stack.token, { exp: Math.floor(Date.now() / 1000) - 60 }));
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.locator("#sign-in-error", { hasText: "You are signed out" }).waitFor();
  await page.context().close();
});

test("photos that could not be listed are not called none", async () => {
  const page = await signedIn(browser);
  await page.route((url) => isApi(url) || url.pathname.endsWith("/health"), (route) => route.abort("connectionreset"));
  await page.reload();
  await page.locator("#notice", { hasText: "connection was lost" }).waitFor();
  assert.equal(await page.locator("#empty").isHidden(), true);
  await page.context().close();
});

test("a user with a temporary password chooses a new one", async () => {
  const [Username, TemporaryPassword, chosen] = [`user-${Date.now()}`, "Temporary-1234", "Chosen by the user 1"];
  await cognitoAdmin("AdminCreateUser", { Username, TemporaryPassword, MessageAction: "SUPPRESS" });
  const page = await open(browser);
  const signIn = async (password) => {
    await page.locator("#user").fill(Username);
    await page.locator("#password").fill(password);
    await page.getByRole("button", { name: "Sign in", exact: true }).click();
  };
  await signIn(TemporaryPassword);
  await page.getByRole("heading", { name: "Choose a new password" }).waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.id), "new-password");
  assert.equal(await page.locator("#sign-in").isHidden(), true);
  for (const weak of ["Short1", "without an upper case letter 1", "Without any digit"]) {
    await page.locator("#new-password").fill(weak);
    const answered = page.waitForResponse((answer) => answer.request().headers()["x-amz-target"]?.endsWith(".RespondToAuthChallenge"));
    await page.getByRole("button", { name: "Save and sign in" }).click();
    await answered;
    await page.locator("#new-password-error", { hasText: "does not meet the rules" }).waitFor();
  }
  assert.deepEqual(await violations(page), []);
  await shot(page, "new-password");
  await page.locator("#new-password").fill(chosen);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Your photos" }).waitFor();
  assert.equal(await page.locator("#who-name").textContent(), Username);
  // From now on the chosen password signs in, and the temporary one does not.
  await page.getByRole("button", { name: "Sign out" }).click();
  await signIn(TemporaryPassword);
  await page.locator("#sign-in-error", { hasText: /password/i }).waitFor();
  await signIn(chosen);
  await page.getByRole("heading", { name: "Your photos" }).waitFor();
  assert.deepEqual(page.errors, []);
  await page.context().close();
});

test("whoever does not choose a new password can sign in as another", async () => {
  const [Username, TemporaryPassword] = [`cancel-${Date.now()}`, "Temporary-1234"];
  await cognitoAdmin("AdminCreateUser", { Username, TemporaryPassword, MessageAction: "SUPPRESS" });
  const page = await open(browser);
  await page.locator("#user").fill(Username);
  await page.locator("#password").fill(TemporaryPassword);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("heading", { name: "Sign in to upload photos" }).waitFor();
  await page.getByRole("button", { name: "Continue as the demo user" }).click();
  await page.getByRole("heading", { name: "Your photos" }).waitFor();
  await page.context().close();
});
