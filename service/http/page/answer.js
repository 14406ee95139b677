// One photo and its answer.

import * as api from "./api.js";
import { percent, speciesName, t } from "./language.js";

const BARS = 4; // shown at first
const $ = (id) => document.getElementById(id);
let chosen = null; // the photo on show
let model = null; // what GET /species says
let allBars = false;

export const current = () => chosen;
export const useModel = (known) => (model = known);
const speciesOf = (name) => model.byName.get(name) ?? { name };
export const nameOf = (name) => speciesName(speciesOf(name));

/** How far an answer can be relied on: "sure", "unsure", or "unfamiliar" where the photo is unlike those the model learned from. */
export const standing = (answer) => (answer.familiar === false ? "unfamiliar" : answer.confident ? "sure" : "unsure");

const ranked = (answer) => Object.entries(answer.probabilities).sort((a, b) => b[1] - a[1]);

/** The two most probable species of an unsure answer, as one headline. */
export const either = (answer) => {
  const names = ranked(answer).slice(0, 2).map(([name]) => nameOf(name));
  return names.length < 2 ? t.perhaps(names[0]) : t.either(...names);
};

/** The group that may be named: of a sure answer, or of both candidates of an unsure one. */
export function groupOf(answer) {
  if (standing(answer) === "unfamiliar") return null;
  if (answer.confident) return answer.group;
  const groups = ranked(answer).slice(0, 2).map(([name]) => speciesOf(name).group);
  return groups.every((group) => group === groups[0]) ? groups[0] : null;
}

/** The answer as one sentence, for those who hear the page. */
export function spoken(answer) {
  const how = standing(answer);
  if (how === "unfamiliar") return t.unfamiliar;
  return how === "sure" ? `${nameOf(answer.species)}, ${percent(answer.probability)}` : `${t.not_sure}: ${either(answer)}`;
}

export function choose(photo) {
  chosen = photo;
  picture(photo.url, t.your_photo(photo.file.name));
  $("heat").setAttribute("aria-pressed", "false");
  $("heat").textContent = t.show_heat;
  $("heat-note").textContent = "";
  $("photo").parentElement.classList.remove("large");
  show();
}

export function forget() {
  chosen = null;
  $("result").hidden = true;
}

function picture(url, description) {
  $("photo").hidden = false;
  for (const id of ["no-preview", "crop", "crop-note", "heat-scale"]) $(id).hidden = true;
  $("photo").alt = description;
  $("photo").src = url;
}
$("photo").addEventListener("load", () => {
  const { naturalWidth: width, naturalHeight: height } = $("photo");
  const square = Math.min(width, height) / Math.max(width, height); // of the frame, in which the whole photo is seen
  $("crop").hidden = $("crop-note").hidden = square > 0.99;
  $("crop").style.width = `${100 * square}%`;
});
$("photo").addEventListener("error", () => {
  $("photo").hidden = true;
  $("no-preview").hidden = false;
  show();
});
$("photo").addEventListener("click", () => $("photo").parentElement.classList.toggle("large"));

export function show() {
  const { answer, problem, file } = chosen;
  const how = answer ? standing(answer) : "";
  $("result").hidden = false;
  $("result").className = `card ${how || "failed"}`;
  $("file").textContent = $("file").title = file.name;
  $("no-preview").textContent = problem ? "" : t.no_preview;
  $("doubt").hidden = !answer || how === "sure";
  $("doubt").textContent = how === "unfamiliar" ? t.unlike : t.not_sure;
  $("heat").disabled = !answer;
  $("heat").hidden = !model?.explainable || how === "unfamiliar";
  $("said-by-server").textContent = problem?.detail ? t.server_says(problem.detail) : "";
  $("scientific").textContent = how === "sure" ? (speciesOf(answer.species).scientific_name ?? "") : "";
  $("probability").textContent = how === "sure" ? percent(answer.probability) : "";
  const group = answer ? groupOf(answer) : null;
  $("group").hidden = !group;
  $("group").textContent = group ? t.groups[group] : "";
  $("group").className = `group ${group ?? ""}`;
  $("advice").textContent = { "": problem?.message ?? "", sure: "", unsure: t.unsure_advice, unfamiliar: `${t.unfamiliar} ${t.photo_advice}` }[how];
  if (!answer) $("headline").textContent = problem ? t.failed : t.looking;
  else $("headline").textContent = { sure: nameOf(answer.species), unsure: either(answer), unfamiliar: t.no_name }[how];
  if (!answer) return;
  $("candidates").open = how !== "unfamiliar";
  $("bars-title").textContent = how === "unfamiliar" ? t.nearest : t.probabilities;
  bars(answer);
}

function bars(answer) {
  const best = ranked(answer);
  $("bars").className = standing(answer) === "sure" ? (answer.group ?? "") : "unsure";
  $("bars").replaceChildren(
    ...best.slice(0, allBars ? undefined : BARS).map(([name, share]) => {
      const item = document.createElement("li");
      const bar = Object.assign(document.createElement("span"), { className: "bar", ariaHidden: "true" });
      const length = document.createElement("i");
      length.style.width = `${share * 100}%`;
      bar.append(length);
      const value = Object.assign(document.createElement("span"), { className: "value", textContent: percent(share) });
      item.append(Object.assign(document.createElement("span"), { textContent: nameOf(name) }), bar, value);
      return item;
    }),
  );
  $("more").hidden = best.length <= BARS;
  $("more").textContent = allBars ? t.show_fewer : t.show_all(best.length);
  $("more").setAttribute("aria-expanded", String(allBars));
}
$("more").addEventListener("click", () => {
  allBars = !allBars;
  bars(chosen.answer);
});

$("heat").addEventListener("click", async () => {
  const photo = chosen;
  if ($("heat").getAttribute("aria-pressed") === "true") return choose(photo);
  const frame = $("photo").parentElement;
  frame.classList.add("busy");
  try {
    photo.heat ??= URL.createObjectURL(await api.explain(photo.file, photo.answer.species));
    if (photo !== chosen) return;
    picture(photo.heat, t.heat_picture(photo.file.name, nameOf(photo.answer.species)));
    frame.classList.add("large");
    $("heat").setAttribute("aria-pressed", "true");
    $("heat-scale").hidden = false;
    $("heat").textContent = t.show_photo;
    $("heat-note").textContent = t.heat_note(nameOf(photo.answer.species));
  } catch (problem) {
    if (photo === chosen) $("heat-note").textContent = problem.message;
  } finally {
    frame.classList.remove("busy");
  }
});
