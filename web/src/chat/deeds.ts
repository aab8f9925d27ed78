// What can be done with a message, given down to where it is shown.
import type { Shown } from "../client/protocol.ts";

export interface Deeds {
  reply(message: Shown): void;
  react(message: Shown, name: string): void;
  edit(message: Shown, text: string): void;
  delete(message: Shown): void;
  /** Shows the thread that a message begins or stands in. */
  thread(message: Shown): void;
  deliveries(message: Shown): void;
  /** What was open on a message, and had the focus, is closed. */
  closed(message: Shown, article: HTMLElement): void;
  sendAgain(id: string): void;
  discard(id: string): void;
  /** Puts what was not sent back into the writing box. */
  rewrite(id: string): void;
}
