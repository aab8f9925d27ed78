// The browser of the stories: Debian's Chromium with no way out of this machine, and pages that complain by themselves.
//
// A story fails when a page asks anything of another host, breaks its own policy, throws, or logs an error that the
// story did not expect.

import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { createConnection, createServer } from "node:net";
import { join } from "node:path";

const require = createRequire(`${process.env.NODE_MODULES}/`);
const { chromium } = require("playwright-core");
const AxeBuilder = require("@axe-core/playwright").default;

/** How long anything may take on a loaded machine of two cores. */
export const PATIENCE_MS = Number(process.env.PATIENCE_MS ?? 60_000);
export const DESKTOP = { width: 1280, height: 800 };
export const NARROW = { width: 360, height: 740 };

function executable() {
  for (const name of ["chromium", "chromium-browser", "google-chrome"]) {
    try {
      return execFileSync("which", [name], { encoding: "utf8" }).trim();
    } catch {
      // The next one.
    }
  }
  throw new Error("no Chromium is installed: make setup");
}

export class Browser {
  #browser;
  #complaints = [];
  #pages = [];
  #out;

  static async open(out) {
    const browser = new Browser();
    browser.#out = out;
    mkdirSync(out, { recursive: true });
    browser.#browser = await chromium.launch({
      executablePath: executable(),
      args: [
        "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", "--disable-quic", "--disable-dev-shm-usage",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
      ],
    });
    return browser;
  }

  /** A person's own browser window, with nothing kept from another. */
  async person(base, options = {}) {
    const { expectErrors = false, ...rest } = options;
    const context = await this.#browser.newContext({
      viewport: DESKTOP, colorScheme: "light", reducedMotion: "reduce", locale: "en-GB", timezoneId: "UTC", ...rest,
    });
    context.setDefaultTimeout(PATIENCE_MS);
    context.on("request", (request) => {
      const url = new URL(request.url());
      const near = ["127.0.0.1", "localhost"].includes(url.hostname) || ["data:", "blob:"].includes(url.protocol);
      if (!near) this.#complaints.push(`a request to ${url.href}`);
    });
    const page = await context.newPage();
    page.on("websocket", (socket) => {
      if (new URL(socket.url()).hostname !== "127.0.0.1") this.#complaints.push(`a socket to ${socket.url()}`);
    });
    page.on("pageerror", (error) => this.#complaints.push(`an exception: ${error.stack}`));
    page.on("console", (message) => {
      const text = message.text();
      const policy = /Content Security Policy|Trusted|TrustedHTML/i.test(text);
      const bad = message.type() === "error" || (message.type() === "warning" && policy);
      if (bad && (policy || !expectErrors)) this.#complaints.push(`the console: ${text} (${message.location().url})`);
    });
    page.base = base;
    this.#pages.push(page);
    return page;
  }

  /** Fails for what a reader with a screen reader or weak sight stumbles over. */
  async accessible(page, what) {
    await this.#judge(new AxeBuilder({ page }), what);
  }

  /** The same page in other colours: only these are looked at again. */
  async readable(page, what) {
    await this.#judge(new AxeBuilder({ page }).withRules(["color-contrast", "link-in-text-block"]), what);
  }

  async #judge(axe, what) {
    const { violations } = await axe.analyze();
    for (const { impact, id, nodes } of violations) {
      if (impact === "serious" || impact === "critical") {
        this.#complaints.push(`${what}: ${impact} ${id}: ${nodes.map((node) => `${node.target}: ${node.failureSummary}`).join("; ")}`);
      }
    }
  }

  async picture(page, name) {
    await page.screenshot({ path: join(this.#out, `${name}.png`), animations: "disabled", caret: "hide" });
  }

  /** What every page shows when a story fails. */
  async failed(story) {
    for (const [number, page] of this.#pages.entries()) {
      await page.screenshot({ path: join(this.#out, `failed-${story}-${number}.png`) }).catch(() => {});
    }
  }

  async close() {
    await this.#browser.close();
    if (this.#complaints.length > 0) throw new Error(this.#complaints.join("\n"));
  }
}

/** Stands between the browser and the hub, so that a story can cut the line. */
export class Wire {
  #sockets = new Set();
  #server;
  #cut = false;

  static async to(base) {
    const wire = new Wire();
    const { port } = new URL(base);
    wire.#server = createServer((near) => {
      if (wire.#cut) return near.destroy();
      const far = createConnection(Number(port), "127.0.0.1");
      for (const socket of [near, far]) {
        wire.#sockets.add(socket);
        socket.on("close", () => {
          wire.#sockets.delete(socket);
          near.destroy();
          far.destroy();
        });
        socket.on("error", () => {});
      }
      near.pipe(far);
      far.pipe(near);
    });
    await new Promise((resolve) => wire.#server.listen(0, "127.0.0.1", resolve));
    wire.base = `http://127.0.0.1:${wire.#server.address().port}`;
    return wire;
  }

  cut() {
    this.#cut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  mend() {
    this.#cut = false;
  }

  close() {
    this.cut();
    this.#server.close();
  }
}

/** Signs in as a guest, and waits for the room and an open line. */
export async function enter(page, name, path = "/#lobby") {
  await page.goto(page.base + path);
  await page.getByLabel("Your name").fill(name);
  await page.getByRole("button", { name: "Enter" }).click();
  await page.getByRole("textbox", { name: /^Message to/ }).first().waitFor();
}

export async function say(page, text) {
  const box = page.getByRole("textbox", { name: /^Message to/ }).first();
  await box.fill(text);
  await box.press("Enter");
}

/** The message with this text; waits until it is there as the room's own. Found by its id from then on. */
export async function message(page, text) {
  const found = page.locator("article[data-id]").filter({ hasText: text }).first();
  return page.locator(`article[data-id="${await found.getAttribute("data-id")}"]`).first();
}

/** The texts of the room, in order. */
export function texts(page) {
  return page.locator("article[data-id] .text").allInnerTexts();
}

export async function eventually(what, ask) {
  const end = Date.now() + PATIENCE_MS;
  let last;
  for (;;) {
    last = await ask();
    if (last === true) return;
    if (Date.now() > end) throw new Error(`not in time: ${what}: ${JSON.stringify(last)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export function same(found, expected, what) {
  const [left, right] = [JSON.stringify(found), JSON.stringify(expected)];
  if (left !== right) throw new Error(`${what}\n  expected ${right}\n  found    ${left}`);
}

/** A control call of the sandbox that is inside the hub. */
export async function control(base, method, path, body) {
  const headers = { "content-type": "application/json" };
  const response = await fetch(`${base}/sandbox${path}`, { method, headers, body: body && JSON.stringify(body) });
  const answer = await response.json();
  if (!response.ok) throw new Error(`${path}: ${response.status} ${JSON.stringify(answer)}`);
  return answer;
}
