// The table of several photos as a file for a spreadsheet. The command line writes the same columns, but for `plants` and `truncated`.
// Where numbers have a decimal comma, spreadsheets expect it in a CSV, too, and a semicolon between the columns.

import { make } from "./dom.js";
import { decimalMark } from "./language.js";
import { crowded, ranked, several } from "./verdict.js";

const COLUMNS = [
  ...["file", "answer", "answer_rank", "answer_probability"],
  ...["species", "scientific_name", "group", "probability", "confident", "familiar"],
  ...["second_species", "second_probability", "plants", "truncated", "crop", "model", "date", "problem"],
];

const PLANT_COLUMNS = [
  ...["file", "plant", "x", "y", "width", "height", "area", "clump", "score"],
  ...["answer", "answer_rank", "answer_probability"],
  ...["species", "group", "kind", "probability", "confident", "familiar"],
  ...["second_species", "second_probability", "latitude", "longitude", "model", "segmenter", "date", "problem", "truncated"],
];

const between = decimalMark === "," ? ";" : ",";

function cell(value) {
  if (typeof value === "number") return String(value).replace(".", decimalMark === "," ? "," : "."); // one below 0 is no formula
  let text = String(value ?? "");
  if (/^[=+\-@\t\r]/.test(text)) text = `'${text}`; // a spreadsheet would run it as a formula
  return /[",;\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

const yes = (flag) => (flag === undefined ? "" : flag ? "yes" : "no");

/** Whether what was found on a photo is shown as one plant. */
const isOne = (photo) => crowded(photo) && !several(photo) && !photo.crop && photo.answer;

function line(photo) {
  const { file, answer, found, problem, asked_at } = photo;
  if (!answer) return { file: file.name, problem: problem?.message ?? "not done" };
  const { answer: said, model } = answer;
  const [, second] = ranked(answer);
  return {
    ...{ ...answer, file: file.name, answer: said?.name, answer_rank: said?.rank, answer_probability: said?.probability },
    ...{ confident: yes(answer.confident), familiar: yes(answer.familiar), second_species: second?.[0], second_probability: second?.[1] },
    ...{ plants: isOne(photo) ? 1 : found?.plants.length, truncated: yes(found?.truncated), crop: answer.crop.join(" "), model: `${model.name} ${model.version}`, date: asked_at },
  };
}

const named = ({ name, version }) => `${name} ${version}`;

/** A row for each plant; one for a photo without plants or shown as one plant, and for one without an answer. */
function plantLines(photo) {
  const { file, found, answer, lost, problem, asked_at } = photo;
  if (!found) return [{ file: file.name, problem: (lost ?? problem)?.message ?? "not done" }];
  const [latitude, longitude] = found.position ?? [];
  const shared = { file: file.name, date: asked_at, latitude, longitude, segmenter: named(found.segmenter), truncated: yes(found.truncated) };
  const plants = isOne(photo) ? [{ ...answer, box: answer.crop, clump: false }] : found.plants;
  const rows = plants.map((plant, i) => {
    const { answer: said, box } = plant;
    const [, second] = ranked(plant);
    return {
      ...{ ...plant, ...shared, plant: i + 1, x: box[0], y: box[1], width: box[2], height: box[3], model: named(plant.model ?? found.model) },
      ...{ answer: said?.name, answer_rank: said?.rank, answer_probability: said?.probability },
      ...{ clump: yes(plant.clump), confident: yes(plant.confident), familiar: yes(plant.familiar) },
      ...{ second_species: second?.[0], second_probability: second?.[1] },
    };
  });
  return rows.length ? rows : [shared];
}

export const csv = (photos) => written(COLUMNS, photos.map(line));
export const plantsCsv = (photos) => written(PLANT_COLUMNS, photos.flatMap(plantLines));

function written(columns, lines) {
  const rows = lines.map((of) => columns.map((column) => of[column]));
  return [columns, ...rows].map((row) => row.map(cell).join(between)).join("\r\n") + "\r\n";
}

/** The mark tells Excel that it is UTF-8. */
export const save = (text, name) => saveAs(new Blob(["\ufeff", text], { type: "text/csv" }), name);

export function saveAs(blob, name) {
  const link = make("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
