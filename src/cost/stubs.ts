/** A workflow whose handlers do what a path says and nothing else. */
import type { Plan } from "../../machines/plan/plan.ts";
import { PlanProgram } from "../../machines/plan/program.ts";
import { hashPlan } from "../define/definition.ts";
import type { AnyWorkflow, ErasedHandlers } from "../define/workflow.ts";
import { PermanentError } from "../errors.ts";
import { DEFAULT_DURATION_MS, type CostPath } from "./path.ts";

/** The part of the context that stubs use. */
interface StubContext {
  waitForSignal(name: string, options?: { timeout?: number }): Promise<unknown>;
}

/** What stubs need from their surroundings. */
export interface Stage {
  sleep(ms: number): Promise<void>;
  /** Called with each call of the handler of a step. */
  called(step: string): void;
}

/** The program that a plan is played as: its remote steps are run here, too. */
export function playable(plan: Plan, definitionHash: string): PlanProgram {
  const steps = plan.steps.map((step) => (step.kind === "task" ? { ...step, remote: false } : step));
  const played = { ...plan, steps };
  return new PlanProgram(played, { planHash: hashPlan(played), definitionHash });
}

/** Its workflow, with stubs for handlers. */
export function stubsOf(program: PlanProgram, path: CostPath, stage: Stage): AnyWorkflow {
  const { plan, planHash, definitionHash } = program;
  const calls = new Map<string, number>();
  const act = async (kind: "run" | "undo", step: string, context: unknown): Promise<null> => {
    const {
      durationMs = DEFAULT_DURATION_MS,
      failures = 0,
      ends,
      waits = [],
    } = (kind === "run" ? path.steps : path.undos)?.get(step) ?? {};
    const call = (calls.get(`${kind} ${step}`) ?? 0) + 1;
    calls.set(`${kind} ${step}`, call);
    if (kind === "run") stage.called(step);
    await stage.sleep(durationMs);
    if (call <= failures) throw new Error("the path says so");
    if (kind === "run")
      for (const { signal, timeoutMs = 0 } of waits)
        await (context as StubContext).waitForSignal(signal, timeoutMs === 0 ? {} : { timeout: timeoutMs });
    if (ends === "fails") throw new PermanentError("the path says so");
    return null;
  };
  const handlers = plan.steps.flatMap(({ name, ...step }): [string, ErasedHandlers][] => {
    if (step.kind !== "task") return [];
    const run = (context: unknown): Promise<unknown> => act("run", name, context);
    const compensate = (context: unknown): Promise<unknown> => act("undo", name, context);
    return [[name, step.compensate ? { run, compensate } : { run }]];
  });
  return {
    name: plan.name,
    plan,
    planHash,
    definitionHash,
    inputSchema: undefined,
    signalSchemas: new Map(),
    handlers: new Map(handlers),
    makeOutput: undefined,
  };
}
