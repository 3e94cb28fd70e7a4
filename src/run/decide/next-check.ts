/**
 * When the active index has a run looked at next.
 *
 * A look writes no record, so where the entry of a run stands is computed: its first look is in the record, and the ones after it follow at
 * a distance that the record tells too. Whoever writes the next record knows by that which entry it leaves behind.
 */
import type { Projection } from "../../../machines/snapshot.ts";
import { minuteOf } from "../../keys.ts";
import { parseInstant } from "../../wire/instant.ts";
import { hasUnknownOwner, type RunRecord } from "../record/record.ts";
import { indexEntry } from "../effects/index-entry.ts";
import { addEntry } from "../outbox.ts";
import type { Draft } from "./draft.ts";

const MINUTE_MS = 60_000;

/** A run that is not parked is looked at this often at most. */
export const LOOK_MS: number = 10 * 60_000;
/** A parked run without a deadline is looked at once a day. */
export const PARKED_LOOK_MS: number = 24 * 60 * 60_000;
/** A run whose holders are not known is looked at again in two lease periods. */
export const ORPHAN_LOOK_MS = 60_000;

/**
 * The active index has a run looked at: soon while it moves, at its deadline while it is parked, never when it is over. `before`: the
 * record that is replaced.
 */
export function moveLook(
  draft: Draft,
  view: Projection,
  { before, over }: { readonly before: RunRecord; readonly over: boolean },
): void {
  const was = draft.machine.look_at;
  const leaving = leavingOf(draft);
  const at = over ? null : nextLook(draft, view, leaving);
  const soonEnough = at !== null && was !== null && was <= at && isLater(was, draft.nowMs) && !isParked(draft, view);
  if (at === was || soonEnough) return;
  draft.machine = { ...draft.machine, look_at: at };
  const standing = was === null ? [] : [standingLook(before, draft.nowMs)];
  addEntry(draft, indexEntry(at, [...new Set([...leaving, ...standing])]));
}

/**
 * The entries that the last move takes away and that may stand yet: the move may be under way, or not begun. A run that is opened again
 * may still have the one that its end takes away. What is due is taken away by the next sweep.
 */
function leavingOf({ machine, nowMs }: Draft): readonly number[] {
  const moved = machine.outbox.find((entry) => entry.do === "look");
  if (moved === undefined) return [];
  return moved.was.filter((was) => isLater(was, nowMs) && (moved.at === null || !isSameMinute(was, moved.at)));
}

/**
 * Where the entry of a run stands when every look that was due was made: at the look that its record names, and after that on a grid from
 * there on. A sweep that is late finds it before that; one that reads the record while it is replaced may put it again, and takes it away
 * when it is due.
 */
export function standingLook(record: RunRecord, nowMs: number): number {
  const strideMs = strideOf(record);
  const first = record.machine?.look_at ?? nowMs;
  if (isLater(first, nowMs)) return first;
  const at = first + strideMs * (Math.floor((nowMs - first) / strideMs) + 1);
  return isLater(at, nowMs) ? at : at + strideMs;
}

/**
 * How far apart the looks at a run are that nobody writes. A run that only waits is left alone for as long as its record last said: else
 * its first look would be followed by one every ten minutes.
 */
function strideOf(record: RunRecord): number {
  if (hasUnknownOwner(record)) return ORPHAN_LOOK_MS;
  const { machine, status, updated_at } = record;
  const onlyWaits = (status === "waiting_signal" || status === "paused") && machine?.timers.length === 0;
  const strideMs = (machine?.look_at ?? 0) - (parseInstant(updated_at)?.ms ?? 0);
  if (!onlyWaits || machine.flights.length > 0 || strideMs < MINUTE_MS) return LOOK_MS;
  return Math.min(strideMs, PARKED_LOOK_MS);
}

function isParked(draft: Draft, view: Projection): boolean {
  return (
    draft.machine.flights.length === 0 &&
    view.draining.length === 0 &&
    (view.waits.length > 0 || view.status === "paused" || draft.machine.timers.length > 0)
  );
}

/** A delete that is late must not take away the entry that is put now: the two never have the same minute. */
function nextLook(draft: Draft, view: Projection, leaving: readonly number[]): number {
  let at = wantedLook(draft, view);
  while (leaving.some((was) => isSameMinute(was, at))) at += MINUTE_MS;
  return at;
}

/** Always in a minute that comes: what is due is the sweeper's. */
function wantedLook(draft: Draft, view: Projection): number {
  if (draft.machine.flights.some((flight) => flight.owner === "unknown")) return draft.nowMs + ORPHAN_LOOK_MS;
  if (!isParked(draft, view)) return draft.nowMs + LOOK_MS;
  const due = draft.machine.timers.map((timer) => timer.dueAt);
  if (due.length === 0) return draft.nowMs + PARKED_LOOK_MS;
  const at = Math.min(...due) + LOOK_MS;
  return isLater(at, draft.nowMs) ? at : draft.nowMs + LOOK_MS;
}

const isLater = (at: number, nowMs: number): boolean => minuteOf(at) > minuteOf(nowMs);
const isSameMinute = (one: number, other: number): boolean => minuteOf(one) === minuteOf(other);
