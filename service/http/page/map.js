// Where photos were taken, to scale: points of the colour of their weed cover, with a scale bar. No tiles, nothing from elsewhere.

import { $, make } from "./dom.js";
import { coverOf, number, percent, t } from "./language.js";

const DEGREE_M = 111_320; // metres of a degree of latitude, and of longitude at the equator
const ROOM = 1.25; // of the map around its points
const LEAST_M = 20; // the least that a map is wide
const SHADES = 5;
const NEAR_PX = 25; // points as near as that would hide each other, so they are one with a number; they are 1.4rem wide
const RATIO = 4 / 3; // of the map's sides, as in plants.css
let shown = ""; // of which photos and covers, and how wide

/** Metres to the east and to the north of the first position, [latitude, longitude] in degrees. */
export function metres(position, [latitude, longitude]) {
  const east = ((((position[1] - longitude + 180) % 360) + 360) % 360) - 180; // also where the date line lies between
  return [east * DEGREE_M * Math.cos((latitude * Math.PI) / 180), (position[0] - latitude) * DEGREE_M];
}

/** The longest length of 1, 2 or 5 times a power of ten that is at most `most`. */
export function nice(most) {
  const power = 10 ** Math.floor(Math.log10(most));
  return [5, 2, 1].find((digit) => digit * power <= most) * power;
}

/** Points [x, y] that lie at most `near` from the first one of their group: lists of their numbers. */
export function grouped(points, near) {
  const groups = [];
  points.forEach(([x, y], i) => {
    const group = groups.find(([first]) => Math.hypot(points[first][0] - x, points[first][1] - y) <= near);
    if (group) group.push(i);
    else groups.push([i]);
  });
  return groups;
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** The photo after the one that is shown, so that each tap shows another one. */
const after = (photos) => photos[(photos.findIndex((photo) => photo.row.classList.contains("chosen")) + 1) % photos.length];

/** The photos with a position; `onChoice` is given the one that was tapped. */
export function draw(photos, onChoice) {
  const placed = photos.filter((photo) => photo.found?.position);
  $("map").hidden = !placed.length;
  const without = photos.filter((photo) => photo.found && !photo.found.position).length;
  $("map-without").textContent = without ? t.map_without(without) : "";
  const before = shown;
  const across = $("map-points").clientWidth; // another one when a phone is turned
  shown = [across, ...placed.map(({ id, found }) => [id, ...Object.values(found.cover)])].join();
  if (!placed.length || shown === before) return; // drawn anew, a point would lose its focus
  const points = placed.map((photo) => metres(photo.found.position, placed[0].found.position));
  const [east, north] = [0, 1].map((axis) => points.map((point) => point[axis]));
  const middle = [east, north].map((along) => (Math.min(...along) + Math.max(...along)) / 2);
  const span = (along) => Math.max(...along) - Math.min(...along);
  const width = Math.max(LEAST_M, ROOM * Math.max(span(east), RATIO * span(north)));
  const groups = grouped(points, (NEAR_PX * width) / across).map((group) => ({
    photos: group.map((i) => placed[i]),
    at: [0, 1].map((axis) => points[group[0]][axis] - middle[axis]), // in their mean it might hide another group
    ...Object.fromEntries(["weed", "crop", "unknown"].map((kind) => [kind, mean(group.map((i) => placed[i].found.cover[kind]))])),
  }));
  const most = Math.max(0.01, ...groups.map(({ weed }) => weed));
  $("map-points").replaceChildren(
    ...groups.map(({ photos: here, at, weed, crop, unknown }) => {
      const shade = Math.min(SHADES - 1, Math.floor((weed / most) * SHADES));
      const point = make("button", { type: "button", className: `point shade${shade}` });
      const unsure = unknown > weed + crop;
      point.classList.toggle("unsure", unsure);
      const weeds = [coverOf(weed, here.some(({ found }) => found.truncated)), unsure ? t.map_unsure(percent(unknown)) : ""].filter(Boolean).join(", ");
      point.ariaLabel = point.title = here.length === 1 ? t.map_point(here[0].file.name, weeds) : t.map_points(here.length, weeds);
      point.textContent = here.length === 1 ? "" : number(here.length);
      point.style.left = `${50 + (100 * at[0]) / width}%`;
      point.style.top = `${50 - (100 * RATIO * at[1]) / width}%`;
      point.addEventListener("click", () => onChoice(after(here)));
      return point;
    }),
  );
  const length = nice(width / 4);
  const [bar, text] = $("map-scale").children;
  bar.style.width = `${(100 * length) / width}%`;
  text.textContent = length < 1000 ? `${number(length)} m` : `${number(length / 1000)} km`;
  $("map-most").textContent = percent(most);
  $("map-hollow").hidden = !$("map-points").querySelector(".unsure");
}
