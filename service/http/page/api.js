// Everything that is asked of the server. What fails is thrown as a Problem, whose message is a sentence for people.

import { t } from "./language.js";

const PASSING = [0, 401, 408, 429, 503, 504];

export class Problem extends Error {
  constructor(status = 0, detail = "", retryAfter = 1) {
    super(t.errors[status] ?? t.unknown_error(status));
    this.status = status; // 0: no answer at all
    this.detail = detail; // the server's own sentence, in English
    this.retryAfter = retryAfter; // seconds
  }

  /** Whether the same request may work later. */
  get passing() {
    return PASSING.includes(this.status);
  }
}

const KEY = "seedlings-key";
const TRIES_WHEN_BUSY = 30;
const GONE = "gone"; // in place of a status: a file that was moved, changed or removed, or a folder
const BAD_GATEWAY = 502; // this one and those above it
export const useKey = (key) => sessionStorage.setItem(KEY, key);

/** Whether a file cannot be read any more. All of it is read: of one that is gone, browsers take a part for empty. */
const isGone = (file) => file.arrayBuffer().then(() => false, () => true);

async function ask(path, options = {}) {
  const key = sessionStorage.getItem(KEY);
  let response;
  try {
    response = await fetch(path, { ...options, headers: { ...options.headers, ...(key ? { "X-API-Key": key } : {}) } });
  } catch {
    throw new Problem(options.body instanceof Blob && (await isGone(options.body)) ? GONE : 0);
  }
  if (response.ok) return response;
  const own = response.headers.get("Content-Type")?.startsWith("application/problem+json");
  if (!own && response.status >= BAD_GATEWAY) throw new Problem(); // a proxy answers for a server that it cannot reach
  const document = own ? await response.json().catch(() => ({})) : {};
  throw new Problem(response.status, document.detail ?? "", Number(response.headers.get("Retry-After")) || 1);
}

/** What an answer holds, by one of its methods. One that breaks off is none, nor is the page of a network that wants a login first. */
async function read(as, path, options) {
  const response = await ask(path, options);
  try {
    return await response[as]();
  } catch {
    throw new Problem();
  }
}
const json = (path, options) => read("json", path, options);

/** `late`: how often to ask again where no answer came in time. */
async function patiently(work, late = 0) {
  for (let tried = 1; ; tried++) {
    try {
      return await work();
    } catch (problem) {
      const again = { 429: TRIES_WHEN_BUSY, 503: late + 1, 504: late + 1 }[problem.status] ?? 0;
      if (tried >= again) throw problem;
      await new Promise((resolve) => setTimeout(resolve, Math.min(problem.retryAfter, 5) * 1000));
    }
  }
}

const octets = { "Content-Type": "application/octet-stream" };

/** `signal` ends it; it takes as long as it takes where none is given. */
export const species = (signal) => json("species", { signal });

const asked = (path, query) => `${path}?${new URLSearchParams(Object.entries(query).filter(([, value]) => value !== undefined))}`;

/** The plants of a photo, and the answer to `crop` of it as `prediction`. */
export const detect = (file, crop) => patiently(() => json(asked("detect", { prediction: crop }), { method: "POST", headers: octets, body: file }), 1);
/** The photo as the server shows it: upright, in a format that any browser shows. */
export const upright = (file) => patiently(() => read("blob", "detect/overlay?boxes=false", { method: "POST", headers: octets, body: file }));

/** `crop`: the part looked at, [x, y, width, height] in pixels, or "auto", the largest plant; the central square if it is left out. */
export const predict = (file, crop) => patiently(() => json(asked("predict", { crop }), { method: "POST", headers: octets, body: file }));

/** What there is to keep for answers without the server; a Problem of 404 where there is nothing. */
export const offline = () => json("offline/model.json");
/** A file as the server has it now, never as it was kept before. */
export const file = (path) => ask(path, { cache: "reload" });

/** What the server keeps of photos. */
export const keeping = () => json("corrections");

/** What a photo really shows; `fields`: species, and the box that is meant. */
export function correct(file, fields) {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  form.append("file", file);
  return patiently(() => json("corrections", { method: "POST", body: form }));
}
export const takeBack = (id) => ask(`corrections/${id}`, { method: "DELETE" });

/** Corrections that wait for a reviewer, those behind the id `after`. */
export const waiting = (after, limit) => json(asked("corrections/waiting", { after: after ?? undefined, limit }));
export const photoOf = (id) => read("blob", `corrections/${id}/photo`);
export const review = (id, decision) =>
  json(`corrections/${id}/review`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(decision) });

export const explain = (file, species, crop) =>
  patiently(() => read("blob", asked("explain", { species, crop }), { method: "POST", headers: octets, body: file }));
