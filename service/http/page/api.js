// Everything that is asked of the server. What fails is thrown as a Problem, whose message is a sentence for people.

export class Problem extends Error {
  constructor(message, status = 0, retryAfter = 1) {
    super(message);
    this.status = status; // 0: no answer at all
    this.retryAfter = retryAfter; // seconds
  }
}

const KEY = "seedlings-key";
const TRIES_WHEN_BUSY = 30;
const SENTENCES = {
  401: "The server wants a valid API key.",
  408: "The photo took too long to arrive. Is the connection weak?",
  409: "The model of this server cannot show what decided it.",
  413: "The photo is too large for this server. Scale it down and try again.",
  415: "This is no image in a format that is read here. JPEG, PNG, WebP, GIF, TIFF, BMP, AVIF and HEIC are.",
  422: "The photo cannot be read: it is damaged, cut off, far too large or tiny. Take it again, or save it anew.",
  429: "The server has too much to do right now. Try again in a moment.",
  500: "The model failed on this photo. Try another one; whoever runs the server finds the reason in its log.",
  503: "The server is not ready yet. Try again in a moment.",
  504: "The server was too busy to answer in time. Try again in a moment.",
};
export const DOWN = "The server does not answer. Is it still running, and are you still connected to it?";

export const useKey = (key) => sessionStorage.setItem(KEY, key);

async function ask(path, options = {}) {
  const key = sessionStorage.getItem(KEY);
  let response;
  try {
    response = await fetch(path, { ...options, headers: { ...options.headers, ...(key ? { "X-API-Key": key } : {}) } });
  } catch {
    throw new Problem(DOWN);
  }
  if (response.ok) return response;
  const sentence = SENTENCES[response.status] ?? `The server answered ${response.status}, which this page does not know.`;
  throw new Problem(sentence, response.status, Number(response.headers.get("Retry-After")) || 1);
}

async function patiently(work) {
  for (let tried = 1; ; tried++) {
    try {
      return await work();
    } catch (problem) {
      if (problem.status !== 429 || tried === TRIES_WHEN_BUSY) throw problem;
      await new Promise((resolve) => setTimeout(resolve, Math.min(problem.retryAfter, 5) * 1000));
    }
  }
}

const octets = { "Content-Type": "application/octet-stream" };

export const species = async () => (await ask("species")).json();

export const predict = (file) =>
  patiently(async () => (await ask("predict", { method: "POST", headers: octets, body: file })).json());

export const explain = (file, name) =>
  patiently(async () => (await ask(`explain?species=${encodeURIComponent(name)}`, { method: "POST", headers: octets, body: file })).blob());
