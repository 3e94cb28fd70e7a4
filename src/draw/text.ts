/** How wide a text is, and where it breaks, without a screen to measure on. */

/** One line of a text that fits. */
export interface TextLine {
  readonly text: string;
  /** Room that it was given, in pixels. */
  readonly width: number;
  /** Whether the room is a guess: the font may not have the characters. */
  readonly guessed: boolean;
}

/** Widths of the characters from the space to the tilde in thousandths of the size, as in Helvetica and the fonts made to its measure. */
const WIDTHS =
  "278 278 355 556 556 889 667 191 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 556 556 556 278 278 584 584 584 556 1015 667 667 722 722 667 611 778 722 278 500 667 556 833 722 778 667 778 722 667 611 722 667 944 667 667 611 278 278 278 469 556 333 556 556 500 556 556 278 556 556 222 222 500 222 833 556 556 556 556 333 500 278 556 500 722 500 500 500 334 260 334 584"
    .split(" ")
    .map(Number);
/** Other fonts of the family are a little wider. */
const SPARE = 1.08;
const BOLD = 1.08;
/** Letters of other alphabets, and whatever else no table knows, in parts of the size. */
const LETTER = 0.7;
const IDEOGRAPH = 1;
const PICTURE = 1.3;
/** More than this is never shown, so it need not be measured. */
const LONGEST = 400;

const segmenter = new Intl.Segmenter("en", { granularity: "grapheme" });

/** The characters of a text as people count them. */
const graphemes = (text: string): readonly string[] => [...segmenter.segment(text)].map(({ segment }) => segment);

/** Whether every font of the family has it. */
const isPlain = (character: string): boolean => /^[ -~\u00a0-\u04ff–—‘-”…]$/.test(character);

function widthOf(character: string): number {
  const known = character.length === 1 ? WIDTHS[character.charCodeAt(0) - 32] : undefined;
  if (known !== undefined) return known / 1000;
  if (character === "…") return 1;
  if (isPlain(character)) return LETTER;
  return /\p{Extended_Pictographic}/u.test(character) ? PICTURE : IDEOGRAPH;
}

/** The width of a text in pixels. */
export function measure(text: string, size: number, bold = false): number {
  const characters = graphemes(text.slice(0, LONGEST));
  let width = 0;
  for (const character of characters) width += widthOf(character);
  // What is set into its room anyway (`guessed`) needs no spare.
  return Math.ceil(width * size * (characters.every(isPlain) ? SPARE : 1) * (bold ? BOLD : 1));
}

/** How a text is set. */
export interface Setting {
  /** Size of the font in pixels. */
  readonly size: number;
  /** Room of a line in pixels. */
  readonly room: number;
  readonly lines: number;
  readonly bold?: boolean;
}

/** Breaks a text where people would (after `_`, `-`, `.`, spaces, before capitals), else anywhere; what is too much ends in `…`. */
export function wrap(text: string, { size, room, lines, bold = false }: Setting): readonly TextLine[] {
  const shown = printable(text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text);
  const fits = (line: string): boolean => measure(line, size, bold) <= room;
  const made: string[] = [];
  let line = "";
  const parts = shown
    .split(/(?<=[\s_\-.:/])|(?<=\p{Ll})(?=\p{Lu})/u)
    .flatMap((part) => (fits(part) ? [part] : graphemes(part)));
  for (const part of parts) {
    if (line !== "" && !fits((line + part).trimEnd())) {
      made.push(line.trim());
      line = "";
    }
    line += part;
  }
  made.push(line.trim());
  const kept = made.slice(0, lines);
  if (made.length > lines) kept[lines - 1] = shortened(kept[lines - 1] ?? "", fits);
  return kept.map((text) => ({
    text,
    width: measure(text, size, bold),
    guessed: graphemes(text).some((character) => !isPlain(character)),
  }));
}

function shortened(line: string, fits: (line: string) => boolean): string {
  const kept = [...graphemes(line)];
  while (kept.length > 0 && !fits(`${kept.join("")}…`)) kept.pop();
  return `${kept.join("")}…`;
}

/** The text as XML can hold it: control characters and halves of characters become `�`. */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cs}\uFFFE\uFFFF]/gu, (found) => (/\s/.test(found) ? " " : "\uFFFD"));
}
