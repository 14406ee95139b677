// Names the plants on photos:  node build/predict.js http://localhost:8000 photo.jpg …
// The service's key, if it has one, is read from SEEDLINGS_API_KEY.

import { readFile } from "node:fs/promises";
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

type Answer = components["schemas"]["Answer"];
type Problem = components["schemas"]["Problem"];

const [url, ...photos] = process.argv.slice(2);
const key = process.env["SEEDLINGS_API_KEY"];
const client = createClient<paths>({ baseUrl: url ?? "http://localhost:8000", headers: key ? { "X-API-Key": key } : {} });

const opened = async (photo: string) => new Blob([new Uint8Array(await readFile(photo))]);

/** A photo as the body. TypeScript's types of an OpenAPI document have text where a file is meant. */
const octets = (photo: Blob) => ({
  body: photo as unknown as string,
  bodySerializer: (body: unknown) => body as Blob,
  headers: { "Content-Type": "application/octet-stream" },
});

const describe = ({ answer, species }: Answer) => (answer ? `${answer.name} ${answer.probability}` : `not sure, perhaps ${species}`);
const refused = (problem: Problem) => new Error(`${problem.status} ${problem.title}: ${problem.detail}`);

const policy = await client.GET("/corrections"); // what it keeps is said before a photo is sent
if (policy.error) throw refused(policy.error);
if (policy.data.asked) console.error(`this service keeps up to ${policy.data.asked} photos a day, of those that it is unsure of`);

for (const photo of photos) {
  const { data, error } = await client.POST("/predict", { ...octets(await opened(photo)), params: { query: { top_k: 3 } } });
  if (error) throw refused(error);
  console.log(photo, describe(data));
}

const form = new FormData();
for (const photo of photos) form.append("files", await opened(photo), photo);
const batch = await client.POST("/predict/batch", { body: { files: [] }, bodySerializer: () => form });
if (batch.error) throw refused(batch.error);
for (const result of batch.data.results) {
  console.log("batch", result.file, "prediction" in result ? describe(result.prediction) : result.problem.detail);
}

const picture = await client.POST("/explain", { ...octets(await opened(photos[0]!)), parseAs: "blob" });
if (picture.error) throw refused(picture.error);
const heat = picture.data as unknown as Blob;
console.log("explain", heat.type, picture.response.headers.get("X-Species"));

const image = Buffer.from(await (await opened(photos[0]!)).arrayBuffer());
const tensor = { name: "encoded", shape: [1], datatype: "BYTES", data: [image.toString("base64")] };
const inferred = await client.POST("/v2/models/{name}/infer", { params: { path: { name: "seedlings" } }, body: { inputs: [tensor] } });
if (inferred.error) throw new Error(JSON.stringify(inferred.error));
if (typeof inferred.data === "string") throw new Error("binary tensors were not asked for");
console.log("v2", inferred.data.outputs.map(({ name, data }) => `${name}=${data?.[0]}`).join(" "));
