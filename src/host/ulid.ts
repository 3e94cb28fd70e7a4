import { ulid } from "ulid";

/** A ULID whose time part is `now` in milliseconds, with the given randomness. */
export function encodeUlid(now: number, random: () => number): string {
  // The library takes 0 for "not given" and reads the clock of the machine.
  return ulid(Math.max(1, Math.floor(now)), random);
}
