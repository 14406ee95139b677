// Requests to copy: curl, Python and JavaScript for one operation of the OpenAPI document.

const BODIES = {
  image: { curl: "-F file=@photo.jpg", js: ["file", "photo"], python: '{"file": Path("photo.jpg").read_bytes()}' },
  images: {
    curl: "-F files=@one.jpg -F files=@two.jpg",
    js: ["files", "photo"],
    python: '[("files", Path("one.jpg").read_bytes()), ("files", Path("two.jpg").read_bytes())]',
  },
  correction: {
    curl: "-F file=@photo.jpg -F 'species=Sugar beet'",
    js: ["file", "photo"],
    more: ['form.append("species", "Sugar beet");'],
    python: '{"file": Path("photo.jpg").read_bytes()}, data={"species": "Sugar beet"}',
  },
};
const PICTURES = { "image/png": "heat.png", "image/jpeg": "plants.jpg" };

/** What an operation's body takes: "image", "images", "correction", an example as JSON, or null for none. */
export function bodyOf(operation, example) {
  const parts = operation.requestBody?.content["multipart/form-data"]?.schema.properties;
  if (parts) return parts.files ? "images" : parts.species ? "correction" : "image";
  return operation.requestBody ? (example ?? null) : null;
}

// What the Python client does, by operation.
const CALLS = {
  predict: ["answer", 'predict("photo.jpg")', "answer.species, answer.confident"],
  predict_batch: ["results", 'predict_batch(["one.jpg", "two.jpg"])', "results"],
  detect: ["detected", 'detect("photo.jpg")', "len(detected.plants), detected.cover.all_"],
  explain: ["explanation", 'explain("photo.jpg")', "explanation.species", 'with open("heat.png", "wb") as picture:', "    picture.write(explanation.png)"],
  species: ["listed", "species()", "[one.name for one in listed.species]"],
  health: ["health", "health()", "health.status.value"],
};

function pythonOf(base, url, method, operation, form, json, guarded, type) {
  const call = CALLS[operation];
  if (call) {
    const [name, asked, shown, ...after] = call;
    const client = `Client("${base}"${guarded ? ', api_key="KEY"' : ""})`;
    return ["from seedlings_client import Client", "", `with ${client} as client:`, `    ${name} = client.${asked}`, `print(${shown})`, ...after];
  }
  const given = [`"${url}"`];
  if (form) given.push(`files=${form.python}`);
  if (json) given.push(`json=${json.replaceAll("true", "True").replaceAll("null", "None")}`);
  if (guarded) given.push('headers={"X-API-Key": "KEY"}');
  const kept = PICTURES[type] ? [`with open("${PICTURES[type]}", "wb") as picture:`, "    picture.write(response.content)"] : ["print(response.text)"];
  const imports = [...(form ? ["from pathlib import Path", ""] : []), "import httpx", ""];
  return [...imports, `response = httpx.${method.toLowerCase()}(${given.join(", ")}, timeout=30)`, "response.raise_for_status()", ...kept];
}

function scriptOf(url, method, form, json, guarded, type) {
  const lines = form ? ["const form = new FormData();", `form.append("${form.js[0]}", ${form.js[1]}); // a File or Blob${form === BODIES.images ? "; once for each photo" : ""}`, ...(form.more ?? [])] : [];
  const headers = [...(json ? ['"Content-Type": "application/json"'] : []), ...(guarded ? ['"X-API-Key": "KEY"'] : [])];
  const options = [
    ...(method === "GET" ? [] : [`method: "${method}"`]),
    ...(headers.length ? [`headers: { ${headers.join(", ")} }`] : []),
    ...(form ? ["body: form"] : json ? [`body: '${json}'`] : []),
  ];
  const read = type.startsWith("image/") ? "blob" : type.includes("json") ? "json" : "text";
  lines.push(`const response = await fetch("${url}"${options.length ? `, { ${options.join(", ")} }` : ""});`);
  lines.push("if (!response.ok) throw new Error(await response.text());", `console.log(await response.${read}());`);
  return lines;
}

/** The samples for one operation; `type` is that of its answer, `guarded` says whether the server wants a key. */
export function samples({ base, path, method, operation, parameters, body, type, guarded }) {
  const filled = path.replace(/{(\w+)}/g, (_, name) => parameters.find((one) => one.name === name)?.example ?? name);
  const url = base + filled;
  const form = BODIES[body];
  const json = !form && body ? JSON.stringify(body) : null;
  const curl = [
    "curl",
    ...(guarded ? ["-H 'X-API-Key: KEY'"] : []),
    ...(form ? [form.curl] : json ? ["-H 'Content-Type: application/json'", `-d '${json}'`] : []),
    ...(PICTURES[type] ? [`-o ${PICTURES[type]}`] : []),
    ...(method === "DELETE" ? ["-X DELETE"] : []),
    url,
  ].join(" ");
  const python = pythonOf(base, url, method, operation, form, json, guarded, type);
  return { curl, Python: python.join("\n"), JavaScript: scriptOf(url, method, form, json, guarded, type).join("\n") };
}
