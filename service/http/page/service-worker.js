// Keeps the page in the browser, so that it opens without reception. Where the server answers in time, what it has comes first.
// Of photos and answers nothing is kept here.

const home = new URL("./", self.location).pathname;
const KEPT = `seedlings-page ${home} `; // of this service alone, and a digest of the files: a new release keeps anew
const CACHE = `${KEPT}<!-- digest -->`;
const FILES = [/* files */];
const RUNTIME = "page/onnxruntime/"; // where it is kept, it is of one release with the model beside it
const PATIENCE_MS = 4000; // for a server at the end of a weak connection
const BAD_GATEWAY = 502; // this one and those above it
const fromHere = new Set(); // pages that came from here: so do their other files, which need not wait for the server again

self.addEventListener("install", (event) => {
  const keep = async () => (await caches.open(CACHE)).addAll(FILES);
  event.waitUntil(keep().then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  const tidy = async () => {
    const old = (await caches.keys()).filter((name) => name.startsWith(KEPT) && name !== CACHE);
    await Promise.all(old.map((name) => caches.delete(name)));
  };
  event.waitUntil(tidy().then(() => self.clients.claim()));
});

async function answer({ request, clientId, resultingClientId }, within) {
  const kept = await caches.match(request, { ignoreSearch: true });
  if (!kept) return fetch(request); // however long it takes
  if (fromHere.has(clientId) || within.startsWith(RUNTIME)) return kept;
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), PATIENCE_MS);
  try {
    const response = await fetch(request, { signal: late.signal });
    if (response.status >= BAD_GATEWAY) throw new Error("a proxy answers for a server that it cannot reach");
    return response;
  } catch {
    fromHere.add(resultingClientId || clientId);
    return kept;
  } finally {
    clearTimeout(timer);
  }
}

self.addEventListener("fetch", (event) => {
  const { cache, method, mode, url } = event.request;
  const { origin, pathname } = new URL(url);
  const within = origin === self.location.origin && pathname.startsWith(home) ? pathname.slice(home.length) : null;
  if (cache === "reload" && mode !== "navigate") return; // the page wants the server's own, to keep it
  if (method === "GET" && (within === "" || within?.startsWith("page/"))) event.respondWith(answer(event, within));
});
