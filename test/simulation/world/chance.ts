import type { Random } from "../../../src/host/host.ts";
import { seededRandom } from "../../../src/host/seeded.ts";

/** A 32-bit number out of any words: the same words, the same number, on every machine. */
export function mixSeed(...words: readonly (string | number)[]): number {
  let hash = 0x811c9dc5;
  const text = words.join("\u0000");
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
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
  readonly #random: Random;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  /** Uniform in [0, 1). */
  next(): number {
    return this.#random.next();
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
    return this.#random.uuid();
  }

  ulid(now: number): string {
    return this.#random.ulid(now);
  }
}
