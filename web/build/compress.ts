// Empties dist/ before the build, and after it puts a .br and a .gz beside each file that becomes smaller by it.
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

import type { Plugin } from "vite";

/** Smaller files gain nothing. */
const SMALLEST = 256;

export function compress(): Plugin {
  let directory = "dist";
  return {
    name: "switchboard-compress",
    apply: "build",
    enforce: "post",
    configResolved(config) {
      directory = join(config.root, config.build.outDir);
    },
    buildStart() {
      for (const name of readdirSync(directory)) {
        if (name !== ".gitignore") rmSync(join(directory, name), { recursive: true });
      }
    },
    closeBundle() {
      for (const path of files(directory)) {
        if (!/\.(html|js|css|svg|webmanifest)$/.test(path)) continue;
        const plain = readFileSync(path);
        if (plain.length < SMALLEST) continue;
        const quality = { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY };
        keepSmaller(`${path}.br`, brotliCompressSync(plain, { params: quality }), plain);
        keepSmaller(`${path}.gz`, gzipSync(plain, { level: 9 }), plain);
      }
    },
  };
}

function keepSmaller(path: string, compressed: Buffer, plain: Buffer): void {
  if (compressed.length < plain.length) writeFileSync(path, compressed);
}

function files(directory: string): string[] {
  return readdirSync(directory).flatMap((name) => {
    const path = join(directory, name);
    return statSync(path).isDirectory() ? files(path) : [path];
  });
}
