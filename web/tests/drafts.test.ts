// What is begun and not sent survives the page, and nobody else sees it.
import { beforeEach, expect, test, vi } from "vitest";

import type { Shelf } from "../src/chat/drafts.ts";

class Kept implements Shelf {
  readonly items = new Map<string, string>();
  full = false;
  get length(): number {
    return this.items.size;
  }
  key = (at: number): string | null => [...this.items.keys()][at] ?? null;
  getItem = (key: string): string | null => this.items.get(key) ?? null;
  removeItem = (key: string): void => void this.items.delete(key);
  setItem = (key: string, value: string): void => {
    if (this.full) throw new DOMException("full", "QuotaExceededError");
    this.items.set(key, value);
  };
}

/** The page, opened anew. */
async function page(): Promise<typeof import("../src/chat/drafts.ts")> {
  vi.resetModules();
  return import("../src/chat/drafts.ts");
}

const DAY = 86_400_000;
let kept: Kept;
beforeEach(() => {
  kept = new Kept();
});

test("a draft is there when the page is opened again, in its room and for its writer only", async () => {
  (await page()).keepDraft("p1 lobby", "Dear all", kept, 0);
  const again = await page();
  expect(again.draft("p1 lobby", kept, DAY)).toBe("Dear all");
  expect(again.draft("p1 help", kept, DAY)).toBe("");
  expect(again.draft("p2 lobby", kept, DAY)).toBe("");
  again.keepDraft("p1 lobby", "", kept);
  expect((await page()).draft("p1 lobby", kept, DAY)).toBe("");
  expect(kept.length).toBe(0);
});

test("drafts are forgotten by who signs out, and after a month", async () => {
  kept.items.set("session", "{}");
  const one = await page();
  one.keepDraft("p1 lobby", "old", kept, 0);
  one.keepDraft("p1 help", "new", kept, 20 * DAY);
  const again = await page();
  again.forgetDrafts("old", kept, 31 * DAY);
  expect([...kept.items.keys()]).toEqual(["session", "draft p1 help"]);
  expect(again.draft("p1 help", kept, 60 * DAY)).toBe("");
  again.forgetDrafts("all", kept);
  expect([...kept.items.keys()]).toEqual(["session"]);
});

test("where nothing can be kept, or something else was, a draft lives with the page", async () => {
  kept.full = true;
  const { draft, keepDraft, forgetDrafts } = await page();
  keepDraft("p1 lobby", "Dear all", kept);
  expect(draft("p1 lobby", kept)).toBe("Dear all");
  keepDraft("p1 lobby", "Dear you", null);
  expect(draft("p1 lobby", null)).toBe("Dear you");
  kept.items.set("draft p1 help", "no JSON");
  expect(draft("p1 help", kept)).toBe("");
  forgetDrafts("old", kept);
  expect(kept.length).toBe(0);
});
