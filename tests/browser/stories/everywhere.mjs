// A phone and Slack join: a message travels everywhere, and its writer sees where it has got to.
import { control, enter, eventually, message, say, texts } from "../browser.mjs";
import { morning } from "../morning.mjs";

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

  // A picture from the page: chosen, pasted and taken away again, dropped; then it is in Slack and on the phone.
  await ann.locator("input[type=file]").setInputFiles({ name: "morning.png", mimeType: "image/png", buffer: morning() });
  const attached = ann.getByRole("list", { name: "Attached" }).getByRole("listitem");
  for (const [kind, place] of [["paste", "textarea"], ["drop", "section.talk"]]) {
    await ann.locator(place).evaluate((element, kind) => {
      const data = new DataTransfer();
      data.items.add(new File(["words"], `${kind}.txt`, { type: "text/plain" }));
      const options = { bubbles: true, cancelable: true };
      element.dispatchEvent(
        kind === "paste"
          ? new ClipboardEvent("paste", { ...options, clipboardData: data })
          : new DragEvent("drop", { ...options, dataTransfer: data }),
      );
    }, kind);
    await attached.filter({ hasText: `${kind}.txt` }).waitFor();
  }
  await ann.getByRole("button", { name: "Take away paste.txt" }).click();
  await ann.getByRole("button", { name: "Take away drop.txt" }).click();
  await say(ann, "From the page");
  await (await message(ann, "From the page")).getByRole("button", { name: "Picture morning.png: show large" }).click();
  await ann.getByRole("dialog").getByRole("img").waitFor();
  await ann.keyboard.press("Escape");
  await eventually("Slack shows the picture", async () => {
    const channel = await control(base, "GET", "/slack/channels/C0LOBBY");
    const all = channel.messages.flatMap((one) => [one, ...(one.replies ?? [])]);
    return all.some((one) => one.files?.some((file) => file.name.includes("morning"))) || all;
  });
  await eventually("the phone has the picture", async () => {
    const { received } = await control(base, "GET", `/phone/${PHONE}`);
    return received.some((one) => one.text.includes("From the page") && one.media_urls.length === 1) || received;
  });

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

  // A file that the hub keeps no more is shown as what it is, before anybody follows its link. (The hub says 404, as in
  // outside/old_files.rs.)
  await ann.locator("input[type=file]").setInputFiles({ name: "plan.txt", mimeType: "text/plain", buffer: Buffer.from("plan") });
  await say(ann, "The plan");
  await (await message(ann, "The plan")).getByRole("link", { name: /plan\.txt/ }).waitFor();
  const late = await browser.person(base, { expectErrors: true });
  await late.route("**/media/**", (route) => route.fulfill({ status: 404, body: "{}" }));
  await enter(late, "Lee");
  const lost = await message(late, "The plan");
  await lost.getByText("no longer kept here").waitFor();
  if ((await lost.getByRole("link").count()) > 0) throw new Error("a link leads to what is not there");
}
