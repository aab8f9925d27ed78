// A long room: one scrolls through all of it and nothing jumps, a found message is one step away, and the page stays small.
import { enter, eventually, message, same, say } from "../browser.mjs";

/** With more it is a measurement: see docs/figures.md. */
const MESSAGES = Number(process.env.MESSAGES ?? 520);
/** Found by the search: further from the end than a page keeps of a room, so that both are never there at once. */
const FOUND = MESSAGES - 430;
/** More than the page keeps of a room. */
const MOST = 500;
/** Less than half a line is no jump: places are rounded to points of the screen. */
const LINE = 10;

export default async function ({ browser, base }) {
  await fill(base, 0, MESSAGES);
  const ann = await browser.person(base);
  await enter(ann, "Ann", "/#attic");
  await message(ann, text(MESSAGES - 1));
  const scroller = ann.getByRole("region", { name: "Messages in Attic" });

  // Upwards: what one looks at stays where it is while older messages come.
  let seen = 0;
  while ((await ann.getByText("This is the beginning of the room.").count()) === 0) {
    const moved = await scroller.evaluate(async (section) => {
      section.scrollTop = 300;
      const messages = [...section.querySelectorAll("article[data-id]")];
      const first = messages.find((one) => one.getBoundingClientRect().bottom > section.getBoundingClientRect().top);
      const top = first.getBoundingClientRect().top;
      const oldest = messages[0].dataset.id;
      const deadline = Date.now() + 20_000;
      while (Date.now() < deadline && section.querySelector("article[data-id]").dataset.id === oldest) {
        if (section.querySelector(".begin h2") !== null) break;
        await new Promise((done) => requestAnimationFrame(done));
      }
      return first.isConnected ? Math.abs(first.getBoundingClientRect().top - top) : -1;
    });
    if (moved > LINE) throw new Error(`the page jumped by ${moved} points`);
    seen = Math.max(seen, await ann.locator("article[data-id]").count());
    if (seen > MOST) throw new Error(`${seen} messages are drawn at once`);
  }
  if (process.env.MESSAGES !== undefined) console.log(JSON.stringify(await costs(ann, seen)));

  // What is said meanwhile waits at the end; one button leads there, and one result of a search to where it stands.
  await fill(base, MESSAGES, MESSAGES + 1);
  await ann.getByRole("button", { name: /^\d+ new$/ }).click();
  await message(ann, text(MESSAGES));
  await ann.getByRole("button", { name: "Search" }).click();
  await ann.getByRole("searchbox").fill(`wren${FOUND}`);
  await ann.getByRole("complementary").getByRole("button", { name: new RegExp(text(FOUND)) }).click();
  await eventually("the found message has the focus", () =>
    ann.evaluate((words) => document.activeElement?.closest("article[data-id]")?.textContent.includes(words) ?? false, text(FOUND)),
  );
  same(await ann.locator("article[data-id]").filter({ hasText: text(MESSAGES) }).count(), 0, "what stands far away");
  // From there down to the end, by scrolling.
  await eventually("the end is there", () =>
    scroller.evaluate((section, words) => {
      section.scrollTop = section.scrollHeight;
      return section.textContent.includes(words);
    }, text(MESSAGES)),
  );
  await say(ann, "and this is mine");
  await message(ann, "and this is mine");
}

/** What the page costs where its reader is now. */
async function costs(page, drawn) {
  const session = await page.context().newCDPSession(page);
  await session.send("Performance.enable");
  await session.send("HeapProfiler.collectGarbage");
  const { metrics } = await session.send("Performance.getMetrics");
  const of = (name) => metrics.find((one) => one.name === name).value;
  const keystroke = await page.evaluate(async () => {
    const box = document.querySelector("textarea");
    const began = performance.now();
    for (let letter = 0; letter < 20; letter++) {
      box.value += "x";
      box.dispatchEvent(new Event("input", { bubbles: true }));
      await new Promise((done) => requestAnimationFrame(done));
    }
    box.value = "";
    box.dispatchEvent(new Event("input", { bubbles: true }));
    return (performance.now() - began) / 20;
  });
  const megabytes = of("JSHeapUsedSize") / 1e6;
  return { messages: MESSAGES, most_drawn: drawn, heap_mb: Number(megabytes.toFixed(1)), nodes: of("Nodes"), ms_a_keystroke: Math.round(keystroke) };
}

const text = (number) => `wren${number} sings`;

async function fill(base, from, to) {
  const post = (number) =>
    fetch(`${base}/api/rooms/attic/messages`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ id: `wren${number}`, name: "Wren", text: text(number) }),
    });
  // Some at a time; the last by itself, so that it is the last.
  const AT_ONCE = 40;
  for (let number = from; number < to; ) {
    const end = Math.max(number + 1, Math.min(number + AT_ONCE, to - 1));
    const responses = await Promise.all(Array.from({ length: end - number }, (_, more) => post(number + more)));
    for (const response of responses) if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
    number = end;
  }
}
