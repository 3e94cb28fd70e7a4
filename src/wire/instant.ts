/** Instants as the bucket spells them. Texts of other programs are kept as they are and parsed only for comparison. */

/** An instant that was read: its milliseconds since 1970 (rounded down) and its text. */
export interface Instant {
  readonly ms: number;
  readonly text: string;
}

/** A year of more than four digits, or one before the year 0, has a sign. */
const RFC3339 =
  /^(\d{1,4}|[+-]\d{1,6})-(\d{1,2})-(\d{1,2})[Tt ](\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.(\d+))?\s*(?:[Zz]|UTC|([+-])(\d{2}):?(\d{2}))$/u;

/** Reads RFC 3339 as leniently as buquet does; undefined when it is not an instant. */
export function parseInstant(text: string): Instant | undefined {
  const match = RFC3339.exec(text);
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second, fraction = "", sign, offsetHours = "0", offsetMinutes = "0"] = match;
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 60 || Number(offsetMinutes) > 59) return undefined;
  const midnight = midnightOf(Number(year), Number(month), Number(day));
  if (midnight === undefined) return undefined;
  const timeMs = ((Number(hour) * 60 + Number(minute)) * 60 + Number(second)) * 1_000;
  const offsetMs = (Number(offsetHours) * 60 + Number(offsetMinutes)) * 60_000 * (sign === "-" ? -1 : 1);
  return { ms: midnight + timeMs - offsetMs + Number(`${fraction}000`.slice(0, 3)), text };
}

/** `Date.UTC` takes the 30th of February for the 2nd of March, and the year 1 for 1901. */
function midnightOf(year: number, month: number, day: number): number | undefined {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day ? date.getTime() : undefined;
}

function body(atMs: number): string {
  const iso = new Date(atMs).toISOString().slice(0, -1);
  // JavaScript writes years outside 0 to 9999 with six digits, buquet with as many as there are and at least four.
  const year = iso.replace(/^([+-])0{1,2}(?=\d{4,5}-)/u, "$1");
  return year.endsWith(".000") ? year.slice(0, -4) : year;
}

/** The form of typed fields (tasks, workers): `…Z`, with three digits of fraction or none. */
export function formatInstant(atMs: number): string {
  return `${body(atMs)}Z`;
}

/** The form of opaque texts (runs, signals): `…+00:00`. Lexicographic order is the order of time. */
export function formatOpaque(atMs: number): string {
  return `${body(atMs)}+00:00`;
}
