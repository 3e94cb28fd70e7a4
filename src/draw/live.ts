/** Which states of a chart a snapshot is in, by the ids that XState gives them. */
import type { MachineConfig, StateConfig } from "../../machines/chart.ts";

/** A value as XState persists it. */
export type StateValue = string | { readonly [key: string]: StateValue | undefined };

/** The id of a state: its own, or its path from the root, joined by dots. */
export function stateId(config: MachineConfig, path: readonly string[], state: StateConfig): string {
  return state.id ?? [config.id, ...path].join(".");
}

/** Ids of all states that are active in a value, outer ones first; the root is not among them. */
export function liveStates(config: MachineConfig, value: StateValue): readonly string[] {
  const live: string[] = [];
  const enter = (parent: StateConfig, path: readonly string[], key: string, inner: StateValue | undefined): void => {
    const state = parent.states?.[key];
    if (state === undefined) return;
    const here = [...path, key];
    live.push(stateId(config, here, state));
    if (inner !== undefined) walk(state, here, inner);
  };
  const walk = (state: StateConfig, path: readonly string[], inside: StateValue): void => {
    if (typeof inside === "string") enter(state, path, inside, undefined);
    else for (const [key, inner] of Object.entries(inside)) enter(state, path, key, inner);
  };
  walk(config, [], value);
  return live;
}
