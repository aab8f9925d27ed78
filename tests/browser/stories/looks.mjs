// How the pages look and read, wide and narrow, light and dark; nothing in them is in the way of anybody.
import { control, DESKTOP, enter, message, NARROW, say } from "../browser.mjs";
import { morning } from "../morning.mjs";

const PHONE = "+14155550123";

export default async function ({ browser, base }) {
  const bees = await browser.person(base);
  await enter(bees, "Mira Lund");
  await control(base, "POST", `/phone/${PHONE}/text`, { body: "JOIN lobby Sam Okoro" });
  await control(base, "POST", "/phone/+14155550124/text", { body: "JOIN lobby נועה" });
  const slack = (text) => control(base, "POST", "/slack/channels/C0LOBBY/say", { user: "U0BOB", text });
  await control(base, "POST", `/phone/${PHONE}/text`, { body: "Good morning. Is the road to the orchard open?" });
  await message(bees, "orchard open?");
  await slack("It is. The bridge was mended last night: https://hub.example/roads#bridge");
  await message(bees, "mended last night");
  const file = { content_type: "image/png", name: "morning.png", base64: morning().toString("base64") };
  await control(base, "POST", `/phone/${PHONE}/text`, { body: "Then we come. This is how it looks here:", media: [file] });
  await (await message(bees, "how it looks here")).getByRole("button", { name: /^Picture/ }).waitFor();
  await say(bees, "Beautiful! The van leaves at nine; two seats are free.\nWho wants one?");
  const asked = await message(bees, "two seats are free");
  await asked.getByText(/2 phones: 2 delivered/).waitFor();
  await control(base, "POST", "/phone/+14155550124/text", { body: "אני רוצה מקום אחד, תודה!" });
  await message(bees, "אני רוצה");
  const { messages } = await control(base, "GET", "/slack/channels/C0LOBBY");
  const ts = messages.find((one) => one.shown.includes("two seats are free")).ts;
  await control(base, "POST", "/slack/channels/C0LOBBY/react", { user: "U0BOB", ts, name: "tada" });
  await asked.getByRole("button", { name: /^tada/ }).waitFor();
  await asked.hover();
  await asked.getByRole("button", { name: "React: heart" }).click();
  await asked.getByRole("button", { name: /^heart: you/ }).waitFor();
  await bees.mouse.move(0, 0);

  for (const [width, size] of [["desktop", DESKTOP], ["narrow", NARROW]]) {
    await bees.setViewportSize(size);
    for (const colorScheme of ["light", "dark"]) {
      await bees.emulateMedia({ colorScheme });
      await bees.evaluate(() => document.activeElement?.blur());
      await bees.waitForTimeout(200);
      await browser.picture(bees, `chat-${width}-${colorScheme}`);
      const what = `chat, ${width}, ${colorScheme}`;
      await (colorScheme === "light" ? browser.accessible(bees, what) : browser.readable(bees, what));
    }
  }
  // Nothing is wider than the page.
  const wide = await bees.evaluate(() => document.documentElement.scrollWidth > innerWidth);
  if (wide) throw new Error("the narrow page scrolls sideways");
  await bees.getByRole("button", { name: /^Rooms/ }).click();
  await bees.waitForTimeout(300);
  await browser.picture(bees, "rooms-narrow-dark");
  await browser.accessible(bees, "rooms, narrow");
  await bees.keyboard.press("Escape");
  await bees.setViewportSize(DESKTOP);
  await bees.keyboard.press("Escape");
  await bees.getByRole("button", { name: "Keys" }).click();
  await browser.accessible(bees, "help");
  await browser.picture(bees, "help-desktop-dark");
  await bees.keyboard.press("Escape");
  await bees.getByRole("button", { name: "Emoji" }).click();
  await bees.getByRole("searchbox", { name: "Find an emoji" }).fill("rock");
  await browser.accessible(bees, "emoji");
  await bees.keyboard.press("Enter");
  const written = await bees.getByRole("textbox", { name: /^Message to/ }).inputValue();
  if (written !== "🚀") throw new Error(`the emoji that was picked is ${written}`);

  const other = await browser.person(base, { viewport: NARROW });
  await other.goto(base);
  await other.getByLabel("Your name").waitFor();
  for (const [width, size] of [["narrow", NARROW], ["desktop", DESKTOP]]) {
    await other.setViewportSize(size);
    for (const colorScheme of ["light", "dark"]) {
      await other.emulateMedia({ colorScheme });
      await browser.picture(other, `sign-in-${width}-${colorScheme}`);
      const what = `sign-in, ${width}, ${colorScheme}`;
      await (colorScheme === "light" ? browser.accessible(other, what) : browser.readable(other, what));
    }
  }
}
