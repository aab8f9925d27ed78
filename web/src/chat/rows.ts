// What stands below one another in a room: days, the line before what is unread, messages, and what is not sent yet.
import type { Entry } from "../client/outbox.ts";
import type { Reaction, Shown } from "../client/protocol.ts";
import { dayKey, dayWords } from "./words.ts";

export type Row =
  | { kind: "day"; key: string; words: string }
  | { kind: "unread"; key: string }
  | { kind: "message"; key: string; message: Shown; first: boolean; parent: Shown | null; pending: string | null }
  | { kind: "entry"; key: string; entry: Entry; first: boolean; parent: Shown | null };

/** What one sender says within this time stands under one name. */
const TOGETHER_MS = 5 * 60_000;

export interface Reader {
  id: string;
  name: string;
  /** May take back what others wrote. */
  moderates: boolean;
}

/** `unreadAfter`: the number of the last message that was read when the room was opened. */
export function rows(
  messages: readonly Shown[],
  entries: readonly Entry[],
  reader: Reader,
  unreadAfter: number | null,
  now: Date,
): Row[] {
  const made: Row[] = [];
  const known = new Map(messages.map((message) => [message.message_id, message]));
  const parentOf = (id: string | null | undefined): Shown | null => (id == null ? null : (known.get(id) ?? null));
  const changes = entries.filter((entry) => entry.command.kind !== "post");
  let day = "";
  let before: { sender: string; time: number } | null = null;
  let marked = false;
  const begin = (time: number): void => {
    const key = dayKey(time);
    if (key === day) return;
    day = key;
    before = null;
    made.push({ kind: "day", key: `day ${key}`, words: dayWords(time, now) });
  };
  const isFirst = (sender: string, time: number, apart: boolean): boolean => {
    const together = !apart && before !== null && before.sender === sender && time - before.time < TOGETHER_MS;
    before = { sender, time };
    return !together;
  };
  for (const original of messages) {
    const { message, pending } = overlaid(original, changes, reader);
    const time = Date.parse(message.time);
    begin(time);
    const fresh = unreadAfter !== null && message.seq > unreadAfter && message.sender.id !== reader.id;
    if (fresh && !marked) {
      marked = true;
      before = null;
      made.push({ kind: "unread", key: "unread" });
    }
    const apart = message.thread_parent != null;
    const first = isFirst(`${message.sender.surface} ${message.sender.id}`, time, apart);
    const parent = parentOf(message.thread_parent);
    made.push({ kind: "message", key: message.message_id, message, first, parent, pending });
  }
  for (const entry of entries) {
    if (entry.command.kind !== "post" || (entry.message_id !== null && known.has(entry.message_id))) continue;
    begin(entry.at);
    const parent = parentOf(entry.command.thread_parent);
    const first = isFirst(`web ${reader.id}`, entry.at, entry.command.thread_parent != null);
    made.push({ kind: "entry", key: entry.id, entry, first, parent });
  }
  return made;
}

/** A message as it will be when what its reader has asked for is done. */
function overlaid(
  message: Shown,
  changes: readonly Entry[],
  reader: Reader,
): { message: Shown; pending: string | null } {
  let pending: string | null = null;
  for (const { command, state } of changes) {
    if (command.kind === "post" || command.message_id !== message.message_id) continue;
    if (state === "failed" || state === "held" || state === "blocked") continue;
    if (command.kind === "edit") {
      message = { ...message, text: command.text };
      pending = "saving";
    } else if (command.kind === "delete") pending = "deleting";
    else {
      const reactions = reacted(message.reactions, command.reaction, command.added, reader);
      message = { ...message, reactions };
    }
  }
  return { message, pending };
}

/** Reactions with one's own added or taken away. */
export function reacted(reactions: readonly Reaction[], name: string, added: boolean, reader: Reader): Reaction[] {
  const others = (people: Reaction["people"]): Reaction["people"] => people.filter((one) => one.id !== reader.id);
  const known = reactions.some((reaction) => reaction.name === name);
  const changed = reactions.map((reaction) => {
    if (reaction.name !== name) return reaction;
    const people = others(reaction.people);
    return { name, people: added ? [...people, { id: reader.id, name: reader.name }] : people };
  });
  if (!known && added) changed.push({ name, people: [{ id: reader.id, name: reader.name }] });
  return changed.filter((reaction) => reaction.people.length > 0);
}
