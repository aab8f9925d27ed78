// Two people chat: what one writes the other reads; typing, presence, edits, deletions, reactions and replies travel.
import { enter, eventually, message, same, say, texts } from "../browser.mjs";

export default async function ({ browser, base }) {
  const ann = await browser.person(base);
  const ben = await browser.person(base);
  await enter(ann, "Ann");
  await enter(ben, "Ben");

  await ann.getByRole("button", { name: "People" }).click();
  await ann.getByRole("complementary").getByText("Ben").waitFor();
  await ann.keyboard.press("Escape");

  await ben.getByRole("textbox", { name: /^Message to/ }).pressSequentially("Hel");
  await ann.getByText("Ben is typing").waitFor();
  await ben.getByRole("textbox", { name: /^Message to/ }).fill("");

  await say(ann, "Hello, Ben");
  await say(ben, "Hello, Ann");
  await message(ann, "Hello, Ann");
  await say(ann, "How are teh bees?");
  const bees = await message(ben, "How are teh bees?");
  same(await texts(ben), ["Hello, Ben", "Hello, Ann", "How are teh bees?"], "what Ben reads");

  // By keys alone: up into the last message, and Enter.
  await ann.getByRole("textbox", { name: /^Message to/ }).press("ArrowUp");
  await ann.getByRole("textbox", { name: "Edit the message" }).fill("How are the bees?");
  await ann.keyboard.press("Enter");
  await bees.getByText("(edited)").waitFor();
  same((await texts(ben)).at(-1), "How are the bees? (edited)", "what Ben reads after the edit");

  // Into the messages, to one of them, and back: the focus is never lost.
  const focused = (words) =>
    eventually(`${words} has the focus`, () =>
      ann.evaluate((words) => {
        const { activeElement: at } = document;
        return (at?.getAttribute("aria-label") ?? "").includes(words) || (at?.textContent ?? "").includes(words) || at?.outerHTML.slice(0, 200);
      }, words),
    );
  await focused("Message to Lobby");
  await ann.keyboard.press("Control+ArrowUp");
  await focused("How are the bees?");
  await ann.keyboard.press("ArrowUp");
  await focused("Hello, Ann");
  await ann.keyboard.press("+");
  await focused("Find an emoji");
  await ann.keyboard.type("wave");
  await ann.keyboard.press("Enter");
  await focused("Hello, Ann");
  const greeted = await message(ben, "Hello, Ann");
  await greeted.getByRole("button", { name: /^wave: Ann/ }).waitFor();
  await ann.keyboard.press("+");
  await ann.keyboard.type("wave");
  await ann.keyboard.press("Enter");
  await eventually("the wave is gone", async () => (await greeted.locator(".reactions").count()) === 0);
  await ann.keyboard.press("Escape");
  await focused("Message to Lobby");

  await bees.hover();
  await bees.getByRole("button", { name: "React: thumbsup" }).click();
  await (await message(ann, "How are the bees?")).getByRole("button", { name: /thumbsup: Ben/ }).waitFor();
  await bees.getByRole("button", { name: /thumbsup: you/ }).click();
  await eventually("the reaction is gone", async () => (await ann.locator(".reactions").count()) === 0);

  await bees.hover();
  await bees.getByRole("button", { name: "Reply" }).click();
  await say(ben, "They swarm.");
  const root = await message(ann, "How are the bees?");
  await root.getByRole("button", { name: "1 reply" }).click();
  const thread = ann.getByRole("complementary", { name: "Thread" });
  await thread.getByText("They swarm.").waitFor();
  const reply = thread.getByRole("textbox");
  await reply.fill("Where to?");
  await reply.press("Enter");
  await message(ben, "Where to?");
  await browser.accessible(ann, "thread");
  await ann.keyboard.press("Escape");

  await say(ann, "A slip");
  const slip = await message(ann, "A slip");
  await message(ben, "A slip");
  await slip.hover();
  await slip.getByRole("button", { name: "Delete" }).click();
  await slip.getByRole("button", { name: "Delete", exact: true }).first().click();
  await ben.getByText("Deleted").waitFor();
  same((await ben.locator("article").filter({ hasText: "A slip" }).count()), 0, "what Ben sees of the slip");

  // Search finds it and leads to it.
  await ben.keyboard.press("Escape");
  await ben.getByRole("button", { name: "Search" }).click();
  await ben.getByRole("searchbox").fill("bees");
  const found = ben.getByRole("complementary").locator("li").filter({ hasText: "How are the bees?" });
  await found.locator("mark").first().waitFor();
  await found.getByRole("button").click();
  await eventually("the found message has the focus", async () =>
    ben.evaluate(() => document.activeElement?.textContent?.includes("How are the bees?") ?? false),
  );
  await browser.accessible(ben, "search");

  // Nobody else may have a name that is taken.
  const other = await browser.person(base, { expectErrors: true });
  await other.goto(base);
  await other.getByLabel("Your name").fill("Ann");
  await other.getByRole("button", { name: "Enter" }).click();
  await other.getByRole("alert").waitFor();
}
