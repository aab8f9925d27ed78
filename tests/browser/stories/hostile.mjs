// What is written to deceive is shown as text; what moderation stops is seen by its writer only, with the reason.
import { enter, message, say, texts } from "../browser.mjs";

const TEXTS = [
  "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">",
  "invoice\u202egnp.exe",
  "javascript:document.title='taken'",
  "{{7*7}} ${7*7} <b>bold</b>",
  "😀 👩‍👩‍👧 שלום مرحبا",
];

export default async function ({ browser, base }) {
  const ann = await browser.person(base, { expectErrors: true });
  const ben = await browser.person(base);
  await enter(ann, "Ann");
  await enter(ben, "Ben");
  for (const text of TEXTS) await say(ann, text);
  await message(ben, "שלום");
  const shown = await texts(ben);
  for (const text of TEXTS.filter((one) => !one.includes("\u202e"))) {
    if (!shown.includes(text)) throw new Error(`${text} is not among ${JSON.stringify(shown)}`);
  }
  await ben.getByRole("img", { name: "right-to-left override" }).waitFor();
  if ((await ben.locator("article script, article b, article a[href^='javascript']").count()) > 0) throw new Error("markup");
  if ((await ben.title()).includes("taken")) throw new Error("a script ran");

  await say(ann, "this is forbiddenword, is it not");
  await ann.getByText(/Not shown to the room/).waitFor();
  await say(ann, "after it");
  await message(ben, "after it");
  if ((await ben.getByText("forbiddenword").count()) > 0) throw new Error("a blocked message was shown");

  // What is no page is one for its reader, and JSON for a program.
  const lost = await ben.context().newPage();
  const answer = await lost.goto(`${base}/<b>nowhere</b>`);
  if (answer.status() !== 404) throw new Error(`nowhere answered ${answer.status()}`);
  await lost.getByText("There is nothing at this address", { exact: false }).waitFor();
  await browser.accessible(lost, "trouble");
  await browser.picture(lost, "trouble-desktop-light");
  await lost.getByRole("link", { name: "To the chat" }).click();
  await lost.getByRole("textbox", { name: /^Message to/ }).first().waitFor();

  // Too long is said before anything is sent.
  const box = ann.getByRole("textbox", { name: /^Message to/ });
  await box.fill("x".repeat(50_000));
  await box.press("Enter");
  await ann.getByRole("alert").filter({ hasText: /characters/ }).waitFor();
}
