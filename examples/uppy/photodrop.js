// What @uppy/aws-s3 6 needs to upload to photodrop: `uppy.use(AwsS3, photodrop(uppy, api, () => token))`.
export function photodrop(uppy, api, token) {
  const files = new Map(); // by the keys that Uppy makes up and the keys that photodrop answers
  // An answer was lost and the bytes had arrived: S3 says 412 to the second attempt, and that is a success.
  uppy.on("upload-error", (file, error) => {
    if (error.status !== 412) return;
    uppy.setFileState(file.id, { error: null });
    uppy.emit("upload-success", uppy.getFile(file.id), { status: 200, body: {}, uploadURL: undefined });
  });
  return {
    shouldUseMultipart: (file) => file.size >= 8 * 1024 * 1024, // the stack's MultipartThresholdBytes
    getChunkSize: () => 5 * 1024 * 1024, // photodrop signs parts of exactly this length
    generateObjectKey: (file) => (files.set(file.id, file.id), file.id),
    async signRequest(request) {
      const file = uppy.getFile(files.get(request.key));
      const extra = file && { size: file.size, fileName: file.name, contentType: file.type, idempotencyKey: file.meta.photodropKey };
      const answer = await fetch(`${api}/api/v4/photo/uppy/sign`, {
        method: "POST",
        headers: { authorization: `Bearer ${await token()}`, "content-type": "application/json" },
        body: JSON.stringify({ ...request, ...extra }),
      });
      const signed = await answer.json();
      if (!answer.ok) throw new Error(signed.detail ?? `photodrop answered ${answer.status}`);
      if (signed.photo_id && file) uppy.setFileMeta(file.id, { photoId: signed.photo_id });
      return signed;
    },
  };
}
