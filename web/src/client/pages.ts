// Which parts of the rooms are here, and getting the others: the newest page, older ones, what is missing in between.
import { type Api, Refused } from "./api.ts";
import type { Clock } from "./clock.ts";
import type { ClientFrame, Page } from "./protocol.ts";
import type { Timeline } from "./timeline.ts";

const FILL_WITHIN_MS = 5_000;
const PAGE = 50;

export interface PagesOwner {
  send(frame: ClientFrame): boolean;
  /** A room's newest page has come. */
  newest(room: Timeline, page: Page): void;
  failed(error: unknown): void;
  changed(): void;
}

export class Pages {
  #filling = new Set<string>();
  /** Rooms that somebody looks at: they are loaded as soon as they can be. */
  #wanted = new Set<string>();
  #loading = new Map<string, Promise<void>>();

  constructor(
    private readonly owner: PagesOwner,
    private readonly api: Api,
    private readonly clock: Clock,
  ) {}

  want(name: string): void {
    this.#wanted.add(name);
  }
  isWanted(room: Timeline): boolean {
    return this.#wanted.has(room.name) && !room.loaded;
  }

  newest(room: Timeline): Promise<void> {
    const already = this.#loading.get(room.name);
    if (already !== undefined) return already;
    const loading = this.api.history(room.name, { limit: PAGE }).then((page) => this.owner.newest(room, page));
    return this.#while(room.name, loading);
  }

  async older(room: Timeline | undefined): Promise<void> {
    if (room?.loaded !== true || room.before === null || this.#loading.has(room.name)) return;
    const loading = this.api.history(room.name, { before: room.before, limit: PAGE }).then((page) => room.older(page));
    await this.#while(room.name, loading);
  }

  async newer(room: Timeline | undefined): Promise<void> {
    if (room?.loaded !== true || room.after === null || this.#loading.has(room.name)) return;
    const loading = this.api.history(room.name, { after: room.after, limit: PAGE }).then((page) => room.newer(page));
    await this.#while(room.name, loading);
  }

  async end(room: Timeline | undefined): Promise<void> {
    if (room !== undefined && room.after !== null) await this.newest(room);
  }

  /** Gets the stretch of the room in which a message stands; false when it is not in the room, or nobody can say. */
  async reach(room: Timeline, message: string): Promise<boolean> {
    if (!room.loaded) await this.newest(room);
    await this.#loading.get(room.name);
    if (room.loaded && room.find(message) === undefined) {
      const loading = this.api.history(room.name, { message, limit: PAGE }).then((page) => room.around(page));
      await this.#while(room.name, loading);
    }
    return room.find(message) !== undefined;
  }

  /** Something is missing: ask for what came after the last that is here; if that does not help, for the newest page. */
  fill(room: Timeline): void {
    if (this.#filling.has(room.name)) return;
    this.#filling.add(room.name);
    const from = room.applied;
    this.owner.send({ kind: "watch", room: room.name, ...after(room) });
    this.clock.after(FILL_WITHIN_MS, () => {
      if (!this.#filling.delete(room.name)) return;
      if (room.applied === from) void this.newest(room);
    });
  }

  /** What was missing in this room, or in all of them, has been sent. */
  filled(name?: string): void {
    if (name === undefined) this.#filling.clear();
    else this.#filling.delete(name);
  }

  /** Is this message in the room? Rejects when nobody can say. */
  async has(name: string, message: string): Promise<boolean> {
    try {
      const page = await this.api.history(name, { message, limit: 1 });
      return page.messages.some((one) => one.message_id === message);
    } catch (error) {
      if (error instanceof Refused && error.status === 404) return false;
      throw error;
    }
  }

  /** Counts what others said since the room was read, by asking once. */
  async countUnread(room: Timeline, me: string): Promise<void> {
    const page = await this.api.history(room.name, { after: room.read, limit: 100 });
    if (room.loaded) return;
    const unread = page.messages.filter((message) => message.sender.id !== me && message.gone === null);
    room.unread = Math.max(room.unread, unread.length);
    this.owner.changed();
  }

  async #while(name: string, loading: Promise<void>): Promise<void> {
    this.#loading.set(name, loading);
    try {
      await loading;
    } catch (error) {
      this.owner.failed(error);
    } finally {
      this.#loading.delete(name);
      this.owner.changed();
    }
  }
}

/** Where a room is to be listened to from. */
export function after(room: Timeline): { after?: number } {
  return room.applied === null ? {} : { after: room.applied };
}
