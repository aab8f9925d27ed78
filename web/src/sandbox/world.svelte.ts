// The pretend world as the page sees it: phones and channels, looked at again whenever the feed says that
// something changed. The paths are those of sandbox/src/control/mod.rs.

export interface Text {
  sid: string;
  from: string;
  to: string;
  text: string;
  status: string;
  error_code: number | null;
  media_urls: string[];
  media_sids: string[];
  automatic: boolean;
  at_ms: number;
}

export interface Phone {
  number: string;
  received: Text[];
  sent: Text[];
  opted_out_of: string[];
}

export interface SlackFile {
  id: string;
  name: string;
  mimetype: string;
}

export interface SlackMessage {
  ts: string;
  user: string | null;
  username: string | null;
  bot: boolean;
  deleted: boolean;
  shown: string;
  edited: boolean;
  files: SlackFile[];
  reactions: { name: string; users: string[]; count: number }[];
  replies?: SlackMessage[];
  lost_thread?: boolean;
}

export interface Channel {
  id: string;
  name: string;
  messages: SlackMessage[];
}

export interface User {
  id: string;
  name: string;
  display_name: string;
  bot: boolean;
}

/** Fictional numbers of the North American plan. */
const FIRST_PHONES = ["+14155550123", "+14155550124"];

export class World {
  numbers = $state.raw<string[]>(FIRST_PHONES);
  number = $state(FIRST_PHONES[0] ?? "");
  phone = $state.raw<Phone | null>(null);
  channels = $state.raw<{ id: string; name: string }[]>([]);
  channelId = $state("");
  channel = $state.raw<Channel | null>(null);
  users = $state.raw<User[]>([]);
  hubNumber = $state("");
  /** Why there is no phone, or no channel: the provider is real, or the sandbox is not reached. */
  noPhone = $state<string | null>(null);
  noSlack = $state<string | null>(null);
  live = $state(false);
  #looking = false;
  #lookAgain = false;

  start(): void {
    const feed = new EventSource("/sandbox/feed");
    feed.addEventListener("open", () => (this.live = true));
    feed.addEventListener("error", () => (this.live = false));
    feed.addEventListener("changed", () => void this.look());
    void this.look();
  }

  /** One look at a time; what happens meanwhile makes another. */
  async look(): Promise<void> {
    if (this.#looking) {
      this.#lookAgain = true;
      return;
    }
    this.#looking = true;
    do {
      this.#lookAgain = false;
      await Promise.all([this.#lookAtPhones(), this.#lookAtSlack()]);
    } while (this.#lookAgain);
    this.#looking = false;
  }

  async #lookAtPhones(): Promise<void> {
    try {
      const all = await get<{ phones: { number: string }[]; numbers: string[] }>("/phone");
      const known = all.phones.map((phone) => phone.number);
      this.numbers = [...new Set([...this.numbers, ...known])];
      this.hubNumber = all.numbers[0] ?? "";
      this.phone = await get<Phone>(`/phone/${encodeURIComponent(this.number)}`);
      this.noPhone = null;
    } catch (error) {
      this.noPhone = words(error);
    }
  }

  async #lookAtSlack(): Promise<void> {
    try {
      this.channels = (await get<{ channels: { id: string; name: string }[] }>("/slack/channels")).channels;
      this.users = (await get<{ users: User[] }>("/slack/users")).users.filter((user) => !user.bot);
      const wanted = this.channels.find((one) => one.id === this.channelId) ?? this.channels.find((one) => one.name === "lobby");
      this.channelId = wanted?.id ?? this.channels[0]?.id ?? "";
      if (this.channelId !== "") this.channel = await get<Channel>(`/slack/channels/${this.channelId}?limit=100`);
      this.noSlack = null;
    } catch (error) {
      this.noSlack = words(error);
    }
  }

  async text(body: string, file: File | null = null): Promise<void> {
    const media = file === null ? [] : [await described(file)];
    await post(`/phone/${encodeURIComponent(this.number)}/text`, { body, media });
    await this.look();
  }

  async say(user: string, text: string, thread_ts: string | null, file: File | null = null): Promise<void> {
    const files = file === null ? [] : [await described(file)];
    await post(`/slack/channels/${this.channelId}/say`, { user, text, files, ...(thread_ts === null ? {} : { thread_ts }) });
    await this.look();
  }

  async change(deed: "edit" | "delete" | "react", order: Record<string, unknown>): Promise<void> {
    await post(`/slack/channels/${this.channelId}/${deed}`, order);
    await this.look();
  }

  /** A phone that nobody has yet. */
  addPhone(): void {
    let last = 123;
    while (this.numbers.includes(`+14155550${last}`)) last += 1;
    this.take(`+14155550${last}`);
  }

  take(number: string): void {
    if (!this.numbers.includes(number)) this.numbers = [...this.numbers, number];
    this.number = number;
    this.phone = null;
    void this.look();
  }

  takeChannel(id: string): void {
    this.channelId = id;
    this.channel = null;
    void this.look();
  }
}

async function get<T>(path: string): Promise<T> {
  return answer(await fetch(`/sandbox${path}`, { headers: { accept: "application/json" } }));
}

async function post(path: string, order: unknown): Promise<unknown> {
  const headers = { "content-type": "application/json" };
  return answer(await fetch(`/sandbox${path}`, { method: "POST", headers, body: JSON.stringify(order) }));
}

async function answer<T>(response: Response): Promise<T> {
  const said = (await response.json()) as T & { error?: string };
  if (!response.ok) throw new Error(said.error ?? `the answer was ${response.status}`);
  return said;
}

export function words(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

async function described(file: File): Promise<{ name: string; content_type: string; base64: string }> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  let binary = "";
  for (let at = 0; at < bytes.length; at += 0x8000) binary += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return { name: file.name, content_type: file.type || "application/octet-stream", base64: btoa(binary) };
}
