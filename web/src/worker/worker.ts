// The service worker: keeps the chat's own files, so that it opens without a connection. It touches nothing else:
// what the chat shows then, and what is written meanwhile, is kept by the page (client/keep.ts).
//
// A page is asked of the hub first, and taken from here when the hub is not reached. Hashed files never change.

/** The part of the service worker's world that is used; the DOM's types do not have it. */
interface WorkerWorld {
  caches: CacheStorage;
  clients: { claim(): Promise<void> };
  location: Location;
  skipWaiting(): Promise<void>;
  addEventListener(kind: "install" | "activate", listen: (event: Extendable) => void): void;
  addEventListener(kind: "fetch", listen: (event: Fetching) => void): void;
}
interface Extendable extends Event {
  waitUntil(work: Promise<unknown>): void;
}
interface Fetching extends Extendable {
  request: Request;
  respondWith(answer: Promise<Response>): void;
}

const world = self as unknown as WorkerWorld;
const shell = JSON.parse("__SHELL__") as { version: string; paths: string[] };
const CACHE = `shell-${shell.version}`;
const NOT_SLOWER_THAN_MS = 4000;

world.addEventListener("install", (event) => {
  const keep = async (): Promise<void> => {
    const cache = await world.caches.open(CACHE);
    await cache.addAll(shell.paths.map((path) => new Request(path, { cache: "reload" })));
    await world.skipWaiting();
  };
  event.waitUntil(keep());
});

world.addEventListener("activate", (event) => {
  const tidy = async (): Promise<void> => {
    const names = await world.caches.keys();
    await Promise.all(names.filter((name) => name !== CACHE).map((name) => world.caches.delete(name)));
    await world.clients.claim();
  };
  event.waitUntil(tidy());
});

world.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== world.location.origin) return;
  if (request.mode === "navigate" && url.pathname === "/") event.respondWith(page(request));
  else if (url.pathname.startsWith("/assets/") || url.pathname.startsWith("/icons/") || url.pathname === "/theme.js") {
    event.respondWith(kept(request));
  }
});

async function page(request: Request): Promise<Response> {
  try {
    const response = await fetch(request, { signal: AbortSignal.timeout(NOT_SLOWER_THAN_MS) });
    if (response.status < 500) return response;
  } catch {
    // Not reached: the kept page says so by itself.
  }
  return (await world.caches.match("/")) ?? Response.error();
}

async function kept(request: Request): Promise<Response> {
  const known = await world.caches.match(request);
  if (known !== undefined) return known;
  return fetch(request);
}
