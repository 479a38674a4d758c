// An upload whose time is over before its bytes came. No stack answers so within a test: the server here does.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import { photodrop } from "../build/client.js";

/** An API whose first photo is pending with no upload, and `becomes` something at the second look at it. */
async function api(becomes) {
  const keys = [];
  const puts = [];
  let looks = 0;
  const server = createServer(async (request, answer) => {
    const json = (status, body) => answer.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    await request.resume().toArray();
    if (request.method === "PUT") {
      puts.push(request.url);
      return answer.end();
    }
    if (request.method === "GET") return json(200, { photo_id: "first", status: ++looks > 1 ? becomes : "pending" });
    keys.push(request.headers["idempotency-key"]);
    if (keys.at(-1) === keys[0]) return json(201, { photo_id: "first", status: "pending", upload: null });
    return json(201, { photo_id: "second", status: "pending", upload: { method: "PUT", url: `${url}/s3/second`, headers: {} } });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${server.address().port}`;
  return { url, keys, puts, close: () => server.close() };
}

for (const [becomes, id, puts] of [["expired", "second", ["/s3/second"]], ["ready", "first", []], ["failed", "first", []]]) {
  test(`a photo that is pending with no upload and becomes ${becomes}`, async () => {
    const server = await api(becomes);
    const request = { content_type: "image/gif", size_bytes: 6 };
    const photo_id = await photodrop(server.url, "token").upload(request, new TextEncoder().encode("GIF89a"), "key");
    server.close();
    assert.equal(photo_id, id);
    assert.deepEqual(server.puts, puts);
    assert.equal(new Set(server.keys).size, becomes === "expired" ? 2 : 1);
  });
}
