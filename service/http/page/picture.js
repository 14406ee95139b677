// A photo of several plants as one picture: a box around each, with its number in the list and its name in the language of the page.

const MOST_PX = 2000; // of the picture's longer side
const QUALITY = 0.9;
const STYLES = { crop: ["#0072b2", "#fff", []], weed: ["#d55e00", "#fff", [4, 2]], unknown: ["#f0f0f0", "#000", [1, 1]] }; // as in plants.css

/** `image`: the photo; `boxes` are in pixels of a photo of that width and height: of each plant { box, group, label }. → a JPEG */
export function drawn(image, { width, height }, boxes) {
  const scale = Math.min(1, MOST_PX / Math.max(width, height));
  const canvas = Object.assign(document.createElement("canvas"), { width: Math.round(width * scale), height: Math.round(height * scale) });
  const pen = canvas.getContext("2d");
  pen.drawImage(image, 0, 0, canvas.width, canvas.height);
  const longer = Math.max(canvas.width, canvas.height);
  const write = (px) => (pen.font = `${px}px sans-serif`);
  let letters = Math.max(12, longer / 80);
  write(letters);
  letters *= Math.min(1, ...boxes.map(({ label }) => canvas.width / (pen.measureText(label).width + letters / 2)));
  write(letters);
  pen.textBaseline = "middle";
  const line = Math.max(2, longer / 500);
  const marks = boxes.map(({ box, group, label }) => [label, ...STYLES[group], ...box.map((length) => length * scale)]).reverse(); // the largest on top
  for (const [, colour, , dash, x, y, w, h] of marks) {
    for (const [style, thick, gaps] of [["#000", line + 2, []], [colour, line, dash.map((part) => part * line)]]) {
      pen.strokeStyle = style;
      pen.lineWidth = thick;
      pen.setLineDash(gaps);
      pen.strokeRect(x, y, w, h);
    }
  }
  for (const [label, colour, ink, , x, y] of marks) { // over all boxes
    const across = pen.measureText(label).width + letters / 2;
    const down = letters * 1.3;
    const left = Math.max(0, Math.min(x, canvas.width - across));
    const top = Math.max(0, Math.min(y < down ? y : y - down, canvas.height - down)); // above the box, where there is room
    pen.fillStyle = colour;
    pen.fillRect(left, top, across, down);
    pen.fillStyle = ink;
    pen.fillText(label, left + letters / 4, top + down / 2);
  }
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", QUALITY));
}
