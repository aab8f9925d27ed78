// The chat as one thing: who is signed in, the line, the rooms, and what was written. No framework: a page calls
// the methods, and reads `view()` after each `onChange`.
import { Api, type FileToSend, isSignedOut, NotReached, Refused } from "./api.ts";
import { type Clock, realClock } from "./clock.ts";
import type { Keep } from "./keep.ts";
import { Line, type LineState, type Socket } from "./line.ts";
import { type Entry, Outbox } from "./outbox.ts";
import type { Change, Command, HelloBack, Person, RoomListed, ServerFrame, Session } from "./protocol.ts";
import { Timeline } from "./timeline.ts";

export interface Means {
  api: Api;
  clock?: Clock;
  /** Null where the browser keeps nothing. */
  keep: Keep | null;
  open(ticket: string): Socket;
  /** Unguessable and new. */
  newId(): string;
  /** Who was signed in last, for a start without a connection. */
  remembered: { get(): Session | null; set(session: Session | null): void };
}

export type RoomView = Readonly<
  Pick<
    Timeline,
    "name" | "title" | "joined" | "surfaces" | "warnings" | "messages" | "before" | "loaded" | "stale" | "people" | "typing" | "read" | "unread"
  >
>;

export interface View {
  /** Null until the hub, or the memory of an earlier visit, has said. */
  session: Session | null;
  line: LineState;
  rooms: readonly RoomView[];
  entries: readonly Entry[];
  /** Something that the reader must know, such as that nothing can be kept here. */
  notice: string | null;
  /** The hub could not be asked who is signed in. */
  startFailed: string | null;
}

const TYPING_EVERY_MS = 3_000;
const FILL_WITHIN_MS = 5_000;
const KEEP_AFTER_MS = 1_000;
const KEPT_MESSAGES = 100;
const PAGE = 50;

export class Chat {
  #session: Session | null = null;
  #line: Line;
  #rooms = new Map<string, Timeline>();
  #outbox: Outbox | null = null;
  #notice: string | null = null;
  #startFailed: string | null = null;
  #listeners = new Set<() => void>();
  #told = false;
  #typedAt = -Infinity;
  #filling = new Set<string>();
  /** Rooms that somebody looks at: they are loaded as soon as they can be. */
  #wanted = new Set<string>();
  #loading = new Map<string, Promise<void>>();
  #keepLater = new Map<string, () => void>();
  readonly #clock: Clock;

  constructor(private readonly means: Means) {
    this.#clock = means.clock ?? realClock;
    this.#line = new Line(
      {
        ticket: async () => (await means.api.ticket()).ticket,
        open: (ticket) => means.open(ticket),
        hello: () => this.#stands(),
        frame: (frame) => this.#frame(frame),
        ready: (hello) => this.#ready(hello),
        changed: (state) => this.#lineChanged(state),
      },
      this.#clock,
    );
  }

  view(): View {
    const { state } = this.#line;
    const rooms = [...this.#rooms.values()].map((room) => ({
      name: room.name, title: room.title, joined: room.joined, surfaces: room.surfaces, warnings: room.warnings,
      messages: room.messages, before: room.before, loaded: room.loaded, stale: room.stale, people: room.people,
      typing: room.typing, read: room.read, unread: room.unread,
    }));
    return {
      session: this.#session, line: state, rooms, entries: this.#outbox?.entries ?? [],
      notice: this.#notice, startFailed: this.#startFailed,
    };
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Asks who is signed in, and begins. Without a connection it begins with what an earlier visit kept. */
  async start(): Promise<void> {
    this.#startFailed = null;
    try {
      const session = await this.means.api.session();
      await this.#begin(session);
    } catch (error) {
      const known = this.means.remembered.get();
      if (known?.person != null && error instanceof NotReached) await this.#begin(known);
      else this.#startFailed = error instanceof Error ? error.message : String(error);
    }
    this.#changed();
  }

  async signInAsGuest(name: string): Promise<void> {
    await this.#begin(await this.means.api.signInAsGuest(name));
  }

  async signOut(): Promise<void> {
    await this.means.api.signOut();
    this.#line.stop();
    this.means.remembered.set(null);
    this.#rooms.clear();
    this.#outbox = null;
    await this.means.keep?.clear();
    await this.start();
  }

  /** The network is said to be back, or the page is looked at again. */
  wake(): void {
    if (this.#session === null || this.#startFailed !== null) void this.start();
    this.#line.tryNow();
    this.#line.check();
  }

  /** Loads a room's newest page, unless it is here. */
  open(name: string): Promise<void> {
    this.#wanted.add(name);
    const room = this.#rooms.get(name);
    if (room === undefined || room.loaded) return Promise.resolve();
    return this.#loadNewest(room);
  }

  async older(name: string): Promise<void> {
    const room = this.#rooms.get(name);
    if (room === undefined || !room.loaded || room.before === null || this.#loading.has(name)) return;
    const loading = this.means.api.history(name, { before: room.before, limit: PAGE }).then((page) => room.older(page));
    await this.#whileLoading(name, loading);
  }

  /** Loads older pages until a message is here; false when it is not in the room. */
  async reach(name: string, message: { message_id: string; seq: number }): Promise<boolean> {
    const room = this.#rooms.get(name);
    if (room === undefined) return false;
    await this.open(name);
    while (room.find(message.message_id) === undefined && room.before !== null && room.before >= message.seq) {
      const before: number = room.before;
      await this.older(name);
      if (room.before === before) break;
    }
    return room.find(message.message_id) !== undefined;
  }

  async join(name: string): Promise<void> {
    await this.means.api.join(name);
    await this.#listRooms();
    const room = this.#rooms.get(name);
    if (room !== undefined) this.#line.send({ kind: "watch", room: name, ...after(room) });
  }

  async leave(name: string): Promise<void> {
    this.#line.send({ kind: "unwatch", room: name });
    await this.means.api.leave(name);
    await this.#listRooms();
  }

  post(room: string, text: string, files: readonly FileToSend[] = [], thread_parent: string | null = null): void {
    this.#command(room, { kind: "post", text, ...(thread_parent === null ? {} : { thread_parent }) }, files);
    this.#typedAt = -Infinity;
  }

  edit(room: string, message_id: string, text: string): void {
    this.#command(room, { kind: "edit", message_id, text });
  }

  delete(room: string, message_id: string): void {
    this.#command(room, { kind: "delete", message_id });
  }

  react(room: string, message_id: string, reaction: string, added: boolean): void {
    this.#command(room, { kind: "react", message_id, reaction, added });
  }

  sendAgain(id: string): void {
    this.#outbox?.again(id);
  }

  discard(id: string): Entry | undefined {
    return this.#outbox?.discard(id);
  }

  typing(room: string): void {
    const now = this.#clock.now();
    if (now - this.#typedAt < TYPING_EVERY_MS) return;
    if (this.#line.send({ kind: "typing", room })) this.#typedAt = now;
  }

  readAll(name: string): void {
    const room = this.#rooms.get(name);
    if (room === undefined || !room.readAll()) return;
    this.#keepSoon(room);
    this.#changed();
  }

  /** Lets go of what is far above a reader who is at the end. */
  atEnd(name: string): void {
    if (this.#rooms.get(name)?.trim() === true) this.#changed();
  }

  async #begin(session: Session): Promise<void> {
    this.#session = session;
    if (session.person === null) {
      this.means.remembered.set(null);
      this.#changed();
      return;
    }
    this.means.remembered.set(session);
    this.#rooms.clear();
    await this.#restore(session.person);
    this.#line.stop();
    try {
      await this.#listRooms();
    } catch (error) {
      // The line will say when the hub is back; #ready asks again.
      if (isSignedOut(error)) return this.#lost();
    }
    this.#line.start();
    this.#changed();
  }

  async #restore(person: Person): Promise<void> {
    const { keep } = this.means;
    if (keep === null) this.#notice = "This browser keeps nothing for us: what is not sent is lost with the page.";
    this.#outbox = new Outbox(
      {
        send: (frame) => this.#line.send(frame),
        upload: (room, file) => this.means.api.upload(room, file),
        changed: () => this.#changed(),
        isShown: (room, message) => this.#isInRoom(room, message),
        notKept: () => {
          this.#notice = "What is not sent could not be kept on this device: it is lost if the page is closed.";
          this.#changed();
        },
      },
      keep,
      this.#clock,
      person.id,
    );
    try {
      for (const kept of (await keep?.rooms(person.id)) ?? []) {
        const room = new Timeline(kept.listed, person.id);
        room.read = kept.read;
        room.remembered(kept.messages);
        this.#rooms.set(room.name, room);
      }
      await this.#outbox.load();
    } catch {
      this.#notice = "What an earlier visit kept on this device could not be read.";
    }
  }

  async #listRooms(): Promise<void> {
    const listed = await this.means.api.rooms();
    const me = this.#session?.person?.id ?? "";
    const names = new Set(listed.map((room) => room.name));
    for (const name of this.#rooms.keys()) if (!names.has(name)) this.#rooms.delete(name);
    const ordered = new Map<string, Timeline>();
    const unknown: Timeline[] = [];
    for (const one of listed) {
      const known = this.#rooms.get(one.name);
      const room = known ?? new Timeline(one, me);
      const fresh = room.applied === null;
      room.listed(one);
      ordered.set(one.name, room);
      if (known === undefined) room.read = one.seq;
      else if (fresh && room.joined && room.read < one.seq) unknown.push(room);
    }
    this.#rooms = ordered;
    this.#changed();
    // What was said since the last visit: counted once, by asking.
    await Promise.all(unknown.map((room) => this.#countUnread(room, me).catch(() => undefined)));
  }

  async #countUnread(room: Timeline, me: string): Promise<void> {
    const page = await this.means.api.history(room.name, { after: room.read, limit: 100 });
    if (room.loaded) return;
    const unread = page.messages.filter((message) => message.sender.id !== me && message.gone === null);
    room.unread = Math.max(room.unread, unread.length);
    this.#changed();
  }

  #stands(): Record<string, { after?: number }> {
    const rooms = [...this.#rooms.values()].filter((room) => room.joined);
    return Object.fromEntries(rooms.map((room) => [room.name, after(room)]));
  }

  #ready(hello: HelloBack): void {
    if (this.#session !== null) this.#session = { ...this.#session, person: hello.person };
    for (const [name, { people }] of Object.entries(hello.rooms)) {
      const room = this.#rooms.get(name);
      if (room !== undefined) room.people = people;
    }
    this.#filling.clear();
    for (const room of this.#rooms.values()) {
      if (this.#wanted.has(room.name) && !room.loaded && room.applied !== null) void this.#loadNewest(room);
    }
    this.#outbox?.online();
    if ([...this.#rooms.values()].some((room) => room.applied === null) || this.#rooms.size === 0) {
      void this.#catchUp();
    }
    this.#changed();
  }

  /** The page began without the hub: now that it is there, ask for the rooms and listen to them. */
  async #catchUp(): Promise<void> {
    try {
      await this.#listRooms();
      for (const room of this.#rooms.values()) {
        if (room.joined) this.#line.send({ kind: "watch", room: room.name, ...after(room) });
        if (this.#wanted.has(room.name) && !room.loaded) await this.#loadNewest(room);
      }
    } catch {
      // The next connection tries again.
    }
    this.#changed();
  }

  #frame(frame: Exclude<ServerFrame, HelloBack>): void {
    switch (frame.kind) {
      case "change":
        this.#change(frame);
        break;
      case "resumed": {
        const room = this.#rooms.get(frame.room);
        this.#filling.delete(frame.room);
        if (room !== undefined && (frame.reset === true || !room.resumed(frame.seq))) void this.#loadNewest(room);
        break;
      }
      case "watching": {
        const room = this.#rooms.get(frame.room);
        if (room !== undefined) room.people = frame.people;
        break;
      }
      case "accepted":
        this.#outbox?.accepted(frame.id, frame.message_id, this.#isShown(frame.message_id));
        break;
      case "refused":
        this.#outbox?.refused(frame.id, frame.code, frame.reason, frame.retry_after_s ?? null);
        break;
      case "error":
        if (frame.id !== undefined) this.#outbox?.refused(frame.id, frame.code, frame.reason, null);
        else this.#notice = frame.reason;
        break;
      case "judged":
        this.#outbox?.judged(frame.message_id, frame.id ?? null, frame.verdict, frame.reasons);
        break;
      case "deliveries":
        this.#rooms.get(frame.room)?.patch(frame.message_id, { deliveries: frame.deliveries });
        break;
      case "warnings": {
        const room = this.#rooms.get(frame.room);
        if (room !== undefined) room.warnings = frame.warnings;
        break;
      }
      case "typing":
        this.#typing(frame);
        break;
      case "presence":
        this.#rooms.get(frame.room)?.present(frame.person, frame.here);
        break;
      case "pong":
      case "resume":
        return;
      default:
        // A newer hub may say more than this page knows.
        return;
    }
    this.#changed();
  }

  #change(change: Change): void {
    const room = this.#rooms.get(change.room);
    if (room === undefined) return;
    const applied = room.apply(change);
    if (applied === "gap") this.#fill(room);
    if (applied === "lost") void this.#loadNewest(room);
    this.#outbox?.seen(change.message.message_id, change.change === "posted");
    this.#keepSoon(room);
  }

  /** Something is missing: ask for what came after the last that is here; if that does not help, for the newest page. */
  #fill(room: Timeline): void {
    if (this.#filling.has(room.name)) return;
    this.#filling.add(room.name);
    const from = room.applied;
    this.#line.send({ kind: "watch", room: room.name, ...after(room) });
    this.#clock.after(FILL_WITHIN_MS, () => {
      if (!this.#filling.delete(room.name)) return;
      if (room.applied === from) void this.#loadNewest(room);
    });
  }

  #typing(frame: Extract<ServerFrame, { kind: "typing" }>): void {
    const room = this.#rooms.get(frame.room);
    if (room === undefined) return;
    const forMs = Math.min(Math.max(frame.for_ms, 500), 30_000);
    room.types(frame.person, this.#clock.now() + forMs);
    this.#clock.after(forMs + 1, () => {
      if (room.stopTyping(this.#clock.now())) this.#changed();
    });
  }

  #loadNewest(room: Timeline): Promise<void> {
    const already = this.#loading.get(room.name);
    if (already !== undefined) return already;
    const loading = this.means.api.history(room.name, { limit: PAGE }).then((page) => {
      room.newest(page);
      const me = this.#session?.person?.id;
      const unread = page.messages.filter(
        (message) => message.seq > room.read && message.sender.id !== me && message.gone === null,
      );
      room.unread = Math.max(room.unread, unread.length);
      for (const message of page.messages) this.#outbox?.seen(message.message_id, true);
      this.#keepSoon(room);
    });
    return this.#whileLoading(room.name, loading);
  }

  async #whileLoading(name: string, loading: Promise<void>): Promise<void> {
    this.#loading.set(name, loading);
    try {
      await loading;
    } catch (error) {
      if (isSignedOut(error)) this.#lost();
      else if (!(error instanceof NotReached)) this.#notice = error instanceof Error ? error.message : String(error);
    } finally {
      this.#loading.delete(name);
      this.#changed();
    }
  }

  #lineChanged(state: LineState): void {
    if (state.kind !== "open") this.#outbox?.offline();
    if (state.kind === "signed_out") this.#lost();
    this.#changed();
  }

  /** Signed out from elsewhere, or expired. What was written stays, for when the same person is back. */
  #lost(): void {
    this.#line.stop();
    this.means.remembered.set(null);
    if (this.#session !== null) this.#session = { ...this.#session, person: null };
    this.#notice = "You were signed out. What you wrote and could not send is kept on this device.";
    this.#changed();
  }

  #command(room: string, command: Command, files: readonly FileToSend[] = []): void {
    this.#outbox?.add(this.means.newId(), room, command, files);
  }

  async #isInRoom(room: string, message: string): Promise<boolean> {
    try {
      const page = await this.means.api.history(room, { message, limit: 1 });
      return page.messages.some((one) => one.message_id === message);
    } catch (error) {
      if (error instanceof Refused && error.status === 404) return false;
      throw error;
    }
  }

  #isShown(message_id: string): boolean {
    return [...this.#rooms.values()].some((room) => room.find(message_id) !== undefined);
  }

  #keepSoon(room: Timeline): void {
    const { keep } = this.means;
    const person = this.#session?.person;
    if (keep === null || person == null || this.#keepLater.has(room.name)) return;
    const cancel = this.#clock.after(KEEP_AFTER_MS, () => {
      this.#keepLater.delete(room.name);
      if (this.#session?.person?.id !== person.id) return;
      const { name, title, joined, surfaces, warnings } = room;
      const listed: RoomListed = { name, title, seq: 0, joined, surfaces, warnings: [...warnings] };
      const messages = room.messages.slice(-KEPT_MESSAGES);
      keep
        .putRoom({ id: `${person.id} ${name}`, person: person.id, listed, messages, read: room.read })
        .catch(() => undefined);
    });
    this.#keepLater.set(room.name, cancel);
  }

  /** Tells the page once for all that happens in one turn. */
  #changed(): void {
    if (this.#told) return;
    this.#told = true;
    queueMicrotask(() => {
      this.#told = false;
      for (const listener of this.#listeners) listener();
    });
  }
}

function after(room: Timeline): { after?: number } {
  return room.applied === null ? {} : { after: room.applied };
}
