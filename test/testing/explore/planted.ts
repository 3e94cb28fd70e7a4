/** Faults planted in charts, mechanically: every place of every kind, one at a time. */
import type { MachineConfig, StateConfig } from "../../../machines/chart.ts";
import type { Plan } from "../../../machines/plan/plan.ts";
import type { SignalBehaviour } from "../../../src/testing/index.ts";

/** A chart with one fault. */
export interface Mutant {
  /** What was done to it. */
  readonly kind: string;
  /** Where: the path of the state and what of it. */
  readonly place: string;
  readonly config: MachineConfig;
}

type Loose = { [member: string]: unknown };
type Edge = { target?: string; guard?: unknown; actions?: { type: string }[] };

/** All faults of a chart. */
export function mutantsOf(config: MachineConfig): readonly Mutant[] {
  const mutants: Mutant[] = [];
  /** Plants one fault in a copy: `change` is given the state at the path there. */
  const plant = (kind: string, path: readonly string[], what: string, change: (state: Loose) => void): void => {
    const copy = structuredClone(config) as unknown as Loose;
    let state = copy;
    for (const key of path) state = (state["states"] as Loose)[key] as Loose;
    change(state);
    const place = `${path.join(".") || "(root)"} ${what}`.trim();
    mutants.push({ kind, place, config: copy as unknown as MachineConfig });
  };
  const visit = (state: StateConfig, path: readonly string[]): void => {
    plantInEdges(state, path, plant);
    plantInState(state, path, plant);
    for (const [key, inner] of Object.entries(state.states ?? {})) visit(inner, [...path, key]);
  };
  visit(config, []);
  return mutants;
}

type Plant = (kind: string, path: readonly string[], what: string, change: (state: Loose) => void) => void;

function plantInEdges(state: StateConfig, path: readonly string[], plant: Plant): void {
  const groups: [name: string, edges: readonly Edge[], of: (state: Loose) => Edge[]][] = Object.entries(
    state.on ?? {},
  ).map(([event, edges]) => [event, edges as readonly Edge[], (copy) => (copy["on"] as Loose)[event] as Edge[]]);
  if (state.always !== undefined)
    groups.push(["always", state.always as readonly Edge[], (copy) => copy["always"] as Edge[]]);
  if (Array.isArray(state.onDone))
    groups.push(["onDone", state.onDone as readonly Edge[], (copy) => copy["onDone"] as Edge[]]);
  for (const [name, edges, of] of groups) {
    for (const [index, edge] of edges.entries()) {
      const what = `${name}[${index}]`;
      const kind = name === "onDone" ? "drop a join" : name === "always" ? "drop the end of a drain" : "drop an edge";
      plant(kind, path, what, (copy) => void of(copy).splice(index, 1));
      if (edge.guard !== undefined)
        plant("drop a guard", path, what, (copy) => void delete (of(copy)[index] as Edge).guard);
      for (const [at, action] of (edge.actions ?? []).entries())
        plant(`drop ${action.type}`, path, what, (copy) => void (of(copy)[index] as Edge).actions?.splice(at, 1));
      if (edge.target?.startsWith("#") === true)
        for (const other of ["#completed", "#failed", "#cancelled"].filter((target) => target !== edge.target))
          plant("swap a target", path, `${what} → ${other}`, (copy) => {
            (of(copy)[index] as Edge).target = other;
          });
    }
  }
}

function plantInState(state: StateConfig, path: readonly string[], plant: Plant): void {
  for (const member of ["entry", "exit"] as const)
    for (const [index, action] of (state[member] ?? []).entries())
      plant(`drop ${action.type}`, path, member, (copy) => void (copy[member] as unknown[]).splice(index, 1));
  for (const [index, tag] of (state.tags ?? []).entries())
    plant("drop a tag", path, tag, (copy) => void (copy["tags"] as unknown[]).splice(index, 1));
  if (state.meta?.["phase"] !== undefined)
    plant("drop a phase", path, "", (copy) => void delete (copy["meta"] as Loose)["phase"]);
  const inside = Object.keys(state.states ?? {});
  if (state.initial !== undefined)
    for (const other of inside.filter((name) => name !== state.initial))
      plant("begin elsewhere", path, `at ${other}`, (copy) => {
        copy["initial"] = other;
      });
  if (state.type === "parallel" && inside.length > 1)
    for (const name of inside)
      plant("drop a region", path, name, (copy) => void delete (copy["states"] as Loose)[name]);
}

/** Of states that no run comes to. */
export const UNREACHED = "the handler waits for no signal";

/** Why a fault changes nothing that can be seen of a run of this plan; undefined: it must be found. */
export function equivalence(
  plan: Plan,
  signals: Readonly<Record<string, SignalBehaviour>>,
  kind: string,
  place: string,
): string | undefined {
  const where = place.split(" ")[0] ?? "";
  const parts = where.split(".");
  const step = plan.steps.find(({ name }) => parts.includes(name))?.name ?? "";
  const waits = Object.values(signals).some(({ by }) => [by].flat().includes(step));
  if (!waits && (parts.at(-1) === "waiting" || (parts.at(-1) === "running" && place.includes("step.waiting"))))
    return UNREACHED;
  if (kind === "drop a tag") {
    if (place.endsWith(" draining")) return "the tag draining is for people who look at the chart";
    if (place.endsWith(" busy")) return "busy counts only beside a wait, and no wait is open beside it";
  }
  const own = plan.steps.find(({ name }) => name === step);
  const last = !plan.steps.some(({ dependsOn }) => dependsOn.includes(step));
  const alone = !plan.steps.some(
    (other) => other.name !== step && other.dependsOn.some((need) => own?.dependsOn.includes(need) === true),
  );
  if (kind === "drop recordKept") return "a passed step is known as kept, and no entangled step waits for its word";
  if (place.endsWith(" kept[0]")) {
    if (last) return "a failed run has no completed last step that it could keep";
    if (own?.kind === "task" && own.compensate) return "what was undone is not kept";
    if (kind === "drop a guard" && alone) return "the step is entered alone, so who is passed is clear";
  }
  if (kind === "swap a target" && place.endsWith("step.failed[0] → #failed") && alone && !hasUndo(plan, step))
    return "nothing runs beside the step and nothing is undone";
  const compensates = plan.steps.every(({ onFailure }) => onFailure === "compensate");
  if (kind !== "drop a guard" && place.startsWith("stopping always[1]") && compensates)
    return "only a cancel stops this run without undo";
  if (kind === "drop a guard" && place.startsWith("stopping step") && plan.steps.length === 1)
    return "there is only one step to drain";
  return undefined;
}

/** Whether a step or one that it depends on has an undo. */
function hasUndo(plan: Plan, name: string): boolean {
  const step = plan.steps.find((other) => other.name === name);
  if (step === undefined) return false;
  return (step.kind === "task" && step.compensate) || step.dependsOn.some((need) => hasUndo(plan, need));
}
