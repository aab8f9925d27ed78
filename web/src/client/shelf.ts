// The last page of each room, kept on this device for a start without the hub.
import type { Clock } from "./clock.ts";
import type { Keep } from "./keep.ts";
import type { RoomListed } from "./protocol.ts";
import { Timeline } from "./timeline.ts";

const KEEP_AFTER_MS = 1_000;
const KEPT_MESSAGES = 100;

export class Shelf {
  #later = new Map<string, () => void>();

  /** `person`: who is signed in now. */
  constructor(
    private readonly keep: Keep | null,
    private readonly clock: Clock,
    private readonly person: () => string | null,
  ) {}

  /** The rooms as they were left. */
  async rooms(person: string): Promise<Timeline[]> {
    const kept = (await this.keep?.rooms(person)) ?? [];
    return kept.map(({ listed, read, messages }) => {
      const room = new Timeline(listed, person);
      room.read = read;
      room.remembered(messages);
      return room;
    });
  }

  /** Keeps a room as it will be in a moment. */
  soon(room: Timeline): void {
    const { keep } = this;
    const person = this.person();
    if (keep === null || person === null || this.#later.has(room.name)) return;
    const cancel = this.clock.after(KEEP_AFTER_MS, () => {
      this.#later.delete(room.name);
      if (this.person() !== person) return;
      const { name, title, joined, surfaces, warnings } = room;
      const listed: RoomListed = { name, title, seq: 0, joined, surfaces, warnings: [...warnings] };
      // Far above the end, what stood there is kept as it was.
      if (room.after !== null) return;
      const messages = room.messages.slice(-KEPT_MESSAGES);
      keep.putRoom({ id: `${person} ${name}`, person, listed, messages, read: room.read }).catch(() => undefined);
    });
    this.#later.set(room.name, cancel);
  }
}
