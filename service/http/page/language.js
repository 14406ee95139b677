// The language of the page: the first of the browser's languages that there is a file for, else English.

const LANGUAGES = ["en", "de", "fr", "es"];
const wanted = navigator.languages.map((language) => language.slice(0, 2).toLowerCase());
export const language = wanted.find((one) => LANGUAGES.includes(one)) ?? "en";
const locale = navigator.languages.find((one) => one.toLowerCase().startsWith(language)) ?? language;

export const { texts: t, names } = await import(`./${language}.js`);

/** A species' common name by its EPPO code; where none is known, the scientific one; a user's own species keep theirs. */
export function speciesName(species) {
  if (!species?.eppo_code || language === "en") return species?.name ?? "";
  return names[species.eppo_code] ?? species.scientific_name ?? species.name;
}

const shares = new Intl.NumberFormat(locale, { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });
const whole = new Intl.NumberFormat(locale, { style: "percent" });

/** A probability for people: never rounded up to certainty, never down to nothing. */
export const percent = (share) => (share >= 0.9995 ? `> ${shares.format(0.999)}` : share < 0.001 ? `< ${shares.format(0.001)}` : shares.format(share));
export const wholePercent = (share) => whole.format(share);
/** A share of a photo's area; `orMore`: of what was looked at alone, so it is at least as much. */
export const coverOf = (share, orMore) => (orMore ? "≥\u00a0" : "") + (share ? percent(share) : wholePercent(0));

const numbers = new Intl.NumberFormat(locale);
export const decimalMark = numbers.formatToParts(0.5).find(({ type }) => type === "decimal").value;
const millions = new Intl.NumberFormat(locale, { style: "unit", unit: "megabyte", maximumFractionDigits: 0 });
export const megabytes = (bytes) => millions.format(bytes / 1e6);
export const number = (value) => numbers.format(value);

const days = new Intl.DateTimeFormat(locale, { dateStyle: "medium" });
export const day = (moment) => days.format(new Date(moment));
const plainDays = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeZone: "UTC" });
/** A day such as 2026-11-26: the same one wherever it is read. */
export const plainDay = (date) => plainDays.format(new Date(date));

/** Fill in the texts of the page. */
export function translate() {
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = t[element.dataset.text];
  for (const element of document.querySelectorAll("[data-label]")) element.ariaLabel = t[element.dataset.label];
}
