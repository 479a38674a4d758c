// The page's uploads against S3 as it documents its answers: the server here gives them byte for byte.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Api, put } from "../api.js";
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

/** An API whose batch conflicts after its first answer, with photos of these statuses, and an S3 that answers each photo's first PUT so. */
async function conflicting(statuses, answers) {
  let batches = 0;
  return serve(({ method, path, body }, url) => {
    if (method === "PUT") return answers[path.slice("/s3/".length)];
    if (path.endsWith("/uploads")) {
      if (batches++) return { status: 409, body: { code: "IDEMPOTENCY_CONFLICT" } };
      const created = ({ file_name }) => ({ photo_id: `photo-${file_name}`, status: "pending", upload: { method: "PUT", url: `${url}/s3/photo-${file_name}`, headers: {} } });
      return { status: 201, body: { uploads: JSON.parse(body).uploads.map(created) } };
    }
    if (path.endsWith("/upload")) return { status: 201, body: { photo_id: "new", status: "ready", upload: null } };
    const photo_id = path.split("/").at(-1);
    const status = photo_id === "new" ? "ready" : statuses[photo_id];
    return status ? { status: 200, body: { photo_id, status } } : { status: 404, body: { code: "NOT_FOUND" } };
  });
}

test("a batch whose photo was deleted meanwhile still finds the others", async () => {
  const expired = s3Answer("signature expired");
  const server = await conflicting({ "photo-a.gif": "ready", "photo-b.gif": "pending" }, { "photo-a.gif": expired, "photo-b.gif": expired });
  const uploads = ["a.gif", "b.gif", "c.gif"].map((name) => upload(server, name));
  group(uploads);
  assert.equal((await uploads[0].run()).photo_id, "photo-a.gif");
  // No PUT of it was acknowledged: it is sent as another photo, and the record expires.
  assert.equal((await uploads[1].run()).photo_id, "new");
  assert.deepEqual(server.seen.filter(({ method }) => method === "DELETE"), []);
  server.close();
});

for (const name of ["stored", "object present"]) {
  test(`a photo stays the same after S3's "${name}" in a stopped stack`, async () => {
    const statuses = { "photo-a.gif": "pending" };
    const server = await conflicting(statuses, { "photo-a.gif": s3Answer(name) });
    const uploads = ["a.gif", "b.gif"].map((name) => upload(server, name));
    for (const { api } of uploads) api.settled = (id) => Api.prototype.settled.call(api, id, { timeout: 1 });
    group(uploads);
    const run = () => uploads[0].run().then(({ photo_id, status }) => [photo_id, status], ({ code }) => code);
    assert.deepEqual([await run(), await run()], Array(2).fill("STILL_PENDING"));
    statuses["photo-a.gif"] = "ready";
    assert.deepEqual(await run(), ["photo-a.gif", "ready"]);
    assert.deepEqual([puts(server).length, asked(server, "/upload"), server.seen.filter(({ method }) => method === "DELETE").length], [1, 0, 0]);
    // Its owner deletes it: the next attempt is another photo.
    delete statuses["photo-a.gif"];
    assert.deepEqual(await run(), ["new", "ready"]);
    server.close();
  });
}

test("a lost connection after the address has expired asks for another address", async () => {
  for (const [expires_at, creates] of [["2020-01-01T00:00:00Z", 2], ["2999-01-01T00:00:00Z", 1]]) {
    let lost = 1;
    const server = await serve(({ method, path }, url) => {
      if (method === "PUT") return lost-- > 0 ? { status: 0 } : s3Answer("stored");
      if (path.endsWith("/upload")) return { status: 201, body: { photo_id: "a", status: "pending", upload: { method: "PUT", url: `${url}/s3`, headers: {}, expires_at } } };
      return { status: 200, body: { photo_id: "a", status: "ready" } };
    });
    assert.equal((await upload(server).run()).status, "ready");
    assert.deepEqual([asked(server, "/upload"), puts(server).length], [creates, 2]);
    server.close();
  }
});

test("a file that could not be read at first is asked for alone", async () => {
  const server = await stack();
  const uploads = ["a.gif", "b.gif", "c.gif"].map((name) => upload(server, name));
  const { slice } = uploads[1].file;
  uploads[1].file.slice = () => { throw new Error("not readable"); };
  group(uploads);
  await assert.rejects(uploads[1].run(), { message: "not readable" });
  assert.equal((await uploads[0].run()).status, "ready");
  uploads[1].file.slice = slice;
  assert.deepEqual([(await uploads[1].run()).photo_id, (await uploads[2].run()).photo_id], ["photo-b.gif", "photo-c.gif"]);
  assert.deepEqual([asked(server, "/uploads"), asked(server, "/upload")], [1, 1]);
  server.close();
});

test("an upload without progress is given up", async () => {
  const server = await serve(({ method }) => (method === "PUT" ? new Promise(() => {}) : { status: 200 }));
  const began = Date.now();
  await assert.rejects(put({ method: "PUT", url: server.url, headers: {} }, gif(), () => {}, 200), { code: "NETWORK" });
  assert.ok(Date.now() - began < 5000);
  server.close();
});
