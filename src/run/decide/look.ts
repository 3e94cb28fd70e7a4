/** When the active index has a run looked at next. */
import type { Projection } from "../../../machines/snapshot.ts";
import { minuteOf } from "../../keys.ts";
import { parseInstant } from "../../wire/instant.ts";
import { hasUnknownOwner, type RunRecord } from "../record.ts";
import { addEntry, type Draft } from "./draft.ts";

const MINUTE_MS = 60_000;

/** A run that is not parked is looked at this often at most. */
export const LOOK_MS: number = 10 * 60_000;
/** A parked run without a deadline is looked at once a day. */
export const PARKED_LOOK_MS: number = 24 * 60 * 60_000;
/** A run whose holders are not known is looked at again in two lease periods. */
export const ORPHAN_LOOK_MS = 60_000;

/** The active index has a run looked at: soon while it moves, at its deadline while it is parked, never when it is over. */
export function moveLook(draft: Draft, view: Projection, over: boolean): void {
  const was = draft.machine.look_at;
  const leaving = leavingOf(draft);
  const at = over ? null : nextLook(draft, view, leaving);
  const soonEnough = at !== null && was !== null && was <= at && was > draft.nowMs && !isParked(draft, view);
  if (at === was || soonEnough) return;
  draft.machine = { ...draft.machine, look_at: at };
  // A run that is opened again may still have the entry that its end takes away.
  addEntry(draft, { id: "look", do: "look", at, was: was ?? leaving });
}

/** The entry that the last move takes away; it may be under way. */
function leavingOf(draft: Draft): number | null {
  const moved = draft.machine.outbox.find((entry) => entry.do === "look");
  if (moved === undefined || moved.was === null) return null;
  return moved.at !== null && minuteOf(moved.at) === minuteOf(moved.was) ? null : moved.was;
}

/**
 * When a run that was just looked at is looked at again. A look that finds nothing writes no record, so one that only waits is left
 * alone for as long as its record last said: else its first look would be followed by one every ten minutes.
 */
export function lookAgainAt(record: RunRecord, nowMs: number): number {
  if (hasUnknownOwner(record)) return nowMs + ORPHAN_LOOK_MS;
  const { machine, status, updated_at } = record;
  const onlyWaits = (status === "waiting_signal" || status === "paused") && machine?.timers.length === 0;
  const strideMs = (machine?.look_at ?? 0) - (parseInstant(updated_at)?.ms ?? 0);
  if (!onlyWaits || machine.flights.length > 0 || strideMs <= 0) return nowMs + LOOK_MS;
  return nowMs + Math.min(strideMs, PARKED_LOOK_MS);
}

function isParked(draft: Draft, view: Projection): boolean {
  return (
    draft.machine.flights.length === 0 &&
    view.draining.length === 0 &&
    (view.waits.length > 0 || view.status === "paused" || draft.machine.timers.length > 0)
  );
}

/** A delete that is late must not take away the entry that is put now: the two never have the same minute. */
function nextLook(draft: Draft, view: Projection, leaving: number | null): number {
  const at = wantedLook(draft, view);
  return leaving !== null && minuteOf(leaving) === minuteOf(at) ? at + MINUTE_MS : at;
}

function wantedLook(draft: Draft, view: Projection): number {
  if (draft.machine.flights.some((flight) => flight.owner === "unknown")) return draft.nowMs + ORPHAN_LOOK_MS;
  if (!isParked(draft, view)) return draft.nowMs + LOOK_MS;
  const due = draft.machine.timers.map((timer) => timer.dueAt);
  return due.length === 0 ? draft.nowMs + PARKED_LOOK_MS : Math.min(...due) + LOOK_MS;
}
