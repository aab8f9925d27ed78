// Runs one story against a running hub:
//
//     run.mjs STORY BASE OUT
//
// OUT is where pictures go, also those of a story that fails. The exit status says whether the story holds.

import { Browser } from "./browser.mjs";

const [story, base, out] = process.argv.slice(2);
const { default: tell } = await import(`./stories/${story}.mjs`);
const browser = await Browser.open(out);
try {
  await tell({ browser, base });
} catch (error) {
  await browser.failed(story);
  throw error;
} finally {
  await browser.close();
}
