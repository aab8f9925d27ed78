// How the pages are built: one HTML file a page, hashed files in assets/, icons and the service worker beside them,
// each with its compressed forms, all in dist/. The program embeds dist/ as it is; S3 takes it as it is.
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

import { compress } from "./build/compress.ts";
import { head } from "./build/head.ts";
import { icons } from "./build/icons.ts";
import { shell } from "./build/shell.ts";

export default defineConfig({
  plugins: [svelte(), head(), icons(), shell(), compress()],
  build: {
    target: ["chrome123", "firefox121", "safari17.5"],
    // dist/ itself is in the repository, empty: the program's build looks at it. compress() empties it.
    emptyOutDir: false,
    modulePreload: { polyfill: false },
    // Everything is a file of its own: the pages' policy allows no data: addresses.
    assetsInlineLimit: 0,
    rollupOptions: {
      input: { chat: "index.html", sandbox: "sandbox.html", trouble: "trouble.html", worker: "src/worker/worker.ts" },
      output: {
        entryFileNames: (chunk) => (chunk.name === "worker" ? "worker.js" : "assets/[name]-[hash].js"),
        chunkFileNames: "assets/[name]-[hash].js",
        assetFileNames: "assets/[name]-[hash][extname]",
      },
    },
  },
  test: { include: ["tests/**/*.test.ts"], environment: "node" },
});
