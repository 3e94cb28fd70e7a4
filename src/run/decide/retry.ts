/**
 * An operator's retry: a failed run opens again (docs/decisions/0005-what-a-retry-keeps.md). What completed stays, unless its undo
 * ran; every other step begins anew, and the record forgets the failure.
 */
import type { StepView } from "../../../machines/snapshot.ts";
import { STORED_NULL, type StoredValue } from "../../wire/value.ts";
import { keepResult } from "../outbox.ts";
import { type Draft, projectionOf, setStep } from "./draft.ts";
import { move } from "./move.ts";
import { bumpEpoch } from "./steps.ts";

/** Opens a failed run. `nth` counts its retries from 1: one that was given for an earlier failure is void. Undefined: for any. */
export function applyRetry(draft: Draft, nth: number | undefined, givenAt: number): void {
  const view = projectionOf(draft);
  const count = (draft.machine.reopened?.count ?? 0) + 1;
  if (view.status !== "failed" || (nth ?? count) !== count) return;
  for (const [name, step] of view.steps) if (!stays(step)) renewStep(draft, name, step);
  const { error: _failed, ...record } = draft.record;
  const { cause: _cause, ...machine } = draft.machine;
  draft.record = record;
  draft.machine = { ...machine, given: [], compensation_errors: [], reopened: { count, at: givenAt } };
  move(draft, { type: "retry" }, "retry");
}

const stays = ({ phase, undo }: StepView): boolean => (phase === "completed" || phase === "skipped") && undo === "none";

/** The step is as if it had not begun, but for what its outside effects may still stand on: its idempotency key. */
function renewStep(draft: Draft, name: string, { undo }: StepView): void {
  if (undo === "done") bumpEpoch(draft, name);
  const state = draft.record.steps.get(name);
  if (state === undefined) return;
  if (state.status === "completed") replaceResult(draft, name, state.result ?? STORED_NULL);
  setStep(draft, name, { status: "pending", attempt: 0 });
}

/** P10: the first result of a step stays in its file for ever, also if that has yet to be put. */
function replaceResult(draft: Draft, name: string, result: StoredValue): void {
  keepResult(draft, name, result);
  const replaced = [...(draft.machine.replaced ?? []).filter((other) => other !== name), name];
  draft.machine = { ...draft.machine, replaced };
}
