// Requests to copy: curl, Python and JavaScript for one operation of the OpenAPI document.

const BODIES = {
  image: { curl: "-F file=@photo.jpg", python: 'files={"file": open("photo.jpg", "rb")}', js: ["file", "photo"] },
  images: { curl: "-F files=@one.jpg -F files=@two.jpg", python: 'files=[("files", open(name, "rb")) for name in ("one.jpg", "two.jpg")]', js: ["files", "photo"] },
};

/** What an operation's body takes: "image", "images", an example as JSON, or null for none. */
export function bodyOf(operation, example) {
  const parts = operation.requestBody?.content["multipart/form-data"]?.schema.properties;
  if (parts) return parts.files ? "images" : "image";
  return operation.requestBody ? (example ?? null) : null;
}

export function samples(base, path, method, parameters, body) {
  const filled = path.replace(/{(\w+)}/g, (_, name) => parameters.find((one) => one.name === name)?.example ?? name);
  const url = base + filled;
  const form = BODIES[body];
  const json = !form && body ? JSON.stringify(body) : null;
  const curl = `curl ${form ? `${form.curl} ` : json ? `-H 'Content-Type: application/json' -d '${json}' ` : ""}${url}`;
  const python = [
    "import httpx",
    "",
    `response = httpx.${method.toLowerCase()}("${url}"${form ? `, ${form.python}` : json ? `, json=${json.replaceAll("true", "True").replaceAll("null", "None")}` : ""}, timeout=30)`,
    "response.raise_for_status()",
  ];
  const options = form
    ? [`const form = new FormData();`, `form.append("${form.js[0]}", ${form.js[1]}); // a File or Blob${body === "images" ? "; once for each photo" : ""}`]
    : [];
  const given = form ? `, { method: "POST", body: form }` : json ? `, { method: "POST", headers: { "Content-Type": "application/json" }, body: '${json}' }` : "";
  const script = [...options, `const response = await fetch("${url}"${given});`, "if (!response.ok) throw new Error((await response.json()).detail);"];
  return { curl, Python: python.join("\n"), JavaScript: script.join("\n") };
}
