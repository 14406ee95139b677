// Hands an answer on: by what the device offers for it, else as a copied text.

import { t } from "./language.js";
import { told } from "./verdict.js";

const COPIED_MS = 2000;
const $ = (id) => document.getElementById(id);

/** A button that hands on what is said of the photo that `shown` gives. */
export function offerToShare(button, shown) {
  button.addEventListener("click", async () => {
    if (!(await share(shown()))) return;
    button.textContent = $("said").textContent = t.copied;
    setTimeout(() => (button.textContent = t.share), COPIED_MS);
  });
}

/** Whether the text now lies in the clipboard; false: the device took it over, or its user thought better of it. */
async function share(photo) {
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
