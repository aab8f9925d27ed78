// What the heads of all pages share, put where a page says so.
import type { Plugin } from "vite";

/** Stands in each page's head. */
const MARK = "<!-- the shared head -->";

const SHARED = `<meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1, interactive-widget=resizes-content" />
    <meta name="color-scheme" content="light dark" />
    <meta name="theme-color" content="#f6f6f3" media="(prefers-color-scheme: light)" />
    <meta name="theme-color" content="#16181c" media="(prefers-color-scheme: dark)" />
    <link rel="icon" href="/icons/icon.svg" type="image/svg+xml" />
    <script src="/theme.js"></script>`;

export function head(): Plugin {
  return {
    name: "switchboard-head",
    transformIndexHtml: {
      order: "pre",
      handler(html, { path }) {
        if (!html.includes(MARK)) throw new Error(`${path} has no place for the shared head: ${MARK}`);
        return html.replace(MARK, SHARED);
      },
    },
  };
}
