/** A timeline in the form that the page shows: live states as numbers, details as what changed since the frame before. */
import type { MachineConfig, StateConfig } from "../../machines/chart.ts";
import type { RunStatus } from "../../machines/snapshot.ts";
import { liveStates, stateId, type StateValue } from "../draw/live.ts";
import type { Frame, Timeline } from "../draw/timeline.ts";
import { diffFrames } from "./diff.ts";
import { type Patch, patchesOf } from "./patch.ts";

/** One frame of the page. */
export interface PageFrame {
  /** Milliseconds since 1970; null for a path without a clock. */
  readonly at: number | null;
  readonly events: readonly string[];
  readonly status: RunStatus;
  readonly note?: string;
  /** Positions in `states` of those that are active; null where the machine was dropped. */
  readonly live: readonly number[] | null;
  /** The details, as what changed since the frame before; the first since nothing. */
  readonly patches: readonly Patch[];
  /** The same for people, as `diff` prints it; a side that is not there is left out. Empty for the first. */
  readonly changes: readonly { readonly path: string; readonly before?: unknown; readonly after?: unknown }[];
}

/** A step, and the states that stand for it and for its undo: positions in `states`. */
export interface PageStep {
  readonly name: string;
  readonly run: number | undefined;
  readonly undo: number | undefined;
}

/** All that the page knows. */
export interface PageData {
  readonly id: string;
  readonly workflow: string;
  /** Whether `/follow` tells of new frames. */
  readonly live: boolean;
  readonly notes: readonly string[];
  /** As written. */
  readonly steps: readonly PageStep[];
  /** Ids of all states of the chart. */
  readonly states: readonly string[];
  readonly frames: readonly PageFrame[];
}

/** New frames, as `/follow` tells them. */
export interface PageNews {
  readonly id: string;
  /** How many states the chart has: another number is another chart. */
  readonly stateCount: number;
  /** Position of the first of them. */
  readonly from: number;
  readonly frames: readonly PageFrame[];
}

interface KnownState {
  readonly id: string;
  readonly state: StateConfig;
}

function walkStates(config: MachineConfig): readonly KnownState[] {
  const walk = (parent: StateConfig, path: readonly string[]): KnownState[] =>
    Object.entries(parent.states ?? {}).flatMap(([key, state]) => {
      const here = [...path, key];
      return [{ id: stateId(config, here, state), state }, ...walk(state, here)];
    });
  return walk(config, []);
}

/** Ids of all states of a chart, outer ones first; the root is not among them. */
export function statesOf(config: MachineConfig): readonly string[] {
  return walkStates(config).map(({ id }) => id);
}

/** The outermost state of a step says in its `meta` whose it is. */
function stepsOf(config: MachineConfig, names: readonly string[]): readonly PageStep[] {
  const states = { step: new Map<unknown, number>(), undo: new Map<unknown, number>() };
  for (const [position, { state }] of walkStates(config).entries()) {
    for (const kind of ["step", "undo"] as const) {
      const name = state.meta?.[kind];
      if (name !== undefined && !states[kind].has(name)) states[kind].set(name, position);
    }
  }
  return names.map((name) => ({ name, run: states.step.get(name), undo: states.undo.get(name) }));
}

/** The frames from a position on. */
export function pageFrames(config: MachineConfig, frames: readonly Frame[], from = 0): readonly PageFrame[] {
  const positions = new Map(statesOf(config).map((id, position) => [id, position]));
  return frames.slice(from).map((frame, index): PageFrame => {
    const before = frames[from + index - 1];
    const value = frame.snapshot?.["value"] as StateValue | undefined;
    const live = value === undefined ? null : liveStates(config, value).flatMap((id) => positions.get(id) ?? []);
    const { at, events, status, details, note } = frame;
    return {
      at,
      events,
      status,
      ...(note === undefined ? {} : { note }),
      live,
      patches: patchesOf(before?.details ?? {}, details),
      changes: before === undefined ? [] : diffFrames(before, frame),
    };
  });
}

/** The whole timeline for the page. `live`: whether the page is served by somebody who follows the run. */
export function pageData(config: MachineConfig, timeline: Timeline, live: boolean): PageData {
  return {
    id: timeline.id,
    workflow: timeline.plan.name,
    live,
    notes: timeline.notes ?? [],
    steps: stepsOf(
      config,
      timeline.plan.steps.map(({ name }) => name),
    ),
    states: statesOf(config),
    frames: pageFrames(config, timeline.frames),
  };
}
