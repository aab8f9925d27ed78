// What somebody reads whose signing in has failed.
import { expect, test } from "vitest";

import { signInFailed } from "../src/chat/signInFailed.ts";

test("the hub's word becomes a sentence of ours, and no word of the address is shown", () => {
  expect(signInFailed("")).toBeNull();
  expect(signInFailed("?room=lobby")).toBeNull();
  expect(signInFailed("?sign_in=late")).toContain("took too long");
  for (const word of ["", "constructor", "__proto__", "<b>your password, please</b>"]) {
    expect(signInFailed(`?sign_in=${encodeURIComponent(word)}`)).toBe("Signing in did not work. Please try again.");
  }
});
