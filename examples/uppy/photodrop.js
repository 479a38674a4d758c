// What @uppy/aws-s3 6 needs to upload to photodrop: `uppy.use(AwsS3, photodrop(uppy, api, () => token))`.
export function photodrop(uppy, api, token) {
  const idempotencyKeys = new Map(); // by file: another attempt is the same photo
  const closed = new Map(); // by file: S3 has the bytes already, or the API signs nothing more
  const call = async (method, path, body) => {
    const headers = { authorization: `Bearer ${await token()}`, ...(body && { "content-type": "application/json" }) };
    const answer = await fetch(`${api}/api/v4/photo/${path}`, { method, headers, body: body && JSON.stringify(body) });
    const found = await answer.json();
    if (answer.ok) return found;
    // UPLOAD_CLOSED is the API's word for S3's 412: nothing is left to put, or it is too late.
    throw Object.assign(new Error(found.detail ?? `photodrop answered ${answer.status}`), { code: found.code, status: found.code === "UPLOAD_CLOSED" ? 412 : answer.status });
  };
  uppy.on("file-removed", (file) => idempotencyKeys.delete(file.id)); // chosen again it is another photo
  uppy.on("upload-error", (file, error) => error.status === 412 && closed.set(file.id, error.code));
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
