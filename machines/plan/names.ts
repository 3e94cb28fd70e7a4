/** Step names are arbitrary; keys of states and of the context are not. */

/** A key that XState cannot misread: letters, digits, `_` and `-` stay, everything else is spelled `~hex.` without the dot. */
export function encodeName(name: string): string {
  let encoded = "";
  for (const character of name) {
    encoded += /[A-Za-z0-9_-]/.test(character) ? character : `~${(character.codePointAt(0) ?? 0).toString(16)}~`;
  }
  return `s:${encoded}`;
}
