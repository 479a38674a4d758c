// The example against a deployed stack; make e2e runs it.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { photodrop } from "../build/client.js";

const example = new URL("..", import.meta.url).pathname;
const photo = (name) => new URL(`../../../crates/photo-imaging/testdata/${name}`, import.meta.url).pathname;
const file = process.env.PHOTODROP_STACK ?? join(example, "../../.local/stack.json");
const stack = JSON.parse(readFileSync(file, "utf8"));
const run = (...files) => spawnSync(process.execPath, ["build/upload.js", ...files], { cwd: example, encoding: "utf8" });

test("photos are uploaded, listed and deleted by the types of the description", async () => {
  const { status, stdout, stderr } = run(photo("photo-6mp.jpg"), photo("alpha.png"));
  assert.equal(status, 0, stderr);
  const lines = stdout.trim().split("\n").map((line) => JSON.parse(line));
  assert.equal(lines.length, 2);
  assert.ok(lines.every((line) => line.variants > 0));
  const client = photodrop(stack.api_url, stack.token);
  const listed = await all(client.photos());
  for (const { photo_id } of lines) {
    assert.ok(listed.some((one) => one.photo_id === photo_id), "it is in the list");
    await client.remove(photo_id);
    await assert.rejects(client.settled(photo_id), { code: "NOT_FOUND" });
  }
});

test("a text file named .jpg fails by its code, and the rest is uploaded", () => {
  const text = join(mkdtempSync(join(tmpdir(), "photodrop-")), "notes.jpg");
  writeFileSync(text, "Dear diary, this is no photo.");
  const { status, stdout, stderr } = run(text, photo("rgb.png"));
  assert.equal(status, 1);
  assert.match(stderr, /notes\.jpg: NOT_AN_IMAGE/);
  assert.equal(stdout.trim().split("\n").length, 1);
});

test("a refusal has the code of the description", async () => {
  const client = photodrop(stack.api_url, stack.token);
  const announced = { content_type: "image/jpeg", size_bytes: 10 ** 9 };
  await assert.rejects(client.upload(announced, new Uint8Array(), "too-large"), { code: "TOO_LARGE" });
  await assert.rejects(photodrop(stack.api_url, "nobody's").settled("x"), { code: "401" });
});

async function all(photos) {
  const found = [];
  for await (const photo of photos) found.push(photo);
  return found;
}
