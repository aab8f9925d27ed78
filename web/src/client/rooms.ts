// The rooms as the hub lists them, and what it says of one besides its messages.
import type { RoomListed, ServerFrame } from "./protocol.ts";
import { Timeline } from "./timeline.ts";

/** The rooms in the hub's order; `unknown` are those in which something was said since the last visit. */
export function merged(
  known: ReadonlyMap<string, Timeline>,
  listed: readonly RoomListed[],
  me: string,
): { rooms: Map<string, Timeline>; unknown: Timeline[] } {
  const rooms = new Map<string, Timeline>();
  const unknown: Timeline[] = [];
  for (const one of listed) {
    const before = known.get(one.name);
    const room = before ?? new Timeline(one, me);
    const fresh = room.applied === null;
    room.listed(one);
    rooms.set(one.name, room);
    if (before === undefined) room.read = one.seq;
    else if (fresh && room.joined && room.read < one.seq) unknown.push(room);
  }
  return { rooms, unknown };
}

export function told(
  room: Timeline,
  frame: Extract<ServerFrame, { kind: "watching" | "deliveries" | "warnings" | "presence" }>,
): void {
  switch (frame.kind) {
    case "watching":
      room.people = frame.people;
      break;
    case "deliveries":
      room.patch(frame.message_id, { deliveries: frame.deliveries });
      break;
    case "warnings":
      room.warnings = frame.warnings;
      break;
    case "presence":
      room.present(frame.person, frame.here);
  }
}
