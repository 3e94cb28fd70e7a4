/** A snapshot in words that need no machine. */
import type { AnyMachineSnapshot } from "xstate";
import type { OpenWait, Projection, RunStatus, StepPhase, StepView } from "../snapshot.ts";
import { type ControlContext, control, generationOf, wakeOf, wasAsked } from "./context.ts";
import type { Plan } from "./plan.ts";

/** What a snapshot says, in words that need no machine. */
export function projectionOf(plan: Plan, restored: AnyMachineSnapshot): Projection {
  const context = restored.context as ControlContext;
  const live = livePhases(restored);
  const status = statusOf(restored);
  const stopped = !restored.tags.has("pending") && !isActive(restored);
  const steps = new Map<string, StepView>();
  for (const { name } of plan.steps)
    steps.set(name, viewOf(context, name, live.run.get(name), live.undo.has(name), stopped));
  const busy = [...steps].filter(
    ([, view]) => view.phase === "running" || view.phase === "waiting" || view.undo === "running",
  );
  return {
    status,
    currentSteps: busy.map(([name]) => name),
    steps,
    waits: context.waits.map(({ step, signal }): OpenWait => ({
      signal,
      step,
      generation: generationOf(context, step),
      wake: wakeOf(context, step),
    })),
    outcome: context.outcome,
    draining: context.draining,
  };
}

function isActive(snapshot: AnyMachineSnapshot): boolean {
  return typeof snapshot.value === "object" && snapshot.value !== null && "active" in snapshot.value;
}

function livePhases(snapshot: AnyMachineSnapshot): {
  readonly run: ReadonlyMap<string, StepPhase>;
  readonly undo: ReadonlySet<string>;
} {
  const run = new Map<string, StepPhase>();
  const undo = new Set<string>();
  for (const meta of Object.values(
    snapshot.getMeta() as Record<string, { step?: string; undo?: string; phase?: StepPhase } | undefined>,
  )) {
    if (meta?.phase === undefined) continue;
    if (meta.undo !== undefined) undo.add(meta.undo);
    else if (meta.step !== undefined) run.set(meta.step, meta.phase);
  }
  return { run, undo };
}

function viewOf(
  context: ControlContext,
  name: string,
  live: StepPhase | undefined,
  undoing: boolean,
  stopped: boolean,
): StepView {
  const known = control(context, name);
  const draining = context.draining.includes(name);
  const phase: StepPhase = draining
    ? "running"
    : (known.kept ?? live ?? known.phase ?? (stopped ? "cancelled" : "pending"));
  const asked = wasAsked(known) || phase === "running" || phase === "waiting";
  const undo = known.undo === undefined || known.undo === "needless" ? (undoing ? "running" : "none") : known.undo;
  const outcome =
    phase === "failed" || phase === "held" || phase === "cancelled" ? (known.outcome ?? "never") : undefined;
  return {
    phase,
    generation: asked ? (known.generation ?? 1) : 0,
    wake: known.wake ?? 0,
    ...(outcome === undefined ? {} : { outcome }),
    undo,
  };
}

function statusOf(snapshot: AnyMachineSnapshot): RunStatus {
  for (const tag of ["completed", "failed", "cancelled", "pending"] as const) if (snapshot.tags.has(tag)) return tag;
  if (snapshot.tags.has("compensating")) return "compensating";
  if (snapshot.tags.has("paused")) return "paused";
  return snapshot.tags.has("waiting") && !snapshot.tags.has("busy") ? "waiting_signal" : "running";
}
