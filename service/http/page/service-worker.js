// Keeps the page in the browser, so that it opens without reception. Where the server answers in time, what it has comes first.

const KEPT = "seedlings-page-"; // and a digest of the files: a new release keeps anew
const CACHE = `${KEPT}<!-- digest -->`;
const FILES = [/* files */];
const PATIENCE_MS = 4000; // for a server at the end of a weak connection
const home = new URL("./", self.location).pathname;

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

async function answer(request) {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), PATIENCE_MS);
  try {
    return await fetch(request, { signal: late.signal });
  } catch (problem) {
    const kept = await caches.match(request, { ignoreSearch: true });
    if (kept) return kept;
    throw problem;
  } finally {
    clearTimeout(timer);
  }
}

self.addEventListener("fetch", (event) => {
  const { method, url } = event.request;
  const { origin, pathname } = new URL(url);
  const within = pathname.startsWith(home) ? pathname.slice(home.length) : null;
  if (method === "GET" && origin === self.location.origin && (within === "" || within?.startsWith("page/"))) event.respondWith(answer(event.request));
});
