// What an answer allows to be said. The page, its table, its CSV and what is shared say it by this file alone.

import { day, percent, speciesName, t } from "./language.js";
import { sources } from "./sources.js";

const BESIDE = 0.05; // a candidate as probable as this may be it
let species = new Map(); // what GET /species tells of each, by its name

export const useSpecies = (known) => (species = known);
const speciesOf = (name) => species.get(name) ?? { name };
export const nameOf = (name) => speciesName(speciesOf(name));

/** How narrow a statement can be relied upon: "species", "kind", "group"; "unsure", or "unfamiliar": a photo unlike those learned from. */
export const standing = (answer) => (answer.familiar === false ? "unfamiliar" : (answer.answer?.rank ?? "unsure"));

/** Whether something about the plant can be relied upon, be it crop or weed alone. */
export const relied = (answer) => !["unsure", "unfamiliar"].includes(standing(answer));

/** Name and probability of each species, the most probable first. */
export const ranked = (answer) => Object.entries(answer.probabilities).sort((a, b) => b[1] - a[1]);

/** The two most probable species, those within what can be relied upon. */
function likely(answer) {
  const { rank, name } = answer.answer ?? {};
  const within = ranked(answer).filter(([one]) => !rank || rank === "species" || speciesOf(one)[rank] === name);
  return within.slice(0, 2).map(([found]) => found);
}

export function either(answer) {
  const [one, other] = likely(answer).map(nameOf);
  return other ? t.either(one, other) : t.perhaps(one);
}

export function headline(answer) {
  const said = answer.answer?.name;
  return {
    species: () => nameOf(said),
    kind: () => t.kinds[said] ?? said,
    group: () => t.groups[said] ?? said,
    unsure: () => either(answer),
    unfamiliar: () => t.no_name,
  }[standing(answer)]();
}

/** What stands under the headline: the scientific name of a species, the likely species of a kind or a group. */
export function beneath(answer) {
  const how = standing(answer);
  if (how === "species") return answer.scientific_name === headline(answer) ? "" : (answer.scientific_name ?? "");
  return how === "kind" || how === "group" ? either(answer) : "";
}

/** Crop or weed, where that can be relied upon. */
export const groupOf = (answer) => (relied(answer) ? answer.group : null);

/** The probability of what can be relied upon, for people. */
export const sureness = (answer) => (relied(answer) ? percent(answer.answer.probability) : "");

/** Species that it may be as well, with what to look for; none where the species is sure, or no name is to be relied on. */
export function alike(answer) {
  if (["species", "unfamiliar"].includes(standing(answer))) return [];
  return ranked(answer)
    .filter(([, share], i) => i < 2 || (i < 3 && share >= BESIDE))
    .map(([name]) => ({ name: nameOf(name), latin: speciesOf(name).scientific_name, mark: t.marks[speciesOf(name).eppo_code], pages: sources[speciesOf(name).eppo_code] }))
    .filter(({ mark }) => mark);
}

// Chosen on training and validation images of one plant, on plants cut out of photos from fields, and on photos of many.
// Shares of the largest plant's area:
const SPECK = 0.02; // less beside it does not make a photo one of several plants
const PIECE = 0.05; // less is a piece of a leaf, which often looks like another species
const LEAF = 0.25; // so much may be a plant, and its name counts
const FEW = 3; // leaves of a plant of which nothing can be relied upon; grasses in a field have more
const CUT = 0.4; // of the plant's area: what the photo's edge cuts may be so large, and is a neighbour's
const CANOPY = 0.85; // of the photo's area: from there on the server takes a photo for vegetation all over
// Shares of a length:
const GAP = 0.2; // of the largest leaf's: the next one of the same plant is no further away
const FILLS = 0.4; // of the photo's shorter side: so large is a plant that somebody photographed alone

const plantsOf = ({ found }) => found?.plants.filter(({ area }) => area >= SPECK * found.plants[0].area) ?? [];

/** Whether plants were looked for on a photo, and none was found. */
const bare = ({ found }) => found?.plants.length === 0;

/** Whether a photo is plant nearly all over, as a lawn is. */
const overgrown = ({ found }) => found?.plants.length === 1 && found.plants[0].clump && found.plants[0].area >= CANOPY;

/** Whether several plants were found on a photo; specks beside one plant do not count. */
export const crowded = (photo) => plantsOf(photo).length > 1;

/**
 * Whether what was found may be one plant whose leaves lie apart: its square holds them all, and what is said of it and of them agrees.
 * It has a sure species, and nothing surely has another; or it is one of two of a kind, no leaf is surely either, and none seems a third.
 * Where nothing can be relied upon, it has few leaves.
 */
function mayBeOne(photo) {
  const { answer, found } = photo;
  if (!answer) return false;
  if (!relied(answer) && fills(photo)) return true;
  if (standing(answer) === "unfamiliar") return false;
  const sure = standing(answer) === "species";
  const names = sure ? [answer.species] : likely(answer);
  const [kind, other] = names.map((name) => speciesOf(name).kind);
  if (!sure && (!kind || kind !== other)) return false;
  if (!relied(answer) && plantsOf(photo).length > FEW) return false;
  const [left, top, width, height] = answer.crop;
  return plantsOf(photo).every((plant) => {
    const [x, y, w, h] = plant.box;
    const inside = x + w / 2 >= left && x + w / 2 <= left + width && y + h / 2 >= top && y + h / 2 <= top + height;
    const share = plant.area / found.plants[0].area;
    const certain = standing(plant) === "species";
    const third = !names.includes(plant.species);
    return inside && !(certain && third && share >= PIECE) && (sure || share < LEAF || !(certain || third));
  });
}

const ends = ({ box }, axis) => [box[axis], box[axis] + box[axis + 2]];
const apart = (one, other) => Math.max(...[0, 1].map((axis) => Math.max(ends(one, axis)[0] - ends(other, axis)[1], ends(other, axis)[0] - ends(one, axis)[1])));
const joined = (plants) => {
  const [across, down] = [0, 1].map((axis) => plants.map((plant) => ends(plant, axis)));
  return [across, down].map((along) => Math.max(...along.map(([, end]) => end)) - Math.min(...along.map(([start]) => start)));
};

/**
 * Whether one plant without a name fills the photo: few leaves, each near to another one. Beside it are cut neighbours at most.
 * Often its stem is not found, and the photo is unlike those learned from.
 */
function fills(photo) {
  const { width, height } = photo.found;
  const isCut = (plant) => [width, height].some((length, axis) => ends(plant, axis)[0] <= 1 || ends(plant, axis)[1] >= length - 1);
  const [largest, ...others] = plantsOf(photo);
  const near = [largest];
  const far = others.filter((plant) => !isCut(plant));
  if (far.length >= FEW || [largest, ...others].some((plant) => standing(plant) === "species")) return false;
  while (far.length) {
    const next = far.findIndex((plant) => near.some((leaf) => apart(plant, leaf) <= GAP * Math.max(...largest.box.slice(2))));
    if (next < 0) return false;
    near.push(...far.splice(next, 1));
  }
  const area = near.reduce((sum, leaf) => sum + leaf.area, 0);
  return Math.max(...joined(near)) >= FILLS * Math.min(width, height) && others.every((plant) => near.includes(plant) || plant.area < CUT * area);
}

/** Whether the plants of a photo are on show: each of them was asked for, or nothing was and they are no parts of one. */
export const several = (photo) => !photo.crop && crowded(photo) && (photo.each ?? !mayBeOne(photo));

/** A plant of a photo as an answer of its own. */
export const asAnswer = (plant) => ({ ...plant, scientific_name: speciesOf(plant.species).scientific_name });

/** How many plants were found; only perhaps, where nothing can be relied upon of any: it may be no photo of plants. */
export function howMany({ plants, truncated }) {
  const count = truncated ? t.plants_or_more(plants.length) : t.plants(plants.length);
  return plants.some((plant) => !plant.clump && relied(plant)) ? count : t.perhaps(count);
}

/** For example "18 weeds, 9 crops, 3 unsure": what can be relied upon of the plants of a photo. */
export function plantsInSum({ plants }) {
  const kinds = plants.map((plant) => (plant.clump || !relied(plant) ? "unsure" : (plant.group ?? "sure")));
  return ["weed", "crop", "sure", "unsure"]
    .map((kind) => [kind, kinds.filter((one) => one === kind).length])
    .filter(([, count]) => count)
    .map(([kind, count]) => t.counts[kind](count))
    .join(", ");
}

/** What is said of all that was found on a photo, where that is no plant or nothing but plants. */
export const ofAll = (photo) => (bare(photo) ? t.no_plants : overgrown(photo) ? t.all_plants_touch : "");

/** What is said of a photo in one sentence, for those who hear the page. */
export function spoken(photo) {
  if (several(photo)) return `${howMany(photo.found)}: ${plantsInSum(photo.found)}`;
  const { answer } = photo;
  const how = standing(answer);
  if (how === "unfamiliar") return ofAll(photo) || t.unfamiliar;
  return how === "unsure" ? `${t.not_sure}: ${headline(answer)}` : `${headline(answer)}, ${sureness(answer)}`;
}

/** A photo's answer as a text to hand on. */
export function told(photo) {
  const { file, answer, asked_at } = photo;
  const latin = answer && standing(answer) === "species" && beneath(answer) ? ` (${beneath(answer)})` : "";
  const said = !several(photo) && relied(answer) ? `${headline(answer)}${latin}, ${sureness(answer)}.` : spoken(photo);
  const { model } = several(photo) ? photo.found : answer;
  return `${file.name}: ${said}\n${t.told_by(model.name, model.version, day(asked_at))}`;
}
