// The chat as one thing: who is signed in, the line, the rooms, and what was written. No framework: a page calls
// the methods, and reads `view()` after each `onChange`.
import { type FileToSend, isSignedOut, NotReached } from "./api.ts";
import { type Clock, realClock } from "./clock.ts";
import { Line, type LineState } from "./line.ts";
import type { Means } from "./means.ts";
import { type Entry, Outbox } from "./outbox.ts";
import { after, Pages } from "./pages.ts";
import type { Change, Command, HelloBack, Page, Person, ServerFrame, Session } from "./protocol.ts";
import { merged, told } from "./rooms.ts";
import { Shelf } from "./shelf.ts";
import { Timeline } from "./timeline.ts";
import { roomView, type View } from "./view.ts";

const TYPING_EVERY_MS = 3_000;

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
  readonly #pages: Pages;
  readonly #shelf: Shelf;
  readonly #clock: Clock;

  constructor(private readonly means: Means) {
    this.#clock = means.clock ?? realClock;
    this.#shelf = new Shelf(means.keep, this.#clock, () => this.#session?.person?.id ?? null);
    this.#pages = new Pages(
      {
        send: (frame) => this.#line.send(frame),
        newest: (room, page) => this.#newest(room, page),
        failed: (error) => this.#notLoaded(error),
        changed: () => this.#changed(),
      },
      means.api,
      this.#clock,
    );
    this.#line = new Line(
      {
        ticket: async () => (await means.api.ticket()).ticket,
        open: (ticket) => means.open(ticket),
        reached: () => means.api.session().then(() => true, () => false),
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
    const rooms = [...this.#rooms.values()].map(roomView);
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
    this.#pages.want(name);
    const room = this.#rooms.get(name);
    return room === undefined || room.loaded ? Promise.resolve() : this.#pages.newest(room);
  }

  readonly older = (name: string): Promise<void> => this.#pages.older(this.#rooms.get(name));
  readonly newer = (name: string): Promise<void> => this.#pages.newer(this.#rooms.get(name));
  /** Gets the room's end, for a reader who is far above it. */
  readonly toEnd = (name: string): Promise<void> => this.#pages.end(this.#rooms.get(name));

  /** Gets the stretch of the room in which a message stands; false when it is not in the room. */
  async reach(name: string, message: string): Promise<boolean> {
    const room = this.#rooms.get(name);
    return room !== undefined && this.#pages.reach(room, message);
  }

  async join(name: string): Promise<void> {
    await this.means.api.join(name);
    await this.#listRooms();
    const room = this.#rooms.get(name);
    if (room !== undefined) this.#line.send({ kind: "watch", room: name, ...after(room) });
  }

  /** Asks again what surfaces the rooms reach: phones come and go without a word to the page. */
  async refresh(): Promise<void> {
    try {
      await this.#listRooms();
    } catch {
      // What is known stays; the line says how things are.
    }
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
    this.#shelf.soon(room);
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
        isShown: (room, message) => this.#pages.has(room, message),
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
      for (const room of await this.#shelf.rooms(person.id)) this.#rooms.set(room.name, room);
      await this.#outbox.load();
    } catch {
      this.#notice = "What an earlier visit kept on this device could not be read.";
    }
  }

  async #listRooms(): Promise<void> {
    const listed = await this.means.api.rooms();
    const me = this.#session?.person?.id ?? "";
    const { rooms, unknown } = merged(this.#rooms, listed, me);
    this.#rooms = rooms;
    this.#changed();
    // What was said since the last visit: counted once, by asking.
    await Promise.all(unknown.map((room) => this.#pages.countUnread(room, me).catch(() => undefined)));
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
    this.#pages.filled();
    for (const room of this.#rooms.values()) {
      if (this.#pages.isWanted(room) && room.applied !== null) void this.#pages.newest(room);
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
        if (this.#pages.isWanted(room)) await this.#pages.newest(room);
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
        this.#pages.filled(frame.room);
        if (room !== undefined && (frame.reset === true || !room.resumed(frame.seq))) void this.#pages.newest(room);
        break;
      }
      case "watching":
      case "deliveries":
      case "warnings":
      case "presence": {
        const room = this.#rooms.get(frame.room);
        if (room !== undefined) told(room, frame);
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
      case "typing":
        this.#typing(frame);
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
    if (applied === "gap") this.#pages.fill(room);
    if (applied === "lost") void this.#pages.newest(room);
    this.#outbox?.seen(change.message.message_id, change.change === "posted");
    this.#shelf.soon(room);
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

  #newest(room: Timeline, page: Page): void {
    room.newest(page);
    const me = this.#session?.person?.id;
    const unread = page.messages.filter(
      (message) => message.seq > room.read && message.sender.id !== me && message.gone === null,
    );
    room.unread = Math.max(room.unread, unread.length);
    for (const message of page.messages) this.#outbox?.seen(message.message_id, true);
    this.#shelf.soon(room);
  }

  #notLoaded(error: unknown): void {
    if (isSignedOut(error)) this.#lost();
    else if (!(error instanceof NotReached)) this.#notice = error instanceof Error ? error.message : String(error);
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

  #isShown(message_id: string): boolean {
    return [...this.#rooms.values()].some((room) => room.find(message_id) !== undefined);
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
