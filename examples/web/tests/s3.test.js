// The page's uploads against S3 as it documents its answers: the server here gives them byte for byte.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Api } from "../api.js";
import { ATTEMPTS } from "../protocol.js";
import { Upload, group } from "../upload.js";
import { XmlHttpRequest, s3Answer, s3Answers, serve } from "./stub.js";

globalThis.XMLHttpRequest = XmlHttpRequest;

/** An API with one photo for each announcement, and an S3 that gives these answers before it stores. */
function stack(...given) {
  const left = [...given];
  const photos = new Map();
  const announced = (body, url) => {
    const id = `photo-${body.file_name}`;
    if (!photos.has(id)) photos.set(id, "pending");
    const upload = photos.get(id) === "pending" ? { method: "PUT", url: `${url}/s3/${id}`, headers: { "content-length": "6", "content-type": "image/gif", "if-none-match": "*" } } : null;
    return { photo_id: id, status: photos.get(id), upload };
  };
  return serve(({ method, path, body }, url) => {
    if (method === "PUT") {
      const answer = left.shift() ?? s3Answer("stored");
      if ([200, 412].includes(answer.status)) photos.set(path.slice("/s3/".length), "ready");
      return answer;
    }
    if (path.endsWith("/upload")) return { status: 201, body: announced(JSON.parse(body), url) };
    if (path.endsWith("/uploads")) return { status: 201, body: { uploads: JSON.parse(body).uploads.map((one) => announced(one, url)) } };
    const photo_id = path.split("/").at(-1);
    return { status: 200, body: { photo_id, status: photos.get(photo_id) } };
  });
}

const gif = (name = "a.gif") => new File(["GIF89a"], name);
const upload = (server, name) => new Upload(new Api(server.url, "token"), gif(name), () => {});
const asked = (server, end) => server.seen.filter(({ method, path }) => method === "POST" && path.endsWith(end)).length;
const puts = (server) => server.seen.filter(({ method }) => method === "PUT");

for (const answer of s3Answers.filter(({ status }) => status > 200)) {
  test(`after S3's "${answer.name}" the page does: ${answer.action}`, async () => {
    const server = await stack(answer);
    const outcome = await upload(server).run().catch((problem) => problem);
    // A new signature is asked for under the same key, so that it is the same photo.
    const expected = { again: [1, 2], sign: [2, 2], present: [1, 1], refused: [1, 1] }[answer.action];
    assert.deepEqual([asked(server, "/upload"), puts(server).length], expected);
    assert.equal(new Set(server.seen.map(({ headers }) => headers["idempotency-key"]).filter(Boolean)).size, 1);
    assert.equal(answer.action === "refused" ? outcome.code : outcome.status, answer.action === "refused" ? "STORAGE" : "ready");
    server.close();
  });
}

test("an S3 that stays busy is asked a bounded number of times", async () => {
  const server = await stack(...Array(20).fill(s3Answer("SlowDown")));
  await assert.rejects(upload(server).run(), { code: "UNAVAILABLE" });
  assert.equal(puts(server).length, ATTEMPTS);
  server.close();
});

test("a PUT to S3 carries the signed headers and no Authorization", async () => {
  const server = await stack(s3Answer("ExpiredToken"), s3Answer("SlowDown"));
  await upload(server).run();
  assert.equal(puts(server).length, 3);
  for (const { headers } of puts(server)) {
    assert.equal(headers.authorization, undefined);
    assert.deepEqual([headers["content-type"], headers["if-none-match"]], ["image/gif", "*"]);
  }
  for (const { headers } of server.seen.filter(({ path }) => path.startsWith("/api"))) assert.equal(headers.authorization, "Bearer token");
  server.close();
});

test("several files are asked for by one request", async () => {
  const server = await stack();
  const uploads = Array.from({ length: 30 }, (_, at) => upload(server, `${at}.gif`));
  group(uploads);
  group(uploads.slice(25));
  const photos = await Promise.all(uploads.map((one) => one.run()));
  assert.deepEqual([...new Set(photos.map(({ status }) => status))], ["ready"]);
  const sizes = server.seen.filter(({ path }) => path.endsWith("/uploads")).map(({ body }) => JSON.parse(body).uploads.length);
  assert.deepEqual([sizes.sort(), asked(server, "/upload")], [[25, 5], 0].map((one) => (Array.isArray(one) ? one.sort() : one)));
  assert.equal(puts(server).length, 30);
  server.close();
});

test("a batch ends before its bytes take longer than a signature lives", () => {
  const sized = (size) => ({ file: { size } });
  const uploads = [sized(5e6), sized(3e6), sized(1e6), sized(9e6)];
  group(uploads);
  assert.deepEqual(uploads.map(({ batch }) => batch?.members.length), [2, 2, undefined, undefined]);
});

test("a batch whose URL has expired is asked for again under its key", async () => {
  const server = await stack(s3Answer("signature expired"));
  const uploads = [upload(server, "a.gif"), upload(server, "b.gif")];
  group(uploads);
  for (const one of uploads) assert.equal((await one.run()).status, "ready");
  const batches = server.seen.filter(({ path }) => path.endsWith("/uploads"));
  assert.equal(new Set(batches.map(({ headers, body }) => headers["idempotency-key"] + body)).size, 1);
  assert.ok(batches.length >= 2);
  server.close();
});

test("what is no photo is left out of its batch", async () => {
  const server = await stack();
  const uploads = [upload(server, "a.gif"), new Upload(new Api(server.url, "token"), new File(["text"], "b.gif"), () => {}), upload(server, "c.gif")];
  group(uploads);
  const outcomes = await Promise.allSettled(uploads.map((one) => one.run()));
  assert.deepEqual(outcomes.map(({ value, reason }) => value?.status ?? reason.code), ["ready", "NOT_AN_IMAGE", "ready"]);
  server.close();
});

test("the files of a refused batch are asked for one by one", async () => {
  const inner = await stack();
  const server = await serve(async (request, url) => {
    if (request.path.endsWith("/uploads")) return { status: 413, body: { code: "TOO_LARGE", errors: [{ pointer: "/uploads/1/size_bytes" }] } };
    if (request.path.endsWith("/upload") && request.body.includes("b.gif")) return { status: 413, body: { code: "TOO_LARGE" } };
    const { method, headers, body } = request;
    const answer = await fetch(inner.url + request.path, { method, headers: { "idempotency-key": headers["idempotency-key"] ?? "" }, body: body || undefined });
    return { status: answer.status, body: await answer.text(), headers: { "content-type": "application/json" } };
  });
  const uploads = ["a.gif", "b.gif", "c.gif"].map((name) => upload(server, name));
  group(uploads);
  const outcomes = await Promise.allSettled(uploads.map((one) => one.run()));
  assert.deepEqual(outcomes.map(({ value, reason }) => value?.status ?? reason.code), ["ready", "TOO_LARGE", "ready"]);
  assert.equal(asked(server, "/uploads"), 1);
  server.close();
  inner.close();
});

test("a batch whose photo was deleted meanwhile still finds the others", async () => {
  let batches = 0;
  const statuses = { "photo-a.gif": "ready", "photo-b.gif": "pending" };
  const server = await serve(({ method, path, body }, url) => {
    const signed = { method: "PUT", url: `${url}/s3`, headers: {} };
    if (method === "PUT") return s3Answer("signature expired");
    if (method === "DELETE") return { status: 204 };
    if (path.endsWith("/uploads")) {
      if (batches++) return { status: 409, body: { code: "IDEMPOTENCY_CONFLICT" } };
      return { status: 201, body: { uploads: JSON.parse(body).uploads.map(({ file_name }) => ({ photo_id: `photo-${file_name}`, status: "pending", upload: signed })) } };
    }
    if (path.endsWith("/upload")) return { status: 201, body: { photo_id: "new", status: "ready", upload: null } };
    const photo_id = path.split("/").at(-1);
    return { status: 200, body: { photo_id, status: statuses[photo_id] ?? "ready" } };
  });
  const uploads = ["a.gif", "b.gif"].map((name) => upload(server, name));
  group(uploads);
  assert.equal((await uploads[0].run()).photo_id, "photo-a.gif");
  assert.equal((await uploads[1].run()).photo_id, "new");
  assert.deepEqual(server.seen.filter(({ method }) => method === "DELETE").map(({ path }) => path), ["/api/v4/photo/photo-b.gif"]);
  server.close();
});
