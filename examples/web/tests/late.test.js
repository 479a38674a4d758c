// An upload whose time is over before its bytes came. No stack answers so within a test: the server here does.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import { Api } from "../api.js";
import { Upload } from "../upload.js";
import { XmlHttpRequest } from "./stub.js";

globalThis.XMLHttpRequest = XmlHttpRequest;

/** An API whose first key is signed `signed` times, and whose photo then `becomes` something at the second look at it. */
async function api({ signed, becomes }) {
  const seen = { keys: [], puts: [] };
  let requests = 0;
  let looks = 0;
  const server = createServer(async (request, answer) => {
    const json = (body) => answer.setHeader("content-type", "application/json").end(JSON.stringify(body));
    const upload = (path) => ({ method: "PUT", url: `${url}${path}`, headers: {} });
    await request.resume().toArray();
    if (request.url === "/api/v4/photo/upload") {
      const key = request.headers["idempotency-key"];
      if (!seen.keys.includes(key)) seen.keys.push(key);
      if (key !== seen.keys[0]) return json({ photo_id: "second", status: "pending", upload: upload("/s3/second") });
      if (looks > 1) return json({ photo_id: "first", status: becomes, upload: null });
      return json({ photo_id: "first", status: "pending", upload: ++requests <= signed ? upload("/s3/late") : null });
    }
    if (request.method === "PUT") {
      seen.puts.push(request.url);
      if (request.url === "/s3/late") answer.statusCode = 403;
      return answer.end(answer.statusCode === 403 ? "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>" : "");
    }
    if (request.url.endsWith("/second")) return json({ photo_id: "second", status: "ready" });
    return json({ photo_id: "first", status: ++looks > 1 ? becomes : "pending" });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${server.address().port}`;
  return { ...seen, url, close: () => server.close() };
}

for (const signed of [0, 1]) {
  for (const becomes of ["expired", "ready", "failed"]) {
    test(`a photo that is pending after ${signed} URLs and becomes ${becomes}`, async () => {
      const server = await api({ signed, becomes });
      const file = new File(["GIF89a"], "a.gif");
      const photo = await new Upload(new Api(server.url, "token"), file, () => {}).run();
      server.close();
      const late = Array(signed).fill("/s3/late");
      const isAnew = becomes === "expired";
      assert.deepEqual(photo, isAnew ? { photo_id: "second", status: "ready" } : { photo_id: "first", status: becomes });
      assert.deepEqual(server.puts, isAnew ? [...late, "/s3/second"] : late);
      assert.equal(server.keys.length, isAnew ? 2 : 1);
    });
  }
}
