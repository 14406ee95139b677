// The photos and answers of this page outlive a reload: they stay in this browser (IndexedDB) until they are cleared.

const STORE = "photos";

function request(made) {
  return new Promise((resolve, reject) => {
    made.onsuccess = () => resolve(made.result);
    made.onerror = () => reject(made.error);
  });
}

async function store(mode) {
  const opening = indexedDB.open("seedlings", 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(STORE, { keyPath: "id" });
  return (await request(opening)).transaction(STORE, mode).objectStore(STORE);
}

/** `work`, or `otherwise` where the browser keeps nothing: a private window, a full disk. The page works the same. */
async function ifKept(work, otherwise) {
  try {
    return await work();
  } catch {
    document.getElementById("kept-in-browser").hidden = true; // it says that they are kept
    return otherwise;
  }
}

export const keep = ({ id, file, crop, each, answer, found, asked_at, correction }) =>
  ifKept(async () => request((await store("readwrite")).put({ id, file, crop, each, answer, found, asked_at, correction })));
export const kept = () => ifKept(async () => request((await store("readonly")).getAll()), []);
export const forgetAll = () => ifKept(async () => request((await store("readwrite")).clear()));
