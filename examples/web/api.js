// The API as the page uses it. Every failure is a `Problem` with a code that stays the same.

const BASE = "/api/v4/photo";

/** What went wrong. `code` is the API's, or NETWORK, STORAGE or SIGN_IN of this page. */
export class Problem extends Error {
  constructor(code, detail, { status = 0, retryAfter = 0 } = {}) {
    super(detail);
    Object.assign(this, { code, status, retryAfter });
  }
}

/** Reads the page's configuration: `config.json` beside it, which `make up` serves for the local stack. */
export async function configuration() {
  const answer = await fetch("config.json");
  if (!answer.ok) throw new Problem("CONFIG", "config.json is missing: see config.example.json.");
  return answer.json();
}

/** Signs in to a Cognito user pool: USER_PASSWORD_AUTH, or by the refresh token of an earlier sign-in. */
export async function signIn({ endpoint, client_id: clientId }, flow) {
  const [name, parameters] = flow.refreshToken
    ? ["REFRESH_TOKEN_AUTH", { REFRESH_TOKEN: flow.refreshToken }]
    : ["USER_PASSWORD_AUTH", { USERNAME: flow.user, PASSWORD: flow.password }];
  const answer = await cognito(endpoint, "InitiateAuth", { ClientId: clientId, AuthFlow: name, AuthParameters: parameters });
  const body = await answer.json().catch(() => ({}));
  const result = body.AuthenticationResult;
  const busy = answer.status >= 429 || /TooManyRequests|LimitExceeded/.test(body.__type);
  if (busy) throw new Problem("UNAVAILABLE", body.message || "Signing in is not possible now.");
  if (!answer.ok || !result) throw new Problem("SIGN_IN", body.message || "The user name or the password is wrong.");
  return { token: result.AccessToken, refreshToken: result.RefreshToken || flow.refreshToken };
}

/** Revokes a refresh token, so that Cognito issues no further access token for it. */
export async function revoke({ endpoint, client_id: clientId }, refreshToken) {
  const answer = await cognito(endpoint, "RevokeToken", { ClientId: clientId, Token: refreshToken });
  if (!answer.ok) throw new Problem("UNAVAILABLE", "Cognito did not revoke the session.");
}

/** One of Cognito's operations; it ends even if the page is closed meanwhile. */
const cognito = (endpoint, operation, body) =>
  request(endpoint, {
    method: "POST",
    keepalive: true,
    headers: { "content-type": "application/x-amz-json-1.1", "x-amz-target": `AWSCognitoIdentityProviderService.${operation}` },
    body: JSON.stringify(body),
  });

export class Api {
  /** `renew` gives a fresh token, or nothing; it is asked once for each request that is answered 401. */
  constructor(url, token, renew = async () => undefined) {
    this.url = url.replace(/\/+$/, "");
    this.token = token;
    this.renew = renew;
  }

  create(body, idempotencyKey) {
    return this.json("POST", "/upload", { body, headers: { "idempotency-key": idempotencyKey } });
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

  async call(method, path, { body, headers = {} } = {}, again = true) {
    const answer = await request(this.url + BASE + path, {
      method,
      cache: "no-store",
      headers: { authorization: `Bearer ${this.token}`, ...(body && { "content-type": "application/json" }), ...headers },
      body: body && JSON.stringify(body),
    });
    if (answer.ok || answer.status === 304) return answer;
    if (answer.status === 401 && again) {
      const fresh = await this.renew();
      if (fresh) {
        this.token = fresh;
        return this.call(method, path, { body, headers }, false);
      }
    }
    const problem = await answer.json().catch(() => ({}));
    const code = answer.status === 401 ? "UNAUTHENTICATED" : problem.code || "UNAVAILABLE";
    throw new Problem(code, problem.detail || `The API answered ${answer.status}.`, {
      status: answer.status,
      retryAfter: Number(answer.headers.get("retry-after")) || 0,
    });
  }
}

async function request(url, options) {
  try {
    return await fetch(url, options);
  } catch {
    throw new Problem("NETWORK", "The connection was lost.");
  }
}

/** Puts a file where the API said; XMLHttpRequest because fetch tells nothing of an upload's progress. */
export function put(upload, file, onProgress) {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    xhr.open(upload.method, upload.url);
    for (const [name, value] of Object.entries(upload.headers)) {
      // The browser sets it from the file and lets nobody else do it.
      if (name.toLowerCase() !== "content-length") xhr.setRequestHeader(name, value);
    }
    xhr.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    xhr.onload = () => resolve({ status: xhr.status, text: xhr.responseText });
    xhr.onerror = () => reject(new Problem("NETWORK", "The connection was lost."));
    xhr.send(file);
  });
}

export const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
