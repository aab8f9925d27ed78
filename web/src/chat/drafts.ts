// What was begun in a room and not sent: kept on this device, for this person, until it is sent or they sign out.

const PREFIX = "draft ";
/** What nobody came back to is forgotten. */
const KEPT_MS = 30 * 86_400_000;

interface Kept {
  text: string;
  at: number;
}

/** The part of the browser's store that is used. */
export type Shelf = Pick<Storage, "getItem" | "setItem" | "removeItem" | "key" | "length">;

function shelf(): Shelf | null {
  try {
    return localStorage;
  } catch {
    return null;
  }
}

/** Where the browser keeps nothing, drafts live as long as the page. */
const here = new Map<string, string>();

export function draft(place: string, kept: Shelf | null = shelf(), now = Date.now()): string {
  const known = here.get(place);
  if (known !== undefined) return known;
  const found = read(kept, PREFIX + place);
  return found === null || now - found.at > KEPT_MS ? "" : found.text;
}

export function keepDraft(place: string, text: string, kept: Shelf | null = shelf(), now = Date.now()): void {
  here.set(place, text);
  try {
    if (text === "") kept?.removeItem(PREFIX + place);
    else kept?.setItem(PREFIX + place, JSON.stringify({ text, at: now } satisfies Kept));
  } catch {
    // Full, or not allowed: it is kept with the page.
  }
}

/** Forgets all drafts, or those that nobody came back to. */
export function forgetDrafts(which: "all" | "old", kept: Shelf | null = shelf(), now = Date.now()): void {
  if (which === "all") here.clear();
  if (kept === null) return;
  const keys = Array.from({ length: kept.length }, (_, at) => kept.key(at));
  for (const key of keys) {
    if (key === null || !key.startsWith(PREFIX)) continue;
    const found = read(kept, key);
    if (which === "all" || found === null || now - found.at > KEPT_MS) kept.removeItem(key);
  }
}

function read(kept: Shelf | null, key: string): Kept | null {
  try {
    const found = JSON.parse(kept?.getItem(key) ?? "null") as Partial<Kept> | null;
    return typeof found?.text === "string" && typeof found.at === "number" ? { text: found.text, at: found.at } : null;
  } catch {
    return null;
  }
}
