// One file's way to a photo. Everything may be tried again: the idempotency key keeps it one photo.

import { Problem, pause, put } from "./api.js";

const TYPES = [
  ["image/jpeg", (b) => b[0] === 0xff && b[1] === 0xd8 && b[2] === 0xff],
  ["image/png", (b) => text(b, 1, 4) === "PNG" && b[0] === 0x89],
  ["image/gif", (b) => text(b, 0, 4) === "GIF8"],
  ["image/webp", (b) => text(b, 0, 4) === "RIFF" && text(b, 8, 12) === "WEBP"],
];

const text = (bytes, start, end) => String.fromCharCode(...bytes.slice(start, end));

/** The type that a file's first bytes tell: its name may say anything. */
export async function typeOf(file) {
  const head = new Uint8Array(await file.slice(0, 12).arrayBuffer());
  const known = TYPES.find(([, is]) => is(head));
  if (known) return known[0];
  // AVIF, TIFF and the like have a type that the browser knows and the API refuses with a reason.
  const other = file.type && !TYPES.some(([name]) => name === file.type) ? file.type : null;
  if (other?.startsWith("image/")) return other;
  // HEIC, for which browsers other than Safari have no type: the service tells it from AVIF and the like by the bytes.
  if (text(head, 4, 8) === "ftyp" && !/^(audio|video)\//.test(file.type)) return "application/octet-stream";
  throw new Problem("NOT_AN_IMAGE", "This file is not a photo.");
}

/** SHA-256 in base64; none where the page is not served from a secure origin. */
async function checksum(file) {
  if (!globalThis.crypto?.subtle) return undefined;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()));
  return btoa(String.fromCharCode(...digest));
}

const freshKey = () => crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;

export class Upload {
  /** `on` is told `progress` (0 to 1) and `step` ("preparing", "sending", "thumbnails"). */
  constructor(api, file, on) {
    Object.assign(this, { api, file, on });
    this.key = freshKey();
  }

  /** The photo, ready or failed. */
  async run() {
    this.on("step", "preparing");
    this.announcement ??= {
      file_name: this.file.name,
      content_type: await typeOf(this.file),
      size_bytes: this.file.size,
      checksum_sha256: await checksum(this.file),
    };
    for (let attempt = 1; ; attempt++) {
      const created = await this.created();
      this.id = created.photo_id;
      if (!created.upload) {
        // The bytes came by an earlier request of the key, or the time for them is over: the photo is looked at.
        this.on("step", "thumbnails");
        const photo = created.status === "expired" ? created : await this.api.settled(this.id);
        if (photo.status !== "expired" || attempt === 3) return photo;
        this.key = freshKey();
        continue;
      }
      if (await this.arrived(created.upload)) break;
      if (attempt === 3) throw new Problem("STORAGE", "The upload's address expired before everything was sent.");
    }
    this.on("step", "thumbnails");
    return this.api.settled(this.id);
  }

  async created() {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.api.create(this.announcement, this.key);
      } catch (problem) {
        const again = ["UNAVAILABLE", "NETWORK"].includes(problem.code) && attempt < 3 && navigator.onLine;
        if (!again) throw problem;
        await pause(problem.retryAfter * 1000 || 400 * attempt);
      }
    }
  }

  /** Whether the bytes are there; `false` if the address has expired and another one is needed. */
  async arrived(upload) {
    for (let attempt = 1; ; attempt++) {
      this.on("step", "sending");
      this.on("progress", 0);
      let answer;
      try {
        answer = await put(upload, this.file, (share) => this.on("progress", share));
      } catch (problem) {
        if (attempt === 3 || !navigator.onLine) throw problem;
        await pause(400 * attempt);
        continue;
      }
      if (answer.status === 200) return true;
      // The first attempt had arrived and its answer was lost: look the photo up, it is there.
      if (answer.status === 412) return Boolean(await this.api.get(this.id));
      if (answer.status === 403 && /expired/i.test(answer.text)) return false;
      if (answer.status < 500 || attempt === 3) {
        const code = /<Code>([^<]*)<\/Code>/.exec(answer.text)?.[1] ?? answer.status;
        throw new Problem("STORAGE", `The storage refused the file (${code}).`, { status: answer.status });
      }
      await pause(400 * attempt);
    }
  }
}
