// What a page is shown of the chat: replaced as a whole at each change, in which what did not change is the same object.
import type { LineState } from "./line.ts";
import type { Entry } from "./outbox.ts";
import type { Session } from "./protocol.ts";
import type { Timeline } from "./timeline.ts";

export type RoomView = Readonly<
  Pick<
    Timeline,
    "name" | "title" | "joined" | "surfaces" | "warnings" | "messages" | "before" | "after" | "loaded" | "stale" | "people" | "typing" | "read" | "unread"
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

export function roomView(room: Timeline): RoomView {
  const { name, title, joined, surfaces, warnings, messages, before, after, loaded, stale, people, typing, read, unread } = room;
  return { name, title, joined, surfaces, warnings, messages, before, after, loaded, stale, people, typing, read, unread };
}
