/** Facts that a test can await instead of sleeping. Nothing in production listens, so they cost nothing there. */

/** What a service says about itself. */
export type ServiceFact =
  | { readonly signal: "polled"; readonly found: number; readonly claimed: number }
  | { readonly signal: "committed"; readonly run: string; readonly status: string; readonly facts: readonly string[] }
  | { readonly signal: "driven"; readonly run: string; readonly task: string; readonly end: string };

/** A place where facts are said and awaited. */
export class TestSignals {
  readonly #listeners = new Set<(fact: ServiceFact) => void>();

  /** Says a fact to everybody who waits. */
  emit(fact: ServiceFact): void {
    for (const listener of this.#listeners) listener(fact);
  }

  /** Resolves with the next fact for which `wanted` is true. */
  next(wanted: (fact: ServiceFact) => boolean): Promise<ServiceFact> {
    return new Promise((resolve) => {
      const listener = (fact: ServiceFact): void => {
        if (!wanted(fact)) return;
        this.#listeners.delete(listener);
        resolve(fact);
      };
      this.#listeners.add(listener);
    });
  }
}
