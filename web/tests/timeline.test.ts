// One room's changes, in whatever order and however often they come.
import { expect, test } from "vitest";

import type { Change, RoomListed, Shown } from "../src/client/protocol.ts";
import { Timeline } from "../src/client/timeline.ts";

const LISTED: RoomListed = {
  name: "lobby", title: "Lobby", seq: 0, joined: true, surfaces: { slack: false, sms: "off", phones: 0 }, warnings: [],
};

function posted(seq: number): Change {
  const message: Shown = {
    message_id: `m${seq}`, room: "lobby", seq, revision: 1, edited: false, gone: null,
    sender: { surface: "sms", id: "s1", name: "Sam" }, text: String(seq), attachments: [], thread_parent: null,
    time: "2026-11-22T08:00:00Z", reactions: [], deliveries: [],
  };
  return { kind: "change", room: "lobby", seq, change: "posted", message };
}

function loaded(): Timeline {
  const room = new Timeline(LISTED, "me");
  room.listed(LISTED);
  room.newest({ room: "lobby", seq: 0, messages: [], before: null, after: null });
  return room;
}
const texts = (room: Timeline): string => room.messages.map((message) => message.text).join(" ");

test("each change is applied once, whatever the order and however often it comes", () => {
  for (const order of [[1, 2, 3, 4], [1, 1, 2, 2, 3, 4, 4], [1, 3, 4, 2], [4, 3, 2, 1], [2, 1, 4, 3, 2]]) {
    const room = loaded();
    for (const seq of order) room.apply(posted(seq));
    expect(texts(room), order.join()).toBe("1 2 3 4");
    expect(room.unread, order.join()).toBe(4);
    expect(room.applied).toBe(4);
  }
});

test("too much beyond a gap is not kept: the newest page is needed", () => {
  const room = loaded();
  for (let seq = 2; seq < 502; seq++) expect(room.apply(posted(seq))).toBe("gap");
  expect(room.apply(posted(502))).toBe("lost");
});

test("what the newest page holds already is not applied again, and what came beyond it is", () => {
  const room = loaded();
  room.apply(posted(4));
  room.apply(posted(3));
  room.newest({ room: "lobby", seq: 3, messages: [posted(1).message, posted(3).message], before: null, after: null });
  expect(texts(room)).toBe("1 3 4");
  expect(room.apply(posted(2))).toBe("known");
});

test("a message that did not change is the same object, so that the page need not draw it again", () => {
  const room = loaded();
  room.apply(posted(1));
  const [before] = room.messages;
  room.newest({ room: "lobby", seq: 1, messages: [posted(1).message], before: null, after: null });
  expect(room.messages[0]).toBe(before);
});

test("a reader at the end keeps the newest messages, and can have the others again", () => {
  const room = loaded();
  for (let seq = 1; seq <= 401; seq++) room.apply(posted(seq));
  expect(room.trim()).toBe(true);
  expect(room.messages).toHaveLength(200);
  expect(room.before).toBe(202);
  room.older({ room: "lobby", seq: 401, messages: [posted(201).message, posted(202).message], before: 201, after: null });
  expect(room.messages.slice(0, 3).map((message) => message.seq)).toEqual([201, 202, 203]);
});
