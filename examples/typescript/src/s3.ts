// What S3's answers mean to a client: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html

/** Send a new signature's request, send the same again after a pause, or neither: it is stored, it was there, or S3 refuses it. */
export type Action = "done" | "present" | "sign" | "again" | "refused";

const EXPIRED = new Set(["ExpiredToken", "TokenRefreshRequired", "InvalidAccessKeyId"]);
const TRANSIENT_CODES = new Set(["RequestTimeout", "ConditionalRequestConflict", "OperationAborted", "SlowDown", "ServiceUnavailable", "InternalError"]);
const TRANSIENT_STATUSES = new Set([408, 429, 500, 502, 503, 504]);

/** How long before its end a signature counts as ended, in milliseconds. */
const SIGNATURE_MARGIN = 5000;

/** Whether a signature has expired, or expires before another attempt arrives. */
export const isExpired = (expires_at: string) => Date.parse(expires_at) - SIGNATURE_MARGIN <= Date.now();

/** `Code` and `Message` of an error document of S3. */
export function s3Error(xml: string): { code: string; message: string } {
  const element = (name: string) => new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1]?.trim() ?? "";
  return /<Error[\s>]/.test(xml) ? { code: element("Code"), message: element("Message") } : { code: "", message: "" };
}

/** What to do after an answer to a PUT. */
export function s3Action(status: number, { code, message }: { code: string; message: string }): Action {
  if (status >= 200 && status < 300) return "done";
  if (status === 412) return "present";
  if (EXPIRED.has(code) || (code === "AccessDenied" && message === "Request has expired")) return "sign";
  return TRANSIENT_CODES.has(code) || TRANSIENT_STATUSES.has(status) ? "again" : "refused";
}
