// Attempts, pauses and tokens.

/** How often a request is sent that gets no answer, or one that another attempt may change. */
export const ATTEMPTS = 5;
/** A longer wait, as of a daily quota, is not worth waiting for, in seconds. */
const MAX_PAUSE = 20;
/** How long before its end a token is renewed, in milliseconds. */
const MARGIN = 60_000;

export const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** What a server asks to wait, in seconds. */
export const retryAfter = (answer: Response) => Number(answer.headers.get("retry-after")) || 0;

/**
 * How long to wait before the next attempt, in milliseconds: at least what the server asks for, and twice as long each time from 0.4 s on.
 * Up to half of that is left to chance, so that clients that failed together do not come back together.
 */
export const backOff = (attempt: number, seconds = 0) =>
  Math.max(seconds * 1000, Math.min(MAX_PAUSE * 1000, 400 * 2 ** (attempt - 1)) * (1 - Math.random() / 2));

/** Gives a token to send. After a refusal it is asked for another one than `refused`, and gives nothing where there is none. */
export type TokenSource = (refused?: string) => string | undefined | Promise<string | undefined>;

/** A source that renews a token when it ends within a minute by its claim `exp`, and when the API has refused it. */
export function renewing(token: string, renew: () => Promise<string | undefined>): TokenSource {
  let renewal: Promise<string | undefined> | undefined;
  return async (refused) => {
    if (token !== refused && expiry(token) - Date.now() > MARGIN) return token;
    renewal ??= renew().finally(() => (renewal = undefined));
    try {
      token = (await renewal) ?? token;
    } catch (error) {
      // Sign-in is not reachable. The token is still good for some seconds.
      if (token === refused || expiry(token) <= Date.now()) throw error;
    }
    return token === refused ? undefined : token;
  };
}

/** When a token ends, in milliseconds. The API verifies its claims, a client does not. */
function expiry(token: string): number {
  try {
    const { exp } = JSON.parse(atob((token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/")));
    return typeof exp === "number" ? exp * 1000 : Infinity;
  } catch {
    return Infinity;
  }
}

/** `fetch` of the API: with a token, a fresh one after a 401, and again after 429 and 5xx. */
export function apiFetch(source: TokenSource): (request: Request) => Promise<Response> {
  return async (request) => {
    let token = await source();
    let isRenewed = false;
    for (let attempt = 1; ; attempt++) {
      const sent = request.clone();
      if (token !== undefined) sent.headers.set("authorization", `Bearer ${token}`);
      const last = attempt >= ATTEMPTS;
      let answer: Response | undefined;
      try {
        answer = await fetch(sent);
      } catch (error) {
        if (last) throw error;
      }
      if (answer?.status === 401 && !isRenewed) {
        isRenewed = true;
        const fresh = await source(token);
        if (fresh === undefined || fresh === token) return answer;
        token = fresh;
        attempt = 0;
        continue;
      }
      const mayPass = !answer || answer.status === 429 || (answer.status >= 500 && answer.status !== 501);
      if (answer && (!mayPass || last || retryAfter(answer) > MAX_PAUSE)) return answer;
      await pause(backOff(attempt, answer && retryAfter(answer)));
    }
  };
}
