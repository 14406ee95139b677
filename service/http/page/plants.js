// A photo of several plants: each in a box, with its answer, what they are in sum, and a list.

import * as api from "./api.js";
import { $, hold, make } from "./dom.js";
import { coverOf, percent, t } from "./language.js";
import { drawn } from "./picture.js";
import { offerToShare } from "./share.js";
import { plantsCsv, save, saveAs } from "./table.js";
import { asAnswer, beneath, crowded, groupOf, headline, howMany, plantsInSum, relied, several, standing, sureness } from "./verdict.js";

const MARGIN = 1.1; // of the square around a plant, as the server looks at it
const TURNED = 0.05; // of the shape: so much unlike, a photo was turned
const NUMBER_PX = 24; // height of a box's number, with what is between
let photo = null; // the one on show
let chosen = 0; // the plant on show
let lookAt = () => {};

/** `told` is given the photo and the square of the plant that is to be looked at alone; no square: the whole photo as one plant. */
export const onAlone = (told) => (lookAt = told);

/** Show the plants of a photo; false: it shows none or one, or one of them was chosen. */
export function showPlants(shown) {
  $("plants").hidden = !several(shown);
  $("all-plants").hidden = !crowded(shown) && !shown.lost;
  $("all-plants").textContent = shown.crop ? t.all_plants : t.several_plants;
  if (!several(shown)) return false;
  if (photo !== shown) chosen = 0;
  photo = shown;
  const { found, file } = photo;
  $("plants-title").textContent = howMany(found);
  $("plants-sum").textContent = plantsInSum(found);
  $("plants-names").textContent = names(found);
  $("plants-warning").textContent = !names(found) && photo.answer && standing(photo.answer) === "unfamiliar" ? t.unfamiliar : "";
  const { all, crop, weed, unknown } = found.cover;
  $("plants-cover").textContent = t.cover(coverOf(all), coverOf(weed, found.truncated), coverOf(crop, found.truncated), coverOf(unknown));
  $("plants-photo").alt = t.your_photo(file.name);
  $("boxes").parentElement.style.setProperty("--shape", found.width / found.height);
  if ($("plants-photo").dataset.of !== photo.url) {
    $("plants-photo").dataset.of = photo.url;
    $("plants-photo").src = photo.url;
  }
  $("boxes").replaceChildren(...found.plants.map(box));
  $("plants-list").replaceChildren(...found.plants.map(entry));
  choose(chosen);
  return true;
}

export function forgetPlants() {
  photo = null;
  $("plants").hidden = true;
}

const named = (plant) => !plant.clump && relied(plant);
const said = (plant) => (plant.clump ? t.clump : headline(asAnswer(plant)));
const group = (plant) => groupOf(asAnswer(plant)) ?? "unknown";

/** For example "3 Maize, 2 Cleavers": what can be relied upon. */
function names({ plants }) {
  const counts = new Map();
  for (const plant of plants) if (named(plant)) counts.set(said(plant), (counts.get(said(plant)) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1]).map(([name, count]) => `${count}\u00a0×\u00a0${name}`).join(", ");
}

function button(plant, i, className) {
  const made = make("button", { type: "button", className: `${className} ${group(plant)}` });
  for (const event of ["click", "focus"]) made.addEventListener(event, () => choose(i));
  return made;
}

function box(plant, i) {
  const { width, height } = photo.found;
  const made = button(plant, i, "box");
  const [x, y, w, h] = plant.box;
  const place = { left: (x + w / 2) / width, top: (y + h / 2) / height, width: w / width, height: h / height }; // by its middle: see plants.css
  for (const [side, share] of Object.entries(place)) made.style[side] = `${100 * share}%`;
  made.ariaLabel = `${i + 1}: ${said(plant)}`;
  made.tabIndex = -1;
  made.addEventListener("mouseenter", () => choose(i));
  const [above, below] = [y / height, 1 - (y + h) / height].map((share) => share * $("boxes").clientHeight);
  if (above < NUMBER_PX) made.classList.add(below < NUMBER_PX ? "within" : "top"); // where its number has room
  made.append(make("b", { ariaHidden: "true" }, i + 1));
  return made;
}

function entry(plant, i) {
  const made = button(plant, i, "plant");
  const mark = make("i", { className: "mark", ariaHidden: "true" });
  const sure = plant.clump ? "" : sureness(asAnswer(plant));
  const name = make("span", {}, `${i + 1}. ${said(plant)}`);
  made.append(mark, name, make("span", { className: "number" }, sure));
  return make("li", {}, made);
}

function choose(i) {
  chosen = i;
  const plant = photo.found.plants[i];
  [...$("boxes").children].forEach((one, at) => {
    one.ariaPressed = at === i;
    one.tabIndex = at === i ? 0 : -1;
  });
  [...$("plants-list").children].forEach(({ firstElementChild: one }, at) => {
    one.ariaPressed = at === i;
    one.tabIndex = at === i ? 0 : -1;
  });
  const answer = asAnswer(plant);
  const known = groupOf(answer);
  $("plant-name").textContent = `${i + 1}. ${said(plant)}`;
  const facts = plant.clump ? [] : [beneath(answer), known && t.groups[known], sureness(answer), plant.model && t.by(plant.model.name)];
  $("plant-facts").textContent = [...facts, t.covers(percent(plant.area))].filter(Boolean).join(" · ");
  $("plant-advice").textContent = plant.clump ? t.clump_advice : plant.familiar === false ? t.unfamiliar : plant.answer ? "" : t.not_sure;
}

// Within the boxes, and in the list, the arrow keys go from plant to plant: fifty of them are not fifty stops of the tab key.
for (const [id, part] of [["boxes", (one) => one], ["plants-list", (one) => one.firstElementChild]]) {
  $(id).addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const all = $(id).children;
    part(all[(chosen + step + all.length) % all.length]).focus({ preventScroll: id === "boxes" });
  });
}

$("plant-alone").addEventListener("click", () => {
  const { plants, width, height } = photo.found;
  const [x, y, w, h] = plants[chosen].box;
  const side = Math.max(8, Math.min(width, height, Math.round(MARGIN * Math.max(w, h))));
  const within = (middle, most) => Math.round(Math.min(Math.max(0, middle - side / 2), most - side));
  lookAt(photo, [within(x + w / 2, width), within(y + h / 2, height), side, side]);
});
$("as-one").addEventListener("click", () => {
  photo.each = false;
  lookAt(photo);
});
offerToShare($("plants-share"), () => photo);
$("plants-save").addEventListener("click", () => save(plantsCsv([photo]), "plants.csv"));

/** The URL of the photo as the server shows it, where this browser cannot show its format, or shows it turned otherwise. */
function byServer(of) {
  const keep = (plain) => (of.plain = URL.createObjectURL(plain));
  const forget = (problem) => {
    of.fetching = undefined;
    throw problem;
  };
  return (of.fetching ??= api.upright(of.file).then(keep).catch(forget));
}

/** Whether an image lies as the server found it, by its shape. Chromium does not obey the orientation of a WebP, which may stand on its head. */
const upright = ({ naturalWidth: width, naturalHeight: height }, { file, found }) =>
  file.type !== "image/webp" && Math.abs((width * found.height) / (height * found.width) - 1) <= TURNED;

/** The photo with boxes, as they are on show. */
async function picture(of) {
  const boxes = of.found.plants.map((plant) => ({ box: plant.box, group: group(plant), name: named(plant) ? said(plant) : "?" }));
  const image = Object.assign(new Image(), { src: of.plain ?? of.url });
  const shown = await image.decode().then(() => upright(image, of), () => false);
  if (!shown) {
    image.src = await byServer(of);
    await image.decode();
  }
  return drawn(image, of.found, boxes);
}
$("plants-picture").addEventListener("click", async () => {
  const of = photo;
  const had = document.activeElement;
  $("plants-picture").disabled = true;
  try {
    saveAs(await picture(of), `${of.file.name.replace(/\.\w+$/, "")}-plants.jpg`);
  } catch (problem) {
    $("plant-advice").textContent = problem.message;
  } finally {
    $("plants-picture").disabled = false;
    hold(had);
  }
});

/** Show the server's picture in place of the browser's. */
async function replace() {
  const of = photo;
  if (!of || $("plants-photo").src === of.plain) return;
  try {
    const url = await byServer(of);
    if (of === photo) $("plants-photo").src = url;
  } catch (problem) {
    if (of !== photo) return;
    $("plants-warning").textContent = `${t.no_preview} ${problem.message}`;
    delete $("plants-photo").dataset.of; // shown again, it is asked for again
  }
}
$("plants-photo").addEventListener("error", replace);
$("plants-photo").addEventListener("load", () => photo && !upright($("plants-photo"), photo) && replace());
