import { ulid } from "ulid";

/** A ULID whose time part is `now` in milliseconds, with the chance that is given. */
export function encodeUlid(now: number, random: () => number): string {
  return ulid(Math.max(0, Math.floor(now)), random);
}
