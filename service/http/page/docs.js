// The OpenAPI document for people: meanings of all fields, requests to copy, and a place to try them. Nothing comes from elsewhere.

import { $, make } from "./dom.js";
import { bodyOf, samples } from "./samples.js";

const KEY = "seedlings-key";
const main = $("operations");
const base = new URL(".", location.href).href.replace(/\/$/, "");
const away = () => make("p", { className: "notice" }, "The server does not answer. Is it still running?");
const code = (text) => make("code", {}, text);
/** A text in which `backticks` mark code. */
const prose = (text) => (text ?? "").split("`").map((part, i) => (i % 2 ? code(part) : part));

function typeOf(schema) {
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(" or ");
  if (schema.type === "array") return `list of ${schema.items ? typeOf(schema.items) : "anything"}`;
  return schema.format === "binary" ? "file" : (schema.type ?? "anything");
}

/** A table of a schema's fields, and of those of the schemas inside it. */
function fields(schema, schemas, seen = new Set()) {
  const name = schema?.$ref?.split("/").pop();
  const whole = name ? schemas[name] : schema;
  if (seen.has(name)) return [];
  if (name) seen.add(name);
  const properties = Object.entries(whole?.properties ?? {});
  if (!properties.length) return (whole?.anyOf ?? (whole?.items ? [whole.items] : [])).flatMap((one) => fields(one, schemas, seen));
  const rows = properties.map(([field, one]) => {
    const kind = typeOf(one) + (whole.required?.includes(field) ? "" : ", may be absent");
    return make("tr", {}, make("th", { scope: "row" }, code(field)), make("td", {}, kind), make("td", {}, ...prose(one.description)));
  });
  const head = make("tr", {}, ...["Field", "Type", "Meaning"].map((text) => make("th", { scope: "col", textContent: text })));
  const table = make("table", {}, name ? make("caption", {}, name) : null, make("thead", {}, head), make("tbody", {}, ...rows));
  return [make("div", { className: "scroll", tabIndex: 0 }, table), ...properties.flatMap(([, one]) => fields(one, schemas, seen))];
}

function exampleOf(content, schemas) {
  return content?.example ?? schemas[content?.schema?.$ref?.split("/").pop()]?.examples?.[0];
}
const block = (value) => make("pre", { tabIndex: 0, textContent: typeof value === "string" ? value : JSON.stringify(value, null, 2) });

function copyable(language, text) {
  const button = make("button", { type: "button", className: "copy", textContent: "Copy", ariaLabel: `Copy the ${language} sample` });
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  });
  return make("div", { className: "sample" }, make("h4", {}, language, button), block(text));
}

/** A form that sends the request to this server, and shows what comes back. */
function tryIt(path, method, parameters, body, guarded) {
  const out = make("div", { role: "status" });
  const form = make("form", { className: "row" });
  const inputs = parameters.map((one) => {
    const input = make("input", { value: one.example ?? "", required: Boolean(one.required), autocomplete: "off" });
    form.append(make("label", {}, `${one.name} `, input));
    return [one, input];
  });
  const key = guarded ? make("input", { value: sessionStorage.getItem(KEY) ?? "", autocomplete: "off" }) : null;
  if (key) form.append(make("label", {}, "API key ", key));
  const photos = typeof body === "string" ? make("input", { type: "file", required: true, multiple: body === "images" }) : null;
  if (photos) form.append(make("label", {}, "photo ", photos));
  const species = body === "correction" ? make("input", { value: "Sugar beet", required: true, autocomplete: "off" }) : null;
  if (species) form.append(make("label", {}, "species ", species));
  form.append(make("button", { type: "submit", textContent: "Send" }));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const query = new URLSearchParams();
    const headers = {};
    let url = path;
    for (const [{ name, in: where }, input] of inputs) {
      if (where === "path") url = url.replace(`{${name}}`, encodeURIComponent(input.value));
      else if (input.value && where === "header") headers[name] = input.value;
      else if (input.value) query.set(name, input.value);
    }
    const content = photos ? new FormData() : body ? JSON.stringify(body) : undefined;
    for (const photo of photos?.files ?? []) content.append(body === "images" ? "files" : "file", photo);
    if (species) content.append("species", species.value);
    if (key) sessionStorage.setItem(KEY, key.value); // the page uses it, too
    if (key?.value) headers["X-API-Key"] = key.value;
    if (typeof content === "string") headers["Content-Type"] = "application/json";
    try {
      const response = await fetch(`${base}${url}${query.size ? `?${query}` : ""}`, { method, body: content, headers });
      const kind = response.headers.get("Content-Type") ?? "";
      const shown = kind.startsWith("image/")
        ? make("img", { src: URL.createObjectURL(await response.blob()), alt: "The picture that the server sent" })
        : block(kind.includes("json") ? await response.json() : await response.text());
      out.replaceChildren(make("p", {}, `${response.status} ${kind}`), shown);
    } catch {
      out.replaceChildren(away());
    }
  });
  return [make("h3", {}, "Try it"), form, out];
}

function inside({ path, method, operation }, schemas) {
  const guarded = Boolean(operation.security?.length) && !operation.security.some((one) => Object.keys(one).length === 0);
  const type = Object.keys((operation.responses[200] ?? operation.responses[201])?.content ?? {})[0] ?? "";
  const parts = make("div", { className: "inside" });
  const parameters = operation.parameters ?? [];
  if (parameters.length) {
    parts.append(make("h3", {}, "Parameters"));
    for (const one of parameters) parts.append(make("p", {}, code(one.name), ` in the ${one.in}: `, ...prose(one.description)));
  }
  const bodies = Object.entries(operation.requestBody?.content ?? {});
  const body = bodyOf(operation, exampleOf(operation.requestBody?.content["application/json"], schemas));
  if (bodies.length) {
    parts.append(make("h3", {}, "Body"));
    for (const [kind, content] of bodies) parts.append(make("p", {}, code(kind)), ...fields(content.schema, schemas));
  }
  parts.append(make("h3", {}, "Request"));
  for (const [language, text] of Object.entries(samples({ base, path, method, operation: operation.operationId, parameters, body, type, guarded }))) parts.append(copyable(language, text));
  parts.append(...tryIt(path, method, parameters, body, guarded), make("h3", {}, "Answers"));
  const [good, bad] = [[], []];
  for (const answer of Object.entries(operation.responses)) (answer[0] < "300" ? good : bad).push(answer);
  for (const [status, response] of good) {
    parts.append(make("p", {}, make("strong", {}, status), " ", ...prose(response.description)));
    for (const [kind, content] of Object.entries(response.content ?? {})) {
      const example = exampleOf(content, schemas);
      parts.append(make("p", {}, code(kind)), ...fields(content.schema, schemas), ...(example === undefined ? [] : [block(example)]));
    }
  }
  if (bad.length) {
    const list = bad.map(([status, response]) => make("li", {}, make("strong", {}, status), " ", ...prose(response.description)));
    parts.append(make("h3", {}, "Errors"), make("ul", {}, ...list));
  }
  return parts;
}

function limits(api) {
  const rows = api["x-limits"].map(({ meaning, value }) => make("tr", {}, make("td", {}, meaning), make("td", {}, value.toLocaleString("en"))));
  const head = make("tr", {}, ...["Limit", "Of this server"].map((text) => make("th", { scope: "col", textContent: text })));
  return [make("h2", {}, "Limits"), make("div", { className: "scroll limits", tabIndex: 0 }, make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows)))];
}

function show(api, model) {
  const operations = Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  );
  for (const { operation } of operations) // the examples ask for the model that is really served
    for (const one of operation.parameters ?? []) if (one.in === "path") one.example = model[one.name] ?? one.example;
  main.replaceChildren();
  for (const tag of api.tags) {
    main.append(make("h2", {}, tag.name[0].toUpperCase() + tag.name.slice(1), make("small", {}, tag.description)));
    for (const one of operations.filter(({ operation }) => operation.tags.includes(tag.name))) {
      const method = make("span", { className: `group ${one.method === "POST" ? "crop" : ""}`, textContent: one.method });
      const head = make("summary", {}, method, code(one.path), make("span", {}, ...prose(one.operation.description)));
      const details = make("details", { id: `operation-${one.operation.operationId}` }, head);
      details.addEventListener("toggle", () => details.childElementCount > 1 || details.append(inside(one, api.components.schemas)), { once: true });
      main.append(details);
    }
  }
  main.append(...limits(api));
}

try {
  const [api, { model }] = await Promise.all(["openapi.json", "health"].map(async (path) => (await fetch(path)).json()));
  show(api, model ?? {});
} catch {
  main.replaceChildren(away());
}
