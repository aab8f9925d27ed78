// The line to the hub: one WebSocket that is replaced when it breaks, falls silent, or is about to expire.
//
//   closed ─start─▶ connecting ─hello─▶ open ─breaks─▶ waiting ─▶ connecting …
//                                        └─ expires soon: the next one opens beside it and takes over at its hello
//
// What is missed while it is down is not its business: the owner says in `hello()` where it stands, and the hub
// sends what came after. Two connections may overlap for a moment; whoever listens knows changes by their number.
import { isSignedOut, Refused } from "./api.ts";
import { backoffMs, type Clock } from "./clock.ts";
import type { ClientFrame, HelloBack, ServerFrame } from "./protocol.ts";

export type LineState =
  | { kind: "closed" }
  | { kind: "connecting"; attempt: number }
  | { kind: "open" }
  /** `hub`: what is known of the hub where it was reached and gave no connection. */
  | { kind: "waiting"; until: number; reason: string; hub: string | null; attempt: number }
  | { kind: "signed_out" };

/** What we use of a WebSocket. */
export interface Socket {
  send(text: string): void;
  close(code?: number): void;
  onopen: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number }) => void) | null;
}

export interface LineOwner {
  /** A fresh single-use ticket; rejects when signed out or not reached. */
  ticket(): Promise<string>;
  open(ticket: string): Socket;
  /** Does the hub answer other questions? */
  reached(): Promise<boolean>;
  /** Where the owner stands, for the first frame. */
  hello(): Extract<ClientFrame, { kind: "hello" }>["rooms"];
  frame(frame: Exclude<ServerFrame, HelloBack>): void;
  /** A connection is ready; called again for each one that takes over. */
  ready(hello: HelloBack): void;
  changed(state: LineState): void;
}

const HELLO_WITHIN_MS = 10_000;
/** A connection that lived this long was a good one: the next failure starts the waiting anew. */
const GOOD_AFTER_MS = 10_000;
/** How long before its end a connection is replaced. */
const REPLACE_BEFORE_MS = 60_000;
const REPLACE_AGAIN_MS = 10_000;
const SIGNED_OUT = 4401;

/** A browser does not say why a socket was not opened; this is what can be. */
const NOT_OPENED = "The hub is reached, but gives no connection: too many pages may be open, or something on the way lets none through.";

interface Attempt {
  socket: Socket;
  opened: boolean;
  over: boolean;
  cancel: (() => void)[];
}

export class Line {
  #state: LineState = { kind: "closed" };
  #current: Attempt | null = null;
  #next: Attempt | null = null;
  #attempts = 0;
  #generation = 0;
  #heardAt = 0;
  #openedAt = 0;
  #reason = "";
  #cancelWait: (() => void) | null = null;

  constructor(
    private readonly owner: LineOwner,
    private readonly clock: Clock,
  ) {}

  get state(): LineState {
    return this.#state;
  }

  start(): void {
    if (this.#state.kind === "closed" || this.#state.kind === "signed_out") {
      this.#attempts = 0;
      void this.#connect();
    }
  }

  stop(): void {
    this.#drop();
    this.#set({ kind: "closed" });
  }

  /** Now, rather than when the wait is over: the network came back, or somebody asked. */
  tryNow(): void {
    if (this.#state.kind === "waiting") void this.#connect();
  }

  /** False when there is no open connection; nothing is kept here. */
  send(frame: ClientFrame): boolean {
    if (this.#state.kind !== "open" || this.#current === null) return false;
    this.#current.socket.send(JSON.stringify(frame));
    return true;
  }

  /** Asks for a sign of life; a connection that gives none is replaced. */
  check(): void {
    const current = this.#current;
    if (current === null || !this.send({ kind: "ping" })) return;
    const asked = this.clock.now();
    const cancel = this.clock.after(HELLO_WITHIN_MS, () => {
      if (this.#heardAt < asked && !current.over) this.#broke(current, "the connection fell silent");
    });
    current.cancel.push(cancel);
  }

  async #connect(): Promise<void> {
    this.#cancelWait?.();
    this.#cancelWait = null;
    const generation = ++this.#generation;
    this.#set({ kind: "connecting", attempt: this.#attempts });
    try {
      const ticket = await this.owner.ticket();
      if (generation !== this.#generation) return;
      this.#next = this.#open(ticket);
    } catch (error) {
      if (generation !== this.#generation) return;
      if (isSignedOut(error)) this.#signedOut();
      else {
        const words = error instanceof Error ? error.message : "the hub was not reached";
        this.#wait(words, error instanceof Refused ? words : null);
      }
    }
  }

  #open(ticket: string): Attempt {
    const attempt: Attempt = { socket: this.owner.open(ticket), opened: false, over: false, cancel: [] };
    const { socket } = attempt;
    const late = (): void => this.#broke(attempt, "the hub did not answer");
    attempt.cancel.push(this.clock.after(HELLO_WITHIN_MS, late));
    socket.onopen = () => {
      attempt.opened = true;
      socket.send(JSON.stringify({ kind: "hello", version: 1, rooms: this.owner.hello() } satisfies ClientFrame));
    };
    socket.onmessage = (event) => {
      if (attempt.over) return;
      const frame = parse(event.data);
      if (frame === null) return;
      this.#heardAt = this.clock.now();
      if (frame.kind === "hello") this.#takeOver(attempt, frame);
      else {
        if (frame.kind === "resume") this.#reason = frame.reason;
        this.owner.frame(frame);
      }
    };
    socket.onclose = (event) => {
      if (event.code === SIGNED_OUT && !attempt.over) {
        this.#end(attempt);
        this.#signedOut();
      } else {
        this.#broke(attempt, this.#reason || "the connection was lost");
        if (!attempt.opened) void this.#askWhy();
      }
    };
    return attempt;
  }

  #takeOver(attempt: Attempt, hello: HelloBack): void {
    const before = this.#current;
    for (const cancel of attempt.cancel.splice(0)) cancel();
    this.#current = attempt;
    if (this.#next === attempt) this.#next = null;
    if (before !== null && before !== attempt) this.#end(before);
    this.#openedAt = this.clock.now();
    this.#reason = "";
    this.#set({ kind: "open" });
    this.owner.ready(hello);
    this.#keepAlive(attempt, hello.ping_s * 1000);
    const life = Date.parse(hello.expires_at) - Date.parse(hello.now);
    if (Number.isFinite(life)) this.#replaceBeforeEnd(attempt, life);
  }

  #keepAlive(attempt: Attempt, everyMs: number): void {
    if (!(everyMs > 0)) return;
    const beat = (): void => {
      if (attempt.over) return;
      if (this.clock.now() - this.#heardAt > everyMs * 2.5) {
        this.#broke(attempt, "the connection fell silent");
        return;
      }
      this.send({ kind: "ping" });
      attempt.cancel.push(this.clock.after(everyMs, beat));
    };
    attempt.cancel.push(this.clock.after(everyMs, beat));
  }

  #replaceBeforeEnd(attempt: Attempt, lifeMs: number): void {
    const early = Math.min(REPLACE_BEFORE_MS, lifeMs / 2);
    const replace = async (): Promise<void> => {
      if (attempt.over || this.#current !== attempt) return;
      try {
        const ticket = await this.owner.ticket();
        if (this.#current === attempt && !attempt.over) this.#next ??= this.#open(ticket);
      } catch {
        // The old one still lives; its end is dealt with when it comes.
        attempt.cancel.push(this.clock.after(REPLACE_AGAIN_MS, () => void replace()));
      }
    };
    // A timer holds 2^31 ms at most.
    const wait = Math.min(Math.max(lifeMs - early, 1000), 2 ** 31 - 1);
    attempt.cancel.push(this.clock.after(wait, () => void replace()));
  }

  #broke(attempt: Attempt, reason: string): void {
    if (attempt.over) return;
    this.#end(attempt);
    if (attempt === this.#next) {
      this.#next = null;
      if (this.#current !== null) {
        const current = this.#current;
        this.#replaceBeforeEnd(current, REPLACE_AGAIN_MS * 2);
        return;
      }
    } else if (attempt === this.#current) {
      this.#current = null;
      if (this.clock.now() - this.#openedAt >= GOOD_AFTER_MS) this.#attempts = 0;
      if (this.#next !== null) {
        // Its replacement is on the way already.
        this.#set({ kind: "connecting", attempt: this.#attempts });
        return;
      }
    } else return;
    this.#wait(reason);
  }

  async #askWhy(): Promise<void> {
    const waiting = this.#state;
    if (waiting.kind !== "waiting" || !(await this.owner.reached()) || this.#state !== waiting) return;
    this.#set({ ...waiting, hub: NOT_OPENED });
  }

  #wait(reason: string, hub: string | null = null): void {
    const ms = backoffMs(this.#attempts, this.clock);
    this.#attempts += 1;
    this.#set({ kind: "waiting", until: this.clock.now() + ms, reason, hub, attempt: this.#attempts });
    this.#cancelWait = this.clock.after(ms, () => void this.#connect());
  }

  #signedOut(): void {
    this.#drop();
    this.#set({ kind: "signed_out" });
  }

  #drop(): void {
    this.#generation += 1;
    this.#cancelWait?.();
    this.#cancelWait = null;
    for (const attempt of [this.#current, this.#next]) if (attempt !== null) this.#end(attempt);
    this.#current = this.#next = null;
  }

  #end(attempt: Attempt): void {
    if (attempt.over) return;
    attempt.over = true;
    for (const cancel of attempt.cancel.splice(0)) cancel();
    attempt.socket.close(1000);
  }

  #set(state: LineState): void {
    this.#state = state;
    this.owner.changed(state);
  }
}

function parse(data: unknown): ServerFrame | null {
  if (typeof data !== "string") return null;
  try {
    const frame: unknown = JSON.parse(data);
    return typeof frame === "object" && frame !== null && "kind" in frame ? (frame as ServerFrame) : null;
  } catch {
    return null;
  }
}
