/**
 * When two states are the same: an exact, short text for a run and the world around it.
 *
 * Generations are compared, never counted: a key only says whether something has one, and whether what is open in the world is of it.
 * The order in which a run remembers parked, draining and waiting steps says nothing about what may follow and is left out.
 */
import type { MachineConfig, StateConfig } from "../../../machines/chart.ts";
import { encodeName } from "../../../machines/plan/names.ts";
import type { StateValue } from "../../draw/live.ts";
import type { ControlledRun } from "../../run/control.ts";
import type { Setting } from "../oracle/setting.ts";
import { START, type StepWorld, UNDO, type World } from "../oracle/world.ts";

/** A state in parts. */
export interface Key {
  /** Everything but the steps. */
  readonly frame: string;
  /** One for each step, in plan order. */
  readonly steps: readonly string[];
}

/** A state of the chart, prepared for reading values. */
interface Node {
  readonly states: ReadonlyMap<string, Node>;
  readonly code: string;
  /** The place of the step whose own state this is; its undo comes behind all steps. */
  readonly place: number | undefined;
}

/** What is read of a step's entry in the machine's context; its members are the machine's own affair. */
interface Control {
  readonly phase?: string;
  readonly kept?: string;
  readonly generation?: number;
  readonly wake?: number;
  readonly outcome?: string;
  readonly undo?: string;
}

interface Context {
  readonly steps: Readonly<Record<string, Control>>;
  readonly outcome: string | null;
  readonly draining: readonly string[];
}

/** Reads keys. `forget`: leave out of a run that stops what nothing will ask for again (how a step ended that needs no undo). */
export function keyReader(
  setting: Setting,
  config: MachineConfig,
  forget: boolean,
): (run: ControlledRun, world: World) => Key {
  const { steps, position } = setting;
  const encoded = steps.map(({ name }) => encodeName(name));
  const root = nodeOf(config, "", position);
  const controls = new WeakMap<Control, { readonly whole: string; readonly short: string }>();
  const controlOf = (control: Control | undefined): { readonly whole: string; readonly short: string } => {
    if (control === undefined) return { whole: "", short: "" };
    const known = controls.get(control);
    if (known !== undefined) return known;
    const { generation, wake = 0, ...rest } = control;
    const needsUndo = (control.phase ?? control.kept) === "completed" || control.outcome === "unknown";
    const code = {
      whole: `${generation === undefined ? "" : "g"}${wake}${JSON.stringify(rest)}`,
      short: `${needsUndo ? "!" : ""}${control.undo ?? ""}`,
    };
    controls.set(control, code);
    return code;
  };
  return ({ snapshot, paused = false, parked = [], terminated = false }, world) => {
    const context = snapshot["context"] as Context;
    const places: string[] = Array.from({ length: steps.length * 2 }, () => "");
    const shape = readValue(root, snapshot["value"] as StateValue, places);
    const marks = steps.map(() => "");
    const mark = (name: string, sign: string): void => {
      const index = position.get(name);
      if (index !== undefined) marks[index] = `${marks[index] ?? ""}${sign}`;
    };
    for (const name of context.draining) mark(name, "d");
    for (const { kind, step } of parked) mark(step, kind === "run" ? "p" : "u");
    const stopping = forget && (world.cause !== undefined || snapshot["status"] === "done");
    const keys = world.steps.map((step, index) => {
      const control = context.steps[encoded[index] ?? ""];
      const short = stopping && (step.open & START) === 0;
      const { [short ? "short" : "whole"]: own } = controlOf(control);
      const behind = step.generation > 0 && (control?.generation ?? 1) !== step.generation ? "~" : "";
      const outside = short ? `${step.effect}${step.open}${step.asked & UNDO}` : codeOf(step);
      return `${places[index] ?? ""}${places[index + steps.length] ?? ""}${marks[index] ?? ""}${own}${behind}/${outside}`;
    });
    const frame = `${shape}|${paused ? "P" : ""}${terminated ? "T" : ""}${context.outcome ?? ""}|${world.paused ? "p" : ""}${world.started ? "s" : ""}${world.cause ?? ""}`;
    return { frame, steps: keys };
  };
}

const codes = new WeakMap<StepWorld, string>();

function codeOf(step: StepWorld): string {
  const known = codes.get(step);
  if (known !== undefined) return known;
  const { generation, wake, open, asked, signal, result, effect, output } = step;
  const code = `${generation > 0 ? 1 : 0},${wake},${open},${asked},${open === 0 ? "" : signal},${result},${effect},${output}`;
  codes.set(step, code);
  return code;
}

function nodeOf(state: StateConfig, code: string, position: ReadonlyMap<string, number>): Node {
  const { step, undo } = (state.meta ?? {}) as { step?: string; undo?: string };
  const index = position.get(step ?? undo ?? "");
  const isOwn = state.states !== undefined && index !== undefined;
  return {
    code,
    place: isOwn ? (step === undefined ? index + position.size : index) : undefined,
    states: new Map(
      Object.entries(state.states ?? {}).map(([name, inner], at) => [name, nodeOf(inner, at.toString(36), position)]),
    ),
  };
}

/** The active states that are not a step's own, as text; where each step is goes into `places`. */
function readValue(node: Node, value: StateValue | undefined, places: string[]): string {
  if (value === undefined) return "";
  if (node.place !== undefined) {
    places[node.place] = typeof value === "string" ? (node.states.get(value)?.code ?? "?") : JSON.stringify(value);
    return "";
  }
  if (typeof value === "string") {
    const inner = node.states.get(value);
    return inner?.code ?? "?";
  }
  let text = "(";
  for (const [name, inside] of Object.entries(value)) {
    const inner = node.states.get(name);
    if (inner === undefined) text += "?";
    else if (inner.place !== undefined) readValue(inner, inside, places);
    else text += inner.code + readValue(inner, inside, places);
  }
  return `${text})`;
}
