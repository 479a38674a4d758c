// What every client of photodrop in JavaScript does alike: answers of S3, back-off, tokens, calls of the API. No DOM, no page.

/** What went wrong. `code` is the API's, or NETWORK, STORAGE, SIGN_IN or UNAUTHENTICATED of the client. */
export class Problem extends Error {
  constructor(code, detail, { status = 0, retryAfter = 0, errors = [] } = {}) {
    super(detail);
    Object.assign(this, { code, status, retryAfter, errors });
  }
}

export const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** How often a request is sent that gets no answer, or one that another attempt may change. */
export const ATTEMPTS = 5;
/** How long a request may go without an answer, and an upload without progress, in milliseconds. */
export const TIMEOUT = 60_000;
/** A longer wait, as of a daily quota, is not worth waiting for, in seconds. */
const MAX_PAUSE = 20;

/**
 * How long to wait before the next attempt, in milliseconds: at least what `Retry-After` asks for, and twice as long each time from 0.4 s
 * on. Up to half of that is left to chance, so that clients that failed together do not come back together.
 */
export const backOff = (attempt, retryAfter = 0) =>
  Math.max(retryAfter * 1000, Math.min(MAX_PAUSE * 1000, 400 * 2 ** (attempt - 1)) * (1 - Math.random() / 2));

// ---- S3 -------------------------------------------------------------------------------------------------

// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
const EXPIRED = new Set(["ExpiredToken", "TokenRefreshRequired", "InvalidAccessKeyId"]);
const TRANSIENT_CODES = new Set(["RequestTimeout", "ConditionalRequestConflict", "OperationAborted", "SlowDown", "ServiceUnavailable", "InternalError"]);
const TRANSIENT_STATUSES = new Set([408, 429, 500, 502, 503, 504]);

/** `Code` and `Message` of an error document of S3. */
export function s3Error(xml) {
  const element = (name) => new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1].trim() ?? "";
  return /<Error[\s>]/.test(xml) ? { code: element("Code"), message: element("Message") } : { code: "", message: "" };
}

/**
 * What to do after an answer of S3: "done", "present" (the object is there), "sign" (ask for a new signature and send again), "again" (send
 * again after a pause), "begin" (only of `isCompletion`, a CompleteMultipartUpload: begin a new multipart upload), or "refused".
 */
export function s3Action(status, { code, message }, isCompletion = false) {
  // S3 may fail after it has sent the 200 of a CompleteMultipartUpload.
  if (status >= 200 && status < 300 && !(isCompletion && code)) return "done";
  if (status === 412) return "present";
  if (EXPIRED.has(code) || (code === "AccessDenied" && message === "Request has expired")) return "sign";
  if (isCompletion && ["ConditionalRequestConflict", "NoSuchUpload"].includes(code)) return "begin";
  return TRANSIENT_CODES.has(code) || TRANSIENT_STATUSES.has(status) ? "again" : "refused";
}

/** How long before its end a signature counts as ended, in milliseconds. */
const SIGNATURE_MARGIN = 5000;

/** Whether a signed request has expired, or expires before another attempt arrives. */
export const isExpired = ({ expires_at }) => Date.parse(expires_at) - SIGNATURE_MARGIN <= Date.now();

// ---- tokens ---------------------------------------------------------------------------------------------

/** How long before its end a token is renewed, in milliseconds. */
const MARGIN = 60_000;

/** The claims of a JSON Web Token, which the API verifies and a client does not. */
export function claims(token) {
  try {
    return JSON.parse(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")));
  } catch {
    return {};
  }
}

/** When a session's token ends, in milliseconds: `expiresAt` of the sign-in, by this machine's clock, or else the token's `exp`. */
export const expiryOf = ({ token, expiresAt }) => expiresAt ?? (claims(token).exp ?? Infinity) * 1000;

/** How long an access token of Cognito lives unless the app client says otherwise, in seconds. */
const TOKEN_LIFE = 3600;

/** Whether a token is past the half of its life, or does not say when it ends. A younger one is not refused for its age. */
function isPastHalf(token) {
  const { exp, iat = exp - TOKEN_LIFE } = claims(token);
  return exp === undefined || Date.now() > ((iat + exp) / 2) * 1000;
}

/**
 * A function that gives a token for the next call: the session's, or a fresh one where it ends within a minute or equals `refused`. `renew`
 * gives a new session for the old one, or nothing where there is none; calls at the same time share one renewal.
 */
export function tokenSource(session, renew = async () => undefined) {
  let renewing;
  return async function token(refused) {
    const isRefused = session.token === refused;
    const left = expiryOf(session) - Date.now();
    if (!isRefused && left > MARGIN) return session.token;
    renewing ??= Promise.resolve(renew(session)).finally(() => (renewing = undefined));
    try {
      session = (await renewing) ?? session;
    } catch (problem) {
      // Sign-in is not reachable. The token is still good for some seconds.
      if (isRefused || left <= 0) throw problem;
    }
    return session.token === refused ? undefined : session.token;
  };
}

// ---- the API --------------------------------------------------------------------------------------------

/**
 * A function that calls the API below `/api/v4/photo` and gives its answer, 2xx or 304. `token(refused)` gives the token to send, or
 * nothing where none but `refused` is to be had.
 *
 * AWS documents CORS headers for the answers of an integration alone (https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html),
 * and the 401 of the authorizer is none: a browser may hide it, and `fetch` fails as after a lost connection. `/health` needs no token: where it
 * can be read, the connection is there, and the token may have been refused. A 429 or 503 of the gateway is hidden alike: a token is renewed
 * after hidden answers only if it is past the half of its life, and only a token that has ended ends the session.
 */
export function caller(url, token, { timeout = TIMEOUT } = {}) {
  const origin = url.replace(/\/+$/, "");
  return async function call(method, path, { body, headers = {} } = {}) {
    let current = await token();
    let isRenewed = false;
    let isReplaced = false;
    let hidden = 0;
    for (let attempt = 1; ; attempt++) {
      if (!current) throw ended();
      let isTimeout = false;
      const answer = await fetch(`${origin}/api/v4/photo${path}`, {
        method,
        cache: "no-store",
        signal: AbortSignal.timeout(timeout),
        headers: { authorization: `Bearer ${current}`, ...(body && { "content-type": "application/json" }), ...headers },
        body: body && JSON.stringify(body),
      }).catch(({ name }) => void (isTimeout = name === "TimeoutError"));
      if (answer?.ok || answer?.status === 304) return answer;
      if (!answer && !isTimeout && (await isReachable(origin, timeout))) hidden++;
      const isRefused = answer?.status === 401 || (hidden > 0 && expiryOf({ token: current }) <= Date.now());
      if (!isRenewed && (isRefused || (hidden > 1 && isPastHalf(current)))) {
        isRenewed = true;
        const fresh = await renewed(token, current, isRefused);
        if (!fresh && isRefused) throw ended();
        if (fresh) {
          [current, isReplaced] = [fresh, true];
          if (isRefused) [attempt, hidden] = [0, 0];
          continue;
        }
      }
      const problem = answer ? await problemOf(answer) : new Problem("NETWORK", "The connection was lost.");
      const mayPass = !answer || answer.status === 429 || (answer.status >= 500 && answer.status !== 501);
      if (!mayPass || attempt >= ATTEMPTS || problem.retryAfter > MAX_PAUSE || globalThis.navigator?.onLine === false) {
        if (hidden < attempt) throw problem;
        // No answer could be read. A token that names no end and cannot be replaced was refused.
        throw !isReplaced && claims(current).exp === undefined ? ended() : new Problem("UNAVAILABLE", "The API's answer cannot be read.");
      }
      await pause(backOff(attempt, problem.retryAfter));
    }
  };
}

const ended = () => new Problem("UNAUTHENTICATED", "The session has ended.", { status: 401 });

/** A fresh token. Where the old one is not certainly refused, a failure to renew it leaves the old one in use. */
async function renewed(token, current, isRefused) {
  try {
    return await token(current);
  } catch (problem) {
    if (isRefused || problem.code === "UNAUTHENTICATED") throw problem;
    return undefined;
  }
}

const isReachable = (origin, timeout) => fetch(`${origin}/health`, { cache: "no-store", signal: AbortSignal.timeout(timeout) }).then(() => true, () => false);

/** A problem document; API Gateway's own answers have no code. */
async function problemOf(answer) {
  const { code, detail, errors } = await answer.json().catch(() => ({}));
  const { status } = answer;
  const retryAfter = Number(answer.headers.get("retry-after")) || 0;
  const known = status === 401 ? "UNAUTHENTICATED" : code ?? "UNAVAILABLE";
  return new Problem(known, detail || `The API answered ${status}.`, { status, retryAfter, errors });
}
