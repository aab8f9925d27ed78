// The page's side of the chat, against a hub in memory: what a reader and a writer may rely on.
import { expect, test } from "vitest";

import type { Chat } from "../src/client/chat.ts";
import { settle } from "./fake-hub.ts";
import { clock, hub, keep, opened, page, remembered, room, texts } from "./page.ts";

const states = (chat: Chat): string[] => chat.view().entries.map((entry) => entry.state);

test("what is said appears in order, each once, also across cuts", async () => {
  hub.say("lobby", "1");
  const chat = await opened();
  hub.say("lobby", "2");
  hub.cut();
  hub.say("lobby", "3");
  hub.say("lobby", "4");
  await clock.pass(2000);
  hub.say("lobby", "5");
  await settle();
  expect(texts(chat)).toEqual(["1", "2", "3", "4", "5"]);
});

test("a frame that was lost is noticed by the next number, and fetched", async () => {
  const chat = await opened();
  const socket = hub.sockets[0];
  if (socket === undefined) throw new Error("no socket");
  hub.say("lobby", "1");
  socket.deaf = true;
  hub.say("lobby", "lost");
  socket.deaf = false;
  hub.say("lobby", "3");
  await settle();
  expect(texts(chat)).toEqual(["1", "lost", "3"]);
});

test("where the missing changes cannot be had, the newest page takes their place", async () => {
  const chat = await opened();
  hub.say("lobby", "1");
  hub.cut();
  hub.say("lobby", "2");
  const { changes } = hub.room("lobby");
  changes.splice(0, changes.length);
  await clock.pass(2000);
  hub.say("lobby", "3");
  await clock.pass(6000);
  expect(texts(chat)).toEqual(["1", "2", "3"]);
});

test("an edit of an old message is applied where it stands", async () => {
  const first = hub.say("lobby", "teh");
  hub.say("lobby", "next");
  const chat = await opened();
  hub.cut();
  hub.edit("lobby", first.message_id, "the");
  await clock.pass(2000);
  expect(texts(chat)).toEqual(["the", "next"]);
  expect(room(chat).messages[0]?.edited).toBe(true);
});

test("what is written shows at once and becomes the room's message", async () => {
  const chat = await opened();
  chat.post("lobby", "hello");
  expect(chat.view().entries).toHaveLength(1);
  await settle();
  expect(texts(chat)).toEqual(["hello"]);
  expect(chat.view().entries).toEqual([]);
  expect(await keep.entries("p1")).toEqual([]);
});

test("what is written without a connection is kept over a closed page, and sent later in its order, once", async () => {
  const chat = await opened();
  hub.reachable = false;
  hub.cut();
  chat.post("lobby", "one");
  chat.post("lobby", "two");
  chat.post("help", "elsewhere");
  await clock.pass(500);
  expect(states(chat)).toEqual(["waiting", "waiting", "waiting"]);
  // The page is closed and opened again, still without a hub: it begins with what it has kept.
  const again = page();
  await again.start();
  await settle();
  expect(again.view().entries.map((entry) => entry.command)).toMatchObject([{ text: "one" }, { text: "two" }, { text: "elsewhere" }]);
  hub.reachable = true;
  await clock.pass(40_000);
  await again.open("lobby");
  expect(hub.room("lobby").messages.map((message) => message.text)).toEqual(["one", "two"]);
  expect(hub.room("help").messages.map((message) => message.text)).toEqual(["elsewhere"]);
  expect(again.view().entries).toEqual([]);
});

test("an answer that was lost is asked for again under the same id: one message", async () => {
  const chat = await opened();
  const socket = hub.sockets[0];
  if (socket === undefined) throw new Error("no socket");
  socket.deaf = true;
  chat.post("lobby", "once");
  await settle();
  expect(states(chat)).toEqual(["sending"]);
  hub.cut();
  await clock.pass(2000);
  expect(texts(chat)).toEqual(["once"]);
  expect(chat.view().entries).toEqual([]);
  expect(hub.room("lobby").messages).toHaveLength(1);
});

test("a refusal says why and can be tried again; too fast is waited out", async () => {
  const chat = await opened();
  hub.refusals.push({ code: "too_long", reason: "the text is too long" });
  chat.post("lobby", "long");
  await settle();
  expect(chat.view().entries[0]).toMatchObject({ state: "failed", reason: "the text is too long" });
  chat.sendAgain(chat.view().entries[0]?.id ?? "");
  await settle();
  expect(texts(chat)).toEqual(["long"]);

  hub.refusals.push({ code: "too_fast", reason: "slower, please", retry_after_s: 3 });
  chat.post("lobby", "a");
  chat.post("lobby", "b");
  await settle();
  expect(states(chat)).toEqual(["waiting", "waiting"]);
  await clock.pass(3100);
  expect(texts(chat)).toEqual(["long", "a", "b"]);
});

test("a message that moderation stops stays with its writer, with the reasons, whichever comes first", async () => {
  const chat = await opened();
  const judged = { kind: "judged", room: "lobby", message_id: "m9", verdict: "held", reasons: ["abuse"] } as const;
  hub.stopping = "m9";
  chat.post("lobby", "rude");
  await settle();
  hub.sockets[0]?.say(judged);
  await settle();
  expect(chat.view().entries[0]).toMatchObject({ state: "held", reason: "abuse", message_id: "m9" });
  chat.discard(chat.view().entries[0]?.id ?? "");
  expect(chat.view().entries).toEqual([]);
  hub.sockets[0]?.say(judged);
  chat.post("lobby", "rude");
  await settle();
  expect(chat.view().entries[0]).toMatchObject({ state: "held", reason: "abuse" });
});

test("a verdict that was lost on the way is not taken for success", async () => {
  const chat = await opened();
  hub.stopping = "m9";
  chat.post("lobby", "rude");
  await settle();
  expect(states(chat)).toEqual(["accepted"]);
  await clock.pass(31_000);
  expect(chat.view().entries[0]).toMatchObject({ state: "held", reason: "it is not in the room yet" });
});

test("a room whose page could not be had is loaded when the hub is back", async () => {
  hub.say("lobby", "1");
  const chat = page();
  await chat.start();
  hub.reachable = false;
  hub.cut();
  await chat.open("lobby");
  expect(texts(chat)).toEqual([]);
  hub.reachable = true;
  await clock.pass(3000);
  expect(texts(chat)).toEqual(["1"]);
});

test("files go before their message, and only once", async () => {
  const chat = await opened();
  hub.refusals.push({ code: "too_fast", reason: "slower", retry_after_s: 1 });
  chat.post("lobby", "look", [{ name: "a.png", content_type: "image/png", blob: new Blob(["x"]) }]);
  await clock.pass(1500);
  expect(texts(chat)).toEqual(["look"]);
  expect(hub.uploads).toBe(1);
  const post = hub.sockets[0]?.sent.findLast((frame) => frame.kind === "post");
  expect(post).toMatchObject({ files: ["f1"] });
});

test("unread is counted for what others say, here and since the last visit, until it is read", async () => {
  const chat = await opened();
  hub.say("help", "psst");
  chat.post("help", "mine");
  await settle();
  expect(room(chat, "help").unread).toBe(1);
  chat.readAll("lobby");
  hub.say("lobby", "read");
  await settle();
  chat.readAll("lobby");
  await clock.pass(1500);
  hub.cut();
  hub.say("lobby", "while away 1");
  hub.say("lobby", "while away 2");
  const again = page();
  await again.start();
  await settle();
  expect(room(again).unread).toBe(2);
  await again.open("lobby");
  again.readAll("lobby");
  expect(room(again).unread).toBe(0);
});

test("older messages come page by page, and the end of them is known", async () => {
  for (let number = 1; number <= 120; number++) hub.say("lobby", String(number));
  const chat = await opened();
  expect(texts(chat)).toHaveLength(50);
  await chat.older("lobby");
  await chat.older("lobby");
  expect(texts(chat)[0]).toBe("1");
  expect(room(chat).before).toBeNull();
  expect(new Set(texts(chat)).size).toBe(120);
});

test("however far a reader goes, so many messages are kept and no more, and none is missing on the way", async () => {
  for (let number = 1; number <= 1500; number++) hub.say("lobby", String(number));
  const chat = await opened();
  const numbers = (): number[] => texts(chat).map(Number);
  const gapless = (): void => {
    const all = numbers();
    expect(all).toEqual(all.map((_, index) => (all[0] ?? 0) + index));
    expect(all.length).toBeLessThanOrEqual(400);
  };
  while (room(chat).before !== null) {
    await chat.older("lobby");
    gapless();
  }
  expect(numbers()[0]).toBe(1);
  hub.say("lobby", "1501");
  await settle();
  expect(numbers().at(-1)).toBe(400);
  expect(room(chat).unread).toBeGreaterThan(0);
  while (room(chat).after !== null) {
    await chat.newer("lobby");
    gapless();
  }
  expect(numbers().at(-1)).toBe(1501);
  hub.say("lobby", "1502");
  await settle();
  expect(numbers().at(-1)).toBe(1502);

  // One request leads to a message that is far away, and one to the end.
  const asked = hub.asked.length;
  expect(await chat.reach("lobby", "m-lobby-700")).toBe(true);
  gapless();
  await chat.toEnd("lobby");
  expect(numbers().at(-1)).toBe(1502);
  expect(hub.asked.length - asked).toBe(2);
  expect(await chat.reach("lobby", "m-lobby-9999")).toBe(false);
});

test("what is said or changed while an older stretch is on its way is not lost", async () => {
  for (let number = 1; number <= 500; number++) hub.say("lobby", String(number));
  const chat = await opened();
  expect(await chat.reach("lobby", "m-lobby-100")).toBe(true);
  const fetched = hub.fetch;
  let let_go: () => void = () => undefined;
  const held = new Promise<void>((resolve) => (let_go = resolve));
  const answer = await fetched("http://hub/api/rooms/lobby/history?after=124&limit=400");
  hub.answering = async () => {
    await held;
    return answer;
  };
  const newer = chat.newer("lobby");
  hub.edit("lobby", "m-lobby-130", "one hundred and thirty");
  hub.say("lobby", "the last");
  await settle();
  let_go();
  await newer;
  expect(texts(chat)).toContain("one hundred and thirty");
  expect(texts(chat).at(-1)).toBe("the last");
});

test("signed out elsewhere: the page says so, and keeps what was written for the same person", async () => {
  const chat = await opened();
  hub.reachable = false;
  hub.cut();
  chat.post("lobby", "mine");
  hub.reachable = true;
  hub.signedIn = false;
  await clock.pass(5000);
  expect(chat.view().session?.person).toBeNull();
  await chat.signInAsGuest("Ann");
  await settle();
  expect(hub.room("lobby").messages.map((message) => message.text)).toEqual(["mine"]);
});

test("after signing out nothing of the person is left on the device", async () => {
  const chat = await opened();
  hub.say("lobby", "secret");
  await clock.pass(1500);
  expect(await keep.rooms("p1")).not.toEqual([]);
  await chat.signOut();
  expect(await keep.rooms("p1")).toEqual([]);
  expect(remembered).toBeNull();
  expect(chat.view().rooms).toEqual([]);
});

test("typing ends by itself, and one's own is not shown", async () => {
  const chat = await opened();
  const say = hub.sockets[0];
  say?.say({ kind: "typing", room: "lobby", person: { id: "s1", name: "Sam" }, for_ms: 6000 });
  say?.say({ kind: "typing", room: "lobby", person: { id: "p1", name: "Ann" }, for_ms: 6000 });
  await settle();
  expect(room(chat).typing.map((one) => one.name)).toEqual(["Sam"]);
  await clock.pass(6100);
  expect(room(chat).typing).toEqual([]);
});
