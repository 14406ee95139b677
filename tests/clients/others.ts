// Asks each route that clients/typescript/predict.ts does not, held to its types.

import { readFile } from "node:fs/promises";
import createClient from "openapi-fetch";
import type { paths } from "./schema.js";

const [url, key, file] = process.argv.slice(2) as [string, string, string];
const client = createClient<paths>({ baseUrl: url, headers: { "X-API-Key": key } });
const photo = new Blob([new Uint8Array(await readFile(file))], { type: "image/png" });
const form = (name: string, fields: Record<string, string> = {}) => {
  const made = new FormData();
  for (const [field, text] of Object.entries(fields)) made.append(field, text);
  made.append(name, photo, "red.png");
  return () => made;
};
function got<T>({ data, response }: { data?: T; response: Response }): T {
  if (data === undefined) throw new Error(`${response.url}: ${response.status}`);
  return data;
}

const detected = got(await client.POST("/detect", { params: { query: { prediction: "auto", masks: "rle" } }, body: { file: "" }, bodySerializer: form("file") }));
const many = got(await client.POST("/detect/batch", { body: { files: [] }, bodySerializer: form("files") }));
const drawn = got(await client.POST("/detect/overlay", { body: { file: "" }, bodySerializer: form("file"), parseAs: "blob" })) as unknown as Blob;
console.log(detected.width, detected.prediction?.species, many.results.length, drawn.type);

const keeping = got(await client.GET("/corrections"));
const { id, version } = got(await client.POST("/corrections", { body: { file: "", species: "" }, bodySerializer: form("file", { species: "Charlock" }) }));
const correction = { path: { correction: id } };
const waiting = got(await client.GET("/corrections/waiting"));
const kept = got(await client.GET("/corrections/{correction}/photo", { params: correction, parseAs: "blob" })) as unknown as Blob;
const decided = got(await client.POST("/corrections/{correction}/review", { params: correction, body: { decision: "reject", version, reviewer: "Ada" } }));
const removed = await client.DELETE("/corrections/{correction}", { params: correction });
console.log(keeping.kept, waiting.count, kept.type, decided.state, removed.response.status);

const { species, model } = got(await client.GET("/species"));
const { status } = got(await client.GET("/health"));
for (const probe of ["/health/live", "/health/ready", "/v2", "/v2/health/live", "/v2/health/ready"] as const) got(await client.GET(probe));
const metrics = got(await client.GET("/metrics", { parseAs: "text" }));
console.log(species.length, status, metrics.includes("seedlings_"));

const named = { path: { name: model.name } }, of = { path: { ...named.path, version: model.version } };
const whole = got(await client.GET("/v2/models/{name}", { params: named }));
const one = got(await client.GET("/v2/models/{name}/versions/{version}", { params: of }));
const ready = [got(await client.GET("/v2/models/{name}/ready", { params: named })), got(await client.GET("/v2/models/{name}/versions/{version}/ready", { params: of }))];
const tensor = { name: "encoded", shape: [1], datatype: "BYTES", data: [Buffer.from(await photo.arrayBuffer()).toString("base64")] };
const inferred = got(await client.POST("/v2/models/{name}/versions/{version}/infer", { params: of, body: { inputs: [tensor] } }));
console.log(whole.outputs.length === one.outputs.length, ready.length, typeof inferred === "string" || inferred.outputs[0]?.name);
