// What the chat stands on: given to it, so that tests can give others.
import type { Api } from "./api.ts";
import type { Clock } from "./clock.ts";
import type { Keep } from "./keep.ts";
import type { Socket } from "./line.ts";
import type { Session } from "./protocol.ts";

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
