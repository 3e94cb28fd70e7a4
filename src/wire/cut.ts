/** The beginning of a text, at most so many UTF-16 units of it. A character is kept whole or left out. */
export function cutAt(text: string, length: number): string {
  return text.slice(0, length).replace(/[\uD800-\uDBFF]$/, "");
}
