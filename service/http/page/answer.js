// One photo and its answer.

import * as api from "./api.js";
import { offer } from "./corrections.js";
import * as crop from "./crop.js";
import { $, hold, make } from "./dom.js";
import { number, percent, t } from "./language.js";
import { showPlants } from "./plants.js";
import { offerToShare } from "./share.js";
import { alike, beneath, groupOf, headline, nameOf, ofAll, ranked, standing, sureness } from "./verdict.js";

const BARS = 4; // shown at first
const small = matchMedia("(max-width: 44rem), (max-height: 30rem)"); // as in style.css, or a phone on its side
let chosen = null; // the photo on show
let explainable = false;
let learnt = ""; // from what
let first = null; // the model that is asked first
let allBars = false;

export const current = () => chosen;
export function useModel({ explainable: can, model, species, training_images: images }) {
  [explainable, first] = [can, model];
  learnt = images ? t.learnt(number(images), species.length) : "";
}

export function choose(photo) {
  chosen = photo;
  crop.move(false);
  plain();
  show();
}

export function forget() {
  chosen = null;
  $("result").hidden = true;
}

// ---- the photo ------------------------------------------------------------------------------------------------------

/** The photo as it is, without a heat map. */
function plain() {
  $("heat").ariaPressed = "false";
  $("heat").textContent = t.show_heat;
  $("heat-note").textContent = "";
  $("heat-scale").hidden = true;
  $("photo").parentElement.classList.toggle("large", crop.moving());
  picture(chosen.url, t.your_photo(chosen.file.name));
}

function picture(url, description) {
  $("photo").hidden = false;
  $("no-preview").hidden = true;
  $("photo").alt = description;
  if ($("photo").getAttribute("src") === url) return drawCrop();
  crop.place(null);
  $("photo").src = url;
}

const heated = () => $("heat").ariaPressed === "true";

function drawCrop() {
  if (!chosen) return;
  const { naturalWidth: width, naturalHeight: height, hidden } = $("photo");
  if (heated() || hidden || !width || !(chosen.answer || chosen.crop)) crop.place(null); // which part is looked at is not known yet
  else crop.place([width, height], chosen.crop ?? chosen.answer?.crop);
}
$("photo").addEventListener("load", drawCrop);
$("photo").addEventListener("error", () => {
  $("photo").hidden = true;
  $("no-preview").hidden = false;
  show();
});
$("photo").addEventListener("click", () => crop.moving() || $("photo").parentElement.classList.toggle("large"));
$("move").addEventListener("click", () => {
  const on = !crop.moving();
  if (heated()) plain();
  crop.move(on);
  if (!on) return;
  $("crop").focus({ preventScroll: true });
  if (small.matches) $("result").scrollIntoView({ block: "start" }); // name, photo and size on one screen
});

$("heat").addEventListener("click", async () => {
  const photo = chosen;
  crop.move(false);
  if (heated()) return plain();
  const frame = $("photo").parentElement;
  frame.classList.add("busy");
  try {
    photo.heat ??= URL.createObjectURL(await api.explain(photo.file, photo.answer.species, photo.answer.crop));
    if (photo !== chosen) return;
    $("heat").ariaPressed = "true";
    picture(photo.heat, t.heat_picture(photo.file.name, nameOf(photo.answer.species)));
    frame.classList.add("large");
    $("heat-scale").hidden = false;
    $("heat").textContent = t.show_photo;
    $("heat-note").textContent = t.heat_note(nameOf(photo.answer.species));
  } catch (problem) {
    if (photo === chosen) $("heat-note").textContent = problem.message;
  } finally {
    frame.classList.remove("busy");
  }
});

// ---- its answer -----------------------------------------------------------------------------------------------------

export function show() {
  const { answer, problem, file, stale } = chosen;
  const had = document.activeElement;
  const how = answer ? standing(answer) : "";
  $("result").hidden = showPlants(chosen);
  $("result").className = `card ${how || "failed"}`;
  $("result").classList.toggle("stale", Boolean(stale)); // of another square
  $("result").ariaBusy = String(Boolean(stale || (!answer && !problem)));
  $("file").textContent = $("file").title = file.name;
  $("no-preview").textContent = problem ? "" : t.no_preview;
  $("doubt").hidden = !answer || how === "species";
  $("doubt").textContent = { "": "", species: "", unfamiliar: t.unlike, unsure: t.not_sure }[how] ?? t.species_not_sure;
  $("retry").hidden = !problem?.passing;
  $("heat").disabled = $("share").disabled = !answer;
  $("heat").hidden = !explainable || how === "unfamiliar";
  $("said-by-server").textContent = problem?.detail ? t.server_says(problem.detail) : "";
  $("here").hidden = !answer?.here;
  $("lost").hidden = !answer || !chosen.lost;
  $("lost").textContent = chosen.lost ? `${t.not_looked_for} ${chosen.lost.message}` : "";
  $("second").textContent = answer && how !== "unfamiliar" && answer.model.name !== first?.name ? t.second_answered(first?.name, answer.model.name) : "";
  $("second").hidden = !$("second").textContent;
  $("beneath").textContent = answer ? beneath(answer) : "";
  $("beneath").className = how === "species" ? "latin" : "";
  $("probability").textContent = answer ? sureness(answer) : "";
  const group = answer && how !== "group" ? groupOf(answer) : null; // else it is the headline
  $("group").hidden = !group;
  $("group").textContent = group ? t.groups[group] : "";
  $("group").className = `group ${group ?? ""}`;
  const advice = { "": problem?.message ?? "", species: "", unsure: t.unsure_advice, unfamiliar: [...(ofAll(chosen) ? [ofAll(chosen)] : [t.unfamiliar, learnt]), t.photo_advice].filter(Boolean).join(" ") };
  $("advice").textContent = advice[how] ?? t.broad_advice;
  if (answer) $("headline").textContent = headline(answer);
  else $("headline").textContent = problem ? t.failed : t.looking;
  drawCrop();
  offer(chosen);
  hold(had, $($("result").hidden ? "plants-title" : "headline"));
  if (!answer) return;
  $("candidates").open = how !== "unfamiliar";
  $("bars-title").textContent = how === "unfamiliar" ? t.nearest : t.probabilities;
  bars(answer);
  lookAlikes(answer);
}

function bars(answer) {
  const best = ranked(answer);
  $("bars").className = standing(answer) === "species" ? (answer.group ?? "") : "unsure";
  $("bars").replaceChildren(
    ...best.slice(0, allBars ? undefined : BARS).map(([name, share]) => {
      const length = make("i");
      length.style.width = `${share * 100}%`;
      const bar = make("span", { className: "bar", ariaHidden: "true" }, length);
      const value = make("span", { className: "value" }, percent(share));
      return make("li", {}, make("span", {}, nameOf(name)), bar, value);
    }),
  );
  $("more").hidden = best.length <= BARS;
  $("more").textContent = allBars ? t.show_fewer : t.show_all(best.length);
  $("more").ariaExpanded = allBars;
}
$("more").addEventListener("click", () => {
  allBars = !allBars;
  bars(chosen.answer);
});

function lookAlikes(answer) {
  const found = alike(answer);
  $("alike").hidden = !found.length;
  $("alike-list").replaceChildren(
    ...found.flatMap(({ name, latin, mark, pages }) => {
      const term = make("dt", {}, `${name} `);
      if (latin && latin !== name) term.append(make("em", {}, latin));
      const told = make("dd", {}, mark);
      for (const [i, href] of pages.entries()) {
        const link = make("a", { href, target: "_blank", rel: "noopener", textContent: pages.length > 1 ? `${t.source} ${i + 1}` : t.source });
        link.ariaLabel = `${link.textContent}: ${name}`;
        told.append(" ", link);
      }
      return [term, told];
    }),
  );
}

offerToShare($("share"), () => chosen);
