// The page's calls: the API, Cognito's sign-in, and the file's way to S3. Every failure is a `Problem`.

import { Problem, TIMEOUT, caller, pause, tokenSource } from "./protocol.js";

/** Reads the page's configuration: `config.json` beside it, which `make up` serves for the local stack. */
export async function configuration() {
  const answer = await fetch("config.json");
  if (!answer.ok) throw new Problem("CONFIG", "config.json is missing: see config.example.json.");
  return answer.json();
}

/**
 * Signs in to a Cognito user pool: USER_PASSWORD_AUTH, or by the refresh token of an earlier sign-in. Gives a session, or `{ challenge }`
 * where the user must choose a new password first, as after `admin-create-user`.
 */
export async function signIn({ endpoint, client_id: clientId }, flow) {
  const [name, parameters] = flow.refreshToken
    ? ["REFRESH_TOKEN_AUTH", { REFRESH_TOKEN: flow.refreshToken }]
    : ["USER_PASSWORD_AUTH", { USERNAME: flow.user, PASSWORD: flow.password }];
  const answer = await cognito(endpoint, "InitiateAuth", { ClientId: clientId, AuthFlow: name, AuthParameters: parameters });
  return session(answer, flow);
}

/** Answers NEW_PASSWORD_REQUIRED, and gives a session. */
export async function choosePassword({ endpoint, client_id: clientId }, challenge, password) {
  const answer = await cognito(endpoint, "RespondToAuthChallenge", {
    ClientId: clientId,
    ChallengeName: "NEW_PASSWORD_REQUIRED",
    Session: challenge.session,
    ChallengeResponses: { USERNAME: challenge.userName, NEW_PASSWORD: password },
  });
  return session(answer, challenge);
}

/** What Cognito's answer to a sign-in means. */
async function session(answer, { user, refreshToken }) {
  const body = await answer.json().catch(() => ({}));
  // JSON 1.1 may write the namespace before the type.
  const type = String(body.__type ?? "").split("#").at(-1);
  if (answer.status >= 429 || /TooManyRequests|LimitExceeded/.test(type)) {
    throw new Problem("UNAVAILABLE", body.message || "Signing in is not possible now.");
  }
  if (type === "InvalidPasswordException") throw new Problem("WEAK_PASSWORD", body.message);
  if (!answer.ok) throw new Problem("SIGN_IN", body.message || "The user name or the password is wrong.");
  const result = body.AuthenticationResult;
  if (result) {
    const expiresAt = Date.now() + result.ExpiresIn * 1000;
    return { user, token: result.AccessToken, refreshToken: result.RefreshToken || refreshToken, expiresAt };
  }
  if (body.ChallengeName !== "NEW_PASSWORD_REQUIRED") {
    throw new Problem("SIGN_IN", `This page does not support the sign-in step ${body.ChallengeName}.`);
  }
  // Who signed in by an alias answers by the name that Cognito gives.
  return { challenge: { user, userName: body.ChallengeParameters?.USER_ID_FOR_SRP ?? user, session: body.Session } };
}

/** Revokes a refresh token, so that Cognito issues no further access token for it. */
export async function revoke({ endpoint, client_id: clientId }, refreshToken) {
  const answer = await cognito(endpoint, "RevokeToken", { ClientId: clientId, Token: refreshToken });
  if (!answer.ok) throw new Problem("UNAVAILABLE", "Cognito did not revoke the session.");
}

/** One of Cognito's operations; it ends even if the page is closed meanwhile. */
async function cognito(endpoint, operation, body) {
  try {
    return await fetch(endpoint, {
      method: "POST",
      keepalive: true,
      signal: AbortSignal.timeout(TIMEOUT),
      headers: { "content-type": "application/x-amz-json-1.1", "x-amz-target": `AWSCognitoIdentityProviderService.${operation}` },
      body: JSON.stringify(body),
    });
  } catch {
    throw new Problem("NETWORK", "The connection was lost.");
  }
}

export class Api {
  /** `token` is a token, or a function that gives one as `tokenSource` makes it. */
  constructor(url, token) {
    this.call = caller(url, typeof token === "function" ? token : tokenSource({ token }));
  }

  create(body, idempotencyKey) {
    return this.json("POST", "/upload", { body, headers: { "idempotency-key": idempotencyKey } });
  }

  /** Asks for several uploads at once, all or none, and gives an answer for each. */
  async createAll(uploads, idempotencyKey) {
    return (await this.json("POST", "/uploads", { body: { uploads }, headers: { "idempotency-key": idempotencyKey } })).uploads;
  }

  list(cursor) {
    return this.json("GET", `?limit=24${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
  }

  get(id) {
    return this.json("GET", `/${encodeURIComponent(id)}`);
  }

  delete(id) {
    return this.call("DELETE", `/${encodeURIComponent(id)}`);
  }

  /** Waits until a photo is ready or failed. */
  async settled(id, { timeout = 180_000 } = {}) {
    const deadline = Date.now() + timeout;
    let etag;
    while (Date.now() < deadline) {
      const answer = await this.call("GET", `/${encodeURIComponent(id)}`, { headers: etag ? { "if-none-match": etag } : {} });
      if (answer.status !== 304) {
        const photo = await answer.json();
        if (photo.status !== "pending") return photo;
        etag = answer.headers.get("etag");
      }
      await pause(Math.min(10, Number(answer.headers.get("retry-after")) || 1) * 1000);
    }
    throw new Problem("STILL_PENDING", "The thumbnails take longer than expected.");
  }

  async json(...call) {
    return (await this.call(...call)).json();
  }
}

/**
 * Puts a file where the API said; XMLHttpRequest because fetch tells nothing of an upload's progress. An upload without progress, or without
 * an answer, is given up after `timeout` milliseconds.
 */
export function put(upload, file, onProgress, timeout = TIMEOUT) {
  let timer;
  const attempt = new Promise((resolve, reject) => {
    const lost = () => reject(new Problem("NETWORK", "The connection was lost."));
    const wait = () => {
      clearTimeout(timer);
      timer = setTimeout(() => (lost(), xhr.abort()), timeout);
    };
    const xhr = new XMLHttpRequest();
    xhr.open(upload.method, upload.url);
    // The signed headers alone: S3 refuses a request with a signature in its URL and an Authorization header.
    for (const [name, value] of Object.entries(upload.headers)) {
      // The browser sets it from the file and lets nobody else do it.
      if (name.toLowerCase() !== "content-length") xhr.setRequestHeader(name, value);
    }
    xhr.upload.onprogress = (event) => {
      wait();
      if (event.lengthComputable) onProgress(event.loaded / event.total);
    };
    xhr.onload = () => {
      const retryAfter = Number(/^retry-after: *(\d+)/im.exec(xhr.getAllResponseHeaders())?.[1] ?? 0);
      resolve({ status: xhr.status, text: xhr.responseText, retryAfter });
    };
    xhr.onerror = lost;
    wait();
    xhr.send(file);
  });
  return attempt.finally(() => clearTimeout(timer));
}
