// The table of several photos as a file for a spreadsheet.

const COLUMNS = ["file", "answer", "answer_rank", "answer_probability", "species", "scientific_name", "group", "probability", "confident", "familiar", "problem"];

function cell(value) {
  let text = String(value ?? "");
  if (/^[=+\-@\t\r]/.test(text)) text = `'${text}`; // a spreadsheet would run it as a formula
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

const yes = (flag) => (flag === undefined ? "" : flag ? "yes" : "no");

export function csv(photos, known) {
  const rows = photos.map(({ file, answer, problem }) =>
    answer
      ? [file.name, answer.answer?.name, answer.answer?.rank, answer.answer?.probability, answer.species, known.get(answer.species)?.scientific_name, answer.group, answer.probability, yes(answer.confident), yes(answer.familiar), ""]
      : [file.name, "", "", "", "", "", "", "", "", "", problem?.message ?? "not done"],
  );
  return [COLUMNS, ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

export function save(text, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(["\ufeff", text], { type: "text/csv" })); // the mark tells Excel that it is UTF-8
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
