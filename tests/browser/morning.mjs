// A picture that a phone can send: a morning, painted here, as a PNG of 480 by 360 points.
import { crc32, deflateSync } from "node:zlib";

const [WIDTH, HEIGHT] = [480, 360];

export function morning() {
  const rows = Buffer.alloc(HEIGHT * (1 + WIDTH * 3));
  for (let y = 0; y < HEIGHT; y++) {
    for (let x = 0; x < WIDTH; x++) rows.set(color(x / WIDTH, y / HEIGHT), y * (1 + WIDTH * 3) + 1 + x * 3);
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(WIDTH, 0);
  header.writeUInt32BE(HEIGHT, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, chunk("IHDR", header), chunk("IDAT", deflateSync(rows)), chunk("IEND", Buffer.alloc(0))]);
}

function color(x, y) {
  const far = 0.62 + 0.05 * Math.sin(x * 7);
  const near = 0.78 + 0.06 * Math.sin(x * 4 + 2);
  if (y > near) return [38, 70, 60];
  if (y > far) return [86, 112, 110];
  const sun = Math.hypot((x - 0.66) * 4, (y - 0.5) * 3);
  if (sun < 0.3) return [255, 236, 190];
  const glow = Math.max(0, 1 - sun / 2.4);
  return [150 + 100 * glow, 170 + 30 * glow - 25 * y, 205 - 70 * glow - 20 * y].map((part) => Math.round(part));
}

function chunk(name, data) {
  const named = Buffer.concat([Buffer.from(name, "latin1"), data]);
  const framed = Buffer.alloc(named.length + 8);
  framed.writeUInt32BE(data.length, 0);
  framed.set(named, 4);
  framed.writeUInt32BE(crc32(named), named.length + 4);
  return framed;
}
