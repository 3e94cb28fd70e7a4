/**
 * When a run is reconciled next, and so where its entry stands in the active index.
 *
 * A reconcile that finds nothing writes no record, so where the entry stands is computed: the record names the first reconcile, and the
 * later ones follow at a distance that the record tells too. Whoever writes the next record knows by that which entry it leaves behind.
 */
import type { Projection } from "../../../machines/snapshot.ts";
import { minuteOf } from "../../keys.ts";
import { parseInstant } from "../../wire/instant.ts";
import { hasUnknownOwner, type RunRecord } from "../record/record.ts";
import { indexEntry } from "../effects/index-entry.ts";
import { addEntry } from "../outbox.ts";
import type { Draft } from "./draft.ts";

const MINUTE_MS = 60_000;

/** A run that is not parked is reconciled this often at most. */
export const CHECK_MS: number = 10 * 60_000;
/** A parked run without a deadline is reconciled once a day. */
const PARKED_CHECK_MS = 24 * 60 * 60_000;
/** A run whose holders are not known is reconciled again in two lease periods. */
const ORPHAN_CHECK_MS = 60_000;

/**
 * Moves the next reconcile of a run: soon while it moves, at its deadline while it is parked, never when it is over. `before`: the
 * record that is replaced.
 */
export function moveNextCheck(
  draft: Draft,
  view: Projection,
  { before, over }: { readonly before: RunRecord; readonly over: boolean },
): void {
  const was = draft.machine.next_check_at;
  const leaving = leavingOf(draft);
  const at = over ? null : nextCheck(draft, view, leaving);
  const soonEnough = at !== null && was !== null && was <= at && isLater(was, draft.nowMs) && !isParked(draft, view);
  if (at === was || soonEnough) return;
  draft.machine = { ...draft.machine, next_check_at: at };
  const standing = was === null ? [] : [standingCheck(before, draft.nowMs)];
  addEntry(draft, indexEntry(at, [...new Set([...leaving, ...standing])]));
}

/**
 * The entries that the last move takes away and that may stand yet: the move may be under way, or not begun. A run that is opened again
 * may still have the one that its end takes away. What is due is taken away by the next sweep.
 */
function leavingOf({ machine, nowMs }: Draft): readonly number[] {
  const moved = machine.outbox.find((entry) => entry.do === "index");
  if (moved === undefined) return [];
  return moved.was.filter((was) => isLater(was, nowMs) && (moved.at === null || !isSameMinute(was, moved.at)));
}

/**
 * Where the entry of a run stands when every reconcile that was due was made: at the one that its record names, and after that on a grid from
 * there on. A sweep that is late finds it before that; one that reads the record while it is replaced may put it again, and takes it away
 * when it is due.
 */
export function standingCheck(record: RunRecord, nowMs: number): number {
  const strideMs = strideOf(record);
  const first = record.machine?.next_check_at ?? nowMs;
  if (isLater(first, nowMs)) return first;
  const at = first + strideMs * (Math.floor((nowMs - first) / strideMs) + 1);
  return isLater(at, nowMs) ? at : at + strideMs;
}

/**
 * How far apart the later reconciles are. A run that only waits is left alone for as long as its record last said: else its first
 * reconcile would be followed by one every ten minutes.
 */
function strideOf(record: RunRecord): number {
  if (hasUnknownOwner(record)) return ORPHAN_CHECK_MS;
  const { machine, status, updated_at } = record;
  const onlyWaits = (status === "waiting_signal" || status === "paused") && machine?.timers.length === 0;
  const strideMs = (machine?.next_check_at ?? 0) - (parseInstant(updated_at)?.ms ?? 0);
  if (!onlyWaits || machine.executions.length > 0 || strideMs < MINUTE_MS) return CHECK_MS;
  return Math.min(strideMs, PARKED_CHECK_MS);
}

function isParked(draft: Draft, view: Projection): boolean {
  return (
    draft.machine.executions.length === 0 &&
    view.draining.length === 0 &&
    (view.waits.length > 0 || view.status === "paused" || draft.machine.timers.length > 0)
  );
}

/** A delete that is late must not take away the entry that is put now: the two never have the same minute. */
function nextCheck(draft: Draft, view: Projection, leaving: readonly number[]): number {
  let at = wantedCheck(draft, view);
  while (leaving.some((was) => isSameMinute(was, at))) at += MINUTE_MS;
  return at;
}

/** Always in a minute that comes: what is due is the sweeper's. */
function wantedCheck(draft: Draft, view: Projection): number {
  if (draft.machine.executions.some((execution) => execution.owner === "unknown")) return draft.nowMs + ORPHAN_CHECK_MS;
  if (!isParked(draft, view)) return draft.nowMs + CHECK_MS;
  const due = draft.machine.timers.map((timer) => timer.dueAt);
  if (due.length === 0) return draft.nowMs + PARKED_CHECK_MS;
  const at = Math.min(...due) + CHECK_MS;
  return isLater(at, draft.nowMs) ? at : draft.nowMs + CHECK_MS;
}

const isLater = (at: number, nowMs: number): boolean => minuteOf(at) > minuteOf(nowMs);
const isSameMinute = (one: number, other: number): boolean => minuteOf(one) === minuteOf(other);
