// What is shown of a text, and what stands below one another.
import { expect, test } from "vitest";

import type { Entry } from "../src/client/outbox.ts";
import type { Shown } from "../src/client/protocol.ts";
import { EMOJI, findEmoji, picture } from "../src/chat/emoji.ts";
import { reacted, rows } from "../src/chat/rows.ts";
import { segments } from "../src/chat/segments.ts";
import { initials, nameList } from "../src/chat/words.ts";

const shown = (text: string): string =>
  segments(text)
    .map((part) => (part.kind === "link" ? `[${part.text}|${part.host ?? ""}]` : part.kind === "hidden" ? `{${part.name}}` : part.text))
    .join("");

test("markup is text", () => {
  expect(segments("<script>alert(1)</script> & <b>")).toEqual([{ kind: "text", text: "<script>alert(1)</script> & <b>" }]);
});

test("only plain web addresses become links, without what ends the sentence", () => {
  expect(shown("see https://hub.example/a(b)?c=d. And (http://x.example)!")).toBe(
    "see [https://hub.example/a(b)?c=d|]. And ([http://x.example|])!",
  );
  for (const text of ["javascript:alert(1)", "data:text/html,x", "https://bank.example@evil.example/", "http://", "file:///etc"]) {
    expect(shown(text)).toBe(text);
  }
});

test("a host that is written in other letters is named as the network knows it", () => {
  expect(shown("https://аpple.com")).toBe("[https://аpple.com|xn--pple-43d.com]");
});

test("characters that hide or turn text about are shown, those that spell words and emoji are not", () => {
  expect(shown("a\u202egnp.exe")).toBe("a{right-to-left override}gnp.exe");
  expect(shown("Ann\u200b")).toBe("Ann{zero-width space}");
  expect(shown("a\u0000b\u2066c")).toBe("a{U+0000}b{left-to-right isolate}c");
  expect(shown("https://a.example/\u202ex")).toContain("{right-to-left override}");
  for (const text of ["👩‍👩‍👧", "🏳️‍🌈", "می‌خواهم", "क्‍ष", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "line\nline\ttab", "שלום"]) expect(shown(text)).toBe(text);
});

test("found words are marked, whatever stands in them", () => {
  expect(segments("A cat (Cat)", ["cat", "("])).toEqual([
    { kind: "text", text: "A " }, { kind: "mark", text: "cat" }, { kind: "text", text: " " },
    { kind: "mark", text: "(" }, { kind: "mark", text: "Cat" }, { kind: "text", text: ")" },
  ]);
  expect(segments("concat cats", ["cat"])).toEqual([
    { kind: "text", text: "concat " }, { kind: "mark", text: "cat" }, { kind: "text", text: "s" },
  ]);
  expect(segments("東京都", ["京"]).map((part) => part.kind)).toEqual(["text", "mark", "text"]);
});

function message(seq: number, sender: string, minute: number, more: Partial<Shown> = {}): Shown {
  return {
    message_id: `m${seq}`, room: "lobby", seq, revision: 1, edited: false, gone: null,
    sender: { surface: "web", id: sender, name: sender }, text: String(seq), attachments: [], thread_parent: null,
    time: new Date(2026, 10, 22, 12, minute).toISOString(), reactions: [], deliveries: [], ...more,
  };
}
const NOW = new Date(2026, 10, 22, 18);
const ME = { id: "me", name: "Me" };
const READER = { ...ME, moderates: false };

test("messages stand under days and names, and a line before what is new", () => {
  const yesterday = message(1, "ann", 0, { time: new Date(2026, 10, 21, 9).toISOString() });
  const made = rows([yesterday, message(2, "ann", 0), message(3, "ann", 2), message(4, "bob", 3), message(5, "bob", 30)], [], READER, 3, NOW);
  const words = made.map((row) =>
    row.kind === "day" ? row.words : row.kind === "message" ? `${row.message.seq}${row.first ? " first" : ""}` : row.kind,
  );
  expect(words).toEqual(["Yesterday", "1 first", "Today", "2 first", "3", "unread", "4 first", "5 first"]);
});

test("what was written and is not in the room stands at the end; what was asked for shows already", () => {
  const entry = (id: string, command: Entry["command"], message_id: string | null = null): Entry => ({
    id, person: "me", room: "lobby", at: Date.parse(message(9, "me", 40).time), command, files: [], state: "waiting", reason: null, message_id,
  });
  const made = rows(
    [message(1, "me", 0)],
    [
      entry("a", { kind: "edit", message_id: "m1", text: "new" }),
      entry("b", { kind: "react", message_id: "m1", reaction: "tada", added: true }),
      entry("c", { kind: "post", text: "hello" }),
      entry("d", { kind: "post", text: "shown already" }, "m1"),
    ],
    READER,
    null,
    NOW,
  );
  expect(made.map((row) => row.kind)).toEqual(["day", "message", "entry"]);
  const [, first] = made;
  if (first?.kind !== "message") throw new Error("no message");
  expect(first.message).toMatchObject({ text: "new", reactions: [{ name: "tada", people: [ME] }] });
  expect(first.pending).toBe("saving");
});

test("one's own reaction is added once and taken away", () => {
  const once = reacted(reacted([], "tada", true, READER), "tada", true, READER);
  expect(once).toEqual([{ name: "tada", people: [ME] }]);
  expect(reacted(once, "tada", false, READER)).toEqual([]);
});

test("emoji have names of their own, are found by words, and unknown ones are written out", () => {
  expect(new Set(EMOJI.map((emoji) => emoji.name)).size).toBe(EMOJI.length);
  expect(EMOJI.every((emoji) => /^[a-z0-9_]+$/.test(emoji.name) && emoji.character !== "")).toBe(true);
  expect(findEmoji("laugh").map((emoji) => emoji.name)).toContain("joy");
  expect(picture("thumbsup::skin-tone-3")).toBe("👍");
  expect(picture("partyparrot")).toBe(":partyparrot:");
});

test("names in words", () => {
  expect(nameList(["Ann"])).toBe("Ann");
  expect(nameList(["Ann", "Bob"])).toBe("Ann and Bob");
  expect(nameList(["Ann", "Bob", "Cy", "Di", "Ed"])).toBe("Ann, Bob and 3 more");
  expect([initials("Ann Lee"), initials("дмитрий"), initials("☃"), initials("")]).toEqual(["AL", "Д", "?", "?"]);
});
