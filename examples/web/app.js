// The page: what is shown, and what happens when somebody does something.

import { Api, choosePassword, configuration, revoke, signIn } from "./api.js";
import { Problem, claims, tokenSource } from "./protocol.js";
import { dataUrl, preview } from "./thumbhash.js";
import { Upload, group } from "./upload.js";

/** Files that are sent at once. */
const AT_ONCE = 3;
/** How old a pending photo may be to be waited for, in milliseconds: its upload's address lasts 5 minutes. */
const LATEST = 10 * 60_000;

const MESSAGES = {
  NETWORK: "The connection was lost. Nothing is gone: try again.",
  TOO_LARGE: "This photo is too large.",
  TOO_MANY_PIXELS: "This photo has too many pixels: scale it down.",
  TOO_MANY_FRAMES: "This animation has too many frames.",
  UNSUPPORTED_TYPE: "Photos of this type are not taken: convert it to JPEG.",
  NOT_AN_IMAGE: "This file is not a photo, whatever its name says.",
  TYPE_MISMATCH: "This file is another kind of photo than it says.",
  CORRUPT_IMAGE: "This photo is damaged: upload it again from its source.",
  CHECKSUM_MISMATCH: "The photo did not arrive as it was sent: try again.",
  SIZE_MISMATCH: "The photo did not arrive whole: try again.",
  QUOTA_EXCEEDED: "You have uploaded as much as you may for now. Try again later.",
  UNAVAILABLE: "The service cannot do this now. Try again in a moment.",
  UNAUTHENTICATED: "You are signed out: sign in again.",
  WEAK_PASSWORD: "This password does not meet the rules.",
  PROCESSING_TIMEOUT: "This photo takes too long: scale it down.",
};
const STEPS = { waiting: "Waiting", preparing: "Preparing", sending: "Uploading", thumbnails: "Making thumbnails" };
/** These end the same way however often they are tried. */
const FINAL = new Set(["TOO_LARGE", "NOT_AN_IMAGE", "UNSUPPORTED_TYPE"]);

const $ = (id) => document.getElementById(id);
const queue = [];
const waitingForNetwork = new Set();
let active = 0;
let config;
let session;
/** Whose page it was until the session ended by itself. */
let before;
let api;
let cursor;
/** Whether the photos of the session could be listed. */
let isListed = false;
/** Of a user who must choose a new password to sign in. */
let challenge;
/** The cards by their elements. */
const cards = new WeakMap();

/** What the file dialog offers. Not every browser knows HEIC by its name, and iPhones convert to JPEG where it is not named. */
const accepted = (types) => [...types, ...(types.includes("image/heic") ? [".heic", ".heif"] : [])].join(",");
const explain = (problem) => MESSAGES[problem.code] ?? problem.message ?? "Something went wrong.";
const say = (text) => ($("status").textContent = text);

// ---- one photo ------------------------------------------------------------------------------------------

class Card {
  constructor(name, before = null) {
    this.element = $("card").content.firstElementChild.cloneNode(true);
    this.name = name;
    for (const part of ["placeholder", "photo", "name", "state", "retry", "open", "delete"]) this[`$${part}`] = this.element.querySelector(`.${part}`);
    this.$progress = this.element.querySelector("progress");
    this.$name.textContent = this.$name.title = name;
    this.$retry.setAttribute("aria-label", `Retry ${name}`);
    this.$open.setAttribute("aria-label", `Open ${name} (new tab)`);
    this.$progress.setAttribute("aria-label", `Upload of ${name}`);
    this.$delete.onclick = () => this.delete();
    this.$retry.onclick = () => this.retry();
    this.removable();
    cards.set(this.element, this);
    $("list").insertBefore(this.element, before);
    showEmptiness();
  }

  /** What was never announced is only taken off the page. */
  removable() {
    this.$delete.textContent = this.id ?? this.job?.id ? "Delete" : "Remove";
    this.$delete.setAttribute("aria-label", `${this.$delete.textContent} ${this.name}`);
  }

  state(text, { bad = false, progress = null } = {}) {
    this.$state.textContent = text;
    this.element.classList.toggle("bad", bad);
    this.$progress.hidden = progress === null;
    if (progress !== null) this.$progress.value = progress;
  }

  /** Sends a file, now or when those before it are done. */
  upload(file) {
    this.file = file;
    this.job = new Upload(api, file, (what, value) => {
      if (what === "step") this.step = value;
      const share = what === "progress" ? value : this.step === "thumbnails" ? 1 : 0;
      const percent = this.step === "sending" ? ` ${Math.round(share * 100)} %` : " …";
      this.state(STEPS[this.step] + percent, { progress: share });
    });
    this.enqueue();
  }

  enqueue() {
    this.$retry.hidden = true;
    this.$delete.hidden = true;
    this.state(STEPS.waiting, { progress: 0 });
    queue.push(this);
    work();
  }

  async run() {
    this.running = true;
    // Here and not when it is chosen: as many are decoded at once as are sent at once.
    preview(this.file).then((url) => url && !this.$placeholder.src && (this.$placeholder.src = url));
    try {
      this.show(await this.job.run());
      say(this.failed ? `${this.name} failed: ${this.$state.textContent}` : `${this.name} is ready.`);
    } catch (problem) {
      this.fail(problem);
    } finally {
      this.running = false;
    }
  }

  /** Goes on with what was under way when the session ended: the same photo, asked for with the new token. */
  resume(api) {
    this.job.api = api;
    if (!this.running && !queue.includes(this)) this.enqueue();
  }

  fail(problem) {
    this.state(explain(problem), { bad: true });
    this.$retry.hidden = !this.job || FINAL.has(problem.code);
    this.$delete.hidden = false;
    this.removable();
    if (problem.code === "NETWORK") waitingForNetwork.add(this);
    // Ignore errors of a session that has since signed out.
    if (problem.code === "UNAUTHENTICATED" && (this.job?.api ?? api) === api) ended(problem);
    say(`${this.name}: ${explain(problem)}`);
  }

  retry() {
    waitingForNetwork.delete(this);
    this.enqueue();
    this.$name.tabIndex = -1;
    this.$name.focus();
  }

  /** Shows the photo of a record. */
  show(photo) {
    this.id = photo.photo_id;
    this.failed = photo.status !== "ready";
    this.removable();
    this.$delete.hidden = false;
    if (photo.status === "failed") return this.state(MESSAGES[photo.failure?.code] ?? `Failed: ${photo.failure?.code}`, { bad: true });
    if (photo.status === "expired") return this.state("Never arrived: upload it again.", { bad: true });
    if (photo.thumbhash) this.$placeholder.src = dataUrl(photo.thumbhash);
    if (photo.status === "pending") return this.follow(photo.created_at);
    const best = pick(photo.variants, 480);
    this.$photo.onload = () => this.$photo.classList.add("shown");
    if (best) Object.assign(this.$photo, { alt: this.name, src: best.url });
    const largest = pick(photo.variants, Infinity);
    if (largest) this.$open.href = largest.url;
    this.$open.hidden = !largest;
    const facts = `${photo.original.width} × ${photo.original.height} · ${size(photo.size_bytes)}`;
    this.state(photo.damaged ? `${facts} · Part of this photo is missing: ${photo.received_percent} % of it came.` : facts);
  }

  /** Waits for a photo that was pending when the page was opened. */
  async follow(createdAt) {
    if (Date.now() - Date.parse(createdAt) > LATEST) return this.state("Not uploaded yet.");
    this.state(`${STEPS.thumbnails} …`);
    try {
      this.show(await api.settled(this.id, { timeout: 30_000 }));
    } catch (problem) {
      this.state(problem.code === "STILL_PENDING" ? "Not uploaded yet." : explain(problem));
    }
  }

  async delete() {
    const id = this.id ?? this.job?.id;
    this.$delete.disabled = true;
    try {
      if (id) await api.delete(id);
    } catch (problem) {
      this.$delete.disabled = false;
      return this.fail(problem);
    }
    waitingForNetwork.delete(this);
    // The focus goes on to the next photo, so that nobody is thrown back to the top.
    const next = this.element.nextElementSibling ?? this.element.previousElementSibling;
    this.element.remove();
    (next?.querySelector(".delete:not([hidden])") ?? $("choose")).focus();
    say(`${this.name} is ${id ? "deleted" : "removed"}.`);
    showEmptiness();
  }
}

/** The variant that fits best: the smallest that is large enough, WebP before JPEG. */
function pick(variants, pixels) {
  const longest = (v) => Math.max(v.width, v.height);
  const sorted = [...variants].sort((a, b) => longest(a) - longest(b) || (a.format === "webp" ? -1 : 1));
  return sorted.find((v) => longest(v) >= pixels) ?? sorted.filter((v) => longest(v) === longest(sorted.at(-1)))[0];
}

const size = (bytes) => (bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(1)} MB`);

function showEmptiness() {
  // A list that could not be read says nothing.
  $("empty").hidden = !isListed || $("list").children.length > 0;
}

function work() {
  while (active < AT_ONCE && queue.length) {
    group(queue.map((card) => card.job));
    active++;
    queue.shift().run().finally(() => {
      active--;
      work();
    });
  }
}

function add(files) {
  const chosen = [...files];
  if (!chosen.length) return;
  say(`${chosen.length} ${chosen.length === 1 ? "photo" : "photos"} chosen.`);
  for (const file of chosen.reverse()) new Card(file.name, $("list").firstElementChild).file = file;
  // In the order in which they were chosen.
  for (const card of [...$("list").children].slice(0, chosen.length).map((element) => cards.get(element))) card.upload(card.file);
}

// ---- signing in -----------------------------------------------------------------------------------------

function welcome(message = "") {
  session = before = challenge = undefined;
  // What has not begun is not sent for whoever signs in next.
  queue.length = 0;
  waitingForNetwork.clear();
  sessionStorage.removeItem("photodrop");
  $("photos").hidden = $("who").hidden = $("choose-password").hidden = true;
  $("welcome").hidden = $("sign-in").hidden = false;
  $("welcome-title").textContent = "Sign in to upload photos";
  $("new-password").value = "";
  $("sign-in-error").textContent = message;
  $("by-password").hidden = !config.cognito;
  $("by-token").open = !config.cognito;
  $("demo").hidden = !config.demo;
  (config.cognito ? $("user") : $("token")).focus();
}

/** Signs out here at once, and at Cognito: a refresh token is good for 30 days. */
async function signOut() {
  const { refreshToken } = session ?? {};
  welcome();
  if (!refreshToken || !config.cognito) return;
  try {
    await revoke(config.cognito, refreshToken);
  } catch {
    if (!session) $("sign-in-error").textContent = "You are signed out on this page. The server did not confirm it.";
  }
}

/** The session has ended by itself: whoever signs in again as the same user goes on. */
function ended(problem) {
  const whose = session ? subject(session.token) : before;
  welcome(explain(problem));
  before = whose;
}

/** Whose token it is. */
const subject = (token) => claims(token).sub;

async function enter(given) {
  let own = (session = given);
  const whose = subject(given.token);
  const unfinished = whose && whose === before ? [...$("list").children].map((element) => cards.get(element)).filter((card) => card.job && !card.id) : [];
  before = challenge = undefined;
  // For this tab alone, and gone with it.
  sessionStorage.setItem("photodrop", JSON.stringify(session));
  api = new Api(config.api, tokenSource(own, async (old) => {
    // Never by the session of somebody who has signed in since.
    if (session !== own || !own.refreshToken || !config.cognito) return undefined;
    const fresh = await signIn(config.cognito, old).catch((problem) => {
      throw problem.code === "SIGN_IN" ? new Problem("UNAUTHENTICATED", problem.message) : problem;
    });
    if (session !== own) return undefined;
    session = own = fresh;
    sessionStorage.setItem("photodrop", JSON.stringify(session));
    return fresh;
  }));
  $("welcome").hidden = true;
  $("photos").hidden = $("who").hidden = false;
  $("who-name").textContent = session.user ?? "";
  $("list").replaceChildren(...unfinished.map((card) => card.element));
  for (const card of unfinished) card.resume(api);
  cursor = undefined;
  isListed = false;
  await more();
}

async function byPassword(user, password) {
  await proceed(() => signIn(config.cognito, { user, password }));
}

/** Signs in by one step, or shows the step that comes next. */
async function proceed(step) {
  const error = challenge ? $("new-password-error") : $("sign-in-error");
  error.textContent = "";
  try {
    const session = await step();
    if (session.challenge) return chooseNewPassword(session.challenge);
    await enter(session);
    if (!$("photos").hidden) $("choose").focus();
  } catch (problem) {
    if (problem.code === "SIGN_IN" && challenge) return welcome("That took too long or was refused. Sign in again.");
    error.textContent = explain(problem);
  }
}

/** Cognito asks this of a user whom an operator made: the first password was a temporary one. */
function chooseNewPassword(asked) {
  challenge = asked;
  $("sign-in").hidden = true;
  $("choose-password").hidden = false;
  $("welcome-title").textContent = "Choose a new password";
  $("new-user").value = asked.user;
  $("password").value = "";
  $("new-password").focus();
}

// ---- earlier photos -------------------------------------------------------------------------------------

async function more() {
  const byButton = document.activeElement === $("more");
  $("more").disabled = true;
  $("notice").textContent = "";
  try {
    const page = await api.list(cursor);
    isListed = true;
    cursor = page.next_cursor;
    // What goes on has its card.
    const known = new Set([...$("list").children].map((element) => cards.get(element).job?.id).filter(Boolean));
    const first = page.photos.filter((photo) => !known.has(photo.photo_id)).map((photo) => {
      const card = new Card(photo.file_name ?? "Photo");
      card.show(photo);
      return card;
    })[0];
    if (byButton) first?.$delete.focus({ preventScroll: true });
    $("more").hidden = !cursor;
  } catch (problem) {
    if (problem.code === "UNAUTHENTICATED") ended(problem);
    else $("notice").textContent = explain(problem);
  } finally {
    $("more").disabled = false;
    showEmptiness();
  }
}

// ---- what somebody does ---------------------------------------------------------------------------------

$("sign-in").onsubmit = async (event) => {
  event.preventDefault();
  const token = $("token").value.trim();
  if (token) await enter({ token });
  else if (config.cognito) await byPassword($("user").value.trim(), $("password").value);
};
$("choose-password").onsubmit = async (event) => {
  event.preventDefault();
  await proceed(() => choosePassword(config.cognito, challenge, $("new-password").value));
};
$("cancel-password").onclick = () => welcome();
$("demo").onclick = () => byPassword(config.demo.user, config.demo.password);
$("sign-out").onclick = signOut;
$("more").onclick = more;
$("choose").onclick = () => $("files").click();
$("files").onchange = () => {
  add($("files").files);
  $("files").value = "";
};

let depth = 0;
const over = (on) => $("drop").classList.toggle("over", on);
addEventListener("dragenter", (event) => event.dataTransfer?.types.includes("Files") && over(++depth > 0));
addEventListener("dragleave", () => over((depth = Math.max(0, depth - 1)) > 0));
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
  event.preventDefault();
  over((depth = 0) > 0);
  if (session) add(event.dataTransfer.files);
});
// What the lost connection stopped goes on when it is back.
addEventListener("online", () => [...waitingForNetwork].forEach((card) => card.retry()));
addEventListener("beforeunload", (event) => (active || queue.length) && event.preventDefault());

try {
  config = await configuration();
  if (config.content_types) $("files").accept = accepted(config.content_types);
  const kept = JSON.parse(sessionStorage.getItem("photodrop") ?? "null");
  if (kept?.token) await enter(kept);
  else welcome();
} catch (problem) {
  $("welcome").hidden = false;
  $("sign-in").hidden = true;
  $("welcome-title").textContent = explain(problem);
}
