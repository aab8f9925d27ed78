// What was written and is not yet in the room. Kept on this device until the hub has it, and sent in the order
// of writing, one at a time in each room.
//
//   waiting ─▶ sending ─accepted─▶ accepted ─seen in the room─▶ gone
//      ▲          │  └─judged─▶ held, blocked (stays until the writer puts it away)
//      └─lost line, too fast─┘  └─refused─▶ failed (again by the writer's will)
//
// An entry keeps its id for life: sent twice it is one message.
import { type FileToSend, isSignedOut, NotReached, Refused } from "./api.ts";
import type { Clock } from "./clock.ts";
import type { ClientFrame, Command, Limits } from "./protocol.ts";
import type { Keep } from "./keep.ts";

export type EntryState = "waiting" | "sending" | "accepted" | "held" | "blocked" | "failed";

export interface Entry {
  /** Also the message's own id towards the hub. */
  readonly id: string;
  readonly person: string;
  readonly room: string;
  readonly at: number;
  readonly command: Command;
  readonly files: readonly FileToSend[];
  readonly state: EntryState;
  /** Why it failed, was held or waits. */
  readonly reason: string | null;
  /** The hub's id, once it has accepted. */
  readonly message_id: string | null;
}

export interface OutboxOwner {
  send(frame: ClientFrame): boolean;
  upload(room: string, file: FileToSend): Promise<{ file: string }>;
  changed(): void;
  /** Is a message of ours in the room? Rejects when nobody can say. */
  isShown(room: string, message_id: string): Promise<boolean>;
  /** The device could not keep an entry: it lives only as long as the page. */
  notKept(error: unknown): void;
}

/** An answer that does not come by then is asked for again. */
const ANSWER_WITHIN_MS = 20_000;
/** What was accepted appears in the room by then, or is asked about. */
const ECHO_WITHIN_MS = 30_000;
/** Verdicts that came before their message was said to be accepted. */
const MOST_EARLY = 50;
const UPLOAD_AGAIN_MS = 3_000;

export class Outbox {
  entries: readonly Entry[] = [];
  #online = false;
  #handles = new Map<string, string[]>();
  #early = new Map<string, { verdict: "held" | "blocked"; reasons: readonly string[] }>();
  /** The entry that each room waits for. */
  #busy = new Map<string, string>();

  constructor(
    private readonly owner: OutboxOwner,
    private readonly keep: Keep | null,
    private readonly clock: Clock,
    private readonly person: string,
  ) {}

  /** Takes up what an earlier visit left. */
  async load(): Promise<void> {
    const kept = this.keep === null ? [] : await this.keep.entries(this.person);
    const known = new Set(this.entries.map((entry) => entry.id));
    const left = kept.filter((entry) => !known.has(entry.id));
    this.entries = [...left.map(unsent), ...this.entries];
    this.owner.changed();
    this.#pump();
  }

  add(id: string, room: string, command: Command, files: readonly FileToSend[] = []): void {
    const at = Math.max(this.clock.now(), (this.entries.at(-1)?.at ?? 0) + 1);
    const { person } = this;
    this.#set({ id, person, room, at, command, files, state: "waiting", reason: null, message_id: null });
    this.#pump();
  }

  /** The writer wants it sent after all. */
  again(id: string): void {
    const entry = this.#find(id);
    if (entry?.state !== "failed") return;
    this.#handles.delete(id);
    this.#set({ ...entry, state: "waiting", reason: null });
    this.#pump();
  }

  discard(id: string): Entry | undefined {
    const entry = this.#find(id);
    // What is under way may be in the room already.
    if (entry === undefined || entry.state === "sending") return undefined;
    this.#remove(id);
    return entry;
  }

  online(): void {
    this.#online = true;
    // The answers of the old connection are lost; the same ids asked again are the same messages.
    this.#change((entry) => (entry.state === "sending" ? unsent(entry) : entry));
    this.#busy.clear();
    for (const entry of this.entries) if (entry.state === "accepted") void this.#lookFor(entry.id);
    this.#pump();
  }

  offline(): void {
    this.#online = false;
  }

  accepted(id: string, message_id: string, alreadyShown: boolean): void {
    const entry = this.#find(id);
    if (entry === undefined) return;
    this.#free(entry);
    if (alreadyShown && entry.command.kind === "post") this.#remove(id);
    else {
      this.#set({ ...entry, state: "accepted", reason: null, message_id });
      this.clock.after(ECHO_WITHIN_MS, () => void this.#lookFor(id));
      const early = this.#early.get(message_id);
      if (early !== undefined) this.judged(message_id, id, early.verdict, early.reasons);
    }
    this.#pump();
  }

  refused(id: string, code: string, reason: string, retryAfterS: number | null): void {
    const entry = this.#find(id);
    if (entry === undefined || entry.state !== "sending") return;
    if (code === "too_fast" || code === "not_stored" || retryAfterS !== null) {
      this.#set({ ...entry, state: "waiting", reason });
      this.#freeLater(entry, Math.max(1, retryAfterS ?? 1) * 1000);
      return;
    }
    this.#free(entry);
    if (code === "signed_out") this.#set({ ...entry, state: "waiting", reason });
    else this.#set({ ...entry, state: "failed", reason });
    this.#pump();
  }

  judged(message_id: string, id: string | null, verdict: "held" | "blocked", reasons: readonly string[]): void {
    const entry = this.entries.find((one) => one.id === id || one.message_id === message_id);
    if (entry === undefined) {
      if (this.#early.size >= MOST_EARLY) this.#early.clear();
      this.#early.set(message_id, { verdict, reasons });
      return;
    }
    this.#early.delete(message_id);
    this.#free(entry);
    this.#set({ ...entry, state: verdict, reason: reasons.join("; "), message_id });
    this.#pump();
  }

  /** A change of this message is in the room: what asked for it has done its work. */
  seen(message_id: string, posted: boolean): void {
    for (const entry of this.entries) {
      const about = entry.command.kind === "post" ? entry.message_id : entry.command.message_id;
      if (about !== message_id || (entry.command.kind === "post") !== posted) continue;
      if (entry.state === "accepted" || entry.state === "held") this.#remove(entry.id);
    }
  }

  /** Sends what can be sent: the first of each room. */
  #pump(): void {
    if (!this.#online) return;
    for (const entry of this.entries) {
      if (entry.state !== "waiting" || this.#busy.has(entry.room)) continue;
      this.#busy.set(entry.room, entry.id);
      this.#set({ ...entry, state: "sending", reason: null });
      void this.#sendOne(entry);
    }
  }

  async #sendOne(entry: Entry): Promise<void> {
    try {
      const files = await this.#upload(entry);
      if (this.#find(entry.id)?.state !== "sending") return;
      const frame = { ...entry.command, id: entry.id, room: entry.room, ...(files.length > 0 ? { files } : {}) };
      if (!this.owner.send(frame)) {
        this.#back(entry, null);
        return;
      }
      this.clock.after(ANSWER_WITHIN_MS, () => {
        const now = this.#find(entry.id);
        if (now?.state !== "sending" || !this.#online) return;
        this.#back(entry, "no answer yet");
        this.#pump();
      });
    } catch (error) {
      if (error instanceof NotReached || isSignedOut(error)) {
        this.#set({ ...entry, state: "waiting", reason: "the file could not be sent yet" });
        this.#freeLater(entry, UPLOAD_AGAIN_MS);
      } else {
        const after = error instanceof Refused ? error.retryAfterS : null;
        const code = error instanceof Refused ? error.code : "unknown";
        this.refused(entry.id, code, error instanceof Error ? error.message : String(error), after);
      }
    }
  }

  async #upload(entry: Entry): Promise<string[]> {
    const known = this.#handles.get(entry.id);
    if (known !== undefined) return known;
    const handles: string[] = [];
    for (const file of entry.files) handles.push((await this.owner.upload(entry.room, file)).file);
    this.#handles.set(entry.id, handles);
    return handles;
  }

  #back(entry: Entry, reason: string | null): void {
    this.#free(entry);
    this.#set({ ...entry, state: "waiting", reason });
  }

  #free(entry: Entry): void {
    if (this.#busy.get(entry.room) === entry.id) this.#busy.delete(entry.room);
  }

  #freeLater(entry: Entry, ms: number): void {
    this.clock.after(ms, () => {
      this.#free(entry);
      this.#pump();
    });
  }

  /** It was accepted and is not in the room: was its echo lost, or its verdict? */
  async #lookFor(id: string): Promise<void> {
    const entry = this.#find(id);
    if (entry?.state !== "accepted" || entry.message_id === null || !this.#online) return;
    if (entry.command.kind !== "post") return this.#remove(id);
    try {
      const shown = await this.owner.isShown(entry.room, entry.message_id);
      if (this.#find(id)?.state !== "accepted") return;
      if (shown) this.#remove(id);
      else this.#set({ ...entry, state: "held", reason: "it is not in the room yet" });
    } catch {
      // Asked again with the next connection.
    }
  }

  #find(id: string): Entry | undefined {
    return this.entries.find((entry) => entry.id === id);
  }

  #set(entry: Entry): void {
    const at = this.entries.findIndex((one) => one.id === entry.id);
    this.entries = at < 0 ? [...this.entries, entry] : this.entries.with(at, entry);
    this.keep?.put(entry).catch((error: unknown) => this.owner.notKept(error));
    this.owner.changed();
  }

  #change(change: (entry: Entry) => Entry): void {
    for (const entry of this.entries) {
      const changed = change(entry);
      if (changed !== entry) this.#set(changed);
    }
  }

  #remove(id: string): void {
    this.entries = this.entries.filter((entry) => entry.id !== id);
    this.#handles.delete(id);
    this.keep?.remove(id).catch((error: unknown) => this.owner.notKept(error));
    this.owner.changed();
  }
}

function unsent(entry: Entry): Entry {
  return entry.state === "sending" ? { ...entry, state: "waiting", reason: null } : entry;
}

/** What would be refused, said before anything is sent. */
export function complaint(text: string, files: readonly FileToSend[], limits: Limits): string | null {
  if (text.trim() === "" && files.length === 0) return "There is nothing to send.";
  const characters = [...text].length;
  if (characters > limits.text_chars) {
    return `The text has ${characters} characters; at most ${limits.text_chars} are possible.`;
  }
  if (files.length > limits.files) return `At most ${limits.files} files are possible.`;
  const large = files.find((file) => file.blob.size > limits.file_bytes);
  if (large !== undefined) {
    return `${large.name} is too large; at most ${(limits.file_bytes / 1_000_000).toFixed(1)} MB are possible.`;
  }
  return null;
}
