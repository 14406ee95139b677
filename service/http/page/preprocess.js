// A photo becomes the pixels that the network takes, as models_store/pixels.py makes them on the server: a square of the upright photo,
// first reduced by a whole number, then by area-weighted bilinear filtering.

const STRIP = 256; // rows that are read at a time
const GAP = 3; // what is left for the filter, as in Pillow's reducing_gap
const SCALES = [8, 4, 2]; // at which a JPEG is decoded on the server

const START_BYTES = 12; // of a file, by which its format is known
const JPEG = "ffd8ff", PNG = "89504e47"; // how they begin
const SHOWN = new RegExp(`^(${JPEG}|${PNG}|474946|424d|52494646.{8}57454250)`); // in every browser: with GIF, BMP and WebP
const PROFILES = { 0: "GRAY", 2: "RGB ", 3: "RGB ", 4: "GRAY", 6: "RGB " }; // a PNG's kind of colours → that of its profile
const KIND_AT = 16; // of a profile: 4 bytes
const TRIES = 3, PAUSE_MS = 300; // what other photos took is given back meanwhile

/** No pixels could be made, for a `reason`: "gone", the file cannot be read any more; "format", this browser does not show it; else "memory". */
export class NoPixels extends Error {
  constructor(reason, cause) {
    super(`${reason}: ${cause}`, { cause });
    this.reason = reason;
  }
}

/** What a file holds. All of it: of a file that is gone, browsers take a part for empty. */
async function contentOf(file) {
  try {
    return await file.arrayBuffer();
  } catch (problem) {
    throw new NoPixels("gone", problem);
  }
}

const startOf = (content) => [...new Uint8Array(content).subarray(0, START_BYTES)].map((byte) => byte.toString(16).padStart(2, "0")).join("");

/** The first `count` bytes of a stream, which may come in pieces. */
async function firstOf(stream, count) {
  const reader = stream.getReader(), found = [];
  for (let piece; found.length < count && !(piece = await reader.read()).done; ) found.push(...piece.value.subarray(0, count));
  reader.cancel().catch(() => {});
  return found.slice(0, count);
}

/** A PNG, whose bytes are `content`, without a profile for colours of another kind, such as XYZ: the server passes over it, browsers would apply it. */
async function readAlike(file, content) {
  const view = new DataView(content);
  const text = (bytes) => String.fromCharCode(...bytes);
  for (let at = 8, length; at + 12 <= view.byteLength; at += 12 + length) {
    length = view.getUint32(at);
    const name = text(new Uint8Array(view.buffer, at + 4, 4));
    if (name === "IDAT") return file;
    if (name !== "iCCP") continue;
    const chunk = new Uint8Array(view.buffer, at + 8, length);
    const packed = new Blob([chunk.subarray(chunk.indexOf(0) + 2)]).stream().pipeThrough(new DecompressionStream("deflate"));
    const kind = text((await firstOf(packed, KIND_AT + 4)).slice(KIND_AT));
    return kind === PROFILES[view.getUint8(25)] ? file : new Blob([view.buffer.slice(0, at), view.buffer.slice(at + 12 + length)]);
  }
  return file;
}

/** The scale at which the server would decode a JPEG for this square. */
function scaleOf(bitmap, side, size, central) {
  const times = Math.max(1, Math.floor(Math.floor(side) / (2 * size)));
  const least = central ? [2 * size, 2 * size] : [Math.max(1, Math.floor(bitmap.width / times)), Math.max(1, Math.floor(bitmap.height / times))];
  const most = Math.min(Math.floor(bitmap.width / least[0]), Math.floor(bitmap.height / least[1]));
  return SCALES.find((scale) => most >= scale) ?? 1;
}

/** Means of blocks of `by` × `by` pixels from `left` and `top` on, on white: { width, height, planes: 3 Float32Array }. */
function reduced(bitmap, left, top, right, bottom, by) {
  const width = Math.ceil((right - left) / by), height = Math.ceil((bottom - top) / by);
  const planes = [0, 1, 2].map(() => new Float32Array(width * height));
  const rows = Math.max(1, Math.floor(STRIP / by)) * by;
  const across = right - left;
  const canvas = new OffscreenCanvas(across, Math.min(rows, bottom - top));
  try {
    const pen = canvas.getContext("2d", { willReadFrequently: true, colorSpace: "srgb" });
    pen.fillStyle = "white";
    for (let from = top; from < bottom; from += rows) {
      const count = Math.min(rows, bottom - from);
      pen.fillRect(0, 0, canvas.width, canvas.height);
      pen.drawImage(bitmap, left, from, across, count, 0, 0, across, count);
      const { data } = pen.getImageData(0, 0, across, count);
      for (let y = 0; y < count; y += by) {
        const high = Math.min(by, count - y), row = (from - top + y) / by;
        for (let column = 0; column < width; column++) {
          const first = column * by, wide = Math.min(by, across - first);
          let red = 0, green = 0, blue = 0;
          for (let j = 0; j < high; j++) {
            let at = 4 * ((y + j) * across + first);
            for (let i = 0; i < wide; i++, at += 4) {
              red += data[at];
              green += data[at + 1];
              blue += data[at + 2];
            }
          }
          const to = row * width + column, n = high * wide;
          planes[0][to] = Math.round(red / n);
          planes[1][to] = Math.round(green / n);
          planes[2][to] = Math.round(blue / n);
        }
      }
    }
  } finally {
    canvas.width = canvas.height = 0; // else its memory is kept until the browser tidies up
  }
  return { width, height, planes };
}

/** For each pixel of the result: the first pixel it is made of, and their weights. */
function filters(from, to, size, length) {
  const scale = (to - from) / size, support = Math.max(1, scale);
  return Array.from({ length: size }, (_, i) => {
    const centre = from + (i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - support + 0.5)), last = Math.min(length, Math.trunc(centre + support + 0.5));
    const weights = Array.from({ length: last - first }, (_, j) => Math.max(0, 1 - Math.abs((j + first - centre + 0.5) / support)));
    const sum = weights.reduce((a, b) => a + b, 0);
    return { first, weights: weights.map((weight) => weight / sum) };
  });
}

/** A square of an image in planes: uint8 [3, size, size]. */
function resized({ width, height, planes }, box, size) {
  const across = filters(box[0], box[2], size, width), down = filters(box[1], box[3], size, height);
  const result = new Uint8Array(3 * size * size);
  const top = down[0].first, rows = down.at(-1).first + down.at(-1).weights.length - top;
  for (const [channel, plane] of planes.entries()) {
    const narrow = new Uint8ClampedArray(rows * size); // each pass is rounded, as on the server
    for (let y = 0; y < rows; y++) {
      for (let x = 0; x < size; x++) {
        const { first, weights } = across[x];
        let sum = 0;
        for (let i = 0; i < weights.length; i++) sum += weights[i] * plane[(top + y) * width + first + i];
        narrow[y * size + x] = Math.floor(sum + 0.5);
      }
    }
    for (let y = 0; y < size; y++) {
      const { first, weights } = down[y];
      for (let x = 0; x < size; x++) {
        let sum = 0;
        for (let i = 0; i < weights.length; i++) sum += weights[i] * narrow[(first - top + i) * size + x];
        result[(channel * size + y) * size + x] = Math.min(255, Math.floor(sum + 0.5));
      }
    }
  }
  return result;
}

/** What `square` gives, at the first try. */
async function squareOf(file, content, size, crop) {
  const start = startOf(content);
  const alike = start.startsWith(PNG) ? await readAlike(file, content).catch(() => file) : file;
  const bitmap = await createImageBitmap(alike, { imageOrientation: "from-image", colorSpaceConversion: "default" });
  try {
    const { width, height } = bitmap;
    const inner = (x, y, w, h) => [x + (w - Math.min(w, h)) / 2, y + (h - Math.min(w, h)) / 2, Math.min(w, h), Math.min(w, h)];
    const centre = inner(0, 0, width, height);
    const edges = ([x, y, w, h]) => [x, y, x + w, y + h];
    const central = !crop || edges(inner(...crop)).every((edge, i) => Math.abs(edge - edges(centre)[i]) <= 1); // as Crop.is_nearly has it
    const looked = central ? centre : inner(...crop);
    const by = start.startsWith(JPEG) ? scaleOf(bitmap, looked[2], size, central) : 1;
    // Of the decoded image, of which a JPEG's is smaller, Pillow reduces the part it needs by whole numbers, then filters.
    const decoded = [Math.ceil(width / by), Math.ceil(height / by)];
    const [x, y, side] = central ? inner(0, 0, ...decoded) : looked.map((value) => value / by);
    let box = [x, y, x + side, y + side];
    const factor = Math.max(1, Math.floor((box[2] - box[0]) / size / GAP));
    const margin = ((box[2] - box[0]) / size) * 0.5;
    const [left, top] = [box[0], box[1]].map((edge) => Math.max(0, Math.trunc(edge - margin)));
    const right = Math.min(decoded[0], Math.ceil(box[2] + margin)), bottom = Math.min(decoded[1], Math.ceil(box[3] + margin));
    const image = reduced(bitmap, left * by, top * by, Math.min(width, right * by), Math.min(height, bottom * by), by * factor);
    box = box.map((edge, i) => (edge - (i % 2 ? top : left)) / factor);
    return { pixels: resized(image, box, size), crop: looked, central };
  } finally {
    bitmap.close();
  }
}

let turn = Promise.resolve();

/** `work` once all that came before is done: each large photo takes as much memory as its pixels do. */
function inTurn(work) {
  const done = turn.then(work);
  turn = done.catch(() => {});
  return done;
}

/**
 * Pixels uint8 [3, size, size] of a photo, the square that they show: [x, y, width, height], and whether that is the central one: what is that
 * but for a pixel is taken for it. Throws NoPixels.
 */
export const square = (file, size, crop) =>
  inTurn(async () => {
    for (let tried = 1; ; tried++) {
      const content = await contentOf(file);
      try {
        return await squareOf(file, content, size, crop);
      } catch (problem) {
        if (!SHOWN.test(startOf(content))) throw new NoPixels("format", problem);
        if (tried === TRIES) throw new NoPixels("memory", problem);
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      }
    }
  });
