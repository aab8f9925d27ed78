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

  async older(room: Timeline): Promise<void> {
    if (!room.loaded || room.before === null || this.#loading.has(room.name)) return;
    const loading = this.api.history(room.name, { before: room.before, limit: PAGE }).then((page) => room.older(page));
    await this.#while(room.name, loading);
  }

  /** Loads older pages until a message is here; false when it is not in the room. */
  async reach(room: Timeline, message: { message_id: string; seq: number }): Promise<boolean> {
    if (!room.loaded) await this.newest(room);
    while (room.find(message.message_id) === undefined && room.before !== null && room.before >= message.seq) {
      const before: number = room.before;
      await this.older(room);
      if (room.before === before) break;
    }
    return room.find(message.message_id) !== undefined;
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
