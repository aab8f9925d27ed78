// An account of an OpenID Connect provider: to the issuer, back, into the chat, and out again.
import { message, say } from "../browser.mjs";

export default async function ({ browser, base }) {
  const ann = await browser.person(base);
  await ann.goto(base);
  const way = ann.getByRole("link", { name: "Sign in with The test's issuer" });
  await way.waitFor();
  await browser.accessible(ann, "sign-in with an issuer");
  await browser.picture(ann, "sign-in-issuer");

  // An answer to what nobody asked: the page says so, and has the way to try again.
  await ann.goto(`${base}/api/session/oidc/callback?code=x&state=invented`);
  await ann.getByRole("status").getByText("Signing in took too long, or was begun in another browser.").waitFor();
  if (ann.url() !== `${base}/`) throw new Error(`the address keeps what is over: ${ann.url()}`);
  await browser.accessible(ann, "sign-in that did not work");
  await browser.picture(ann, "sign-in-failed");
  await ann.reload();
  await way.waitFor();
  if (await ann.getByText("took too long").count() > 0) throw new Error("it is said again after the page was opened anew");
  await way.click();
  await ann.getByRole("textbox", { name: /^Message to/ }).waitFor();
  await ann.getByRole("banner").getByText("Ann Account").waitFor();
  await say(ann, "With an account");
  await message(ann, "With an account");
  // An operator removes what somebody else wrote.
  const body = JSON.stringify({ id: "1", name: "Bob", text: "A slander" });
  await fetch(`${base}/api/rooms/lobby/messages`, { method: "POST", headers: { "content-type": "application/json" }, body });
  const slander = await message(ann, "A slander");
  await slander.hover();
  await slander.getByRole("button", { name: "Remove" }).click();
  await browser.picture(ann, "moderator-desktop-light");
  await slander.getByRole("group", { name: "Remove this message?" }).getByRole("button", { name: "Remove" }).click();
  await slander.getByText("Removed by a moderator").waitFor();

  const kept = await ann.evaluate(() => document.cookie + JSON.stringify({ ...localStorage }));
  if (/switchboard_session|eyJ/.test(kept)) throw new Error(`a script can read a secret: ${kept}`);

  await ann.getByRole("button", { name: "Sign out" }).click();
  await way.waitFor();
  await ann.reload();
  await way.waitFor();
  const left = await ann.evaluate(async () => {
    const open = indexedDB.open("switchboard");
    const database = await new Promise((done) => (open.onsuccess = () => done(open.result)));
    const all = database.transaction("rooms").objectStore("rooms").count();
    return new Promise((done) => (all.onsuccess = () => done(all.result)));
  });
  if (left !== 0) throw new Error("rooms of who has signed out are kept");
}
