// A stack, a browser and real photos.

import { createHash, createHmac } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const root = new URL("../../../", import.meta.url).pathname;
export const stack = JSON.parse(readFileSync(process.env.PHOTODROP_STACK ?? join(root, ".local/stack.json"), "utf8"));
export const photo = (name) => join(root, "crates/photo-imaging/testdata", name);
export const scratch = mkdtempSync(join(tmpdir(), "photodrop-web-"));
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const shots = join(root, ".local/screenshots");
mkdirSync(shots, { recursive: true });

/** A file made for a test. */
export function made(name, bytes) {
  const path = join(scratch, name);
  writeFileSync(path, bytes);
  return path;
}

/** A real photo made larger by a comment at its end that decoders skip. */
export function padded(name, bytes) {
  return made(`padded-${name}`, Buffer.concat([readFileSync(photo(name)), Buffer.alloc(bytes)]));
}

/** The first part of a real photo. */
export function cut(name, percent) {
  const bytes = readFileSync(photo(name));
  return made(`${percent}-percent-${name}`, bytes.subarray(0, (bytes.length * percent) / 100));
}

export const launch = () =>
  chromium.launch({
    executablePath: process.env.PHOTODROP_CHROMIUM ?? "/usr/bin/chromium",
    // As root in a container there is no sandbox, and the network is closed: nothing is to be looked up.
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync"],
  });

/** The page, signed in as the demo user. */
export async function open(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1200, height: 850 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(45_000);
  page.errors = [];
  page.on("pageerror", (error) => page.errors.push(String(error)));
  page.on("console", (message) => message.text().includes("Content Security Policy") && page.errors.push(message.text()));
  await page.goto(stack.web_url);
  return page;
}

export async function signedIn(browser, options) {
  const page = await open(browser, options);
  await page.getByRole("button", { name: "Continue as the demo user" }).click();
  await page.getByRole("heading", { name: "Your photos" }).waitFor();
  await page.waitForFunction(() => !document.getElementById("more").disabled);
  return page;
}

/** Calls one of Cognito's operations that need no signature. */
export async function cognito(operation, body) {
  const answer = await fetch(`${stack.endpoint}/`, {
    method: "POST",
    headers: { "content-type": "application/x-amz-json-1.1", "x-amz-target": `AWSCognitoIdentityProviderService.${operation}` },
    body: JSON.stringify(body),
  });
  return { status: answer.status, body: await answer.json() };
}

/** Calls one of Cognito's operations for administrators, signed by Signature Version 4. */
export async function cognitoAdmin(operation, body) {
  const text = JSON.stringify({ UserPoolId: stack.user_pool_id, ...body });
  const date = new Date().toISOString().replace(/[-:]|\.\d+/g, "");
  const scope = [date.slice(0, 8), stack.region, "cognito-idp", "aws4_request"];
  const headers = { "content-type": "application/x-amz-json-1.1", host: new URL(stack.endpoint).host, "x-amz-date": date, "x-amz-target": `AWSCognitoIdentityProviderService.${operation}` };
  const names = Object.keys(headers).join(";");
  const sha256 = (data) => createHash("sha256").update(data).digest("hex");
  const canonical = ["POST", "/", "", ...Object.entries(headers).map((pair) => pair.join(":")), "", names, sha256(text)].join("\n");
  const hmac = (key, data) => createHmac("sha256", key).update(data).digest();
  const key = scope.reduce(hmac, `AWS4${stack.secret_access_key}`);
  const signature = hmac(key, ["AWS4-HMAC-SHA256", date, scope.join("/"), sha256(canonical)].join("\n")).toString("hex");
  const authorization = `AWS4-HMAC-SHA256 Credential=${stack.access_key_id}/${scope.join("/")}, SignedHeaders=${names}, Signature=${signature}`;
  const answer = await fetch(`${stack.endpoint}/`, { method: "POST", headers: { ...headers, authorization }, body: text });
  if (!answer.ok) throw new Error(`${operation} answered ${answer.status}: ${await answer.text()}`);
}

/** What axe-core finds against WCAG 2.2 AA. */
export async function violations(page) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => window.axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
  return found.violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.target).join(", ")}`);
}

export const choose = (page, ...files) => page.locator("#files").setInputFiles(files);
export const card = (page, name) => page.locator(".card").filter({ has: page.locator(".name", { hasText: new RegExp(`^${name.replaceAll(".", "\\.")}$`) }) }).first();
export const ready = (page, name) => card(page, name).locator(".photo.shown").waitFor();
export const shot = (page, name) => page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });
