/** What is done about a result that does not fit into its record any more. */
import type { Delivery, Fact } from "./facts.ts";
import { stringifyJson } from "../wire/json.ts";

type Done = Extract<Fact, { fact: "done" }>;

/**
 * The same deliveries, in which the step with the largest result failed instead: its handler ran, and what it returned cannot be
 * kept. Undefined when no result is among them.
 */
export function refuseLargest<D extends Delivery>(deliveries: readonly D[], reason: string): readonly D[] | undefined {
  const done = deliveries.flatMap(({ facts }) => facts).filter((fact) => fact.fact === "done");
  const [largest] = done.toSorted((a, b) => lengthOf(b) - lengthOf(a));
  if (largest === undefined || largest.ref.kind === "undo") return undefined;
  const { ref, attempt } = largest;
  const failure = { type: "StepFailed", message: reason, outcome: "unknown", attempt } as const;
  return deliveries.map((delivery) => ({
    ...delivery,
    facts: delivery.facts.map((fact) => (fact === largest ? { fact: "failed", ref, failure } : fact)),
  }));
}

function lengthOf(fact: Done): number {
  return stringifyJson(fact.result).length;
}
