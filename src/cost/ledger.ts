/** Adds up what a walk comes by. */
import { addRequests, NO_REQUESTS, type Requests } from "./requests.ts";
import { type RuleName, RULES } from "./rules.ts";

/** How often each rule applied. */
export class Ledger {
  readonly #times = new Map<RuleName, number>();

  charge(rule: RuleName, times = 1): void {
    if (times > 0) this.#times.set(rule, (this.#times.get(rule) ?? 0) + times);
  }

  /** All rules that applied, in the order in which they first did. */
  get times(): ReadonlyMap<RuleName, number> {
    return this.#times;
  }

  /** All requests together. */
  total(): Requests {
    return [...this.#times].reduce((sum, [rule, times]) => addRequests(sum, RULES[rule].requests, times), NO_REQUESTS);
  }
}
