// A phone and Slack join: a message travels everywhere, and its writer sees where it has got to.
import { control, enter, eventually, message, say, texts } from "../browser.mjs";

const PHONE = "+14155550123";

export default async function ({ browser, base }) {
  const ann = await browser.person(base);
  await enter(ann, "Ann");
  await control(base, "POST", `/phone/${PHONE}/text`, { body: "JOIN lobby Sam" });
  await control(base, "POST", `/phone/${PHONE}/text`, { body: "Is anybody there?", media: [{}] });
  const asked = await message(ann, "Is anybody there?");
  await asked.getByText("SMS", { exact: true }).waitFor();
  await asked.getByRole("button", { name: /^Picture/ }).waitFor();
  await control(base, "POST", "/slack/channels/C0LOBBY/say", { user: "U0BOB", text: "I am." });
  await (await message(ann, "I am.")).getByText("Slack", { exact: true }).waitFor();

  await say(ann, "So am I.");
  const mine = await message(ann, "So am I.");
  await mine.getByText(/1 phone: 1 delivered/).waitFor();
  await mine.getByText(/Slack: posted/).waitFor();
  await mine.getByRole("button", { name: /Slack: posted/ }).click();
  const details = ann.getByRole("dialog");
  await details.getByText(/phone ending 23/).waitFor();
  await browser.accessible(ann, "deliveries");
  await ann.keyboard.press("Escape");
  const numbers = await ann.content();
  if (numbers.includes("4155550123")) throw new Error("a phone's number is on the page");

  // An edit and a deletion travel, both ways.
  const { messages } = await control(base, "GET", "/slack/channels/C0LOBBY");
  const bobs = messages.find((one) => one.shown === "I am.");
  await control(base, "POST", "/slack/channels/C0LOBBY/edit", { ts: bobs.ts, text: "I was." });
  await message(ann, "I was.");
  await control(base, "POST", "/slack/channels/C0LOBBY/delete", { ts: bobs.ts });
  await ann.getByText("Deleted").waitFor();
  await mine.hover();
  await mine.getByRole("button", { name: "Edit" }).click();
  await ann.getByRole("textbox", { name: "Edit the message" }).fill("So was I.");
  await ann.keyboard.press("Enter");
  await eventually("Slack shows the edit", async () => {
    const channel = await control(base, "GET", "/slack/channels/C0LOBBY");
    return channel.messages.some((one) => one.shown === "So was I.") || channel.messages.map((one) => one.shown);
  });

  // Who opted out is told to the writer before typing.
  await control(base, "POST", `/phone/${PHONE}/text`, { body: "STOP" });
  await ann.getByRole("group", { name: /^Write to/ }).getByText(/opted out/).waitFor();
  await browser.picture(ann, "everywhere");
  if ((await texts(ann)).length < 2) throw new Error("messages are missing");
}
