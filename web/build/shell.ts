// Tells the service worker which files make up the chat, and names the set by what is in it.
import { createHash } from "node:crypto";

import type { Plugin } from "vite";

/** Stands in src/worker/worker.ts where the list goes. */
const MARK = /(["'`])__SHELL__\1/;

export function shell(): Plugin {
  return {
    name: "switchboard-shell",
    apply: "build",
    enforce: "post",
    generateBundle: {
      order: "post",
      handler(_options, bundle) {
        const worker = bundle["worker.js"];
        if (worker?.type !== "chunk") this.error("the service worker was not built");
        const hash = createHash("sha256");
        const paths = Object.keys(bundle).filter((path) => path.startsWith("assets/")).sort();
        for (const path of Object.keys(bundle).sort()) {
          const file = bundle[path];
          if (file === undefined || path === "worker.js") continue;
          hash.update(path).update(file.type === "chunk" ? file.code : file.source);
        }
        const own = ["/", "/theme.js", "/icons/icon.svg"];
        const list = { version: hash.digest("hex").slice(0, 16), paths: [...own, ...paths.map((path) => `/${path}`)] };
        if (!MARK.test(worker.code)) this.error("the service worker has no place for its list of files");
        worker.code = worker.code.replace(MARK, JSON.stringify(JSON.stringify(list)));
      },
    },
  };
}
