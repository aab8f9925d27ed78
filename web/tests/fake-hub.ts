// A hub for tests of the page's own code: the protocol of docs/chat.md, in memory, without judgement, phones or
// Slack. It is never shipped; the browser stories run against the real one.
import type { Socket } from "../src/client/line.ts";
import type { Change, ClientFrame, Person, RoomListed, ServerFrame, Session, Shown } from "../src/client/protocol.ts";

const LIMITS = { text_chars: 4000, files: 4, file_bytes: 5_000_000, frame_bytes: 65_536, name_chars: 40 };

interface Room {
  listed: RoomListed;
  messages: Shown[];
  changes: Change[];
}

export class FakeSocket implements Socket {
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  readonly sent: ClientFrame[] = [];
  closed = false;
  /** While true, what the hub says is lost on the way. */
  deaf = false;

  constructor(private readonly hub: FakeHub) {}

  send(text: string): void {
    const frame = JSON.parse(text) as ClientFrame;
    this.sent.push(frame);
    if (!this.closed) this.hub.hears(this, frame);
  }
  close(): void {
    this.break(1000);
  }
  say(frame: ServerFrame): void {
    if (!this.closed && !this.deaf) this.onmessage?.({ data: JSON.stringify(frame) });
  }
  break(code: number): void {
    if (this.closed) return;
    this.closed = true;
    this.hub.gone(this);
    this.onclose?.({ code });
  }
}

export class FakeHub {
  readonly person: Person = { id: "p1", name: "Ann", roles: ["member"], expires_at: "2027-01-01T00:00:00Z" };
  readonly sockets: FakeSocket[] = [];
  readonly rooms = new Map<string, Room>();
  readonly asked: string[] = [];
  /** What the next frames with an id are answered with, instead of being done. */
  readonly refusals: { code: string; reason: string; retry_after_s?: number }[] = [];
  readonly accepted = new Map<string, string>();
  reachable = true;
  signedIn = true;
  /** Answers to frames with an id are left out. */
  silent = false;
  lifeMs = 3_600_000;
  /** Posts are accepted under this id, and stopped by moderation. */
  stopping: string | null = null;
  uploads = 0;
  /** Answers the next question in the hub's place. */
  answering: (() => Promise<Response>) | null = null;

  constructor(names: string[] = ["lobby"]) {
    for (const name of names) {
      const listed: RoomListed = {
        name, title: name, seq: 0, joined: true, surfaces: { slack: false, sms: "off", phones: 0 }, warnings: [],
      };
      this.rooms.set(name, { listed, messages: [], changes: [] });
    }
  }

  get session(): Session {
    const sign_in = { guests: true, oidc: null };
    return { person: this.signedIn ? this.person : null, sign_in, limits: LIMITS, pages: ["chat", "sandbox"], version: 1 };
  }

  room(name: string): Room {
    const room = this.rooms.get(name);
    if (room === undefined) throw new Error(`no room ${name}`);
    return room;
  }

  open = (): FakeSocket => {
    const socket = new FakeSocket(this);
    queueMicrotask(() => {
      if (!this.reachable) return socket.break(1006);
      this.sockets.push(socket);
      socket.onopen?.();
    });
    return socket;
  };

  gone(socket: FakeSocket): void {
    const at = this.sockets.indexOf(socket);
    if (at >= 0) this.sockets.splice(at, 1);
  }

  /** Everything breaks. */
  cut(code = 1006): void {
    for (const socket of [...this.sockets]) socket.break(code);
  }

  /** Somebody says something. */
  say(room: string, text: string, sender: Shown["sender"] = { surface: "sms", id: "s1", name: "Sam" }): Shown {
    const { messages } = this.room(room);
    const seq = this.room(room).listed.seq + 1;
    const message: Shown = {
      message_id: `m-${room}-${seq}`, room, seq, revision: 1, edited: false, gone: null, sender, text,
      attachments: [], thread_parent: null, time: new Date(1_800_000_000_000 + seq * 1000).toISOString(),
      reactions: [], deliveries: [],
    };
    messages.push(message);
    this.#change(room, "posted", message);
    return message;
  }

  edit(room: string, message_id: string, text: string): void {
    const { messages } = this.room(room);
    const at = messages.findIndex((one) => one.message_id === message_id);
    const changed = { ...messages[at], text, edited: true } as Shown;
    messages[at] = changed;
    this.#change(room, "edited", changed);
  }

  #change(name: string, change: Change["change"], message: Shown): void {
    const room = this.room(name);
    room.listed.seq += 1;
    const frame: Change = { kind: "change", room: name, seq: room.listed.seq, change, message };
    room.changes.push(frame);
    for (const socket of [...this.sockets]) socket.say(frame);
  }

  hears(socket: FakeSocket, frame: ClientFrame): void {
    if (frame.kind === "hello") {
      const rooms = Object.fromEntries(
        Object.keys(frame.rooms).map((name) => [name, { seq: this.room(name).listed.seq, people: [] }]),
      );
      const now = Date.now();
      const [said, ends] = [new Date(now).toISOString(), new Date(now + this.lifeMs).toISOString()];
      socket.say({
        kind: "hello", version: 1, connection: "c", person: this.person, now: said, expires_at: ends, ping_s: 30, rooms,
      });
      for (const [name, { after }] of Object.entries(frame.rooms)) this.#resume(socket, name, after);
    } else if (frame.kind === "watch") {
      const { seq } = this.room(frame.room).listed;
      socket.say({ kind: "watching", room: frame.room, seq, people: [] });
      this.#resume(socket, frame.room, frame.after);
    } else if (frame.kind === "ping") socket.say({ kind: "pong", now: "" });
    else if ("id" in frame && frame.kind !== undefined && "room" in frame) {
      this.#command(socket, frame as Extract<ClientFrame, { room: string; id: string }>);
    }
  }

  #resume(socket: FakeSocket, name: string, after: number | undefined): void {
    const room = this.room(name);
    if (after !== undefined) for (const change of room.changes) if (change.seq > after) socket.say(change);
    socket.say({ kind: "resumed", room: name, seq: room.listed.seq });
  }

  #command(socket: FakeSocket, frame: Extract<ClientFrame, { room: string; id: string }>): void {
    const refusal = this.refusals.shift();
    if (refusal !== undefined) return socket.say({ kind: "refused", id: frame.id, ...refusal });
    const known = this.accepted.get(frame.id);
    const answer = (message_id: string): void => {
      this.accepted.set(frame.id, message_id);
      if (!this.silent) socket.say({ kind: "accepted", id: frame.id, message_id });
    };
    if (known !== undefined) return answer(known);
    if (this.stopping !== null) return answer(this.stopping);
    if (frame.kind === "post") {
      answer(`m-${frame.room}-${this.room(frame.room).listed.seq + 1}`);
      this.say(frame.room, frame.text, { surface: "web", id: this.person.id, name: this.person.name });
    } else if (frame.kind === "edit") {
      answer(frame.message_id);
      this.edit(frame.room, frame.message_id, frame.text);
    } else answer(frame.message_id);
  }

  /** What `fetch` is given. */
  fetch = async (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    const url = new URL(String(input), "http://hub");
    const what = `${init?.method ?? "GET"} ${url.pathname}${url.search}`;
    this.asked.push(what);
    const { answering } = this;
    this.answering = null;
    if (answering !== null) return answering();
    if (!this.reachable) throw new TypeError("fetch failed");
    const answer = (body: unknown, status = 200): Response => new Response(JSON.stringify(body), { status });
    if (url.pathname === "/api/session" && init?.method === "DELETE") {
      this.signedIn = false;
      return answer(null);
    }
    if (url.pathname === "/api/session") return answer(this.session);
    if (url.pathname === "/api/session/guest") {
      this.signedIn = true;
      return answer(this.session);
    }
    if (!this.signedIn) return answer({ error: "sign in first", code: "signed_out" }, 401);
    if (url.pathname === "/api/tickets") return answer({ ticket: "t", expires_at: "" });
    if (url.pathname === "/api/rooms") return answer({ rooms: [...this.rooms.values()].map(({ listed }) => ({ ...listed })) });
    const history = /^\/api\/rooms\/([^/]+)\/history$/.exec(url.pathname);
    if (history !== null) return answer(this.#history(history[1] ?? "", url.searchParams));
    if (url.pathname.endsWith("/files")) {
      this.uploads += 1;
      return answer({ file: `f${this.uploads}`, name: "n", content_type: "image/png", size: 1, url: "/media/1" });
    }
    return answer({ error: "no such path", code: "not_found" }, 404);
  };

  #history(name: string, query: URLSearchParams): unknown {
    const room = this.room(name);
    const wanted = query.get("message");
    if (wanted !== null) {
      const at = room.messages.findIndex((one) => one.message_id === wanted);
      const half = Math.ceil(Number(query.get("limit") ?? 50) / 2);
      const messages = at < 0 ? [] : room.messages.slice(Math.max(0, at + 1 - half), at + 1 + half);
      const [first, last] = [messages[0], messages.at(-1)];
      const before = first === room.messages[0] ? null : (first?.seq ?? null);
      return { room: name, seq: room.listed.seq, messages, before, after: last === room.messages.at(-1) ? null : (last?.seq ?? null) };
    }
    const limit = Number(query.get("limit") ?? 50);
    const after = query.get("after");
    const before = Number(query.get("before") ?? Infinity);
    const fitting = room.messages.filter((one) => (after === null ? one.seq < before : one.seq > Number(after)));
    const messages = after === null ? fitting.slice(-limit) : fitting.slice(0, limit);
    const more = fitting.length > messages.length;
    const first = messages[0]?.seq ?? null;
    const next = after !== null && more ? (messages.at(-1)?.seq ?? null) : null;
    return { room: name, seq: room.listed.seq, messages, before: after === null && more ? first : null, after: next };
  }
}

/** Time that passes when the test says so. */
export class FakeClock {
  #now = 1_800_000_000_000;
  #timers: { at: number; call: () => void }[] = [];

  now = (): number => this.#now;
  random = (): number => 0.5;
  after = (ms: number, call: () => void): (() => void) => {
    const timer = { at: this.#now + ms, call };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((one) => one !== timer);
    };
  };
  async pass(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      await settle();
      const next = this.#timers.filter((one) => one.at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((one) => one !== next);
      this.#now = Math.max(this.#now, next.at);
      next.call();
    }
    this.#now = end;
    await settle();
  }
}

/** Lets everything that is ready happen. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}
