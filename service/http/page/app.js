// The page: photos come in, are asked about a few at a time, and are shown one large or many in a table.

import * as api from "./api.js";
import { csv, save } from "./table.js";

const AT_ONCE = 4;
const PASSING = [0, 401, 429, 503, 504]; // statuses under which the same photo may work later
const RETRY_MS = 3000;
const BARS = 4; // shown at first
const $ = (id) => document.getElementById(id);
const STRANGE = "This does not look like a photo of a seedling.";
const strange = (answer) => answer.familiar === false; // older models cannot tell, and say nothing of it
const doubt = (answer) => (strange(answer) ? "Not a seedling?" : answer.confident ? "" : "Not sure");
const percent = (share) => (share >= 0.9995 ? "100%" : share < 0.001 ? "< 0.1%" : `${(share * 100).toFixed(1)}%`);

const photos = []; // { file, url, row, answer?, problem?, heat? }
let known = new Map(); // species by name
let explainable = true;
let chosen = null;
let running = 0;
let allBars = false;
let retry;

// ---- the server -----------------------------------------------------------------------------------------------------

async function meet() {
  try {
    const model = await api.species();
    known = new Map(model.species.map((species) => [species.name, species]));
    explainable = model.explainable;
    $("model").textContent = `Tells ${model.species.length} species apart. Model ${model.model.name}, version ${model.model.version}.`;
    $("key-form").hidden = $("down").hidden = true;
    return true;
  } catch (problem) {
    if (problem.status === 401) askForKey();
    else lost(problem);
    return false;
  }
}

function askForKey() {
  $("key-error").textContent = $("key-form").hidden ? "" : "That key was not the right one.";
  $("key-form").hidden = false;
  $("key").focus();
}

function lost(problem) {
  $("down-text").textContent = problem.message;
  $("down").hidden = false;
  clearTimeout(retry);
  retry = setTimeout(again, RETRY_MS); // it may come back by itself
}

async function again() {
  clearTimeout(retry);
  if (!(await meet())) return;
  for (const photo of photos) if (PASSING.includes(photo.problem?.status)) photo.problem = null;
  work();
}

$("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  api.useKey($("key").value);
  again();
});
$("again").addEventListener("click", again);

// ---- photos in ------------------------------------------------------------------------------------------------------

function add(files) {
  const first = photos.length;
  for (const file of files) {
    const photo = { file, url: URL.createObjectURL(file) };
    photos.push(photo);
    photo.row = row(photo);
    $("rows").append(photo.row);
  }
  if (photos.length === first) return;
  $("drop").classList.add("small");
  $("drop-title").textContent = "More photos?";
  choose(photos[first]);
  work();
}

async function work() {
  const waiting = () => photos.find((photo) => !photo.answer && !photo.problem && !photo.asked);
  while (running < AT_ONCE && waiting()) {
    const photo = waiting();
    photo.asked = true;
    running += 1;
    api
      .predict(photo.file)
      .then((answer) => {
        photo.answer = answer;
        $("down").hidden = true;
      })
      .catch((problem) => {
        photo.problem = problem;
        if (problem.status === 401) askForKey();
        if (problem.status === 0 || problem.status === 503) lost(problem);
      })
      .finally(() => {
        running -= 1;
        photo.asked = false;
        if (!photos.includes(photo)) return;
        fill(photo);
        if (photo === chosen) show();
        say(photo);
        work();
      });
  }
  list();
}

function say(photo) {
  const { answer, problem, file } = photo;
  const left = photos.filter((other) => !other.answer && !other.problem).length;
  if (photos.length === 1 || left === 0) {
    const one = answer ? spoken(answer) : problem.message;
    $("said").textContent = photos.length === 1 ? one : `${photos.length} photos done. ${file.name}: ${one}`;
  }
}

function spoken(answer) {
  if (strange(answer)) return STRANGE;
  return `${answer.confident ? "" : "Not sure: "}${answer.species}, ${percent(answer.probability)}`;
}

for (const id of ["choose", "take"]) {
  $(id).addEventListener("change", (event) => {
    add(event.target.files);
    event.target.value = ""; // so that the same photo can be chosen again
  });
}
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
  add(event.dataTransfer.files);
});

// ---- one photo ------------------------------------------------------------------------------------------------------

function choose(photo) {
  chosen = photo;
  for (const other of photos) other.row.classList.toggle("chosen", other === photo);
  picture(photo.url, `Your photo ${photo.file.name}`);
  $("heat").setAttribute("aria-pressed", "false");
  $("heat").textContent = "Show what decided it";
  $("heat-note").textContent = "";
  show();
}

function picture(url, description) {
  $("photo").hidden = false;
  $("no-preview").hidden = true;
  $("photo").alt = description;
  $("photo").src = url;
}
$("photo").addEventListener("error", () => {
  $("photo").hidden = true;
  $("no-preview").hidden = false;
});

function show() {
  const { answer, problem, file } = chosen;
  const group = answer?.group ?? "";
  $("result").hidden = false;
  $("result").classList.toggle("failed", !answer);
  $("file").textContent = file.name;
  $("file").title = file.name;
  $("doubt").hidden = !answer || answer.confident;
  $("doubt").textContent = answer ? doubt(answer) : "";
  $("heat").disabled = !answer;
  $("heat").hidden = !explainable;
  if (!answer) {
    $("species").textContent = problem ? "This one did not work" : "Looking…";
    $("scientific").textContent = "";
    $("advice").textContent = problem?.message ?? "";
    return;
  }
  $("species").textContent = answer.confident ? answer.species : `Perhaps ${answer.species}`;
  $("scientific").textContent = known.get(answer.species)?.scientific_name ?? "";
  $("group").textContent = group && group[0].toUpperCase() + group.slice(1);
  $("group").className = `group ${group}`;
  $("group").hidden = !group;
  $("probability").textContent = percent(answer.probability);
  $("advice").textContent = advice(answer);
  bars(answer);
}

function advice(answer) {
  if (strange(answer)) return `${STRANGE} If it is one, try a photo from above, in daylight, with one plant in the middle.`;
  if (answer.confident) return "";
  return "The model is not sure enough to be relied on. A sharper photo from above, with one plant in the middle, may help. Plants it does not know look like this, too.";
}

function bars(answer) {
  const best = Object.entries(answer.probabilities).sort((a, b) => b[1] - a[1]);
  $("bars").className = answer.confident ? (answer.group ?? "") : "unsure";
  $("bars").replaceChildren(
    ...best.slice(0, allBars ? undefined : BARS).map(([name, share]) => {
      const item = document.createElement("li");
      const bar = Object.assign(document.createElement("span"), { className: "bar", ariaHidden: "true" });
      const length = document.createElement("i");
      length.style.width = `${share * 100}%`;
      bar.append(length);
      item.append(
        Object.assign(document.createElement("span"), { textContent: name }),
        bar,
        Object.assign(document.createElement("span"), { className: "value", textContent: percent(share) }),
      );
      return item;
    }),
  );
  $("more").hidden = best.length <= BARS;
  $("more").textContent = allBars ? "Show fewer" : `Show all ${best.length}`;
  $("more").setAttribute("aria-expanded", String(allBars));
}
$("more").addEventListener("click", () => {
  allBars = !allBars;
  bars(chosen.answer);
});

$("heat").addEventListener("click", async () => {
  const photo = chosen;
  const on = $("heat").getAttribute("aria-pressed") !== "true";
  if (!on) return choose(photo);
  const frame = $("photo").parentElement;
  frame.classList.add("busy");
  try {
    photo.heat ??= URL.createObjectURL(await api.explain(photo.file, photo.answer.species));
    if (photo !== chosen) return;
    picture(photo.heat, `Your photo ${photo.file.name}; what spoke for ${photo.answer.species} glows`);
    $("heat").setAttribute("aria-pressed", "true");
    $("heat").textContent = "Show the photo";
    $("heat-note").textContent = `What spoke for ${photo.answer.species} glows. It should lie on the plant.`;
  } catch (problem) {
    if (photo === chosen) $("heat-note").textContent = problem.message;
  } finally {
    frame.classList.remove("busy");
  }
});

// ---- several photos -------------------------------------------------------------------------------------------------

function list() {
  const done = photos.filter((photo) => photo.answer || photo.problem).length;
  $("list").hidden = photos.length < 2;
  $("list-title").textContent = done < photos.length ? `${done} of ${photos.length} photos` : `${photos.length} photos`;
  $("progress").max = photos.length || 1;
  $("progress").value = done;
  $("progress").hidden = done === photos.length;
}

function row(photo) {
  const line = document.createElement("tr");
  const button = Object.assign(document.createElement("button"), { type: "button" });
  const thumb = Object.assign(document.createElement("img"), { src: photo.url, alt: "", loading: "lazy" });
  thumb.addEventListener("error", () => thumb.removeAttribute("src"));
  button.append(thumb, Object.assign(document.createElement("span"), { textContent: photo.file.name, title: photo.file.name }));
  button.addEventListener("click", () => {
    choose(photo);
    $("result").scrollIntoView({ block: "nearest" });
    $("species").focus({ preventScroll: true });
  });
  line.insertCell().append(button);
  for (let i = 0; i < 3; i++) line.insertCell();
  return line;
}

function fill({ row: line, answer, problem }) {
  const [, name, group, probability] = line.cells;
  probability.className = "number";
  name.className = problem ? "wrong" : "";
  name.colSpan = problem ? 3 : 1;
  group.hidden = probability.hidden = Boolean(problem);
  if (problem) {
    name.textContent = problem.message;
    return;
  }
  name.textContent = answer.species;
  if (!answer.confident) name.append(" ", Object.assign(document.createElement("span"), { className: "doubt", textContent: doubt(answer) }));
  group.replaceChildren();
  if (answer.group) group.append(Object.assign(document.createElement("span"), { className: `group ${answer.group}`, textContent: answer.group }));
  probability.textContent = percent(answer.probability);
}

$("save").addEventListener("click", () => save(csv(photos, known), "seedlings.csv"));
$("clear").addEventListener("click", () => {
  for (const photo of photos) [photo.url, photo.heat].forEach((url) => url && URL.revokeObjectURL(url));
  photos.length = 0;
  $("rows").replaceChildren();
  $("result").hidden = true;
  $("drop").classList.remove("small");
  $("drop-title").textContent = invitation;
  list();
  $("choose").focus();
});

// A phone has nothing to drop from.
const invitation = matchMedia("(hover: none) and (pointer: coarse)").matches ? "Photograph a seedling" : "Drop photos of seedlings here";
$("drop-title").textContent = invitation;
if (invitation.startsWith("Photo")) $("drop-hint").textContent = "From above, one plant in the middle, works best.";
meet();
