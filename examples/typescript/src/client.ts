// A client of photodrop. What is sent and answered has the types of docs/openapi.yaml: `npm run types` makes
// photodrop.d.ts of it, and whatever does not fit is no longer compiled.

import createClient from "openapi-fetch";
import type { components, paths } from "./photodrop.js";
import { ATTEMPTS, type TokenSource, apiFetch, backOff, pause, retryAfter } from "./retry.js";
import { isExpired, s3Action, s3Error } from "./s3.js";

export type Photo = components["schemas"]["Photo"];
export type UploadRequest = components["schemas"]["UploadRequest"];
type Problem = components["schemas"]["Problem"];
type SignedRequest = components["schemas"]["SignedRequest"];

/** What went wrong; `code` stays the same from version to version. */
export class PhotodropError extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/** `token` is an access token, or gives one: see `renewing`. */
export function photodrop(baseUrl: string, token: string | TokenSource) {
  const source: TokenSource = typeof token === "string" ? (refused) => (token === refused ? undefined : token) : token;
  const api = createClient<paths>({ baseUrl, fetch: apiFetch(source) });

  /**
   * Announces a photo and brings its bytes to S3. Doing it again with the same key is the same photo, or another one if
   * no bytes came in time; `again` says whether that may be.
   */
  async function upload(request: UploadRequest, bytes: Uint8Array<ArrayBuffer>, key: string, again = true, signatures = 3): Promise<string> {
    const { data, error, response } = await api.POST("/api/v4/photo/upload", {
      params: { header: { "Idempotency-Key": key } },
      body: request,
    });
    if (!data) throw problem(error, response);
    if (!data.upload) {
      // The bytes came with an earlier request of the same key, or the time for them is over.
      const { status } = data.status === "pending" ? await settled(data.photo_id) : data;
      if (status !== "expired") return data.photo_id;
      if (again) return upload(request, bytes, crypto.randomUUID(), false);
      throw new PhotodropError("EXPIRED", "no bytes came in time: upload it with another key");
    }
    if (!("headers" in data.upload)) throw new PhotodropError("UNEXPECTED", `upload_method ${data.upload.method}`);
    // The same key is the same photo, with a new signature.
    if (!(await put(data.upload, bytes, signatures > 1))) {
      if (signatures > 1) return upload(request, bytes, key, again, signatures - 1);
      throw new PhotodropError("STORAGE", "no signature lasted until the bytes were sent");
    }
    return data.photo_id;
  }

  /**
   * Whether the bytes are there; `false` if the signature has expired, which `maySign` lets a lost connection mean too. S3 takes the signed
   * headers and no Authorization.
   */
  async function put({ method, url, headers, expires_at }: SignedRequest, bytes: Uint8Array<ArrayBuffer>, maySign: boolean): Promise<boolean> {
    for (let attempt = 1; ; attempt++) {
      const answer = await fetch(url, { method, headers, body: bytes }).catch(() => undefined);
      const error = s3Error((await answer?.text().catch(() => "")) ?? "");
      const action = answer ? s3Action(answer.status, error) : "again";
      // "present": they were there already, an earlier answer had been lost.
      if (action === "done" || action === "present") return true;
      if (action === "sign") return false;
      if (action === "refused" || attempt >= ATTEMPTS) {
        throw new PhotodropError("STORAGE", `S3 answered ${error.code || (answer?.status ?? "nothing")}`);
      }
      await pause(backOff(attempt, answer && retryAfter(answer)));
      if (!answer && maySign && isExpired(expires_at)) return false;
    }
  }

  /** Waits until a photo is no longer pending. */
  async function settled(photo_id: string, seconds = 60): Promise<Photo> {
    for (const end = Date.now() + seconds * 1000; Date.now() < end; ) {
      const { data, error, response } = await api.GET("/api/v4/photo/{photo_id}", { params: { path: { photo_id } } });
      if (!data) throw problem(error, response);
      if (data.status !== "pending") return data;
      await pause(1000 * (retryAfter(response) || 1));
    }
    throw new PhotodropError("STILL_PENDING", `${photo_id} is still pending after ${seconds} s`);
  }

  /** All photos, the newest first. */
  async function* photos(): AsyncGenerator<Photo> {
    for (let cursor: string | undefined; ; ) {
      const { data, error, response } = await api.GET("/api/v4/photo", {
        params: { query: cursor === undefined ? { limit: 100 } : { limit: 100, cursor } },
      });
      if (!data) throw problem(error, response);
      yield* data.photos;
      if (data.next_cursor === null) return;
      cursor = data.next_cursor;
    }
  }

  async function remove(photo_id: string): Promise<void> {
    const { error, response } = await api.DELETE("/api/v4/photo/{photo_id}", { params: { path: { photo_id } } });
    if (!response.ok) throw problem(error, response);
  }

  return { upload, settled, photos, remove };
}

/** API Gateway's own answers have no code. */
function problem(error: Problem | { message?: string } | undefined, response: Response): PhotodropError {
  if (error && "code" in error) return new PhotodropError(error.code, error.detail);
  return new PhotodropError(String(response.status), error?.message ?? "no answer of photodrop's");
}
