/** A plan as a program: its chart behind the interface that the engine asks. */
import type { MachineConfig, OnTaken } from "../chart.ts";
import type { RunEvent } from "../events.ts";
import type { ActivityPolicy, ActivityRef, Decision, Program, ProgramHashes, ProgramStep } from "../program.ts";
import type { PersistedSnapshot, Projection } from "../snapshot.ts";
import { advance, buildMachine, checkSnapshot, initial, project, reopen, type RunMachine } from "./advance.ts";
import { SnapshotError } from "./check-snapshot.ts";
import type { Plan, PlanStep } from "./plan.ts";

/** The program of a plan that `validatePlan` accepts. */
export class PlanProgram implements Program {
  readonly planHash: string;
  readonly definitionHash: string;
  readonly steps: readonly ProgramStep[];
  /** The compiled chart, for explorers and models of plans. */
  readonly machine: RunMachine;
  readonly #steps: ReadonlyMap<string, PlanStep>;

  /** `config`: another chart for the plan, for tests that plant faults. */
  constructor(plan: Plan, { planHash, definitionHash }: ProgramHashes, config?: MachineConfig) {
    this.planHash = planHash;
    this.definitionHash = definitionHash;
    this.machine = buildMachine(plan, config);
    this.#steps = new Map(plan.steps.map((step) => [step.name, step]));
    this.steps = plan.steps.map(({ name, kind, dependsOn, onFailure }) => ({
      name,
      kind,
      dependsOn,
      stopsRun: onFailure === "fail_workflow" || onFailure === "compensate",
    }));
  }

  get plan(): Plan {
    return this.machine.plan;
  }

  get name(): string {
    return this.plan.name;
  }

  get foreign(): boolean {
    return this.plan.foreign;
  }

  get signals(): readonly string[] | undefined {
    return this.plan.signals;
  }

  initial(): PersistedSnapshot {
    return initial(this.machine);
  }

  advance(snapshot: PersistedSnapshot, events: readonly RunEvent[], onTaken?: OnTaken): Decision {
    return advance(this.machine, snapshot, events, onTaken);
  }

  reopen(snapshot: PersistedSnapshot, onTaken?: OnTaken): Decision | undefined {
    return reopen(this.machine, snapshot, onTaken);
  }

  project(snapshot: PersistedSnapshot): Projection {
    return project(this.machine, snapshot);
  }

  problemOf(snapshot: PersistedSnapshot): string | undefined {
    try {
      checkSnapshot(this.machine, snapshot);
    } catch (error) {
      if (error instanceof SnapshotError) return error.message;
      throw error;
    }
    return undefined;
  }

  activity({ kind, step: name }: ActivityRef): ActivityPolicy | undefined {
    const step = this.#steps.get(name);
    return step?.kind === "task" && (kind === "run" || step.compensate) ? step : undefined;
  }

  takes(signal: string): boolean {
    return this.#declares(signal) || this.#steps.get(signal)?.kind === "signal";
  }

  waiters(signal: string): readonly string[] {
    const declared = this.#declares(signal);
    return this.plan.steps
      .filter((step) => (step.kind === "signal" ? step.name === signal : declared && !step.remote))
      .map(({ name }) => name);
  }

  chart(): MachineConfig {
    return this.machine.config;
  }

  #declares(signal: string): boolean {
    const { signals } = this.plan;
    return signals === undefined || signals.includes(signal);
  }
}

/** The plan of a program; undefined when it follows none. */
export function planOf(program: Program): Plan | undefined {
  return program instanceof PlanProgram ? program.plan : undefined;
}
