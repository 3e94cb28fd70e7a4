const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/** A ULID (github.com/ulid/spec): 48 bits of time in milliseconds, 80 bits of chance, Crockford base 32. */
export function encodeUlid(now: number, random: () => number): string {
  let time = "";
  let rest = Math.max(0, Math.floor(now));
  for (let index = 0; index < 10; index += 1) {
    time = ALPHABET.charAt(rest % 32) + time;
    rest = Math.floor(rest / 32);
  }
  let chance = "";
  for (let index = 0; index < 16; index += 1) chance += ALPHABET.charAt(Math.floor(random() * 32));
  return time + chance;
}
