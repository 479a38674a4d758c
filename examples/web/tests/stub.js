// Servers that answer as AWS documents, and what of the browser the page's modules use.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";

/** S3's answers byte for byte, with what a client does after each; the tests of every client read this file. */
export const s3Answers = JSON.parse(readFileSync(new URL("../../../tests/s3-answers.json", import.meta.url), "utf8"));
export const s3Answer = (name) => s3Answers.find((answer) => answer.name === name) ?? s3Answers.find((answer) => answer.body.includes(`<Code>${name}</Code>`));

/** What of the browser's XMLHttpRequest the page uses. */
export class XmlHttpRequest {
  upload = {};
  open(method, url) {
    Object.assign(this, { method, url, headers: {} });
  }
  setRequestHeader(name, value) {
    this.headers[name] = value;
  }
  getAllResponseHeaders() {
    return [...this.answered].map(([name, value]) => `${name}: ${value}\r\n`).join("");
  }
  abort() {
    this.aborted.abort();
  }
  async send(body) {
    this.aborted = new AbortController();
    try {
      const answer = await fetch(this.url, { method: this.method, headers: this.headers, body, signal: this.aborted.signal });
      Object.assign(this, { status: answer.status, answered: answer.headers, responseText: await answer.text() });
    } catch {
      // An abort is no error event.
      return this.aborted.signal.aborted || this.onerror();
    }
    this.onload();
  }
}

/**
 * A server of this machine that `answer(request, url)` answers: `{ status, headers, body }`, a body that is no text as JSON. `request` has
 * `method`, `path`, `headers` and `body`. `seen` has all requests but preflights.
 */
export async function serve(answer) {
  const seen = [];
  const server = createServer(async (incoming, outgoing) => {
    const cors = { "access-control-allow-origin": incoming.headers.origin ?? "*", "access-control-expose-headers": "ETag, Retry-After" };
    if (incoming.method === "OPTIONS") {
      const allowed = { "access-control-allow-methods": "GET, PUT, POST, DELETE", "access-control-allow-headers": incoming.headers["access-control-request-headers"] ?? "" };
      return outgoing.writeHead(204, { ...cors, ...allowed }).end();
    }
    const body = Buffer.concat(await incoming.toArray()).toString("latin1");
    const request = { method: incoming.method, path: incoming.url, headers: incoming.headers, body };
    seen.push(request);
    const { status = 200, headers = {}, body: found = "", hidden = false } = await answer(request, url);
    if (status === 0) return outgoing.destroy();
    const isText = typeof found === "string";
    const type = isText ? {} : { "content-type": status < 400 ? "application/json" : "application/problem+json" };
    outgoing.writeHead(status, { connection: "close", ...type, ...headers, ...(hidden ? {} : cors) }).end(isText ? found : JSON.stringify(found));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  // A test that fails does not keep the process.
  server.unref();
  const url = `http://127.0.0.1:${server.address().port}`;
  return { url, seen, close: () => (server.closeAllConnections(), server.close()) };
}

/** An unsigned token with these claims. */
export const tokenWith = (claims) => ["{}", JSON.stringify(claims), "x"].map((part) => Buffer.from(part).toString("base64url")).join(".");
export const inSeconds = (seconds) => Math.floor(Date.now() / 1000) + seconds;
