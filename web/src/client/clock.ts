// Time and chance as parameters, so that tests are exact.

export interface Clock {
  now(): number;
  /** Calls back once; the answer takes it back. */
  after(ms: number, call: () => void): () => void;
  /** From 0 up to 1. */
  random(): number;
}

export const realClock: Clock = {
  now: () => Date.now(),
  after: (ms, call) => {
    const timer = setTimeout(call, ms);
    return () => clearTimeout(timer);
  },
  random: () => Math.random(),
};

const FIRST_MS = 500;
const LONGEST_MS = 30_000;

/** How long to wait before the next attempt: doubled each time, moved between half and whole by chance. */
export function backoffMs(attempt: number, clock: Clock): number {
  const whole = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempt, 16));
  return Math.round(whole * (0.5 + clock.random() / 2));
}
