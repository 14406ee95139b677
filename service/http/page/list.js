// Many photos: a row for each, their order, and what they are in sum.

import { make } from "./dom.js";
import { language, t } from "./language.js";
import { beneath, groupOf, headline, howMany, plantsInSum, relied, several, standing, sureness } from "./verdict.js";

const mark = (className, textContent) => make("span", { className, textContent });

export function row(photo, onChoice) {
  const line = document.createElement("tr");
  const button = make("button", { type: "button" });
  const thumb = make("img", { src: photo.url, alt: "", loading: "lazy" });
  thumb.addEventListener("error", () => thumb.replaceWith(mark("blank", ""))); // a format that this browser cannot show
  button.append(thumb, Object.assign(mark("name", photo.file.name), { title: photo.file.name }));
  button.addEventListener("click", onChoice);
  line.role = "row";
  for (let i = 0; i < 4; i++) line.insertCell().role = "cell";
  line.cells[0].append(button);
  return line;
}

/** What a photo counts as: of several plants, crop, weed, sure (of neither), unsure (nothing to rely on), or failed. */
function kind(photo) {
  const { answer, problem } = photo;
  if (problem) return "failed";
  if (several(photo)) return "several";
  return relied(answer) ? (answer.group ?? "sure") : "unsure";
}

export function fill(photo) {
  const { row: line, answer, problem } = photo;
  const [, name, group, probability] = line.cells;
  line.dataset.kind = kind(photo);
  probability.className = "number";
  name.className = problem ? "wrong" : "";
  const many = !problem && several(photo);
  name.colSpan = problem || many ? 3 : 1;
  group.hidden = probability.hidden = Boolean(problem || many);
  if (problem) {
    name.textContent = problem.message;
    return;
  }
  if (many) return name.replaceChildren(howMany(photo.found), " ", mark("hint", plantsInSum(photo.found)));
  const how = standing(answer);
  name.replaceChildren(how === "unfamiliar" ? "" : headline(answer));
  if (how === "kind" || how === "group") name.append(" ", mark("hint", beneath(answer)));
  if (!relied(answer)) name.append(" ", mark("doubt", how === "unsure" ? t.not_sure : t.unlike));
  if (photo.lost) name.append(" ", mark("hint", t.not_looked_for));
  const known = groupOf(answer);
  group.replaceChildren(...(known ? [mark(`group ${known}`, t.groups[known])] : []));
  probability.textContent = sureness(answer);
}

/** For example "18 weeds, 9 crops, 3 unsure". */
export function summarize(photos) {
  const counts = new Map();
  for (const photo of photos) {
    if (photo.answer || photo.problem) counts.set(kind(photo), (counts.get(kind(photo)) ?? 0) + 1);
  }
  return ["several", "weed", "crop", "sure", "unsure", "failed"].filter((one) => counts.has(one)).map((one) => t.counts[one](counts.get(one))).join(", ");
}

const words = new Intl.Collator(language, { numeric: true });
const text = ({ answer, problem }) => (problem ? "\uffff" : answer ? headline(answer) : "\ufffe"); // names first
const doubt = ({ answer, problem }) => (problem ? 3 : !answer ? 0 : standing(answer) === "unfamiliar" ? 2 : 1 - answer.probability);
/** Files in the order that people read their names in. */
export const byName = (one, other) => words.compare(one.name, other.name);
const ORDERS = {
  species: (a, b) => words.compare(text(a), text(b)),
  doubt: (a, b) => doubt(b) - doubt(a),
  file: (a, b) => byName(a.file, b.file),
};

/** The photos in the order of their rows: as they came, by species, by file name, or the least sure ones first. */
export const ordered = (photos, order) => (ORDERS[order] ? [...photos].sort(ORDERS[order]) : photos);
