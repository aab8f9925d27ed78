// Why signing in with an account did not work. The hub sends the browser back here with a word of this list in the
// address and no text, so that nobody can make a link that has the page say something else.
const WHY: Record<string, string> = {
  late: "Signing in took too long, or was begun in another browser. Please try again.",
  refused: "You were not signed in there: it was broken off, or your account may not be used here.",
  unproven: "What came back did not prove who you are. Please try again.",
  unreached: "Signing in cannot be reached right now. Please try again in a moment.",
  off: "This hub is not connected to any accounts.",
};

/** The sentence for the word in this address; nothing where signing in has not failed. */
export function signInFailed(search: string): string | null {
  const word = new URLSearchParams(search).get("sign_in");
  if (word === null) return null;
  return (Object.hasOwn(WHY, word) ? WHY[word] : undefined) ?? "Signing in did not work. Please try again.";
}
