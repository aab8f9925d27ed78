// One room as a page knows it: messages in the room's order, how far the changes were applied, what is unread.
//
// Changes come with numbers without a gap. One that was applied already is ignored; one that leaves a gap waits
// until what is missing has come. Values that the page shows are replaced and never changed, so that it can tell
// by identity what is new.
import type { Change, Page, Present, RoomListed, Shown, Warning } from "./protocol.ts";

/** Changes that wait for a gap to be filled; beyond it the newest page is asked for instead. */
const MOST_WAITING = 500;
/** Changes that may come while a page is on its way. */
const MOST_RECENT = 200;
/** A page keeps so many messages of a room, wherever its reader is; those furthest away are let go. */
const MOST_KEPT = 400;
/** So many while its reader is at the end. */
const KEPT_AFTER_TRIM = 200;

export interface Typing {
  id: string;
  name: string;
  until: number;
}

export type Applied = "applied" | "known" | "gap" | "lost";

export class Timeline {
  readonly name: string;
  title: string;
  joined: boolean;
  surfaces: RoomListed["surfaces"];
  warnings: readonly Warning[];
  /** A stretch of the room, in its order, without a gap. */
  messages: readonly Shown[] = [];
  /** Ask for older messages before this; null when the beginning is here. */
  before: number | null = null;
  /** Ask for newer messages after this; null when the room's end is here. */
  after: number | null = null;
  /** Whether a page was loaded; until then only what is new is counted. */
  loaded = false;
  /** The messages are those kept from an earlier visit: the hub has not been asked yet. */
  stale = false;
  people: readonly Present[] = [];
  typing: readonly Typing[] = [];
  /** The number of the last message that was read. */
  read = 0;
  unread = 0;
  #applied: number | null = null;
  #waiting = new Map<number, Change>();
  /** The last changes that were applied: a page that was asked for before them lacks them. */
  #recent: Change[] = [];

  constructor(
    listed: RoomListed,
    /** The reader's own id. */
    private readonly me: string,
  ) {
    this.name = listed.name;
    this.title = listed.title;
    this.joined = listed.joined;
    this.surfaces = listed.surfaces;
    this.warnings = listed.warnings;
  }

  /** The number of the last change that is in here; null before any. */
  get applied(): number | null {
    return this.#applied;
  }

  listed(listed: RoomListed): void {
    this.title = listed.title;
    this.joined = listed.joined;
    this.surfaces = listed.surfaces;
    this.warnings = listed.warnings;
    // A room that is not loaded starts to listen from here.
    if (this.#applied === null) this.#applied = listed.seq;
  }

  /** The newest page takes the place of everything. */
  newest(page: Page): void {
    const seen = new Map(this.messages.map((message) => [message.message_id, message]));
    this.messages = sorted(page.messages.map((message) => keepSame(seen.get(message.message_id), message)));
    this.before = page.before;
    this.after = null;
    this.loaded = true;
    this.stale = false;
    if (!this.#again(page.seq) || (this.#applied ?? 0) < page.seq) this.#applied = page.seq;
    const applied = this.#applied ?? page.seq;
    for (const seq of this.#waiting.keys()) if (seq <= applied) this.#waiting.delete(seq);
    this.#drain();
  }

  /** What an earlier visit kept, until the hub answers. */
  remembered(messages: readonly Shown[]): void {
    if (this.loaded) return;
    this.messages = sorted(messages);
    this.stale = true;
  }

  older(page: Page): void {
    const known = new Set(this.messages.map((message) => message.message_id));
    const fresh = page.messages.filter((message) => !known.has(message.message_id));
    this.messages = sorted([...fresh, ...this.messages]);
    this.before = page.before;
    this.#again(page.seq);
    if (this.messages.length <= MOST_KEPT) return;
    this.messages = this.messages.slice(0, MOST_KEPT);
    this.after = this.messages.at(-1)?.seq ?? null;
  }

  newer(page: Page): void {
    if (this.after === null) return;
    this.messages = sorted([...this.messages.filter((message) => message.seq <= (this.after ?? 0)), ...page.messages]);
    this.#reaches(page);
    if (this.messages.length <= MOST_KEPT) return;
    this.messages = this.messages.slice(-MOST_KEPT);
    this.before = this.messages[0]?.seq ?? this.before;
  }

  /** Another stretch of the room takes the place of this one. */
  around(page: Page): void {
    this.messages = sorted(page.messages);
    this.before = page.before;
    this.#reaches(page);
  }

  apply(change: Change): Applied {
    if (this.#applied === null) this.#applied = change.seq - 1;
    if (change.seq <= this.#applied) return "known";
    if (change.seq > this.#applied + 1) {
      if (this.#waiting.size >= MOST_WAITING) {
        this.#waiting.clear();
        return "lost";
      }
      this.#waiting.set(change.seq, change);
      return "gap";
    }
    this.#take(change);
    this.#drain();
    return "applied";
  }

  /** The hub says that it has sent everything up to here; false when something is missing all the same. */
  resumed(seq: number): boolean {
    this.#applied ??= seq;
    return seq <= this.#applied;
  }

  find(id: string): Shown | undefined {
    return this.messages.find((message) => message.message_id === id);
  }

  /** Replaces a message by one that differs in a part. */
  patch(id: string, part: Partial<Shown>): boolean {
    const at = this.messages.findIndex((message) => message.message_id === id);
    const message = this.messages[at];
    if (message === undefined) return false;
    this.messages = this.messages.with(at, { ...message, ...part });
    return true;
  }

  present(person: Present, here: boolean): void {
    const others = this.people.filter((other) => other.id !== person.id || other.surface !== person.surface);
    this.people = here ? [...others, person].sort((a, b) => a.name.localeCompare(b.name)) : others;
    if (!here) this.typing = this.typing.filter((typing) => typing.id !== person.id);
  }

  types(person: { id: string; name: string }, until: number): void {
    if (person.id === this.me) return;
    this.typing = [...this.typing.filter((typing) => typing.id !== person.id), { ...person, until }];
  }

  /** Typing that was not renewed ends by itself. */
  stopTyping(now: number): boolean {
    const still = this.typing.filter((typing) => typing.until > now);
    if (still.length === this.typing.length) return false;
    this.typing = still;
    return true;
  }

  /** The reader has seen everything that is here. */
  readAll(): boolean {
    const last = this.messages.at(-1)?.seq ?? 0;
    const read = Math.max(this.read, last, this.loaded ? 0 : (this.#applied ?? 0));
    const changed = this.unread !== 0 || read !== this.read;
    this.read = read;
    this.unread = 0;
    return changed;
  }

  /** Lets go of the oldest messages when there are many; only for a reader who is at the end. */
  trim(): boolean {
    if (this.after !== null || this.messages.length <= MOST_KEPT) return false;
    this.messages = this.messages.slice(-KEPT_AFTER_TRIM);
    this.before = this.messages[0]?.seq ?? this.before;
    return true;
  }

  #take(change: Change): void {
    this.#applied = change.seq;
    const { message } = change;
    this.typing = this.typing.filter((typing) => typing.id !== message.sender.id || change.change !== "posted");
    if (change.change === "posted") {
      if (message.sender.id !== this.me && message.seq > this.read) this.unread += 1;
    }
    this.#recent = [...this.#recent.slice(1 - MOST_RECENT), change];
    this.#merge(change);
  }

  /** How far a page reaches. Its last message is the room's only if all that was said since is known. */
  #reaches(page: Page): void {
    this.after = page.after;
    if (this.#again(page.seq) || this.after !== null) return;
    this.after = this.messages.at(-1)?.seq ?? 0;
  }

  /** What was applied while a page was on its way is applied to it too; false where not all of that is known any more. */
  #again(seq: number): boolean {
    const missed = this.#recent.filter((change) => change.seq > seq);
    if (missed.length < (this.#applied ?? 0) - seq) return false;
    for (const change of missed) this.#merge(change);
    return true;
  }

  #merge({ change, message }: Change): void {
    const absent = this.find(message.message_id) === undefined && message.seq > (this.before ?? 0);
    if (change === "posted" && this.loaded && absent && this.after === null) this.messages = insert(this.messages, message);
    else this.patch(message.message_id, message);
  }

  #drain(): void {
    for (;;) {
      const next = this.#waiting.get((this.#applied ?? 0) + 1);
      if (next === undefined) return;
      this.#waiting.delete(next.seq);
      this.#take(next);
    }
  }
}

function sorted(messages: readonly Shown[]): Shown[] {
  return [...messages].sort((a, b) => a.seq - b.seq);
}

/** Nearly always at the end. */
function insert(messages: readonly Shown[], message: Shown): readonly Shown[] {
  const last = messages.at(-1);
  return last === undefined || last.seq < message.seq ? [...messages, message] : sorted([...messages, message]);
}

function keepSame(known: Shown | undefined, fresh: Shown): Shown {
  return known !== undefined && JSON.stringify(known) === JSON.stringify(fresh) ? known : fresh;
}
