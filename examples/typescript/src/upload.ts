// npm start -- PHOTO.jpg …: uploads photos to the local stack, or to PHOTODROP_API as PHOTODROP_TOKEN.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { basename, extname } from "node:path";
import { PhotodropError, photodrop, type UploadRequest } from "./client.js";
import { renewing } from "./retry.js";

const TYPES: Record<string, UploadRequest["content_type"]> = {
  ".gif": "image/gif",
  ".heic": "image/heic",
  ".heif": "image/heic",
  ".jpeg": "image/jpeg",
  ".jpg": "image/jpeg",
  ".png": "image/png",
  ".webp": "image/webp",
};

const { PHOTODROP_API, PHOTODROP_TOKEN, PHOTODROP_STACK = "../../.local/stack.json" } = process.env;
type Stack = { api_url: string; token: string; endpoint?: string; user_pool_client_id?: string; demo_user?: string; demo_password?: string };
const stack: Stack =
  PHOTODROP_API && PHOTODROP_TOKEN
    ? { api_url: PHOTODROP_API, token: PHOTODROP_TOKEN }
    : JSON.parse(readFileSync(PHOTODROP_STACK, "utf8"));
const client = photodrop(stack.api_url, renewing(stack.token, signIn));

/** A fresh token of the local stack's demo user; none for a token of PHOTODROP_TOKEN. */
async function signIn(): Promise<string | undefined> {
  if (!stack.endpoint || !stack.demo_user) return undefined;
  const answer = await fetch(stack.endpoint, {
    method: "POST",
    headers: { "content-type": "application/x-amz-json-1.1", "x-amz-target": "AWSCognitoIdentityProviderService.InitiateAuth" },
    body: JSON.stringify({
      ClientId: stack.user_pool_client_id,
      AuthFlow: "USER_PASSWORD_AUTH",
      AuthParameters: { USERNAME: stack.demo_user, PASSWORD: stack.demo_password },
    }),
  });
  const { AuthenticationResult } = (await answer.json()) as { AuthenticationResult?: { AccessToken: string } };
  return AuthenticationResult?.AccessToken;
}

for (const file of process.argv.slice(2)) {
  try {
    const content_type = TYPES[extname(file).toLowerCase()];
    if (!content_type) throw new PhotodropError("UNSUPPORTED_TYPE", "is no .jpg, .png, .webp, .gif or .heic");
    const bytes = new Uint8Array(readFileSync(file));
    const checksum_sha256 = createHash("sha256").update(bytes).digest("base64");
    const request = { file_name: basename(file), content_type, size_bytes: bytes.length, checksum_sha256 };
    const photo = await client.settled(await client.upload(request, bytes, crypto.randomUUID()));
    if (photo.status !== "ready") throw new PhotodropError(photo.failure?.code ?? photo.status, "has become no photo");
    const { photo_id, received_percent } = photo;
    // Absent unless the photo is damaged.
    console.log(JSON.stringify({ file, photo_id, variants: photo.variants.length, received_percent }));
  } catch (error) {
    process.exitCode = 1;
    console.error(`${file}: ${error instanceof PhotodropError ? `${error.code}: ${error.message}` : error}`);
  }
}
