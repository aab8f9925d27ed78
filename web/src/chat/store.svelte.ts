// The chat as Svelte sees it: one value that is replaced at each change.
import { Api } from "../client/api.ts";
import { Chat } from "../client/chat.ts";
import { type Keep, openKeep } from "../client/keep.ts";
import type { Socket } from "../client/line.ts";
import { type Session, SUBPROTOCOL } from "../client/protocol.ts";
import type { View } from "../client/view.ts";

const REMEMBERED = "session";

export class Store {
  readonly chat: Chat;
  readonly api: Api;
  view = $state.raw<View>() as View;

  constructor(keep: Keep | null, api = new Api()) {
    this.api = api;
    this.chat = new Chat({
      api,
      keep,
      open: (ticket) => {
        const address = new URL("/api/socket", location.href);
        address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
        address.searchParams.set("ticket", ticket);
        // What is declared of its handlers differs by `this`, which nobody uses.
        return new WebSocket(address, SUBPROTOCOL) as unknown as Socket;
      },
      newId,
      remembered: { get: remembered, set: remember },
    });
    this.view = this.chat.view();
    this.chat.onChange(() => {
      this.view = this.chat.view();
    });
  }

  /** Begins, and wakes the line when the network or the reader comes back. */
  async run(): Promise<void> {
    addEventListener("online", () => this.chat.wake());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.chat.wake();
    });
    await this.chat.start();
  }
}

/** `crypto.randomUUID` is not there where the hub is reached without TLS from another machine. */
function newId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The store of this browser, or none. */
export async function browserKeep(): Promise<Keep | null> {
  try {
    return await openKeep();
  } catch {
    return null;
  }
}

/** Who was signed in last: enough to show what is kept here when the hub is not reached. No secret is in it. */
function remembered(): Session | null {
  try {
    return JSON.parse(localStorage.getItem(REMEMBERED) ?? "null") as Session | null;
  } catch {
    return null;
  }
}

function remember(session: Session | null): void {
  try {
    if (session === null) localStorage.removeItem(REMEMBERED);
    else localStorage.setItem(REMEMBERED, JSON.stringify(session));
  } catch {
    // A browser that keeps nothing starts anew each time.
  }
}
