/** Instants as the bucket spells them. What others wrote is kept as text; only what is compared is parsed. */

/** An instant that was read: its milliseconds since 1970 (rounded down) and its text. */
export interface Instant {
  readonly ms: number;
  readonly text: string;
}

const RFC3339 =
  /^([+-]?\d{4,6})-(\d{1,2})-(\d{1,2})[Tt ](\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.(\d+))?\s*(?:[Zz]|UTC|([+-])(\d{2}):?(\d{2}))$/u;

/** Reads RFC 3339 as leniently as buquet does; undefined when it is not an instant. */
export function parseInstant(text: string): Instant | undefined {
  const match = RFC3339.exec(text);
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second, fraction = "", sign, offsetHours = "0", offsetMinutes = "0"] = match;
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 60) return undefined;
  const utc = Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second));
  if (Number.isNaN(utc)) return undefined;
  const offsetMs = (Number(offsetHours) * 60 + Number(offsetMinutes)) * 60_000 * (sign === "-" ? -1 : 1);
  return { ms: utc - offsetMs + Number(`${fraction}000`.slice(0, 3)), text };
}

function body(atMs: number): string {
  const iso = new Date(atMs).toISOString().slice(0, -1);
  return iso.endsWith(".000") ? iso.slice(0, -4) : iso;
}

/** The form of typed fields (tasks, workers): `…Z`, with three digits of fraction or none. */
export function formatInstant(atMs: number): string {
  return `${body(atMs)}Z`;
}

/** The form of opaque texts (runs, signals): `…+00:00`. Lexicographic order is the order of time. */
export function formatOpaque(atMs: number): string {
  return `${body(atMs)}+00:00`;
}
