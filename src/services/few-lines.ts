/** Log lines about many things that went wrong alike: the first of them by name, the others as a number. */
import { reasonOf } from "../host/error-data.ts";
import type { Logger } from "../host/host.ts";

/** So many are named in one turn. */
const MOST_NAMED = 10;

/** The complaints of one turn of one service. */
export class FewLines {
  readonly #logger: Logger;
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly #counts = new Map<string, number>();

  constructor(logger: Logger, fields: Readonly<Record<string, unknown>> = {}) {
    this.#logger = logger;
    this.#fields = fields;
  }

  /** Logs the first ones with this message and counts the others. */
  warn(message: string, error: unknown, fields: Readonly<Record<string, unknown>>): void {
    const count = (this.#counts.get(message) ?? 0) + 1;
    this.#counts.set(message, count);
    if (count > MOST_NAMED) return;
    const reason = error === undefined ? {} : { reason: reasonOf(error) };
    this.#logger.warn(message, { ...this.#fields, ...fields, ...reason });
  }

  /** Says how many were not named. */
  end(): void {
    for (const [message, count] of this.#counts)
      if (count > MOST_NAMED)
        this.#logger.warn(`${message}: and others`, { ...this.#fields, more: count - MOST_NAMED });
    this.#counts.clear();
  }
}
