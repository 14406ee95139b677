// Hands an answer on: by what the device offers for it, else as a copied text.

import { $, hold, make } from "./dom.js";
import { t } from "./language.js";
import { told } from "./verdict.js";

const SHOWN_MS = 3000; // what a button says instead of its own text

/** A button that hands on what is said of the photo that `shown` gives. */
export function offerToShare(button, shown) {
  button.addEventListener("click", async () => {
    const said = await share(shown());
    if (!said) return;
    button.textContent = $("said").textContent = said;
    setTimeout(() => (button.textContent = t.share), SHOWN_MS);
  });
}

/** What there is to say of it; nothing where the device took the text over, or its user thought better of it. */
async function share(photo) {
  const text = told(photo);
  const whole = { text, files: [photo.file] };
  const ways = [navigator.canShare?.(whole) && whole, navigator.share && { text }].filter(Boolean);
  for (const way of ways) {
    try {
      return await navigator.share(way);
    } catch (error) {
      if (error.name === "AbortError") return ""; // closed without a choice
    }
  }
  try {
    await navigator.clipboard.writeText(text);
    return t.copied;
  } catch {
    return copy(text) ? t.copied : t.not_shared; // browsers keep the clipboard from pages that came over plain HTTP, but not this
  }
}

function copy(text) {
  const area = make("textarea", { value: text, className: "unseen" });
  const had = document.activeElement;
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  hold(had);
  return copied;
}
