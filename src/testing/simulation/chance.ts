import type { Random } from "../../host/host.ts";

const CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/** A 32-bit number out of any words: the same words, the same number, on every machine. */
export function mixSeed(...words: readonly (string | number)[]): number {
  let hash = 0x811c9dc5;
  for (const char of words.join("\u0000")) {
    hash = Math.imul(hash ^ char.codePointAt(0)!, 0x01000193);
    hash ^= hash >>> 15;
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/**
 * Seeded chance. Streams are made per purpose (`new Chance(mixSeed(seed, process, call))`) so that taking one fault out of a history leaves
 * the draws of all other calls as they were.
 */
export class Chance implements Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** Uniform in [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }

  /** Uniform in [least, most). */
  between(least: number, most: number): number {
    return least + this.next() * (most - least);
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return this.next() < probability;
  }

  uuid(): string {
    const digits = Array.from({ length: 32 }, () => Math.floor(this.next() * 16));
    digits[12] = 4;
    digits[16] = 8 + (digits[16]! & 3);
    const hex = digits.map((digit) => digit.toString(16)).join("");
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  }

  ulid(now: number): string {
    let time = "";
    for (let rest = Math.floor(now), place = 0; place < 10; place += 1, rest = Math.floor(rest / 32)) time = CROCKFORD[rest % 32]! + time;
    return time + Array.from({ length: 16 }, () => CROCKFORD[Math.floor(this.next() * 32)]!).join("");
  }
}
