// A page of the chat on a hub in memory, with a clock of the test's own; all anew for each test.
import "fake-indexeddb/auto";

import { IDBFactory } from "fake-indexeddb";
import { beforeEach, expect } from "vitest";

import { Api } from "../src/client/api.ts";
import { Chat } from "../src/client/chat.ts";
import { type Keep, openKeep } from "../src/client/keep.ts";
import type { Session } from "../src/client/protocol.ts";
import { FakeClock, FakeHub, settle } from "./fake-hub.ts";

export let hub: FakeHub;
export let clock: FakeClock;
export let keep: Keep;
export let remembered: Session | null;
let ids = 0;

beforeEach(async () => {
  hub = new FakeHub(["lobby", "help"]);
  clock = new FakeClock();
  keep = await openKeep(new IDBFactory());
  remembered = null;
});

/** A page that has just been opened in the same browser. */
export function page(): Chat {
  return new Chat({
    api: new Api(hub.fetch),
    clock,
    keep,
    open: () => hub.open(),
    newId: () => `id-${++ids}`,
    remembered: {
      get: () => remembered,
      set: (session) => {
        remembered = session;
      },
    },
  });
}

/** A page that is connected and shows a room. */
export async function opened(room = "lobby"): Promise<Chat> {
  const chat = page();
  await chat.start();
  await chat.open(room);
  await settle();
  expect(chat.view().line.kind).toBe("open");
  return chat;
}

/** What a room shows, oldest first. */
export function texts(chat: Chat, name = "lobby"): string[] {
  return chat.view().rooms.find((room) => room.name === name)?.messages.map((message) => message.text) ?? [];
}

/** A room as the page has it. */
export function room(chat: Chat, name = "lobby") {
  const found = chat.view().rooms.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no room ${name}`);
  return found;
}
