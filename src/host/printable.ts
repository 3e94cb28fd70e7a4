/** Makes untrusted text safe for terminals and for files of lines. */

/** What a terminal obeys or is confused by: control characters, and those that turn the direction of writing. */
const UNPRINTABLE = /[\p{Cc}\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\p{Cs}]/gu;

/** A text of somebody else on one line: what a terminal would obey is shown as `\u001b`. */
export function printable(text: string): string {
  return text.replaceAll(UNPRINTABLE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
