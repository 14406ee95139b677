// The OpenAPI document for people, without anything from elsewhere.

const main = document.getElementById("operations");
const make = (tag, properties = {}, ...inside) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...inside);
  return element;
};
const code = (text) => make("code", { textContent: text });

function example(content, schemas) {
  const name = content.schema?.$ref?.split("/").pop();
  const found = content.example ?? schemas[name]?.examples?.[0];
  if (found === undefined) return [];
  return [make("pre", { tabIndex: 0, textContent: typeof found === "string" ? found : JSON.stringify(found, null, 2) })];
}

function fields(kind, schema) {
  const names = Object.keys(schema?.properties ?? {});
  return kind + (names.length ? `: ${names.map((name) => `part ${name}${schema.properties[name].type === "array" ? ", repeated" : ""}`).join(", ")}` : "");
}

function inside(operation, schemas) {
  const parts = make("div", { className: "inside" });
  if (operation.parameters?.length) {
    parts.append(make("h3", { textContent: "Parameters" }));
    for (const parameter of operation.parameters) parts.append(make("p", {}, code(parameter.name), ` in the ${parameter.in}. ${parameter.description ?? ""}`));
  }
  if (operation.requestBody) {
    parts.append(make("h3", { textContent: "Body" }));
    for (const [kind, content] of Object.entries(operation.requestBody.content)) {
      parts.append(make("p", {}, code(fields(kind, content.schema))), ...example(content, schemas));
    }
  }
  parts.append(make("h3", { textContent: "Answers" }));
  const answers = make("dl");
  for (const [status, response] of Object.entries(operation.responses)) {
    const kinds = Object.entries(response.content ?? {});
    answers.append(make("dt", { textContent: `${status} ${response.description}` }));
    for (const [kind, content] of kinds) answers.append(make("dd", {}, code(kind), ...example(content, schemas)));
  }
  parts.append(answers);
  return parts;
}

function show(api) {
  const operations = Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  );
  main.replaceChildren();
  for (const tag of api.tags) {
    main.append(make("h2", {}, tag.name[0].toUpperCase() + tag.name.slice(1), make("small", { textContent: tag.description })));
    for (const { path, method, operation } of operations.filter((one) => one.operation.tags.includes(tag.name))) {
      const head = make("summary", {}, make("span", { className: `group ${method === "POST" ? "crop" : ""}`, textContent: method }), code(path));
      head.append(make("span", { textContent: operation.description }));
      main.append(make("details", { id: operation.operationId }, head, inside(operation, api.components.schemas)));
    }
  }
}

try {
  show(await (await fetch("openapi.json")).json());
} catch {
  main.replaceChildren(make("p", { className: "notice", textContent: "The server does not answer. Is it still running?" }));
}
