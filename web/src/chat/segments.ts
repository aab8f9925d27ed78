// A text, cut into what is shown: plain runs, links, marked words, and characters that hide or turn text about.
// The page makes a text node of each; nothing that was written becomes markup.

export type Segment =
  | { kind: "text"; text: string }
  | { kind: "mark"; text: string }
  | { kind: "link"; text: string; address: string; host: string | null }
  | { kind: "hidden"; name: string };

const LINK = /\bhttps?:\/\/[^\s<>"'`\u{0}-\u{20}]+/giu;
/** What ends a sentence does not belong to the link before it. */
const AFTER_LINK = /[.,:;!?…»”’]+$/u;

const HIDDEN_NAMES: Record<number, string> = {
  0x00ad: "soft hyphen", 0x034f: "grapheme joiner", 0x061c: "Arabic letter mark", 0x115f: "Hangul filler",
  0x1160: "Hangul filler", 0x180e: "Mongolian vowel separator", 0x200b: "zero-width space",
  0x200c: "zero-width non-joiner", 0x200d: "zero-width joiner", 0x200e: "left-to-right mark",
  0x200f: "right-to-left mark", 0x2028: "line separator", 0x2029: "paragraph separator",
  0x202a: "left-to-right embedding", 0x202b: "right-to-left embedding", 0x202c: "end of direction",
  0x202d: "left-to-right override", 0x202e: "right-to-left override", 0x2060: "word joiner",
  0x2066: "left-to-right isolate", 0x2067: "right-to-left isolate", 0x2068: "first strong isolate",
  0x2069: "end of isolate", 0x3164: "Hangul filler", 0xfeff: "zero-width no-break space", 0xffa0: "Hangul filler",
};
const HIDDEN = /[\p{Cc}\p{Cf}\u{034f}\u{115f}\u{1160}\u{3164}\u{ffa0}\u{2028}\u{2029}]/u;
// From the beginning: Chromium's `[…]$` misses a character of two units that stands alone.
const EMOJI_BEFORE = /^[\p{Extended_Pictographic}\p{Emoji_Modifier}\u{fe0f}]$/u;
const EMOJI_AFTER = /^\p{Extended_Pictographic}/u;
/** Scripts in which joiners spell words. */
const JOINING = /^[\p{Script=Arabic}\p{Script=Syriac}\p{Script=Mongolian}\p{Script=Devanagari}\p{Script=Bengali}\p{Script=Gurmukhi}\p{Script=Gujarati}\p{Script=Oriya}\p{Script=Tamil}\p{Script=Telugu}\p{Script=Kannada}\p{Script=Malayalam}\p{Script=Sinhala}]$/u;
const UNSPACED = /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;
const TAG_FIRST = 0xe0020;
const TAG_LAST = 0xe007f;

/** `marked`: words to mark where they are found, without regard to case. */
export function segments(text: string, marked: readonly string[] = []): Segment[] {
  const found: Segment[] = [];
  let at = 0;
  for (const match of text.matchAll(LINK)) {
    const shown = trimLink(match[0]);
    const address = safeAddress(shown);
    if (address === null) continue;
    plain(text.slice(at, match.index), marked, found);
    found.push({ kind: "link", text: shown, address: address.href, host: trueHost(shown, address) });
    at = match.index + shown.length;
  }
  plain(text.slice(at), marked, found);
  return found;
}

function plain(text: string, marked: readonly string[], found: Segment[]): void {
  const words = marked.filter((word) => word !== "").map(wordPattern);
  const pattern = words.length === 0 ? null : new RegExp(`(${words.join("|")})`, "giu");
  let run = "";
  const flush = (): void => {
    if (run === "") return;
    const parts = pattern === null ? [run] : run.split(pattern);
    parts.forEach((part, index) => {
      if (part !== "") found.push({ kind: index % 2 === 1 ? "mark" : "text", text: part });
    });
    run = "";
  };
  const characters = [...text];
  characters.forEach((character, index) => {
    if (!isHidden(character, characters[index - 1] ?? "", characters[index + 1] ?? "")) {
      run += character;
      return;
    }
    flush();
    found.push({ kind: "hidden", name: hiddenName(character) });
  });
  flush();
}

function isHidden(character: string, before: string, after: string): boolean {
  if (!HIDDEN.test(character) || character === "\n" || character === "\t") return false;
  const code = character.codePointAt(0) ?? 0;
  // Joined emoji (families, flags of regions) and words of joining scripts are spelt with these.
  if (code === 0x200d && EMOJI_BEFORE.test(before) && EMOJI_AFTER.test(after)) return false;
  if ((code === 0x200c || code === 0x200d) && JOINING.test(before)) return false;
  if (code >= TAG_FIRST && code <= TAG_LAST && /^[\u{1f3f4}\u{e0020}-\u{e007f}]$/u.test(before)) return false;
  return true;
}

function hiddenName(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  return HIDDEN_NAMES[code] ?? `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
}

function trimLink(link: string): string {
  let shown = link.replace(AFTER_LINK, "");
  // A bracket that was opened before the link is closed after it.
  const count = (character: string): number => shown.split(character).length - 1;
  while (shown.endsWith(")") && count("(") < count(")")) shown = shown.slice(0, -1).replace(AFTER_LINK, "");
  return shown;
}

function safeAddress(text: string): URL | null {
  if ([...text].some((character) => HIDDEN.test(character))) return null;
  try {
    const url = new URL(text);
    const plainWeb = url.protocol === "http:" || url.protocol === "https:";
    // `https://bank.example@evil.example` is not what it looks like.
    return plainWeb && url.username === "" && url.password === "" ? url : null;
  } catch {
    return null;
  }
}

/** The host as the network knows it, where it is written otherwise: letters of another script can look the same. */
function trueHost(shown: string, url: URL): string | null {
  return shown.toLowerCase().includes(url.hostname) ? null : url.hostname;
}

/** Words are found by their beginnings; in scripts that put no space between words, anywhere. */
function wordPattern(word: string): string {
  const begins = /^[\p{L}\p{N}]/u.test(word) && !UNSPACED.test(word);
  return (begins ? "(?<![\\p{L}\\p{N}])" : "") + escaped(word);
}

function escaped(word: string): string {
  return word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
