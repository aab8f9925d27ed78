// Times, sizes and names in words.
import type { Surface } from "../client/protocol.ts";

export const SURFACES: Record<Surface, string> = { web: "web", sms: "SMS", slack: "Slack", button: "button" };

/** A surface of a newer hub is shown by its own name. */
export function surfaceWord(surface: Surface): string {
  return SURFACES[surface] ?? surface;
}

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const DAY_AND_YEAR = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long", year: "numeric" });
const WHOLE = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });

export function clockTime(time: string): string {
  return format(CLOCK, time);
}

export function wholeTime(time: string): string {
  return format(WHOLE, time);
}

function format(how: Intl.DateTimeFormat, time: string): string {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? "" : how.format(date);
}

/** `2026-11-22`, where the reader is. */
export function dayKey(time: string | number): string {
  const date = new Date(time);
  return `${date.getFullYear()}-${date.getMonth() + 1}-${date.getDate()}`;
}

export function dayWords(time: string | number, now: Date): string {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return "";
  if (dayKey(date.getTime()) === dayKey(now.getTime())) return "Today";
  const yesterday = new Date(now.getFullYear(), now.getMonth(), now.getDate() - 1);
  if (dayKey(date.getTime()) === dayKey(yesterday.getTime())) return "Yesterday";
  return (date.getFullYear() === now.getFullYear() ? DAY : DAY_AND_YEAR).format(date);
}

export function sizeWords(bytes: number): string {
  if (bytes < 1000) return `${bytes} bytes`;
  if (bytes < 1_000_000) return `${Math.round(bytes / 1000)} kB`;
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}

/** "Ann", "Ann and Bob", "Ann, Bob and 3 more". */
export function nameList(names: readonly string[], most = 3): string {
  if (names.length <= 1) return names[0] ?? "";
  const shown = names.length > most ? names.slice(0, most - 1) : names.slice(0, -1);
  const rest = names.length - shown.length;
  return `${shown.join(", ")} and ${rest > 1 ? `${rest} more` : (names.at(-1) ?? "")}`;
}

/** A reason of the hub's, as a sentence. */
export function sentence(reason: string): string {
  const [first = ""] = reason;
  return first.toUpperCase() + reason.slice(first.length) + (/[.!?…]$/u.test(reason) ? "" : ".");
}

/** Two letters for a picture of a person. */
export function initials(name: string): string {
  const words = name.replace(/[^\p{L}\p{N}\s]/gu, "").trim().split(/\s+/u).filter((word) => word !== "");
  const first = [...(words[0] ?? "?")][0] ?? "?";
  const last = words.length > 1 ? ([...(words.at(-1) ?? "")][0] ?? "") : "";
  return (first + last).toUpperCase();
}

/** One of eight colours, always the same for the same person. */
export function hue(id: string): number {
  let sum = 0;
  for (const character of id) sum = (sum * 31 + (character.codePointAt(0) ?? 0)) % 9973;
  return sum % 8;
}
