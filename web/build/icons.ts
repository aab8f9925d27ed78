// The icon: three people joined at one hub. One description makes the SVG and the PNGs that systems still ask for.
import { crc32, deflateSync } from "node:zlib";

import type { Plugin } from "vite";

/** On a canvas of 512: lines from the hub to each person, then the dots. */
const HUB = { x: 256, y: 264, radius: 62 };
const PEOPLE = [
  { x: 256, y: 108, radius: 42 },
  { x: 116, y: 364, radius: 42 },
  { x: 396, y: 364, radius: 42 },
];
const LINE = 26;
const GROUND = [53, 80, 200] as const;
const INK = [255, 255, 255] as const;
const CORNER = 116;

export function icons(): Plugin {
  return {
    name: "switchboard-icons",
    generateBundle() {
      this.emitFile({ type: "asset", fileName: "icons/icon.svg", source: svg() });
      for (const size of [192, 512]) {
        this.emitFile({ type: "asset", fileName: `icons/icon-${size}.png`, source: png(size, CORNER, 1) });
      }
      // A mask may cut a tenth off each side: the ground goes to the edge, and the drawing is smaller.
      this.emitFile({ type: "asset", fileName: "icons/maskable-512.png", source: png(512, 0, 0.78) });
      this.emitFile({ type: "asset", fileName: "icons/touch-180.png", source: png(180, 0, 0.86) });
    },
    configureServer(server) {
      server.middlewares.use("/icons/icon.svg", (_request, response) => {
        response.setHeader("content-type", "image/svg+xml").end(svg());
      });
    },
  };
}

function svg(): string {
  const color = ([red, green, blue]: readonly [number, number, number]): string => `rgb(${red} ${green} ${blue})`;
  const lines = PEOPLE.map((person) => `M${HUB.x} ${HUB.y}L${person.x} ${person.y}`).join("");
  const dots = [HUB, ...PEOPLE].map((dot) => `<circle cx="${dot.x}" cy="${dot.y}" r="${dot.radius}"/>`).join("");
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 512 512"><rect width="512" height="512" rx="${CORNER}" ` +
    `fill="${color(GROUND)}"/><g fill="${color(INK)}" stroke="${color(INK)}"><path d="${lines}" ` +
    `stroke-width="${LINE}" fill="none"/><g stroke="none">${dots}</g></g></svg>\n`
  );
}

/** How far a point is outside the drawing, in units of the canvas; negative inside. */
function outsideInk(x: number, y: number): number {
  let nearest = Infinity;
  for (const dot of [HUB, ...PEOPLE]) {
    nearest = Math.min(nearest, Math.hypot(x - dot.x, y - dot.y) - dot.radius);
  }
  for (const person of PEOPLE) {
    const [dx, dy] = [person.x - HUB.x, person.y - HUB.y];
    const along = ((x - HUB.x) * dx + (y - HUB.y) * dy) / (dx * dx + dy * dy);
    const t = Math.max(0, Math.min(1, along));
    nearest = Math.min(nearest, Math.hypot(x - HUB.x - t * dx, y - HUB.y - t * dy) - LINE / 2);
  }
  return nearest;
}

function outsideGround(x: number, y: number, corner: number): number {
  const dx = Math.max(Math.abs(x - 256) - (256 - corner), 0);
  const dy = Math.max(Math.abs(y - 256) - (256 - corner), 0);
  return corner === 0 ? -1 : Math.hypot(dx, dy) - corner;
}

/** A PNG of that many pixels a side; `scale` shrinks the drawing towards the middle. */
function png(size: number, corner: number, scale: number): Buffer {
  const unit = 512 / size;
  const cover = (outside: number): number => Math.max(0, Math.min(1, 0.5 - outside / unit));
  const rows = Buffer.alloc(size * (1 + size * 4));
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      const [x, y] = [(column + 0.5) * unit, (row + 0.5) * unit];
      const ink = cover(outsideInk(256 + (x - 256) / scale, 256 + (y - 256) / scale) * scale);
      const at = row * (1 + size * 4) + 1 + column * 4;
      for (const channel of [0, 1, 2] as const) {
        rows[at + channel] = Math.round(GROUND[channel] + (INK[channel] - GROUND[channel]) * ink);
      }
      rows[at + 3] = Math.round(255 * cover(outsideGround(x, y, corner)));
    }
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(size, 0);
  header.writeUInt32BE(size, 4);
  header.set([8, 6, 0, 0, 0], 8); // 8 bits a channel, red green blue alpha
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const body = deflateSync(rows, { level: 9 });
  return Buffer.concat([signature, chunk("IHDR", header), chunk("IDAT", body), chunk("IEND", Buffer.alloc(0))]);
}

function chunk(name: string, data: Buffer): Buffer {
  const named = Buffer.concat([Buffer.from(name, "latin1"), data]);
  const framed = Buffer.alloc(named.length + 8);
  framed.writeUInt32BE(data.length, 0);
  framed.set(named, 4);
  framed.writeUInt32BE(crc32(named), named.length + 4);
  return framed;
}
