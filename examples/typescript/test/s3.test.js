// The client against an API and an S3 that answer as AWS documents; the file of answers is that of every client's tests.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { test } from "node:test";
import { photodrop } from "../build/client.js";
import { ATTEMPTS, renewing } from "../build/retry.js";
import { s3Action, s3Error } from "../build/s3.js";

const answers = JSON.parse(readFileSync(new URL("../../../tests/s3-answers.json", import.meta.url), "utf8"));
const named = (name) => answers.find((answer) => answer.name === name);

async function serve(answer) {
  const seen = [];
  const server = createServer(async (incoming, outgoing) => {
    const body = Buffer.concat(await incoming.toArray()).toString();
    const request = { method: incoming.method, path: incoming.url, headers: incoming.headers, body };
    seen.push(request);
    const { status = 200, headers = { "content-type": "application/json" }, body: text = "{}" } = answer(request, url);
    if (status === 0) return outgoing.destroy();
    outgoing.writeHead(status, { connection: "close", ...headers }).end(text);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  // A test that fails does not keep the process.
  server.unref();
  const url = `http://127.0.0.1:${server.address().port}`;
  return { url, seen, close: () => server.close() };
}

/** An API that signs, and an S3 that gives these answers before it stores. */
function stack(...given) {
  const left = [...given];
  return serve(({ method }, url) => {
    if (method === "PUT") return left.shift() ?? named("stored");
    const upload = { method: "PUT", url: `${url}/s3`, headers: { "content-type": "image/gif", "if-none-match": "*" }, expires_at: "2026-11-30T02:00:00Z" };
    return { status: 201, body: JSON.stringify({ photo_id: "photo", status: "pending", upload }) };
  });
}

const gif = new TextEncoder().encode("GIF89a");
const send = (server, token = "token") => photodrop(server.url, token).upload({ content_type: "image/gif", size_bytes: 6 }, gif, "key");
const inSeconds = (seconds) => ["{}", JSON.stringify({ exp: Math.floor(Date.now() / 1000) + seconds }), "x"].map((part) => Buffer.from(part).toString("base64url")).join(".");

test("S3's answers mean what S3 documents", () => {
  for (const { name, status, body, action } of answers) assert.equal(s3Action(status, s3Error(body)), action, name);
});

for (const answer of answers.filter(({ status }) => status > 200)) {
  test(`after S3's "${answer.name}" the client does: ${answer.action}`, async () => {
    const server = await stack(answer);
    const outcome = await send(server).catch((error) => error.code);
    const count = (wanted) => server.seen.filter(({ method }) => method === wanted).length;
    const expected = { again: [1, 2, "photo"], sign: [2, 2, "photo"], present: [1, 1, "photo"], refused: [1, 1, "STORAGE"] }[answer.action];
    assert.deepEqual([count("POST"), count("PUT"), outcome], expected);
    for (const { method, headers } of server.seen) assert.equal(headers.authorization, method === "PUT" ? undefined : "Bearer token");
    server.close();
  });
}

test("an S3 that stays so is asked a bounded number of times", async () => {
  for (const [name, puts] of [["slow down", ATTEMPTS], ["session credentials expired", 3]]) {
    const server = await stack(...Array(20).fill(named(name)));
    await assert.rejects(send(server), { code: "STORAGE" });
    assert.equal(server.seen.filter(({ method }) => method === "PUT").length, puts);
    server.close();
  }
});

test("the API is asked again after 429 and 503, as late as it says, and not after a long wait", async () => {
  for (const [status, seconds, requests] of [[503, 1, 3], [429, 1, 3], [429, 3600, 1]]) {
    let left = 2;
    const server = await serve(() => (left-- > 0
      ? { status, headers: { "retry-after": String(seconds), "content-type": "application/json" }, body: '{"message":"Too Many Requests"}' }
      : { body: '{"photo_id":"photo","status":"ready"}' }));
    const began = Date.now();
    const outcome = await photodrop(server.url, "token").settled("photo").then(({ status }) => status, ({ code }) => code);
    assert.deepEqual([server.seen.length, outcome], [requests, requests === 3 ? "ready" : String(status)]);
    if (requests === 3) assert.ok(Date.now() - began >= 2000);
    server.close();
  }
});

test("a token is renewed before it ends, and after a refusal", async () => {
  const fresh = inSeconds(3600);
  for (const [seconds, sent] of [[-10, ["fresh"]], [30, ["fresh"]], [600, ["old", "fresh"]]]) {
    const old = inSeconds(seconds);
    const server = await serve(({ headers }) => (headers.authorization === `Bearer ${fresh}`
      ? { body: '{"photo_id":"photo","status":"ready"}' }
      : { status: 401, body: '{"message":"Unauthorized"}' }));
    let renewed = 0;
    const client = photodrop(server.url, renewing(old, async () => (renewed++, fresh)));
    assert.equal((await client.settled("photo")).status, "ready");
    assert.equal((await client.settled("photo")).status, "ready");
    const names = server.seen.map(({ headers }) => (headers.authorization === `Bearer ${fresh}` ? "fresh" : "old"));
    assert.deepEqual([names, renewed], [[...sent, "fresh"], 1]);
    server.close();
  }
});

test("a refused token without another one is an error at once", async () => {
  const server = await serve(() => ({ status: 401, body: '{"message":"Unauthorized"}' }));
  await assert.rejects(photodrop(server.url, "token").settled("photo"), { code: "401" });
  assert.equal(server.seen.length, 1);
  server.close();
});

test("a lost connection after the expiry of a signature asks for another one", async () => {
  for (const [expires_at, signatures] of [["2020-01-01T00:00:00Z", 2], ["2999-01-01T00:00:00Z", 1]]) {
    let lost = 1;
    const server = await serve(({ method }, url) => {
      if (method === "PUT") return lost-- > 0 ? { status: 0 } : named("stored");
      return { status: 201, body: JSON.stringify({ photo_id: "photo", status: "pending", upload: { method: "PUT", url: `${url}/s3`, headers: {}, expires_at } }) };
    });
    assert.equal(await send(server), "photo");
    const count = (wanted) => server.seen.filter(({ method }) => method === wanted).length;
    assert.deepEqual([count("POST"), count("PUT")], [signatures, 2]);
    server.close();
  }
});
