// The page: photos come in, are asked about a few at a time, and are shown one large or many in a table.

import { choose as showOne, current, forget, show, useModel } from "./answer.js";
import * as api from "./api.js";
import * as corrections from "./corrections.js";
import { onChange } from "./crop.js";
import { $, hold, make } from "./dom.js";
import { forgetAll, keep, kept } from "./keep.js";
import { number, speciesName, t, translate, wholePercent } from "./language.js";
import { byName, fill, ordered, row, summarize } from "./list.js";
import { draw } from "./map.js";
import * as offline from "./offline.js";
import { forgetPlants, onAlone } from "./plants.js";
import { csv, plantsCsv, save } from "./table.js";
import { several, spoken, useSpecies } from "./verdict.js";

const AT_ONCE = 3; // as many photos as the server looks for plants on
const NOT_FOUND = [500, 503, 504]; // the segmenter failed, is gone, or takes too long: the middle is answered all the same
const RETRY_MS = 3000;
const IMAGE = /\.(jpe?g|jpe|jfif|a?png|webp|gif|tiff?|bmp|avif|hei[cf]|hif)$/i; // as models_store/image_files.py has them
const PATIENCE_MS = 5000; // for a server at the end of a weak connection, where this browser can answer, too

const photos = []; // { file, url, row, crop?, each?, found?, lost?, answer?, problem?, heat? }; each: its plants were asked for, or not to be shown; lost: why none were looked for
let models = []; // in service: the one that names plants, the one that is asked second, and the one that finds plants, if any
let finding = false; // whether plants are found here
let away = false; // the server is out of reach, and this browser answers
let running = 0;
let retry;
let remembered = false; // whether what was kept before a reload is back

// ---- the server -----------------------------------------------------------------------------------------------------

function knows({ species, model, second_model: second, training_images: images }) {
  $("model").textContent = [t.model(species.length, model.name, model.version), second && t.second_model(second.name, second.version)].filter(Boolean).join(" ");
  $("known").hidden = false;
  $("known-title").textContent = t.known(species.length);
  $("known-note").textContent = [images && t.learnt(number(images), species.length), t.known_note].filter(Boolean).join(" ");
  $("known-list").replaceChildren(
    ...species.map((one) => {
      const latin = make("em", {}, one.scientific_name === speciesName(one) ? "" : one.scientific_name);
      const facts = [one.eppo_code, t.kinds[one.kind] ?? t.groups[one.group], one.recall == null ? "" : t.right(wholePercent(one.recall), one.test_images)];
      const told = make("span", { className: "hint" }, facts.filter(Boolean).join(" · "));
      return make("li", {}, make("strong", {}, speciesName(one)), " ", latin, told);
    }),
  );
}

const serves = (made) => models.some((model) => model.name === made.name && model.version === made.version);

/** Whether the models in service made all that is said of a photo. */
const isCurrent = ({ answer, found }) => [answer.model, found?.segmenter, found?.model, ...(found?.plants ?? []).map((plant) => plant.model)].every((made) => !made || serves(made));

function uses(model) {
  useSpecies(new Map(model.species.map((species) => [species.name, species])));
  useModel(model);
  models = [model.model, model.second_model, model.segmenter].filter(Boolean);
  finding = model.segmenter !== null;
  knows(model);
}

async function meet() {
  try {
    const model = await api.species(offline.ready() ? AbortSignal.timeout(PATIENCE_MS) : undefined);
    uses(model);
    await corrections.meet(model.species);
    away = false;
    offline.meet();
    const had = document.activeElement;
    $("key-form").hidden = $("down").hidden = true;
    hold(had, $("choose"));
    return true;
  } catch (problem) {
    if (problem.status !== 401) return leave(problem);
    askForKey();
    return false;
  }
}

/** The server is lost: whether this browser answers in its place. */
async function leave(problem) {
  const here = problem.status === 0 && offline.ready();
  lost(problem, here ? `${t.offline_away} ${t.offline_less}` : undefined);
  if (!here) return false;
  if (!away) uses({ ...(await offline.species()), explainable: false, segmenter: null });
  away = true;
  return true;
}

function askForKey() {
  $("key-error").textContent = $("key-form").hidden ? "" : t.key_wrong;
  $("key-form").hidden = false;
  $("key").focus();
}

function lost(problem, text = problem.message) {
  if ($("down-text").textContent !== text) $("down-text").textContent = text; // what is written anew is read out again
  $("down").hidden = false;
  clearTimeout(retry);
  retry = setTimeout(() => again(false), RETRY_MS); // it may come back by itself
}

/** Ask the server once more; `wanted`: somebody pressed for it. */
async function again(wanted) {
  clearTimeout(retry);
  if (!(await meet())) return;
  await remember();
  for (const photo of photos) {
    if (photo.problem?.passing && (wanted || !away || !photo.problem.here)) photo.problem = null; // what this browser cannot read waits
    if (!away && photo.answer?.here) photo.stale = true; // now the server can say it
  }
  if (current()) show();
  work();
}

/** Bring back what was here before a reload; an answer of other models, of this browser or of an older page is asked for anew. */
async function remember() {
  if (remembered) return;
  remembered = true;
  const before = (await kept()).filter(({ id }) => !photos.some((photo) => photo.id === id));
  for (const photo of before) {
    if (away && photo.answer?.crop) continue; // nobody else can say it now
    if (!photo.answer?.crop || photo.answer.here || Boolean(photo.found) !== finding || !isCurrent(photo)) Object.assign(photo, { answer: undefined, found: undefined });
  }
  const chosen = current(); // a photo may have come meanwhile
  begin(before);
  if (chosen) choose(chosen);
}

$("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  api.useKey($("key").value);
  again(true);
});
for (const id of ["again", "retry"]) $(id).addEventListener("click", () => again(true));

// ---- photos in ------------------------------------------------------------------------------------------------------

/** Their names begin with when they came, and so they are found again in this order. */
function add(files) {
  const now = Date.now();
  begin([...files].map((file, i) => ({ id: [now, 1e6 + i, crypto.getRandomValues(new Uint32Array(1))].join("-"), file })));
}

/** Photos that are new, or kept from before with their answers. */
function begin(given) {
  const first = photos.length;
  for (const photo of given) {
    photo.url = URL.createObjectURL(photo.file);
    photos.push(photo);
    photo.row = row(photo, () => reveal(photo));
    $("rows").append(photo.row);
    if (photo.answer) fill(photo);
    else keep(photo);
  }
  if (photos.length === first) return;
  $("drop").classList.add("small");
  $("drop-title").textContent = t.more;
  choose(photos[first]);
  work();
}

async function work() {
  const waiting = () => photos.find((photo) => !photo.asked && (photo.stale || (!photo.answer && !photo.problem)));
  while (running < AT_ONCE && waiting()) {
    const photo = waiting();
    const { crop } = photo;
    photo.asked = true;
    running += 1;
    ask(photo, crop)
      .then((answer) => {
        photo.answer = answer;
        photo.asked_at = `${new Date().toISOString().slice(0, 19)}Z`;
        if (photos.includes(photo)) keep(photo); // else it was cleared meanwhile
        if (!answer.here) $("down").hidden = true;
      })
      .catch((problem) => {
        photo.problem = problem;
        delete photo.answer;
        if (problem.status === 401) askForKey();
        if (!problem.here && (problem.status === 0 || problem.status === 503)) lost(problem);
      })
      .finally(() => {
        running -= 1;
        photo.asked = false;
        photo.stale = photo.crop !== crop; // it was moved meanwhile
        if (!away && (photo.answer?.here || photo.problem?.here)) Object.assign(photo, { problem: null, stale: true }); // the server came back meanwhile
        if (!photos.includes(photo)) return;
        fill(photo);
        if (photo === current()) show();
        say(photo);
        work();
      });
  }
  list();
}

/** By the server; where it is out of reach by this browser, if the user wanted that. */
async function ask(photo, crop) {
  await met.catch(() => {}); // else nobody knows whether plants are found
  if (!finding && !away) await meet(); // a segmenter may have come
  try {
    if (!away || !offline.ready()) {
      const answer = await send(photo, crop);
      if (!isCurrent({ answer, found: photo.found })) await meet(); // other models came into service
      return answer;
    }
  } catch (problem) {
    if (problem.status !== 0 || !(await leave(problem))) throw problem;
  }
  return offline.predict(photo.file, crop);
}

/** A photo is sent once, and its plants are found with its answer. The largest is looked at unless another part was chosen. */
async function send(photo, crop) {
  if (photo.found || !finding) return api.predict(photo.file, crop ?? (photo.found ? "auto" : undefined));
  try {
    const { prediction, ...found } = await api.detect(photo.file, crop ?? "auto");
    Object.assign(photo, { found, lost: undefined });
    return prediction;
  } catch (problem) {
    if (!NOT_FOUND.includes(problem.status)) throw problem;
    photo.lost = problem; // it is said, and can be asked for again
    return api.predict(photo.file, crop);
  }
}

function say(photo) {
  const { answer, problem, file } = photo;
  const left = photos.filter((other) => !other.answer && !other.problem).length;
  if (photos.length === 1 || left === 0) {
    const one = answer ? spoken(photo) : problem.message;
    $("said").textContent = photos.length === 1 ? one : t.done(photos.length, file.name, one);
  }
}

corrections.onCorrection(keep);

/** Another square of a photo; none: all of it. */
function look(photo, crop) {
  if (photo.heat) URL.revokeObjectURL(photo.heat);
  Object.assign(photo, { crop, heat: undefined, problem: null, stale: true });
  keep({ ...photo, answer: undefined }); // a reload before the answer asks for it
  show();
  work();
}
onChange((crop) => look(current(), crop));
onAlone(look);
$("all-plants").addEventListener("click", () => {
  current().each = true;
  look(current());
});

function taken(input) {
  add(input.files);
  input.value = ""; // so that the same photo can be chosen again
}
for (const id of ["choose", "take"]) $(id).addEventListener("change", (event) => taken(event.target));
document.addEventListener("paste", (event) => add(event.clipboardData?.files ?? []));
let depth = 0; // dragging over a child leaves its parent, too
for (const [type, change] of [["dragenter", 1], ["dragleave", -1]]) {
  document.addEventListener(type, () => {
    depth += change;
    $("drop").classList.toggle("over", depth > 0);
  });
}
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  depth = 0;
  $("drop").classList.remove("over");
  const { files, items } = event.dataTransfer;
  const entries = [...items].map((item) => item.webkitGetAsEntry()); // at once: later the browser takes them away
  if (!entries.some((entry) => entry?.isDirectory)) return add(files);
  Promise.all(entries.filter(Boolean).map(photosIn)).then((found) => {
    add(found.flat());
    if (!found.flat().length) $("drop-title").textContent = $("said").textContent = t.no_photos;
  });
});

/** A file that was dropped, or the photos of a folder by their names. What cannot be read is left out. */
async function photosIn(entry) {
  const made = (begin) => new Promise(begin).catch(() => []);
  if (entry.isFile) return made((done, fail) => entry.file(done, fail));
  const reader = entry.createReader(), within = [];
  for (let some; (some = await made((done, fail) => reader.readEntries(done, fail))).length; ) within.push(...some);
  const wanted = within.filter(({ isFile, name }) => name[0] !== "." && (!isFile || IMAGE.test(name))).sort(byName);
  return (await Promise.all(wanted.map(photosIn))).flat();
}

// ---- one and many ---------------------------------------------------------------------------------------------------

function choose(photo) {
  for (const other of photos) {
    other.row.classList.toggle("chosen", other === photo);
    other.row.querySelector("button").ariaCurrent = other === photo;
  }
  showOne(photo);
}

/** Choose a photo from far down the page. */
function reveal(photo) {
  choose(photo);
  $(several(photo) ? "plants" : "result").scrollIntoView({ block: "nearest" });
  $(several(photo) ? "plants-title" : "headline").focus({ preventScroll: true });
}

function list() {
  const done = photos.filter((photo) => photo.answer || photo.problem).length;
  $("list").hidden = photos.length < 2;
  $("clear-one").hidden = photos.length !== 1; // of more there is the list, with a button of its own
  $("list-title").textContent = done < photos.length ? t.some_done(done, photos.length) : t.photos(photos.length);
  $("summary").textContent = summarize(photos);
  $("progress").max = photos.length || 1;
  $("progress").value = done;
  $("progress").hidden = done === photos.length;
  $("save-plants").hidden = !photos.some(several);
  draw(photos, reveal);
  arrange();
}

addEventListener("resize", () => draw(photos, reveal));

function arrange() {
  const wanted = $("filter").value;
  for (const { row: line } of photos) line.hidden = wanted !== "all" && line.dataset.kind !== wanted;
  const rows = ordered(photos, $("sort").value).map((photo) => photo.row);
  if (rows.every((line, i) => $("rows").rows[i] === line)) return;
  const had = document.activeElement;
  $("rows").replaceChildren(...rows);
  hold(had); // moving a row takes it
}
for (const [id, options] of [["filter", t.filters], ["sort", t.orders]]) {
  $(id).append(...Object.entries(options).map(([value, text]) => new Option(text, value)));
  $(id).addEventListener("change", arrange);
}

$("save").addEventListener("click", () => save(csv(ordered(photos, $("sort").value)), "seedlings.csv"));
$("save-plants").addEventListener("click", () => save(plantsCsv(ordered(photos, $("sort").value)), "plants.csv"));
for (const id of ["clear", "clear-one"]) $(id).addEventListener("click", () => {
  for (const photo of photos) [photo.url, photo.heat, photo.plain].forEach((url) => url && URL.revokeObjectURL(url));
  photos.length = 0;
  forgetAll();
  $("rows").replaceChildren();
  forget();
  forgetPlants();
  $("drop").classList.remove("small");
  $("drop-title").textContent = invitation;
  $("said").textContent = "";
  list();
  $("choose").focus();
});

// A phone has nothing to drop from.
const phone = matchMedia("(hover: none) and (pointer: coarse)").matches;
const invitation = phone ? t.invitation_phone : t.invitation;
$("drop-title").textContent = invitation;
$("drop-hint").textContent = phone ? t.hint_phone : t.hint;
translate();
const met = offline.recall().catch(() => {}).finally(() => again(false));
for (const id of ["choose", "take"]) taken($(id)); // chosen before this file was here
