// What @uppy/aws-s3 6 needs to upload to photodrop: `uppy.use(AwsS3, photodrop(uppy, api, token))`. `token(refused)` gives the access
// token to send; after a refusal it is called with the refused one and gives a fresh one, or nothing.
import { ATTEMPTS, backOff, caller, pause, s3Action, s3Error } from "../web/protocol.js";

export function photodrop(uppy, api, token) {
  const idempotencyKeys = new Map(); // by file: another attempt is the same photo
  const closed = new Map(); // by file: S3 has the bytes already, or the API signs nothing more
  const passing = new Map(); // by file: what S3 refused and takes after another attempt
  const retried = new Set(); // files whose further attempts are under way
  const callApi = caller(api, token);
  const call = async (method, path, body) => {
    const answer = await callApi(method, `/${path}`, { body }).catch((problem) => {
      // UPLOAD_CLOSED is the API's word for S3's 412: nothing is left to put, or it is too late.
      throw problem.code === "UPLOAD_CLOSED" ? Object.assign(problem, { status: 412 }) : problem;
    });
    return answer.json();
  };
  uppy.on("file-removed", (file) => idempotencyKeys.delete(file.id)); // chosen again it is another photo
  uppy.on("upload-error", (file, error) => {
    if (error.status === 412) closed.set(file.id, error.code);
    const action = actionAfter(error, Boolean(uppy.getFile(file.id)?.s3Multipart));
    if (["sign", "again", "begin"].includes(action)) passing.set(file.id, action);
    else passing.delete(file.id);
  });
  // A retry asks for a new signature, and continues a multipart upload with the missing parts.
  uppy.addPostProcessor((ids) => Promise.all(ids.filter((id) => passing.has(id) && !retried.has(id)).map(async (id) => {
    retried.add(id);
    for (let attempt = 1; passing.has(id) && attempt < ATTEMPTS && uppy.getFile(id); attempt++) {
      const action = passing.get(id);
      passing.delete(id);
      if (action !== "sign") await pause(backOff(attempt));
      // S3 wants a new multipart upload, with all its parts.
      if (action === "begin") uppy.setFileState(id, { s3Multipart: undefined });
      uppy.hideInfo();
      uppy.setState({ error: null });
      await uppy.retryUpload(id);
    }
    retried.delete(id);
  })));
  const look = (id) => call("GET", uppy.getFile(id).meta.photoId).catch(() => ({ status: "unknown" }));
  // An answer was lost and the bytes had arrived. The photo is looked up, and that is a success.
  uppy.addPostProcessor(async (ids) => {
    for (const id of ids.filter((id) => closed.has(id))) {
      let { status } = await look(id);
      // By the API's word alone a pending photo may have no bytes: within minutes it is settled, or expired.
      const mayExpire = closed.get(id) === "UPLOAD_CLOSED";
      for (let looks = 0; mayExpire && status === "pending" && looks < 200; looks++) {
        await new Promise((resolve) => setTimeout(resolve, 3000));
        ({ status } = await look(id));
      }
      closed.delete(id);
      if (status === "expired") idempotencyKeys.delete(id); // the next attempt is a new photo
      if (!["ready", "failed", ...(mayExpire ? [] : ["pending"])].includes(status)) continue;
      uppy.hideInfo();
      uppy.setState({ error: null });
      uppy.setFileState(id, { error: null });
      uppy.emit("upload-success", uppy.getFile(id), { status: 200, body: {}, uploadURL: undefined });
    }
  });
  return {
    shouldUseMultipart: (file) => file.size >= 8 * 1024 * 1024, // the stack's MultipartThresholdBytes
    getChunkSize: () => 5 * 1024 * 1024, // photodrop signs parts of exactly this length
    generateObjectKey: (file) => file.id,
    async signRequest(request) {
      const file = uppy.getFile(request.key); // none later on: then the key is the one that photodrop answered
      if (!file) return call("POST", "uppy/sign", request);
      const { id, size, name: fileName, type: contentType } = file;
      if (!idempotencyKeys.has(id)) idempotencyKeys.set(id, crypto.randomUUID());
      const begin = () => call("POST", "uppy/sign", { ...request, size, fileName, contentType, idempotencyKey: idempotencyKeys.get(id) });
      const signed = await begin().catch((error) => {
        if (error.code !== "IDEMPOTENCY_CONFLICT") throw error;
        idempotencyKeys.set(id, crypto.randomUUID()); // its photo was deleted meanwhile: this is to be another one
        return begin();
      });
      uppy.setFileMeta(id, { photoId: signed.photo_id });
      return signed;
    },
  };
}

/** What to do after an error of @uppy/aws-s3, which has sent again already after 429 and 5xx. */
function actionAfter({ status, body, message }, isMultipart) {
  if (body !== undefined) return status === 429 || status >= 500 ? "refused" : s3Action(status, s3Error(body), isMultipart);
  // Of an error behind the 200 of a CompleteMultipartUpload Uppy gives the message alone.
  const code = /"Error":\{"Code":"(\w+)"/.exec(message)?.[1];
  return code ? s3Action(200, { code, message: "" }, true) : "refused";
}
