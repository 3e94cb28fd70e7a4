/** What is done about news that do not fit into the record of their run any more. */
import type { FactBatch, Fact } from "../facts.ts";
import { cutAt } from "../../wire/cut.ts";

type Done = Extract<Fact, { fact: "done" }>;

/** A message that must be cut short keeps so much. */
const SHORT_MESSAGE = 200;

/** Whether a write with them brings what handlers returned or others sent. */
export function isGrowing(batches: readonly FactBatch[]): boolean {
  return batches.some(({ facts }) =>
    facts.some((fact) => fact.fact === "signals" || (fact.fact === "done" && fact.ref.kind === "run")),
  );
}

/**
 * The same batches with less in them. The step with the largest result failed instead: its handler ran, and what it returned cannot
 * be kept. Without results, signals are left in the inbox; without those, it is not kept how attempts failed, then messages are cut short. Undefined when nothing can be left out.
 */
export function leaveOut<D extends FactBatch>(batches: readonly D[], reason: string): readonly D[] | undefined {
  return (
    failLargest(batches, reason) ?? withoutSignals(batches) ?? withoutFailures(batches) ?? withShortMessages(batches)
  );
}

function failLargest<D extends FactBatch>(batches: readonly D[], reason: string): readonly D[] | undefined {
  const done = batches.flatMap(({ facts }) => facts).filter((fact) => fact.fact === "done");
  const [largest] = done.filter(({ ref }) => ref.kind === "run").toSorted((a, b) => lengthOf(b) - lengthOf(a));
  if (largest === undefined) return undefined;
  const { ref, attempt } = largest;
  const failure = { type: "StepFailed", message: reason, outcome: "unknown", attempt } as const;
  return changed(batches, (fact) => (fact === largest ? [{ fact: "failed", ref, failure }] : [fact]));
}

function withoutSignals<D extends FactBatch>(batches: readonly D[]): readonly D[] | undefined {
  if (!batches.some(({ facts }) => facts.some(({ fact }) => fact === "signals"))) return undefined;
  return changed(batches, (fact) => (fact.fact === "signals" ? [] : [fact]));
}

function withoutFailures<D extends FactBatch>(batches: readonly D[]): readonly D[] | undefined {
  if (!batches.some(({ facts }) => facts.some((fact) => "failures" in fact))) return undefined;
  return changed(batches, (fact) => {
    if (!("failures" in fact)) return [fact];
    const { failures: _dropped, ...rest } = fact;
    return [rest];
  });
}

function withShortMessages<D extends FactBatch>(batches: readonly D[]): readonly D[] | undefined {
  const isLong = (fact: Fact): boolean => fact.fact === "failed" && fact.failure.message.length > SHORT_MESSAGE;
  if (!batches.some(({ facts }) => facts.some(isLong))) return undefined;
  return changed(batches, (fact) => {
    if (fact.fact !== "failed" || !isLong(fact)) return [fact];
    const message = cutAt(fact.failure.message, SHORT_MESSAGE - 1);
    return [{ ...fact, failure: { ...fact.failure, message } }];
  });
}

function changed<D extends FactBatch>(batches: readonly D[], change: (fact: Fact) => readonly Fact[]): readonly D[] {
  return batches.map((batch) => ({ ...batch, facts: batch.facts.flatMap(change) }));
}

function lengthOf(fact: Done): number {
  return fact.result.text.length;
}
