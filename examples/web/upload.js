// One file's way to a photo. Everything may be tried again: the idempotency key keeps it one photo.

import { put } from "./api.js";
import { ATTEMPTS, Problem, backOff, isExpired, pause, s3Action, s3Error } from "./protocol.js";

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

/** The most uploads that the API takes in one request. */
const MAX_BATCH = 25;
/** The most addresses that one upload asks for. */
const MAX_SIGNATURES = 3;
/** As much is sent within the life of a signature, 5 minutes, over a line of 30 kB a second. */
const MAX_BATCH_BYTES = 8 * 1024 * 1024;

/** Lets the first of these uploads, as many as fit, be asked for by one request. What was asked for before is asked for as before. */
export function group(uploads) {
  const members = [];
  let bytes = 0;
  for (const upload of uploads.slice(0, MAX_BATCH)) {
    bytes += upload.file.size;
    if (upload.batch || upload.isAsked || (members.length > 0 && bytes > MAX_BATCH_BYTES)) break;
    members.push(upload);
  }
  if (members.length > 1) new Batch(members);
}

/** Uploads that are asked for together. */
class Batch {
  constructor(members) {
    Object.assign(this, { members, key: freshKey(), served: new Set() });
    for (const member of members) member.batch = this;
  }

  /** The answer for one of them, if it was announced. They share a request, until one whose URL has expired repeats it for all. */
  async ask(member) {
    // A file that could not be read when the batch was announced is asked for alone.
    if (!(await this.announce()).includes(member)) return undefined;
    if (this.served.has(member)) {
      this.served.clear();
      this.answers = undefined;
    }
    this.answers ??= this.request(member.api).catch((problem) => {
      this.answers = undefined;
      throw problem;
    });
    const answer = (await this.answers).get(member);
    this.served.add(member);
    return answer;
  }

  /** The members that can be announced. The others fail on their own. */
  async announce() {
    this.announced ??= Promise.all(this.members.map((member) => member.prepare().then(() => member, () => undefined)));
    return (await this.announced).filter(Boolean);
  }

  async request(api) {
    const announced = await this.announce();
    const answers = await api.createAll(announced.map((member) => member.announcement), this.key);
    announced.forEach((member, at) => (member.id = answers[at].photo_id));
    return new Map(announced.map((member, at) => [member, answers[at]]));
  }
}

/** These say nothing of the request: it may be sent again. */
const TRANSIENT_CODES = new Set(["NETWORK", "UNAVAILABLE", "UNAUTHENTICATED"]);

export class Upload {
  /** `on` is told `progress` (0 to 1) and `step` ("preparing", "sending", "thumbnails"). */
  constructor(api, file, on) {
    Object.assign(this, { api, file, on });
    this.key = freshKey();
  }

  /** What is announced of the file. */
  async prepare() {
    this.announcement ??= {
      file_name: this.file.name,
      content_type: await typeOf(this.file),
      size_bytes: this.file.size,
      checksum_sha256: await checksum(this.file),
    };
  }

  /** The photo, ready or failed. */
  async run() {
    this.on("step", "preparing");
    await this.prepare();
    for (let attempt = 1; ; attempt++) {
      const created = await this.created();
      this.id = created.photo_id;
      if (!created.upload) {
        // The bytes came by an earlier request of the key, or the time for them is over: the photo is looked at.
        this.on("step", "thumbnails");
        const photo = created.status === "expired" ? created : await this.api.settled(this.id);
        if (photo.status !== "expired" || attempt === MAX_SIGNATURES) return photo;
        this.askAnew();
        continue;
      }
      if (await this.arrived(created.upload, attempt < MAX_SIGNATURES)) break;
      if (attempt === MAX_SIGNATURES) throw new Problem("STORAGE", "The upload's address expired before everything was sent.");
    }
    this.on("step", "thumbnails");
    return this.api.settled(this.id);
  }

  askAnew() {
    this.batch = undefined;
    this.isAcknowledged = false;
    this.key = freshKey();
  }

  /** Asks for the upload, together with others or alone. */
  async created() {
    if (this.isAcknowledged) {
      // S3 has the bytes: the photo stays the same until its owner deletes it.
      const photo = await this.lookUp();
      if (photo) return { ...photo, upload: null };
      this.askAnew();
    }
    if (this.batch) {
      try {
        const answer = await this.batch.ask(this);
        if (answer) return answer;
        this.askAnew();
      } catch (problem) {
        if (TRANSIENT_CODES.has(problem.code)) throw problem;
        // All or none: another member was refused, or a photo of the batch was deleted. A pending photo is not deleted: its record expires
        // if no bytes came.
        const photo = this.id && (await this.lookUp());
        if (photo && photo.status !== "pending") return { ...photo, upload: null };
        this.askAnew();
      }
    }
    this.isAsked = true;
    return this.api.create(this.announcement, this.key);
  }

  /** The photo, or nothing if it was deleted. */
  async lookUp() {
    try {
      return await this.api.get(this.id);
    } catch (problem) {
      if (problem.code !== "NOT_FOUND") throw problem;
    }
    return undefined;
  }

  /** Whether the bytes are there; `false` if the address has expired and another one is needed, which `maySign` allows after a lost connection. */
  async arrived(upload, maySign) {
    for (let attempt = 1; ; attempt++) {
      this.on("step", "sending");
      this.on("progress", 0);
      let answer;
      try {
        answer = await put(upload, this.file, (share) => this.on("progress", share));
      } catch (problem) {
        if (attempt >= ATTEMPTS || globalThis.navigator?.onLine === false) throw problem;
        await pause(backOff(attempt));
        if (maySign && isExpired(upload)) return false;
        continue;
      }
      const { status } = answer;
      const error = s3Error(answer.text);
      const action = s3Action(status, error);
      if (action === "done" || action === "present") this.isAcknowledged = true;
      if (action === "done") return true;
      // The first attempt had arrived and its answer was lost: look the photo up, it is there.
      if (action === "present") return Boolean(await this.api.get(this.id));
      if (action === "sign") return false;
      const name = error.code || status;
      if (action === "refused") throw new Problem("STORAGE", `The storage refused the file (${name}).`, { status });
      if (attempt >= ATTEMPTS) throw new Problem("UNAVAILABLE", `The storage did not take the file (${name}).`, { status });
      await pause(backOff(attempt, answer.retryAfter));
    }
  }
}
