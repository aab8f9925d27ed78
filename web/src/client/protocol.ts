// What goes over the wire between a page and the hub, as docs/chat.md says it. Types only.

export type Surface = "web" | "sms" | "slack" | "button";
export type Role = "member" | "moderator" | "operator";

export interface Person {
  id: string;
  name: string;
  roles: Role[];
  expires_at: string;
}

/** GET /api/session */
export interface Session {
  person: Person | null;
  sign_in: { guests: boolean; oidc: null | { title: string; start: string } };
  limits: Limits;
  /** Which pages are here, by name. */
  pages: string[];
  version: number;
}

export interface Limits {
  text_chars: number;
  files: number;
  file_bytes: number;
  frame_bytes: number;
  name_chars: number;
}

export interface Warning {
  kind: string;
  count: number;
  words: string;
}

export interface RoomListed {
  name: string;
  title: string;
  /** The number of the room's last change. */
  seq: number;
  joined: boolean;
  surfaces: { slack: boolean; sms: "open" | "listed" | "off"; phones: number };
  warnings: Warning[];
}

export interface Attachment {
  name: string;
  content_type: string;
  size: number;
  url?: string;
  /** Instead of the file: why it is not here. */
  note?: string;
}

export interface Reaction {
  /** Slack's short name, such as `thumbsup`. */
  name: string;
  people: { id: string; name: string }[];
}

/** How a message fared on one surface, in words that can be shown. */
export interface SurfaceSummary {
  surface: Surface;
  total: number;
  delivered: number;
  sent: number;
  queued: number;
  failed: number;
  opted_out: number;
  words: string;
}

export interface Shown {
  message_id: string;
  room: string;
  /** The number of the change that posted it. */
  seq: number;
  revision: number | string;
  edited: boolean;
  gone: null | "deleted" | "retracted";
  sender: { surface: Surface; id: string; name: string };
  text: string;
  attachments: Attachment[];
  thread_parent?: string | null;
  time: string;
  reactions: Reaction[];
  deliveries: SurfaceSummary[];
}

export interface Page {
  room: string;
  seq: number;
  /** Oldest first. */
  messages: Shown[];
  /** Ask for older ones before this; null at the beginning of the room. */
  before: number | null;
  after: number | null;
}

export interface Found {
  room: string;
  messages: Shown[];
  before: number | null;
}

export interface DeliveryListed {
  surface: Surface;
  who: string;
  status: string;
  reason?: string;
  time: string;
}

export interface Uploaded {
  file: string;
  name: string;
  content_type: string;
  size: number;
  url: string;
}

export interface Present {
  id: string;
  name: string;
  surface: Surface;
}

export type ChangeKind = "posted" | "edited" | "deleted" | "reacted" | "retracted";

export interface Change {
  kind: "change";
  room: string;
  seq: number;
  change: ChangeKind;
  message: Shown;
}

export interface HelloBack {
  kind: "hello";
  version: number;
  connection: string;
  person: Person;
  now: string;
  expires_at: string;
  ping_s: number;
  rooms: Record<string, { seq: number; people: Present[] }>;
}

export type ServerFrame =
  | HelloBack
  | Change
  | { kind: "watching"; room: string; seq: number; people: Present[] }
  | { kind: "resumed"; room: string; seq: number; reset?: boolean }
  | { kind: "accepted"; id: string; message_id: string }
  | { kind: "refused"; id: string; code: string; reason: string; retry_after_s?: number }
  | { kind: "judged"; room: string; message_id: string; id?: string; verdict: "held" | "blocked"; reasons: readonly string[] }
  | { kind: "deliveries"; room: string; message_id: string; deliveries: SurfaceSummary[] }
  | { kind: "warnings"; room: string; warnings: Warning[] }
  | { kind: "typing"; room: string; person: { id: string; name: string }; for_ms: number }
  | { kind: "presence"; room: string; person: Present; here: boolean }
  | { kind: "pong"; id?: string; now: string }
  | { kind: "error"; code: string; reason: string; id?: string }
  | { kind: "resume"; reason: string };

export type Command =
  | { kind: "post"; text: string; thread_parent?: string }
  | { kind: "edit"; message_id: string; text: string }
  | { kind: "delete"; message_id: string }
  | { kind: "react"; message_id: string; reaction: string; added: boolean };

export type ClientFrame =
  | { kind: "hello"; version: 1; rooms: Record<string, { after?: number }> }
  | ({ id: string; room: string; files?: string[] } & Command)
  | { kind: "typing"; room: string }
  | { kind: "watch"; room: string; after?: number }
  | { kind: "unwatch"; room: string }
  | { kind: "ping"; id?: string };

/** The WebSocket subprotocol. */
export const SUBPROTOCOL = "switchboard.chat.v1";
