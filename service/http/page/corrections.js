// Two taps under an answer, right or something else, where this server keeps corrections.

import * as api from "./api.js";
import { $, hold, make } from "./dom.js";
import { t } from "./language.js";
import { nameOf, standing } from "./verdict.js";

const NOT_A_PLANT = "not a plant"; // the server's word
let keeping = { kept: false };
let species = [];
let photo = null; // on show
let changed = () => {};

/** `told` gets each photo whose correction changed. */
export const onCorrection = (told) => (changed = told);

/** Says what the server keeps of photos before one is sent. */
export async function meet(known) {
  species = known.map(({ name }) => name);
  keeping = await api.keeping();
  const days = keeping.days ? t.kept_days(keeping.days) : t.kept_always;
  $("keeping").hidden = !keeping.kept;
  $("keeping").textContent = `${t.kept_here} ${keeping.asked ? `${t.kept_asked(keeping.asked)} ` : ""}${days} ${keeping.positions ? t.kept_positions : t.kept_stripped}`;
  $("kept-nowhere").textContent = keeping.kept ? "" : t.kept_nowhere;
  const choices = [...species.map((name) => [name, nameOf(name)]).sort((a, b) => a[1].localeCompare(b[1])), [NOT_A_PLANT, t.not_a_plant]];
  $("it-is").replaceChildren(
    ...choices.map(([name, shown]) => {
      const button = make("button", { type: "button" }, shown);
      button.addEventListener("click", () => correct(name));
      return button;
    }),
  );
}

/** What can be said of the answer on show. */
export function offer(shown) {
  photo = shown;
  const { answer, stale, correction } = photo;
  $("correction").hidden = !keeping.kept || !answer || Boolean(stale);
  $("right").hidden = !answer || standing(answer) !== "species";
  $("wrong").textContent = $("right").hidden ? t.it_is : t.wrong;
  $("verdict-of-a-person").hidden = Boolean(correction);
  $("take-back").hidden = !correction;
  say(correction ? t.correction_kept(correction.species === NOT_A_PLANT ? t.not_a_plant : nameOf(correction.species)) : "");
  unfold(false);
}

const say = (text) => ($("correction-said").textContent = text);

function unfold(on) {
  $("wrong").ariaExpanded = on;
  $("choices").hidden = !on;
}

// It changes the photo that it is of.
async function ask(work) {
  const meant = photo;
  const had = document.activeElement;
  const buttons = [...$("correction").querySelectorAll("button")];
  for (const button of buttons) button.disabled = true;
  try {
    await work(meant);
    await changed(meant); // a reload forgets nothing shown
    if (meant === photo) offer(photo);
  } catch (problem) {
    if (meant === photo) say(t.not_kept(problem.detail || problem.message));
  } finally {
    for (const button of buttons) button.disabled = false;
    hold(had, buttons.find((button) => button.offsetParent));
  }
}

const correct = (name) =>
  ask(async (meant) => {
    const part = meant.crop || meant.found?.plants.length; // else the whole photo is meant
    const { id } = await api.correct(meant.file, { species: name, ...(part ? { box: String(meant.answer.crop) } : {}) });
    meant.correction = { id, species: name };
  });

$("right").addEventListener("click", () => correct(photo.answer.species));
$("wrong").addEventListener("click", () => {
  unfold($("choices").hidden);
  if (!$("choices").hidden) $("it-is").firstElementChild?.focus();
});
$("another").addEventListener("submit", (event) => {
  event.preventDefault();
  correct($("another-name").value);
  $("another-name").value = "";
});
$("take-back").addEventListener("click", () =>
  ask(async (meant) => {
    const { id } = meant.correction;
    await api.takeBack(id).catch((problem) => problem.detail.includes(id) || Promise.reject(problem)); // only what is gone is named
    delete meant.correction;
  }),
);
