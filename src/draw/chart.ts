/**
 * The chart as it is drawn: a tree of nodes with names for people, and between the children of a node the edges that deserve ink.
 *
 * A transition is drawn once, between the two siblings that it leaves and enters, however deep it begins and ends: thirty steps that
 * fail into `compensating` are one edge from `active`, which knows its thirty causes. What a machine only says to itself is not drawn.
 */
import type { MachineConfig, Named, StateConfig, TransitionConfig } from "../../machines/chart.ts";
import { stateId } from "./live.ts";

/**
 * What a node is to the eye. `step`: a step or an undo, whose `phase`s are inside; `sequence`: one child after the other; `parallel`:
 * all children at once; `group`: all at once, but some wait for others; `state` and `end`: nothing inside.
 */
export type NodeKind = "step" | "phase" | "sequence" | "parallel" | "group" | "state" | "end";

/** Why an edge is taken. */
export interface Cause {
  /** The event; empty for what happens by itself. */
  readonly event: string;
  readonly guard?: Named;
  /** The step inside of which the transition begins. */
  readonly step?: string;
}

/** An edge between two children of a node, or from the node itself to one of them. */
export interface ChartEdge {
  readonly from: string;
  readonly to: string;
  /** In the order of the chart. */
  readonly causes: readonly Cause[];
}

/** A state. */
export interface ChartNode {
  /** The id that XState gives it. */
  readonly id: string;
  readonly key: string;
  readonly kind: NodeKind;
  /** Its name for people: of a step the step's own. */
  readonly label: string;
  /** A second line for people, such as a delay; empty: none. */
  readonly note: string;
  readonly description: string;
  readonly tags: readonly string[];
  readonly meta: Readonly<Record<string, unknown>>;
  readonly initial: string | undefined;
  /** Whether the state around it is over with it. */
  readonly final: boolean;
  /** In document order. */
  readonly children: readonly ChartNode[];
  readonly edges: readonly ChartEdge[];
}

/** Events that a machine only sends to itself to pass over what is done already. */
const SILENT: ReadonlySet<string> = new Set(["kept", "unpark"]);

/** What is known of a state before the edges are. */
interface Draft {
  readonly id: string;
  readonly key: string;
  readonly config: StateConfig;
  readonly parent: Draft | undefined;
  readonly depth: number;
  readonly children: readonly Draft[];
  readonly edges: Map<string, { from: string; to: string; causes: Cause[] }>;
}

/** The chart of a config. */
export function chartOf(config: MachineConfig): ChartNode {
  const known = new Map<string, Draft>();
  const root = draft(config, [], config, undefined, known);
  for (const state of known.values()) link(state, known);
  return finish(root, undefined);
}

/** Every node of a chart, outer ones first. */
export function nodesOf(node: ChartNode): readonly ChartNode[] {
  return [node, ...node.children.flatMap(nodesOf)];
}

function draft(
  root: MachineConfig,
  path: readonly string[],
  config: StateConfig,
  parent: Draft | undefined,
  known: Map<string, Draft>,
): Draft {
  const children: Draft[] = [];
  const id = path.length === 0 ? root.id : stateId(root, path, config);
  const key = path.at(-1) ?? root.id;
  const made: Draft = { id, key, config, parent, depth: path.length, children, edges: new Map() };
  known.set(path.length === 0 ? "" : id, made);
  for (const [name, state] of Object.entries(config.states ?? {}))
    children.push(draft(root, [...path, name], state, made, known));
  return made;
}

function link(state: Draft, known: ReadonlyMap<string, Draft>): void {
  const step = stepOf(state);
  const follow = (event: string, transitions: readonly TransitionConfig[]): void => {
    for (const { target, guard, actions } of transitions) {
      if (SILENT.has(event)) continue;
      for (const action of actions ?? []) if (action.type === "release") release(state, action);
      if (target === undefined) continue;
      const cause: Cause = {
        event,
        ...(guard === undefined ? {} : { guard }),
        ...(step === undefined ? {} : { step }),
      };
      connect(state, find(state, target, known), cause);
    }
  };
  for (const [event, transitions] of Object.entries(state.config.on ?? {})) follow(event, transitions);
  follow("", state.config.always ?? []);
  const { onDone = [] } = state.config;
  follow("", typeof onDone === "string" ? [{ target: onDone }] : onDone);
}

function stepOf(state: Draft): string | undefined {
  const { step, undo } = (state.config.meta ?? {}) as { step?: string; undo?: string };
  return step ?? undo;
}

/** `#id`, `.child` or a sibling. */
function find(state: Draft, target: string, known: ReadonlyMap<string, Draft>): Draft {
  const found = target.startsWith("#")
    ? known.get(target.slice(1))
    : target.startsWith(".")
      ? state.children.find(({ key }) => key === target.slice(1))
      : state.parent?.children.find(({ key }) => key === target);
  if (found === undefined) throw new Error(`the chart has no state ${target} (from ${state.id})`);
  return found;
}

/** Lifts a transition to the two siblings that it goes between. */
function connect(source: Draft, target: Draft, cause: Cause): void {
  let from = source;
  let to = target;
  while (from.depth > to.depth) from = from.parent ?? from;
  while (to.depth > from.depth + 1) to = to.parent ?? to;
  if (to.parent === from) return add(from, from, to, cause);
  if (to.depth > from.depth) to = to.parent ?? to;
  while (from.parent !== to.parent) {
    from = from.parent ?? from;
    to = to.parent ?? to;
  }
  if (from.parent !== undefined) add(from.parent, from, to, cause);
}

function add(at: Draft, from: Draft, to: Draft, cause: Cause | undefined): void {
  const key = `${from.id} ${to.id}`;
  const edge = at.edges.get(key) ?? { from: from.id, to: to.id, causes: [] };
  if (cause !== undefined) edge.causes.push(cause);
  at.edges.set(key, edge);
}

/** The end of a member of a group sets those free that wait for it: no transition, but what people ask the drawing for. */
function release(source: Draft, action: Named): void {
  let member = source;
  while (member.parent !== undefined && member.parent.config.type !== "parallel") member = member.parent;
  const group = member.parent;
  if (group === undefined) return;
  const { steps } = action.params as { steps: readonly { step: string }[] };
  const waiting = new Set(steps.map(({ step }) => step));
  for (const other of group.children) {
    const name = stepOf(other);
    if (name !== undefined && waiting.has(name)) add(group, member, other, undefined);
  }
}

function finish(state: Draft, parent: NodeKind | undefined): ChartNode {
  const { config } = state;
  const meta = config.meta ?? {};
  const kind = kindOf(state, parent);
  const edges = [...state.edges.values()];
  return {
    id: state.id,
    key: state.key,
    kind,
    label: labelOf(state),
    note: kind === "step" ? noteOf(config) : "",
    description: config.description ?? "",
    tags: config.tags ?? [],
    meta,
    initial: config.initial,
    final: config.type === "final",
    children: state.children.map((child) => finish(child, kind)),
    edges: kind === "group" ? withoutDetours(edges) : edges,
  };
}

function kindOf(state: Draft, parent: NodeKind | undefined): NodeKind {
  if (parent === "step") return "phase";
  if (state.children.length === 0) return state.config.type === "final" ? "end" : "state";
  if (stepOf(state) !== undefined) return "step";
  if (state.config.type !== "parallel") return "sequence";
  return state.edges.size > 0 ? "group" : "parallel";
}

function labelOf(state: Draft): string {
  const { meta, description } = state.config;
  if (state.parent === undefined) return description ?? state.key;
  const { step, undo, phase } = (meta ?? {}) as { step?: string; undo?: string; phase?: string };
  if (phase === undefined && undo !== undefined) return `undo ${undo}`;
  if (phase === undefined && step !== undefined) return step;
  return state.children.length > 0 && state.depth > PARTS ? contents(state) : state.key.replaceAll("_", " ");
}

/** Down to this depth states have names of their own (`active`); below, keys are made of encoded names of steps. */
const PARTS = 1;
/** More steps are only counted. */
const TOLD = 3;

/** A part of the flow, called by the steps inside. */
function contents(part: Draft): string {
  const steps = stepsIn(part);
  const word = part.config.type === "parallel" ? " and " : " then ";
  const [first] = steps;
  return steps.length <= TOLD ? steps.join(word) : `${first}${word}${steps.length - 1} more`;
}

function stepsIn(part: Draft): readonly string[] {
  return stepOf(part) === undefined ? part.children.flatMap(stepsIn) : [labelOf(part)];
}

/** What a step waits for by itself: its delay, or a signal and until when. */
function noteOf(config: StateConfig): string {
  const entries = Object.values(config.states ?? {}).flatMap((state) => state.entry ?? []);
  const delay = entries.find(({ type }) => type === "startDelay")?.params?.["ms"];
  if (typeof delay === "number") return `after ${formatMs(delay)}`;
  const wait = entries.find(({ type }) => type === "openWait");
  if (wait === undefined) return "";
  const timeout = wait.params?.["timeoutMs"];
  return typeof timeout === "number" && timeout > 0 ? `signal, within ${formatMs(timeout)}` : "signal";
}

const UNITS = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1_000],
] as const;

/** A duration in its largest unit that leaves no rest: `7 d`, `90 s`, `1500 ms`. */
function formatMs(ms: number): string {
  const unit = UNITS.find(([, length]) => ms >= length && ms % length === 0);
  return unit === undefined ? `${ms} ms` : `${ms / unit[1]} ${unit[0]}`;
}

/** Leaves out an edge where a longer way says the same. */
function withoutDetours(edges: readonly ChartEdge[]): readonly ChartEdge[] {
  const next = new Map<string, string[]>();
  for (const { from, to } of edges) next.set(from, [...(next.get(from) ?? []), to]);
  const behind = new Map<string, Set<string>>();
  const reach = (from: string): Set<string> => {
    const known = behind.get(from);
    if (known !== undefined) return known;
    const found = new Set<string>();
    behind.set(from, found);
    for (const to of next.get(from) ?? []) {
      found.add(to);
      for (const further of reach(to)) found.add(further);
    }
    return found;
  };
  return edges.filter(({ from, to }) => !(next.get(from) ?? []).some((via) => via !== to && reach(via).has(to)));
}
