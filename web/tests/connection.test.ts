// The chat's connection: when it is tried again, when it is replaced, and what the page says of it.
import { expect, test } from "vitest";

import { settle } from "./fake-hub.ts";
import { clock, hub, opened, texts } from "./page.ts";

test("the waits between attempts grow, and a reader can end them", async () => {
  const chat = await opened();
  hub.reachable = false;
  hub.cut();
  const waits: number[] = [];
  for (let attempt = 0; attempt < 8; attempt++) {
    await settle();
    const { line } = chat.view();
    if (line.kind !== "waiting") throw new Error(line.kind);
    waits.push(line.until - clock.now());
    await clock.pass(line.until - clock.now());
  }
  expect(waits).toEqual([375, 750, 1500, 3000, 6000, 12_000, 22_500, 22_500]);
  hub.reachable = true;
  chat.wake();
  await settle();
  expect(chat.view().line.kind).toBe("open");
});

test("the next connection is open before the old one ends, and nothing is shown twice or missed", async () => {
  hub.lifeMs = 120_000;
  const chat = await opened();
  const old = hub.sockets[0];
  hub.say("lobby", "before");
  await clock.pass(61_000);
  expect(chat.view().line.kind).toBe("open");
  expect(old?.closed).toBe(true);
  expect(hub.sockets).toHaveLength(1);
  expect(hub.sockets[0]).not.toBe(old);
  hub.say("lobby", "after");
  await settle();
  expect(texts(chat)).toEqual(["before", "after"]);
});

test("a connection that falls silent is replaced", async () => {
  const chat = await opened();
  const old = hub.sockets[0];
  if (old === undefined) throw new Error("no socket");
  old.deaf = true;
  await clock.pass(120_000);
  expect(old.closed).toBe(true);
  expect(chat.view().line.kind).toBe("open");
});

test("a hub that is reached and gives no connection is told from one that is not reached", async () => {
  const chat = await opened();
  const said = (): string | null | undefined => {
    const { line } = chat.view();
    return line.kind === "waiting" ? line.hub : undefined;
  };
  hub.full = true;
  hub.cut();
  await clock.pass(3000);
  expect(said()).toContain("gives no connection");
  hub.full = false;
  await clock.pass(10_000);
  expect(chat.view().line.kind).toBe("open");
  hub.reachable = false;
  hub.cut();
  await clock.pass(3000);
  expect(said()).toBeNull();
});
