// The hub's HTTP side, each call with the two ways in which it can go wrong: refused with a reason, or not reached.
import type { DeliveryListed, Found, Page, RoomListed, Session, Uploaded } from "./protocol.ts";

/** The hub answered no. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    reason: string,
    readonly retryAfterS: number | null,
  ) {
    super(reason);
  }
}

/** The hub did not answer, or something between did that is not the hub. */
export class NotReached extends Error {}

export interface FileToSend {
  name: string;
  content_type: string;
  blob: Blob;
}

/** How long an answer may take. */
const ANSWER_WITHIN_MS = 15_000;
/** A file takes as long as its way is slow. */
const UPLOAD_WITHIN_MS = 300_000;

export class Api {
  readonly #fetch: typeof fetch;

  constructor(fetcher: typeof fetch = (...given) => fetch(...given)) {
    this.#fetch = fetcher;
  }

  session = (): Promise<Session> => this.#ask("GET", "/api/session");
  signInAsGuest = (name: string): Promise<Session> => this.#ask("POST", "/api/session/guest", { name });
  signOut = (): Promise<void> => this.#ask("DELETE", "/api/session");
  ticket = (): Promise<{ ticket: string; expires_at: string }> => this.#ask("POST", "/api/tickets", {});
  rooms = async (): Promise<RoomListed[]> => (await this.#ask<{ rooms: RoomListed[] }>("GET", "/api/rooms")).rooms;
  join = (room: string): Promise<void> => this.#ask("PUT", `${path(room)}/membership`);
  leave = (room: string): Promise<void> => this.#ask("DELETE", `${path(room)}/membership`);

  /** The newest page, or the one before or after a number, or around a message. */
  history(room: string, part: { before?: number; after?: number; message?: string; limit?: number } = {}): Promise<Page> {
    return this.#ask("GET", `${path(room)}/history${query(part)}`);
  }

  search(room: string, words: string, before?: number | null): Promise<Found> {
    return this.#ask("GET", `${path(room)}/search${query({ q: words, before })}`);
  }

  async deliveries(room: string, message: string): Promise<DeliveryListed[]> {
    const found = await this.#ask<{ deliveries: DeliveryListed[] }>(
      "GET",
      `${path(room)}/messages/${encodeURIComponent(message)}/deliveries`,
    );
    return found.deliveries;
  }

  upload(room: string, file: FileToSend): Promise<Uploaded> {
    const type = file.content_type || "application/octet-stream";
    const headers = { "content-type": type, "x-file-name": encodeURIComponent(file.name) };
    return this.#send("POST", `${path(room)}/files`, headers, file.blob, UPLOAD_WITHIN_MS);
  }

  #ask<T>(method: string, address: string, body?: unknown): Promise<T> {
    const headers: Record<string, string> = body === undefined ? {} : { "content-type": "application/json" };
    return this.#send(method, address, headers, body === undefined ? null : JSON.stringify(body), ANSWER_WITHIN_MS);
  }

  async #send<T>(
    method: string,
    address: string,
    headers: Record<string, string>,
    body: BodyInit | null,
    withinMs: number,
  ): Promise<T> {
    let response: Response;
    let text: string;
    try {
      const signal = AbortSignal.timeout(withinMs);
      response = await this.#fetch(address, { method, headers, body, signal, credentials: "same-origin" });
      text = await response.text();
    } catch (error) {
      throw new NotReached(error instanceof Error ? error.message : String(error));
    }
    const answer = read(text);
    if (response.ok) return answer as T;
    const said = (answer ?? {}) as { error?: unknown; code?: unknown; retry_after_s?: unknown };
    if (typeof said.error !== "string") {
      // 502 to 504 without our words are a proxy's.
      if (response.status >= 500) throw new NotReached(`the answer was ${response.status}`);
      throw new Refused(response.status, "unknown", `The hub answered ${response.status}.`, null);
    }
    const code = typeof said.code === "string" ? said.code : "unknown";
    const after = typeof said.retry_after_s === "number" ? said.retry_after_s : null;
    throw new Refused(response.status, code, said.error, after);
  }
}

/** Does the refusal mean that nobody is signed in (any more)? */
export function isSignedOut(error: unknown): boolean {
  return error instanceof Refused && (error.status === 401 || error.code === "signed_out");
}

function read(text: string): unknown {
  if (text === "") return null;
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function path(room: string): string {
  return `/api/rooms/${encodeURIComponent(room)}`;
}

function query(parts: Record<string, string | number | null | undefined>): string {
  const given = Object.entries(parts).filter(([, value]) => value !== undefined && value !== null);
  if (given.length === 0) return "";
  return `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}`;
}
