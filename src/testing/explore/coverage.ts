/** What a walk never came to: states, transitions and policies. */
import type { MachineConfig, StateConfig, TakenTransition, TransitionConfig } from "../../../machines/chart.ts";
import type { PersistedSnapshot } from "../../../machines/snapshot.ts";
import { liveStates, stateId, type StateValue } from "../../draw/live.ts";
import type { Key } from "../oracle/key.ts";
import type { Move } from "../oracle/moves.ts";
import type { FaultKind, Setting } from "../oracle/setting.ts";

/** How much of a chart a walk took. */
export interface ExploredCoverage {
  /** The states of the chart: how many there are, and the ids of those that no path came to. */
  readonly states: { readonly all: number; readonly never: readonly string[] };
  /** The transitions of the chart: how many there are, and those that no path took. */
  readonly transitions: { readonly all: number; readonly never: readonly string[] };
  /** What a plan says for the case that something fails or is late, as `step: onFailure compensate`. */
  readonly policies: { readonly all: number; readonly never: readonly string[] };
}

/** Collects it. */
export interface CoverageMeter {
  taken(transition: TakenTransition): void;
  /** A state of the run that was not seen before. */
  reached(snapshot: PersistedSnapshot, key: Key): void;
  moved(move: Move): void;
  result(): ExploredCoverage;
}

/** Begins to collect. What the faults that are switched off alone can reach is left out. */
export function meterCoverage(setting: Setting, config: MachineConfig): CoverageMeter {
  const transitions = transitionsOf(setting, config);
  const states = statesOf(setting, config);
  const policies = policiesOf(setting);
  const takenKeys = new Set<string>();
  const frames = new Set<string>();
  const situations = setting.steps.map(() => new Set<string>());
  const entered = new Set<string>();
  const hit = new Set<string>();
  return {
    taken: (transition) => takenKeys.add(keyOf(transition)),
    reached: (snapshot, key) => {
      // An active state shows either in the frame or in a step, so what is known of all of them holds nothing new.
      if (frames.has(key.frame) && key.steps.every((text, index) => situations[index]?.has(text))) return;
      frames.add(key.frame);
      for (const [index, text] of key.steps.entries()) situations[index]?.add(text);
      for (const id of liveStates(config, snapshot["value"] as StateValue)) entered.add(id);
    },
    moved: ({ event }) => {
      if (event.type === "step.failed") hit.add(`${event.step}\nfailure`);
      if (event.type === "timer.due" && event.timer === "deadline") hit.add(`${event.step}\nlate`);
    },
    result: () => {
      for (const [key, { target }] of transitions) if (target !== undefined && takenKeys.has(key)) entered.add(target);
      return {
        states: {
          all: states.length,
          never: states.filter((id) => !entered.has(id) && !isPassed(id, config, entered)),
        },
        transitions: {
          all: transitions.size,
          never: [...transitions].flatMap(([key, { says }]) => (takenKeys.has(key) ? [] : [says])),
        },
        policies: {
          all: policies.size,
          never: [...policies].flatMap(([key, says]) => (hit.has(key) ? [] : [says])),
        },
      };
    },
  };
}

const keyOf = ({ state, event, index }: TakenTransition): string => `${state}\n${event}\n${index}`;

interface Known {
  readonly says: string;
  /** The id of the state it leads to, where that is written in it. */
  readonly target: string | undefined;
}

function visit(
  config: MachineConfig,
  each: (state: StateConfig, id: string, path: readonly string[], parent: StateConfig | undefined) => void,
): void {
  const walk = (state: StateConfig, path: readonly string[], parent: StateConfig | undefined): void => {
    each(state, path.length === 0 ? config.id : stateId(config, path, state), path, parent);
    for (const [name, inner] of Object.entries(state.states ?? {})) walk(inner, [...path, name], state);
  };
  walk(config, [], undefined);
}

/** Whether a state is a wait inside a handler that waits for nothing; every handler has one in the chart. */
function isIdle(setting: Setting, state: StateConfig): boolean {
  const { step, phase } = (state.meta ?? {}) as { step?: string; phase?: string };
  const own = setting.steps[setting.position.get(step ?? "") ?? -1];
  return phase === "waiting" && own?.plan.kind === "task" && own.waits.length === 0;
}

function statesOf(setting: Setting, config: MachineConfig): readonly string[] {
  const ids: string[] = [];
  visit(config, (state, id, path) => path.length > 0 && !isIdle(setting, state) && ids.push(id));
  return ids;
}

/** A state that holds others counts as entered with any of them. */
function isPassed(id: string, config: MachineConfig, entered: ReadonlySet<string>): boolean {
  let passed = false;
  visit(config, (state, own, path) => {
    if (own !== id) return;
    const inside = Object.keys(state.states ?? {}).map((name) =>
      stateId(config, [...path, name], (state.states ?? {})[name] as StateConfig),
    );
    passed = inside.some((inner) => entered.has(inner));
  });
  return passed;
}

/** Events that only a kind of fault can bring about. */
const NEEDS: Readonly<Record<string, readonly FaultKind[]>> = {
  "step.failed": ["failure", "timeout", "late"],
  "undo.failed": ["undo"],
  cancel: ["cancel", "abandon"],
  pause: ["pause"],
  terminate: ["terminate"],
  kept: ["retry"],
};

function transitionsOf(setting: Setting, config: MachineConfig): ReadonlyMap<string, Known> {
  const found = new Map<string, Known>();
  const { kinds } = setting;
  visit(config, (state, id, path, parent) => {
    if (isIdle(setting, state)) return;
    const waitsForNothing = Object.values(parent?.states ?? {}).some((other) => isIdle(setting, other));
    const add = (event: string, list: readonly TransitionConfig[]): void => {
      const needs = NEEDS[event];
      if (needs !== undefined && !needs.some((kind) => kinds.has(kind))) return;
      for (const [index, { target, guard }] of list.entries())
        found.set(keyOf({ state: id, event, index }), {
          says: `${id}: ${event === "" ? "always" : event}${guard === undefined ? "" : ` [${guard.type}]`}${target === undefined ? "" : ` → ${target}`}`,
          target: targetOf(config, path, state, parent, target),
        });
    };
    for (const [event, list] of Object.entries(state.on ?? {}))
      if (event !== "step.waiting" || !waitsForNothing) add(event, list);
    if (state.always !== undefined) add("", state.always);
    if (state.onDone !== undefined)
      add(`xstate.done.state.${id}`, typeof state.onDone === "string" ? [{ target: state.onDone }] : state.onDone);
  });
  return found;
}

function targetOf(
  config: MachineConfig,
  path: readonly string[],
  state: StateConfig,
  parent: StateConfig | undefined,
  target: string | undefined,
): string | undefined {
  if (target === undefined) return undefined;
  if (target.startsWith("#")) return target.slice(1);
  const [inside, name] = target.startsWith(".") ? [state, target.slice(1)] : [parent, target];
  const reached = inside?.states?.[name];
  if (reached === undefined) return undefined;
  return stateId(config, [...(inside === state ? path : path.slice(0, -1)), name], reached);
}

function policiesOf(setting: Setting): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const { name, plan } of setting.steps) {
    if (plan.kind === "task") found.set(`${name}\nfailure`, `${name}: onFailure ${plan.onFailure}`);
    else if (plan.timeoutMs > 0)
      found.set(
        `${name}\nlate`,
        plan.onTimeout === "continue" ? `${name}: onTimeout continue` : `${name}: onFailure ${plan.onFailure}`,
      );
  }
  return found;
}
