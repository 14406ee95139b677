// Kept photos one after another: accept, change, reject, undo. Two reviewers may work at the same time: the server takes
// a decision only about what was really looked at, and the later one of two is told.

import * as api from "./api.js";
import { $, hold } from "./dom.js";
import { percent, plainDay, speciesName, t, translate } from "./language.js";

const NOT_A_PLANT = "not a plant"; // as the server calls it
const AT_ONCE = 20;
const MAX_SIDE = 2000; // pixels of the photo on show: of larger ones a browser would keep the last dozen, 50 MB each
const NAME = "seedlings-reviewer";
const names = new Map(); // of the model's species, as the page calls them
const queue = []; // those that wait, as far as they were fetched
const decided = []; // what can be undone here: the corrections as they are now
let last = null; // the id behind which more are to be fetched
let left = 0;
let busy = false;

const nameOf = (name) => (name === NOT_A_PLANT ? t.not_a_plant : (names.get(name) ?? name));
const tell = (text) => ($("told").textContent = text);

// ---- the queue ------------------------------------------------------------------------------------------------------

async function fetchMore() {
  const { count, corrections } = await api.waiting(last, AT_ONCE).catch((problem) => {
    if (problem.status !== 404 || last === null) throw problem;
    return api.waiting(null, AT_ONCE); // the one that was last has been removed
  });
  left = count;
  queue.push(...corrections);
  last = corrections.at(-1)?.id ?? last;
}

/** The next one. Those that were skipped come again at the end. */
async function next() {
  if (!queue.length) await fetchMore();
  if (!queue.length && last !== null) {
    last = null;
    await fetchMore();
  }
  await show();
}

async function show() {
  const one = queue[0];
  const had = document.activeElement;
  $("left").textContent = t.left(left);
  $("one").hidden = !one;
  $("undo").disabled = !decided.length;
  hold(had, $("undo"));
  if (!one) return;
  $("claim").textContent = one.species === null ? t.nobody_said : nameOf(one.species);
  const { model, species, probability } = one.said;
  $("model-said").textContent = t.model_said(model, nameOf(species), percent(probability));
  $("facts").textContent = [plainDay(one.taken), one.plant && t.plant_is(one.plant), one.reviewer && t.decided_before(one.reviewer)].filter(Boolean).join(" · ");
  $("note").textContent = one.note;
  $("photo").ariaLabel = t.photo_of(nameOf(one.species ?? species));
  unfold(false);
  $("box").hidden = true;
  Object.assign($("photo"), { width: 0, height: 0 }); // nobody is to decide by the photo before
  await api.photoOf(one.id).then((photo) => draw(photo, one), failed); // of a lost one, too, a person can decide
}

async function draw(blob, { box }) {
  const photo = await createImageBitmap(blob).catch(() => null);
  if (!photo) return tell(t.no_preview);
  const { width, height } = photo;
  const scale = Math.min(1, MAX_SIDE / Math.max(width, height));
  Object.assign($("photo"), { width: Math.round(width * scale), height: Math.round(height * scale) });
  const pen = $("photo").getContext("2d");
  pen.imageSmoothingQuality = "high";
  pen.drawImage(photo, 0, 0, $("photo").width, $("photo").height);
  photo.close();
  if (!box) return;
  const side = Math.min(box[2], box[3]); // of a longer one the central square alone is learnt from
  const [left_, top] = [0, 1].map((axis) => box[axis] + (box[axis + 2] - side) / 2);
  const [across, down] = [width, height].map((length) => (share) => `${(100 * share) / length}%`);
  Object.assign($("box").style, { left: across(left_), top: down(top), width: across(side), height: down(side) });
  $("box").hidden = false;
}

// ---- decisions ------------------------------------------------------------------------------------------------------

/** One after the other: keys pressed meanwhile count for nothing. */
async function alone(work) {
  if (busy) return;
  busy = true;
  try {
    await work();
  } catch (problem) {
    failed(problem);
  } finally {
    busy = false;
  }
}

function failed(problem) {
  if (problem.status === 401) {
    $("key-error").textContent = $("key-form").hidden ? "" : t.key_wrong;
    $("key-form").hidden = false;
    $("key").focus();
  } else if (problem.status === 403) {
    $("closed").textContent = t.review_closed;
    $("closed").hidden = false;
  } else if (problem.status === 404 && !queue.length) {
    $("closed").textContent = t.kept_nowhere;
    $("closed").hidden = false;
  } else tell(problem.detail || problem.message);
}

function reviewer() {
  const name = $("reviewer").value.trim();
  if (name) localStorage.setItem(NAME, name);
  else {
    tell(t.name_wanted);
    $("reviewer").focus();
  }
  return name;
}

const decide = (decision, species) =>
  alone(async () => {
    const one = queue[0];
    const who = reviewer();
    if (!one || !who) return;
    if (decision === "accept" && !species && one.species === null) return unfold(true);
    try {
      const now = await api.review(one.id, { decision, version: one.version, reviewer: who, ...(species ? { species } : {}) });
      decided.push(now);
      tell(decision === "accept" ? t.was_accepted(nameOf(now.species)) : t.was_rejected);
      left -= 1;
    } catch (problem) {
      if (![404, 409].includes(problem.status)) throw problem;
      tell(t.by_another); // decided, or removed, by somebody else
      left -= 1;
    }
    queue.shift();
    await next();
    $("claim").focus({ preventScroll: true });
  });

const undo = () =>
  alone(async () => {
    const one = decided.at(-1);
    const who = one && reviewer();
    if (!who) return;
    try {
      queue.unshift(await api.review(one.id, { decision: "undo", version: one.version, reviewer: who }));
      left += 1;
      tell(t.was_undone);
    } catch (problem) {
      if (![404, 409].includes(problem.status)) throw problem;
      tell(t.by_another);
    }
    decided.pop();
    await show();
    $("claim").focus({ preventScroll: true });
  });

const skip = () =>
  alone(async () => {
    queue.shift();
    await next();
  });

function unfold(on) {
  const had = document.activeElement;
  $("change").ariaExpanded = on;
  $("changing").hidden = !on;
  $("species").value = "";
  if (on) $("species").focus();
  else hold(had, $("change"));
}

const change = () => queue.length && unfold($("changing").hidden);
const KEYS = { a: () => decide("accept"), c: change, r: () => decide("reject"), s: skip, u: undo };
for (const [id, work] of Object.entries({ accept: KEYS.a, change, reject: KEYS.r, skip, undo })) $(id).addEventListener("click", work);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") return unfold(false);
  if (event.target.matches("input") || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const work = KEYS[event.key.toLowerCase()];
  if (!work) return;
  event.preventDefault();
  work();
});
$("changing").addEventListener("submit", (event) => {
  event.preventDefault();
  const written = $("species").value.trim();
  const known = [...names, [NOT_A_PLANT, t.not_a_plant]].find(([, shown]) => shown.toLowerCase() === written.toLowerCase());
  decide("accept", known?.[0] ?? written);
});
$("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  api.useKey($("key").value);
  begin();
});

// ---- the beginning --------------------------------------------------------------------------------------------------

const begin = () =>
  alone(async () => {
    const had = document.activeElement;
    const { species } = await api.species();
    for (const one of species) names.set(one.name, speciesName(one));
    $("known").replaceChildren(...[...names.values(), t.not_a_plant].map((shown) => new Option(shown)));
    await next();
    $("key-form").hidden = true;
    hold(had, $("claim"));
  });

translate();
$("reviewer").value = localStorage.getItem(NAME) ?? "";
begin();
