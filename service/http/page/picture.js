// A photo of several plants as one picture: a box around each, with its number in the list and its name in the language of the page.

import { make } from "./dom.js";

const MOST_PX = 2000; // of the picture's longer side
const QUALITY = 0.9;
const STYLES = { crop: ["#0072b2", "#fff", []], weed: ["#d55e00", "#fff", [4, 2]], unknown: ["#f0f0f0", "#000", [1, 1]] }; // as in plants.css

/** `image`: the photo; `boxes` are in pixels of a photo of that width and height: of each plant { box, group, name }, the largest first. → a JPEG */
export function drawn(image, { width, height }, boxes) {
  const scale = Math.min(1, MOST_PX / Math.max(width, height));
  const canvas = make("canvas", { width: Math.round(width * scale), height: Math.round(height * scale) });
  const pen = canvas.getContext("2d");
  pen.drawImage(image, 0, 0, canvas.width, canvas.height);
  const longer = Math.max(canvas.width, canvas.height);
  const marks = boxes.map(({ box, group, name }, i) => [`${i + 1}.`, name, ...STYLES[group], ...box.map((length) => length * scale)]);
  const line = Math.max(2, longer / 500);
  for (const [, , colour, , dash, x, y, w, h] of [...marks].reverse()) { // the largest last, and so on top
    for (const [style, thick, gaps] of [["#000", line + 2, []], [colour, line, dash.map((part) => part * line)]]) {
      pen.strokeStyle = style;
      pen.lineWidth = thick;
      pen.setLineDash(gaps);
      pen.strokeRect(x, y, w, h);
    }
  }
  let letters = Math.max(12, longer / 80);
  const write = () => (pen.font = `${letters}px sans-serif`);
  const across = (text) => pen.measureText(text).width + letters / 2;
  write();
  letters *= Math.min(1, ...marks.map(([number, name]) => canvas.width / across(`${number} ${name}`)));
  write();
  pen.textBaseline = "middle";
  const down = letters * 1.3;
  const place = (text, [, , , , , x, y]) => {
    const top = y < down ? y : y - down; // above the box, where there is room
    return [text, Math.max(0, Math.min(x, canvas.width - across(text))), Math.max(0, Math.min(top, canvas.height - down)), across(text)];
  };
  const apart = ([, x, y, w], [, left, top, wide]) => x + w <= left || left + wide <= x || y + down <= top || top + down <= y;
  const places = marks.map((mark) => place(mark[0], mark));
  marks.forEach((mark, i) => {
    const whole = place(`${mark[0]} ${mark[1]}`, mark); // where it covers no other number
    if (places.every((other, k) => k === i || apart(whole, other))) places[i] = whole;
  });
  marks.forEach(([, , colour, ink], i) => {
    const [text, x, y, w] = places[i];
    pen.fillStyle = colour;
    pen.fillRect(x, y, w, down);
    pen.fillStyle = ink;
    pen.fillText(text, x + letters / 4, y + down / 2);
  });
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", QUALITY));
}
