// The line is cut while others write: the page says so, keeps what is written, and has everything once when it is back.
import { enter, message, same, say, texts, Wire } from "../browser.mjs";

export default async function ({ browser, base }) {
  const wire = await Wire.to(base);
  const ann = await browser.person(wire.base, { expectErrors: true });
  const ben = await browser.person(base);
  await enter(ann, "Ann");
  await enter(ben, "Ben");
  await say(ann, "one");
  await message(ben, "one");

  wire.cut();
  await ann.getByText(/The hub is not reached/).waitFor();
  await say(ben, "two");
  await message(ben, "two");
  await say(ann, "three");
  await say(ann, "four");
  await ann.getByText("2 messages wait and will be sent.").waitFor();
  await browser.accessible(ann, "banner");
  await browser.picture(ann, "cut");
  wire.mend();
  await ann.getByRole("button", { name: "Try now" }).click({ timeout: 5000 }).catch(() => {});
  await message(ann, "four");
  await message(ben, "four");
  for (const page of [ann, ben]) same(await texts(page), ["one", "two", "three", "four"], "what is in the room");
  await ann.getByText(/not reached/).waitFor({ state: "detached" });

  // The page is opened without a hub: it shows what it has, and queues what is written.
  await ann.evaluate(async () => void (await navigator.serviceWorker.ready));
  await ann.waitForTimeout(1500); // what it keeps, it keeps within a second
  await ann.getByRole("textbox", { name: /^Message to/ }).fill("begun and not sent");
  wire.cut();
  await ann.reload();
  await message(ann, "four");
  same(await ann.getByRole("textbox", { name: /^Message to/ }).inputValue(), "begun and not sent", "what stands in the box");
  const styled = await ann.evaluate(() => getComputedStyle(document.querySelector("main")).display);
  same(styled, "grid", "the page without a hub has its style");
  await say(ann, "five");
  await ann.getByText(/Kept here/).waitFor();
  wire.mend();
  await message(ben, "five");
  await message(ann, "five");
  same(await texts(ann), ["one", "two", "three", "four", "five"], "what is in the room at the end");
  wire.close();
}
