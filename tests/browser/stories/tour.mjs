// The sandbox's tour: within a minute a newcomer sees one message travel everywhere. Its pictures are the README's.
import { DESKTOP, message, NARROW, say } from "../browser.mjs";
import { morning } from "../morning.mjs";

export default async function ({ browser, base }) {
  const began = Date.now();
  const page = await browser.person(base, { viewport: { width: 1360, height: 820 } });
  await page.goto(`${base}/sandbox`);
  await page.getByLabel("Your name").fill("Cleo");
  await page.getByRole("button", { name: "Enter" }).click();
  await page.getByRole("textbox", { name: /^Message to/ }).waitFor();
  const next = page.getByRole("button", { name: "Do it" });
  const steps = page.getByRole("region", { name: "A first tour" });
  for (const done of [1, 2, 3]) {
    await next.click();
    await steps.locator("li.done").nth(done - 1).waitFor();
  }
  await say(page, "Here too: good morning, all!");
  await steps.getByText("One message, everywhere.").waitFor();
  const phone = page.getByRole("region", { name: "Pretend phone" });
  const slack = page.getByRole("region", { name: "Pretend Slack" });
  await phone.getByText("Here too: good morning, all!").waitFor();
  await slack.getByText("Here too: good morning, all!").waitFor();
  const mine = await message(page, "Here too: good morning, all!");
  await mine.getByText(/1 phone: 1 delivered/).waitFor();
  const seconds = (Date.now() - began) / 1000;
  if (seconds > 60) throw new Error(`the tour took ${seconds} s`);

  // A picture from the phone is seen in the chat and in Slack.
  await phone.locator("input[type=file]").setInputFiles({ name: "sun.png", mimeType: "image/png", buffer: morning() });
  await phone.getByRole("textbox").fill("Our morning");
  await phone.getByRole("button", { name: /^Send/ }).click();
  await (await message(page, "Our morning")).getByRole("button", { name: /^Picture/ }).waitFor();
  await slack.locator("img").first().waitFor();
  await slack.getByText("Our morning").waitFor();
  await page.waitForTimeout(300);
  await browser.picture(page, "sandbox-desktop-light");
  await browser.accessible(page, "sandbox");
  await page.emulateMedia({ colorScheme: "dark" });
  await browser.picture(page, "sandbox-desktop-dark");
  await page.setViewportSize(NARROW);
  for (const scheme of ["dark", "light"]) {
    await page.emulateMedia({ colorScheme: scheme });
    for (const place of ["Phone", "Slack", "Chat"]) {
      await page.getByRole("group", { name: "What to look at" }).getByRole("button", { name: place }).click();
      await page.waitForTimeout(100);
      await browser.picture(page, `sandbox-narrow-${scheme}-${place.toLowerCase()}`);
    }
    await (scheme === "dark" ? browser.accessible(page, "sandbox, narrow, dark") : browser.readable(page, "sandbox, narrow, light"));
  }
  await page.setViewportSize(DESKTOP);
}
