// Answers without the server: the network runs in this browser, by ONNX Runtime Web. Only where the user asked for it, since it has to be
// fetched and kept before. What stands in an answer is what the server would say, but for plants: nothing is looked for.

import * as api from "./api.js";
import { $, hold } from "./dom.js";
import { megabytes, t } from "./language.js";
import { square } from "./preprocess.js";

const CACHE = "seedlings-offline", COMING = `${CACHE}-new`; // what is kept; what is being fetched, until all of it is there
const RUNTIME = "page/onnxruntime/ort-wasm-simd-threaded.wasm.gz", MODULE = "page/onnxruntime/ort.wasm.bundle.min.mjs";
const ABOUT = "offline/model.json", MODEL = "offline/model.onnx", SECOND = "offline/second.onnx", SPECIES = "offline/species.json";
const ALL = [MODULE, RUNTIME, MODEL, SPECIES, ABOUT]; // and SECOND, where a second model answers what is beyond the first one
const RANKS = ["species", "kind", "group"]; // of what is said, narrowest first
const DIGITS = 1e7; // of a probability
const NEAR_LIMIT = 0.85; // from this share of the limit on the second model is asked, as service/inference/second_model.py has it
let about = null; // of the model that is kept: what GET offline/model.json told of it, with the second one as `second`
let offered = null; // of the model in service, where it can be kept
let session = null, second = null; // what `load` gave of each, once it was asked

const keeping = () => "serviceWorker" in navigator && "caches" in window; // only of a page by HTTPS or of this very machine
const round = (value) => Math.round(value * DIGITS) / DIGITS;

const read = (name) => caches.match(name, { cacheName: CACHE });

/** Whether photos can be answered here. */
export const ready = () => about !== null;

/** What the kept model knows: as GET species told it. */
export const species = async () => (await read(SPECIES)).json();

/** What is kept from before. */
export async function recall() {
  if (!keeping()) return;
  const found = await Promise.all(ALL.map(read));
  about = found.every(Boolean) ? await found.at(-1).json() : null;
  if (about?.second && !(await read(SECOND))) about = null;
  show();
}

const bytesOf = (wanted) => wanted.bytes + (wanted.second?.bytes ?? 0) + wanted.runtime_bytes;
const marks = (told) => [told, told.second].map((one) => one && [one.sha256, one.model.name, one.model.version].join(" ")).join();
const sameAs = (one, other) => marks(one) === marks(other); // the same weights may have other thresholds in another version
const titled = ({ model: { name, version } }) => t.model_version(name, version);

/** Offer to keep the model in service, where it can be. */
export async function meet() {
  if (!keeping()) return;
  navigator.serviceWorker.register("service-worker.js").catch(() => {}); // without it the page works as long as it stays open
  offered = await api.offline().catch(() => null);
  show();
}

function show(failed = "") {
  const size = offered && megabytes(bytesOf(offered));
  const newer = about && offered && !sameAs(about, offered);
  $("offline").hidden = !about && !offered;
  const said = !about ? t.offline_offer(size) : newer ? t.offline_newer(size) : t.offline_kept([about, about.second].filter(Boolean).map(titled).join(", "));
  const missing = (newer ? offered : (about ?? offered))?.missing; // a second model that the browser cannot keep
  $("offline-text").textContent = [said, missing && t.offline_missing(missing), t.offline_less].filter(Boolean).join(" ");
  $("offline-keep").hidden = !offered || (about && !newer);
  $("offline-forget").hidden = !about;
  $("offline-progress").hidden = true;
  $("offline-said").textContent = failed;
}

/** Fetch into `cache`, and tell how many bytes have come. */
async function fetched(cache, name, come) {
  const response = await api.file(name);
  const counted = response.body.pipeThrough(new TransformStream({ transform: (piece, way) => (come(piece.byteLength), way.enqueue(piece)) }));
  await cache.put(name, new Response(counted, { headers: response.headers }));
}

async function digest(response) {
  const found = await crypto.subtle.digest("SHA-256", await response.arrayBuffer());
  return [...new Uint8Array(found)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

$("offline-keep").addEventListener("click", async () => {
  const wanted = offered;
  const had = document.activeElement;
  $("offline-keep").disabled = true;
  $("offline-progress").hidden = false;
  $("offline-progress").max = bytesOf(wanted);
  let came = 0;
  const come = (bytes) => ($("offline-progress").value = came += bytes);
  try {
    await caches.delete(COMING); // of a time that was cut off
    const coming = await caches.open(COMING);
    const networks = [[MODEL, wanted], ...(wanted.second ? [[SECOND, wanted.second]] : [])];
    for (const name of [MODULE, RUNTIME, ...networks.map(([name]) => name)]) await fetched(coming, name, come);
    const whole = await Promise.all(networks.map(async ([name, { sha256 }]) => (await digest(await coming.match(name))) === sha256));
    const known = await api.species();
    if (!whole.every(Boolean) || known.model.version !== wanted.model.version) throw new Error(t.offline_changed);
    await coming.put(SPECIES, new Response(JSON.stringify(known)));
    await coming.put(ABOUT, new Response(JSON.stringify(wanted)));
    await caches.delete(CACHE);
    const cache = await caches.open(CACHE);
    for (const name of wanted.second ? [SECOND, ...ALL] : ALL) await cache.put(name, await coming.match(name));
    await navigator.storage?.persist?.(); // else the browser may clear it when its disk is full
    [about, session, second] = [wanted, null, null];
    show();
  } catch (problem) {
    await recall(); // what was kept before is so still, unless the disk was full at the end
    if (!about) await caches.delete(CACHE);
    show(t.offline_failed(problem.message));
  } finally {
    await caches.delete(COMING);
    $("offline-keep").disabled = false;
    hold(had, $("offline-forget"));
  }
});

$("offline-forget").addEventListener("click", async () => {
  await caches.delete(CACHE);
  about = session = second = null;
  const had = document.activeElement;
  show();
  hold(had, $("offline-keep"));
});

/** A kept network: what is `known` of it, and what runs it. */
async function load(known, name) {
  const ort = await import("./onnxruntime/ort.wasm.bundle.min.mjs");
  ort.env.wasm.numThreads = 1; // more need a page that is cut off from all others
  ort.env.wasm.wasmBinary = await new Response((await read(RUNTIME)).body.pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
  const network = await ort.InferenceSession.create(new Uint8Array(await (await read(name)).arrayBuffer()));
  const run = async (pixels) => {
    const outputs = await network.run({ images: new ort.Tensor("uint8", pixels, [1, 3, known.size, known.size]) });
    return network.outputNames.map((name) => outputs[name].data);
  };
  return { known, run };
}

/** The narrowest statement that reaches its threshold, as models_store/rollup.py has it; null where none does. */
function narrowest({ species, thresholds }, probabilities) {
  const best = species[probabilities.indexOf(Math.max(...probabilities))];
  for (const rank of RANKS) {
    const key = rank === "species" ? "name" : rank;
    if (thresholds[rank] === null || best[key] === null) continue;
    const total = species.reduce((sum, one, i) => sum + (one[key] === best[key] ? probabilities[i] : 0), 0);
    const probability = Math.min(1, round(total));
    if (probability >= thresholds[rank]) return { rank, name: best[key], probability };
  }
  return null;
}

const waits = (message) => Object.assign(new api.Problem(), { message, here: true }); // for the server

/** The answer to a photo, in the fields of POST predict; `here` marks it as one of this browser, and so it does the Problem that is thrown. */
export async function predict(file, crop) {
  const kept = about;
  if (!kept) throw waits(t.offline_not_ready); // nothing is kept, or `recall` has not found it yet
  let seen;
  try {
    await (session ??= load(kept, MODEL));
  } catch {
    session = null;
    throw waits(t.offline_broken);
  }
  try {
    seen = await square(file, kept.size, crop);
  } catch (problem) {
    console.warn(problem);
    throw waits({ gone: t.errors.gone, memory: t.offline_memory }[problem.reason] ?? t.no_preview);
  }
  try {
    const first = await answer(await session, seen);
    const beyond = first.answer === null && first.ood_score !== null && first.ood_score > NEAR_LIMIT * first.ood_limit;
    if (!kept.second || !beyond) return first;
    return await answer(await (second ??= load(kept.second, SECOND)), seen);
  } catch {
    session = second = null;
    throw waits(t.offline_broken);
  }
}

/** What one network says of the square of a photo. */
async function answer({ known, run }, seen) {
  const [values, distances] = await run(seen.pixels);
  const probabilities = [...values];
  const familiar = distances === undefined || known.ood_limit === null ? undefined : distances[0] <= known.ood_limit;
  const near = seen.central || known.parts_limit === null || distances?.[0] <= known.parts_limit; // enough for a part of a photo
  const said = familiar === false || !near ? null : narrowest(known, probabilities);
  const best = probabilities.indexOf(Math.max(...probabilities));
  const { name, scientific_name, eppo_code, group } = known.species[best];
  return {
    answer: said,
    species: name,
    scientific_name,
    eppo_code,
    probability: round(probabilities[best]),
    group,
    confident: said?.rank === "species",
    threshold: known.thresholds.species,
    ...(known.promise === null ? {} : { promise: known.promise }),
    ...(familiar === undefined ? {} : { familiar }),
    ood_score: distances === undefined ? null : distances[0],
    ood_limit: known.ood_limit,
    crop: seen.crop,
    probabilities: Object.fromEntries(known.species.map(({ name }, i) => [name, round(probabilities[i])])),
    model: known.model,
    here: true,
  };
}
