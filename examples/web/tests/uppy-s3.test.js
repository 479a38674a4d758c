// Uppy in Chromium against an API and an S3 that answer as AWS documents: a stack never gives these answers.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { build } from "esbuild";
import { launch } from "./support.js";
import { s3Answer, s3Answers, serve } from "./stub.js";

const PART_BYTES = 5 * 1024 * 1024;
const ID = "01998a2e-7b7c-7cc0-8000-000000000001";
let browser;
let bundle;
before(async () => {
  browser = await launch();
  const entry = `import Uppy from "@uppy/core"; import AwsS3 from "@uppy/aws-s3";
    import { photodrop } from ${JSON.stringify(new URL("../../uppy/photodrop.js", import.meta.url).pathname)};
    window.upload = async (size, api, tokens) => {
      const uppy = new Uppy();
      uppy.use(AwsS3, photodrop(uppy, api, (refused) => tokens.find((token) => token !== refused)));
      uppy.addFile({ name: "a.gif", type: "image/gif", data: new Blob(["GIF89a", new Uint8Array(size)], { type: "image/gif" }) });
      const result = await uppy.upload();
      return { successful: result.successful.map((file) => file.meta.photoId), failed: result.failed.map((file) => file.error), shown: uppy.getState().info.length };
    };`;
  const built = await build({ stdin: { contents: entry, resolveDir: import.meta.dirname }, bundle: true, write: false, format: "iife" });
  bundle = built.outputFiles[0].text;
});
after(() => browser?.close());

const xml = (body) => ({ status: 200, headers: { "content-type": "application/xml" }, body: `<?xml version="1.0" encoding="UTF-8"?>\n${body}` });

/** An API that signs, and an S3 that gives a request of this kind these answers before it does what is asked. */
function stack(kind, ...given) {
  const left = [...given];
  const parts = new Map();
  let uploads = 0;
  return serve(({ method, path, headers, body }, url) => {
    if (path.endsWith("/uppy/sign")) {
      if (headers.authorization !== "Bearer good") return { status: 401, hidden: true, headers: { "content-type": "application/json" }, body: '{"message":"Unauthorized"}' };
      const { uploadId, partNumber, method } = JSON.parse(body);
      const what = uploadId ? { PUT: "part", GET: "list", POST: "complete", DELETE: "abort" }[method] : { PUT: "put", POST: "begin" }[method];
      return { status: 200, body: { url: `${url}/s3/${what}?id=${uploadId}&part=${partNumber}`, key: "o/jane/a", headers: {}, photo_id: ID } };
    }
    if (path === "/page") return { status: 200, headers: { "content-type": "text/html" }, body: "<!doctype html><title>Uppy</title>" };
    if (path === "/health") return { status: 200, body: { status: "ok" } };
    const { pathname, searchParams } = new URL(path, url);
    const what = pathname.split("/").at(-1);
    if (what === kind && left.length) return left.shift();
    if (what === "begin") return xml(`<InitiateMultipartUploadResult><Key>o/jane/a</Key><UploadId>upload-${++uploads}</UploadId></InitiateMultipartUploadResult>`);
    if (what === "part") {
      parts.set(`${searchParams.get("id")} ${searchParams.get("part")}`, body.length);
      return { status: 200, headers: { etag: `"${searchParams.get("part")}"` } };
    }
    if (what === "list") {
      const known = [...parts].filter(([name]) => name.startsWith(`${searchParams.get("id")} `));
      return xml(`<ListPartsResult>${known.map(([name, size]) => `<Part><PartNumber>${name.split(" ")[1]}</PartNumber><ETag>"${name.split(" ")[1]}"</ETag><Size>${size}</Size></Part>`).join("")}</ListPartsResult>`);
    }
    if (what === "complete") return xml("<CompleteMultipartUploadResult><Location>http://s3/o</Location><Bucket>b</Bucket><Key>o/jane/a</Key><ETag>&quot;x&quot;</ETag></CompleteMultipartUploadResult>");
    return s3Answer("stored");
  });
}

async function upload(server, size = 0, tokens = ["good"]) {
  const context = await browser.newContext({ bypassCSP: true });
  const page = await context.newPage();
  // Another origin than the API's, and a secure one.
  await page.goto(`${server.url.replace("127.0.0.1", "localhost")}/page`);
  await page.addScriptTag({ content: bundle });
  const result = await page.evaluate((given) => window.upload(...given), [size, server.url, tokens]);
  await context.close();
  return result;
}

const sent = (server, what) => server.seen.filter(({ path }) => path.startsWith(`/s3/${what}?`)).length;

// Uppy itself sends again after every 5xx, 501 among them.
for (const answer of s3Answers.filter(({ action, status }) => ["sign", "again", "refused"].includes(action) && status !== 501)) {
  test(`after S3's "${answer.name}" Uppy does: ${answer.action}`, async () => {
    const server = await stack("put", answer);
    const { successful, failed, shown } = await upload(server);
    const isRefused = answer.action === "refused";
    assert.deepEqual([successful, sent(server, "put")], isRefused ? [[], 1] : [[ID], 2], failed[0]);
    if (!isRefused) assert.equal(shown, 0, "no message of a failure stays");
    for (const { path, headers } of server.seen.filter(({ method }) => method !== "GET")) assert.equal(headers.authorization, path.startsWith("/s3") ? undefined : "Bearer good");
    server.close();
  });
}

test("a part whose session expired is signed again, and the parts that arrived are not sent again", async () => {
  for (const name of ["ExpiredToken", "signature expired", "RequestTimeout"]) {
    // The second part is refused, once.
    let parts = 0;
    const server = await stack("none");
    const proxy = await serve(async (request, url) => {
      if (request.path.startsWith("/s3/part") && ++parts === 2) return s3Answer(name);
      const answer = await fetch(server.url + request.path, { method: request.method, headers: { authorization: request.headers.authorization ?? "" }, body: ["GET", "HEAD"].includes(request.method) ? undefined : Buffer.from(request.body, "latin1") });
      const headers = Object.fromEntries([...answer.headers].filter(([name]) => ["etag", "content-type"].includes(name)));
      return { status: answer.status, headers, body: (await answer.text()).replaceAll(server.url, url) };
    });
    const { successful, failed } = await upload(proxy, PART_BYTES * 2);
    assert.deepEqual([successful, failed], [[ID], []], name);
    assert.equal(parts, 4, `${name}: three parts, one of them twice`);
    proxy.close();
    server.close();
  }
});

test("a completion is sent again, signed again or begun anew as S3 documents", async () => {
  for (const [name, begun] of [["ExpiredToken", 1], ["RequestTimeout", 1], ["internal error behind a 200", 1], ["session expired behind a 200", 1], ["ConditionalRequestConflict", 2]]) {
    const server = await stack("complete", s3Answer(name));
    const { successful, failed } = await upload(server, PART_BYTES * 2);
    assert.deepEqual([successful, failed], [[ID], []], name);
    assert.deepEqual([sent(server, "begin"), sent(server, "complete"), sent(server, "part")], [begun, 2, begun * 3], name);
    server.close();
  }
});

test("an S3 that stays so is asked a bounded number of times", async () => {
  const server = await stack("put", ...Array(20).fill(s3Answer("RequestTimeout")));
  const { successful, failed } = await upload(server);
  assert.deepEqual([successful, failed.length], [[], 1]);
  assert.ok(sent(server, "put") <= 5, `${sent(server, "put")} requests`);
  server.close();
});

test("a refused token is replaced, though the browser hides the refusal", async () => {
  const server = await stack("none");
  const { successful, failed } = await upload(server, 0, ["bad", "good"]);
  assert.deepEqual([successful, failed], [[ID], []]);
  server.close();
});
