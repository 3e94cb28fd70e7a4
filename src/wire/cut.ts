/** The beginning of a text, with at most this many UTF-16 units. A character is kept whole or left out. */
export function cutAt(text: string, length: number): string {
  return text.slice(0, length).replace(/[\uD800-\uDBFF]$/, "");
}
