// The table of several photos as a file for a spreadsheet. The command line writes the same columns.

import { ranked } from "./verdict.js";

const COLUMNS = [
  ...["file", "answer", "answer_rank", "answer_probability"],
  ...["species", "scientific_name", "group", "probability", "confident", "familiar"],
  ...["second_species", "second_probability", "crop", "model", "date", "problem"],
];

function cell(value) {
  let text = String(value ?? "");
  if (/^[=+\-@\t\r]/.test(text)) text = `'${text}`; // a spreadsheet would run it as a formula
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

const yes = (flag) => (flag === undefined ? "" : flag ? "yes" : "no");

function line({ file, answer, problem, asked_at }) {
  if (!answer) return { file: file.name, problem: problem?.message ?? "not done" };
  const { answer: said, model } = answer;
  const [, second] = ranked(answer);
  return {
    ...{ ...answer, file: file.name, answer: said?.name, answer_rank: said?.rank, answer_probability: said?.probability },
    ...{ confident: yes(answer.confident), familiar: yes(answer.familiar), second_species: second?.[0], second_probability: second?.[1] },
    ...{ crop: answer.crop.join(" "), model: `${model.name} ${model.version}`, date: asked_at },
  };
}

export function csv(photos) {
  const rows = photos.map(line).map((of) => COLUMNS.map((column) => of[column]));
  return [COLUMNS, ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

export function save(text, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(["\ufeff", text], { type: "text/csv" })); // the mark tells Excel that it is UTF-8
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
