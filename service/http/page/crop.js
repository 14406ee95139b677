// The square of a photo that is looked at: drawn on it, and moved by touch, mouse or keyboard.

import { $ } from "./dom.js";
import { t, wholePercent } from "./language.js";

const LEAST = 0.08; // the smallest square's side, as a share of the photo's shorter one
const STEP = 0.02; // of an arrow key, as a share of the photo's longer side
const PAUSE_MS = 500; // after the last key
const STILL = 6; // pixels of the screen that a tap may move
const frame = $("photo").parentElement; // a square, in which the whole photo is seen
const handle = $("crop").querySelector("i");
let size = null; // width and height of the photo on show, upright, in pixels; null: there is none to see
let square = null; // x, y and side, in these pixels
let held = null; // what a finger or the mouse holds: its place in the square, or the corner
let last = ""; // the square that was told, or shown
let pause;
let tell = () => {};

/** `changed` is given each new square as [x, y, width, height]. */
export const onChange = (changed) => (tell = changed);
export const moving = () => $("move").ariaPressed === "true";

/** Show which square was looked at; null: the central one. Without a size, or where the two do not fit, there is nothing to draw. */
export function place(of, crop) {
  if (held) return;
  size = of;
  square = size && (crop ? crop.slice(0, 3) : central());
  last = String(crop);
  if (size && (square[0] + square[2] > size[0] + 1 || square[1] + square[2] > size[1] + 1)) size = null; // the browser turned it otherwise
  $("move").hidden = !size;
  if (!size && moving()) move(false);
  draw();
}

/** Take the square into the hand, or let it go. */
export function move(on) {
  $("move").ariaPressed = on;
  $("move").textContent = on ? t.moved : t.move;
  $("moving").hidden = !on;
  frame.classList.toggle("moving", on);
  frame.classList.toggle("large", on);
  if (on) $("crop").tabIndex = 0;
  else $("crop").removeAttribute("tabindex");
  draw();
}

const central = () => {
  const side = Math.min(...size);
  return [(size[0] - side) / 2, (size[1] - side) / 2, side];
};

function draw() {
  const whole = size && square[2] > 0.99 * Math.max(...size);
  $("crop").hidden = !size || (whole && !moving());
  $("crop-note").hidden = $("crop").hidden || moving();
  if (!size) return;
  const longest = Math.max(...size);
  const [left, top] = [0, 1].map((axis) => (longest - size[axis]) / 2 + square[axis]);
  const { style } = $("crop");
  [style.left, style.top, style.width] = [left, top, square[2]].map((length) => `${(100 * length) / longest}%`);
  const share = square[2] / Math.min(...size);
  $("crop-size").value = 100 * share;
  $("crop-size").ariaValueText = wholePercent(share);
}

/** The nearest square that lies in the photo. */
function set(x, y, side) {
  const shorter = Math.min(...size);
  const length = Math.min(shorter, Math.max(side, LEAST * shorter, 8));
  square = [Math.min(Math.max(0, x), size[0] - length), Math.min(Math.max(0, y), size[1] - length), length];
  draw();
}

/** The same middle, another side. */
function resize(side) {
  const [x, y, before] = square;
  set(x + (before - side) / 2, y + (before - side) / 2, side);
}

function done() {
  clearTimeout(pause);
  const side = Math.floor(square[2]);
  const crop = [...[0, 1].map((axis) => Math.min(Math.round(square[axis]), size[axis] - side)), side, side];
  if (String(crop) === last) return;
  last = String(crop);
  tell(crop);
}

function later() {
  clearTimeout(pause);
  pause = setTimeout(done, PAUSE_MS);
}

// ---- touch and mouse ------------------------------------------------------------------------------------------------

function pointed(event) {
  const box = frame.getBoundingClientRect();
  const longest = Math.max(...size);
  const [x, y] = [event.clientX - box.left, event.clientY - box.top].map((length) => (length * longest) / box.width);
  return [x - (longest - size[0]) / 2, y - (longest - size[1]) / 2];
}

frame.addEventListener("pointerdown", (event) => {
  if (!moving()) return;
  event.preventDefault();
  frame.setPointerCapture(event.pointerId);
  $("crop").focus({ preventScroll: true });
  const [x, y] = pointed(event);
  if (!$("crop").contains(event.target)) centre(x, y);
  held = { corner: event.target === handle, x: x - square[0], y: y - square[1], from: [event.clientX, event.clientY], moved: false };
});
const centre = (x, y) => set(x - square[2] / 2, y - square[2] / 2, square[2]);

frame.addEventListener("pointermove", (event) => {
  if (!held) return;
  held.moved ||= Math.hypot(event.clientX - held.from[0], event.clientY - held.from[1]) > STILL;
  if (!held.moved) return;
  const [x, y] = pointed(event);
  if (!held.corner) return set(x - held.x, y - held.y, square[2]);
  const [left, top] = square;
  set(left, top, Math.min(Math.max(x - left, y - top), size[0] - left, size[1] - top));
});
for (const type of ["pointerup", "pointercancel"]) {
  frame.addEventListener(type, (event) => {
    if (!held) return;
    const tapped = type === "pointerup" && !held.moved && !held.corner;
    held = null;
    if (tapped) centre(...pointed(event)); // on the plant
    done();
  });
}

// ---- keyboard -------------------------------------------------------------------------------------------------------

const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
$("crop").addEventListener("keydown", (event) => {
  const [x, y, side] = square;
  const step = Math.max(1, STEP * Math.max(...size));
  if (KEYS[event.key]) set(x + KEYS[event.key][0] * step, y + KEYS[event.key][1] * step, side);
  else if (event.key === "+" || event.key === "-") resize(side * (event.key === "+" ? 1.1 : 1 / 1.1));
  else return;
  event.preventDefault();
  later();
});
$("crop-size").addEventListener("input", () => {
  resize((Number($("crop-size").value) / 100) * Math.min(...size));
  later();
});
$("crop-centre").addEventListener("click", () => {
  clearTimeout(pause);
  square = central();
  last = "";
  draw();
  done();
});
