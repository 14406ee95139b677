// Hands an answer on: by what the device offers for it, else as a copied text.

import { told } from "./verdict.js";

/** Whether the text now lies in the clipboard; false: the device took it over, or its user thought better of it. */
export async function share(photo) {
  const text = told(photo);
  const whole = { text, files: [photo.file] };
  if (navigator.canShare?.(whole)) return handOver(whole);
  if (navigator.share) return handOver({ text });
  if (navigator.clipboard) await navigator.clipboard.writeText(text);
  else copy(text); // browsers keep both from pages that came over plain HTTP
  return true;
}

async function handOver(what) {
  try {
    await navigator.share(what);
  } catch (error) {
    if (error.name !== "AbortError") throw error; // closed without a choice
  }
  return false;
}

function copy(text) {
  const area = Object.assign(document.createElement("textarea"), { value: text, className: "unseen" });
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}
