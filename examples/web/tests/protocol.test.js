// What the clients in JavaScript do alike, against servers that answer as AWS documents.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ATTEMPTS, backOff, caller, s3Action, s3Error, tokenSource } from "../protocol.js";
import { inSeconds, s3Answers, serve, tokenWith } from "./stub.js";

for (const { name, status, body, action, complete = action } of s3Answers) {
  test(`S3's answer "${name}" means ${action}`, () => {
    assert.equal(s3Action(status, s3Error(body)), action);
    assert.equal(s3Action(status, s3Error(body), true), complete);
  });
}

test("pauses grow to a bound and last as long as Retry-After says", () => {
  for (let attempt = 1; attempt < 40; attempt++) {
    const pause = backOff(attempt);
    assert.ok(pause >= 200 && pause <= 20_000, `${attempt}: ${pause}`);
  }
  assert.ok(backOff(4) > backOff(1));
  assert.ok(backOff(1, 3) >= 3000);
});

const answers = (...given) => {
  const left = [...given];
  return () => left.shift() ?? { status: 200, body: {} };
};

test("429 and 5xx are tried again after Retry-After", async () => {
  for (const answer of [
    { status: 503, headers: { "retry-after": "1" }, body: { code: "UNAVAILABLE" } },
    { status: 429, headers: { "retry-after": "1", "content-type": "application/json" }, body: '{"message":"Too Many Requests"}' },
    { status: 500, headers: { "content-type": "application/json" }, body: '{"message":"Internal Server Error"}' },
    { status: 504, body: "" },
  ]) {
    const server = await serve(answers(answer, answer));
    const began = Date.now();
    assert.equal((await caller(server.url, () => "token")("GET", "")).status, 200);
    assert.equal(server.seen.length, 3);
    if (answer.headers?.["retry-after"]) assert.ok(Date.now() - began >= 2000, `${answer.status} waits`);
    server.close();
  }
});

test("a refusal, and a wait that is too long, are told at once", async () => {
  for (const [answer, code] of [
    [{ status: 400, body: { code: "INVALID_REQUEST" } }, "INVALID_REQUEST"],
    [{ status: 429, headers: { "retry-after": "3600" }, body: { code: "QUOTA_EXCEEDED" } }, "QUOTA_EXCEEDED"],
    [{ status: 501, body: "" }, "UNAVAILABLE"],
  ]) {
    const server = await serve(() => answer);
    await assert.rejects(caller(server.url, () => "token")("GET", ""), { code });
    assert.equal(server.seen.length, 1);
    server.close();
  }
});

test("a server that stays busy is asked a bounded number of times", async () => {
  const server = await serve(() => ({ status: 503, body: "" }));
  await assert.rejects(caller(server.url, () => "token")("GET", ""), { code: "UNAVAILABLE", status: 503 });
  assert.equal(server.seen.length, ATTEMPTS);
  server.close();
});

test("a token is renewed before it ends, once for all calls at the same time", async () => {
  const fresh = { token: tokenWith({ exp: inSeconds(3600), sub: "fresh" }) };
  for (const [exp, renewals] of [[inSeconds(-10), 1], [inSeconds(30), 1], [inSeconds(600), 0], [undefined, 0]]) {
    let renewed = 0;
    const old = tokenWith({ exp });
    const token = tokenSource({ token: old }, async () => (renewed++, fresh));
    const given = await Promise.all([token(), token(), token()]);
    assert.equal(renewed, renewals, `exp ${exp}`);
    assert.deepEqual(new Set(given), new Set([renewals ? fresh.token : old]));
  }
});

test("a clock that is ahead renews a token once and not for each call", async () => {
  let renewed = 0;
  const renew = async () => (renewed++, { token: tokenWith({ exp: inSeconds(-5) }), expiresAt: Date.now() + 3_600_000 });
  const token = tokenSource({ token: tokenWith({ exp: inSeconds(-3600) }) }, renew);
  for (let call = 0; call < 3; call++) await token();
  assert.equal(renewed, 1);
});

test("a token that cannot be renewed is sent until it ends", async () => {
  const lost = async () => { throw Object.assign(new Error(), { code: "NETWORK" }); };
  const nearly = tokenWith({ exp: inSeconds(30) });
  assert.equal(await tokenSource({ token: nearly }, lost)(), nearly);
  await assert.rejects(tokenSource({ token: nearly }, lost)(nearly), { code: "NETWORK" });
  await assert.rejects(tokenSource({ token: tokenWith({ exp: inSeconds(-1) }) }, lost)(), { code: "NETWORK" });
});

/** An API that takes one token alone, and refuses as API Gateway's authorizer does. */
const gateway = (good, hidden) => ({ path, headers }) => {
  if (path === "/health" || headers.authorization === `Bearer ${good}`) return { status: 200, body: {} };
  const authenticate = 'Bearer scope="" error="invalid_token" error_description="the token has expired"';
  return { status: 401, hidden, headers: { "content-type": "application/json", "www-authenticate": authenticate }, body: '{"message":"Unauthorized"}' };
};

test("a refused token is renewed once, and what was asked is asked again", async () => {
  const server = await serve(gateway("good"));
  let renewed = 0;
  const call = caller(server.url, tokenSource({ token: "bad" }, async () => (renewed++, { token: "good" })));
  const answer = await call("POST", "/upload", { body: { size_bytes: 1 }, headers: { "idempotency-key": "k" } });
  assert.equal(answer.status, 200);
  assert.deepEqual(server.seen.map(({ headers }) => headers.authorization), ["Bearer bad", "Bearer good"]);
  assert.deepEqual(server.seen.map(({ body }) => body), Array(2).fill('{"size_bytes":1}'));
  await call("GET", "");
  assert.deepEqual([server.seen.length, renewed], [3, 1]);
  server.close();
});

test("a refused token without another one ends the session at once", async () => {
  for (const renew of [async () => undefined, async () => ({ token: "bad" }), async () => ({ token: "also bad" })]) {
    const server = await serve(gateway("good"));
    await assert.rejects(caller(server.url, tokenSource({ token: "bad" }, renew))("GET", ""), { code: "UNAUTHENTICATED" });
    assert.ok(server.seen.length <= 2);
    server.close();
  }
});

/** The same where a browser hides the refusal: the request fails, and `/health` can be read. */
const hidingGateway = (good) => ({ path, headers }) => ({ status: path === "/health" || headers.authorization === `Bearer ${good}` ? 200 : 0, body: {} });

test("a refusal that a browser hides renews the token", async () => {
  const server = await serve(hidingGateway("good"));
  let renewed = 0;
  const call = caller(server.url, tokenSource({ token: "bad" }, async () => (renewed++, { token: "good" })));
  assert.equal((await call("GET", "")).status, 200);
  assert.equal(renewed, 1);
  server.close();
});

test("a hidden refusal of a token that cannot be replaced ends the session, at once if the token has ended", async () => {
  for (const [token, requests] of [["bad", ATTEMPTS], [tokenWith({ exp: inSeconds(-5) }), 1]]) {
    const server = await serve(hidingGateway("good"));
    await assert.rejects(caller(server.url, tokenSource({ token }))("GET", ""), { code: "UNAUTHENTICATED" });
    assert.equal(server.seen.filter(({ path }) => path !== "/health").length, requests);
    server.close();
  }
});

test("an API whose answers stay hidden from a fresh token too does not end the session", async () => {
  const server = await serve(hidingGateway("no token"));
  const call = caller(server.url, tokenSource({ token: "old" }, async () => ({ token: "fresh" })));
  await assert.rejects(call("GET", ""), { code: "UNAVAILABLE" });
  server.close();
});

test("a lost connection is no refusal", async () => {
  let renewed = 0;
  const server = await serve(() => ({ status: 0 }));
  await assert.rejects(caller(server.url, tokenSource({ token: "good" }, async () => (renewed++, undefined)))("GET", ""), { code: "NETWORK" });
  assert.equal(renewed, 0);
  server.close();
});

test("hidden answers renew no token in the first half of its life and end no session", async () => {
  const young = { iat: inSeconds(-60), exp: inSeconds(3540) };
  for (const [claims, renewals] of [[young, 0], [{ exp: inSeconds(3540) }, 0], [{ iat: inSeconds(-2400), exp: inSeconds(1200) }, 1]]) {
    const server = await serve(hidingGateway("no token"));
    let renewed = 0;
    const token = tokenSource({ token: tokenWith(claims) }, async () => (renewed++, undefined));
    await assert.rejects(caller(server.url, token)("GET", ""), { code: "UNAVAILABLE" });
    assert.deepEqual([renewed, server.seen.filter(({ path }) => path !== "/health").length], [renewals, ATTEMPTS]);
    server.close();
  }
});

test("hidden answers end as busy where sign-in is busy too", async () => {
  const server = await serve(hidingGateway("no token"));
  const renew = async () => { throw Object.assign(new Error(), { code: "NETWORK" }); };
  const call = caller(server.url, tokenSource({ token: tokenWith({ iat: inSeconds(-2400), exp: inSeconds(1200) }) }, renew));
  await assert.rejects(call("GET", ""), { code: "UNAVAILABLE" });
  server.close();
});

test("a call without an answer is given up and sent again, and is no refusal", async () => {
  let calls = 0;
  let renewed = 0;
  const server = await serve(({ path }) => (path !== "/health" && calls++ < 2 ? new Promise(() => {}) : { status: 200, body: {} }));
  const call = caller(server.url, tokenSource({ token: "token" }, async () => (renewed++, undefined)), { timeout: 300 });
  assert.equal((await call("GET", "")).status, 200);
  assert.deepEqual([calls, renewed], [3, 0]);
  server.close();
});
