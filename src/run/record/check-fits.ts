/** Whether the machine in a record can be that of a run which follows the program that it names. */
import { WorkflowError } from "../../errors.ts";
import { stateKey } from "../../keys.ts";
import type { Program } from "../../programs/programs.ts";
import type { EffectKind } from "../effects/effect.ts";
import { EFFECTS, kindOf } from "../effects/effects.ts";
import type { MachinePart, RunRecord } from "./record.ts";

/**
 * Refuses a record whose machine is damaged, or is that of another plan. Every reader that asks the machine calls it once: what a machine
 * says afterwards, or decides, needs no further doubt.
 * @param effects - The kinds of effects that its outbox may hold.
 * @throws {WorkflowError} `data` that names the key.
 */
export function checkFits(record: RunRecord, program: Program, effects: readonly EffectKind[] = EFFECTS): void {
  const problem = record.machine === undefined ? undefined : problemOf(record, record.machine, program, effects);
  if (problem !== undefined)
    throw new WorkflowError(
      "data",
      `${stateKey(record.id)} holds a machine that does not fit its plan: ${problem}; put an earlier version of the object back`,
    );
}

function problemOf(
  record: RunRecord,
  machine: MachinePart,
  program: Program,
  effects: readonly EffectKind[],
): string | undefined {
  if (program.name !== record.type)
    return `the plan is that of ${JSON.stringify(program.name)}, the run is a ${record.type}`;
  const problem = program.problemOf(machine.snapshot);
  if (problem !== undefined) return `snapshot: ${problem}`;
  const steps = new Set(program.steps.map(({ name }) => name));
  const unknown = namedSteps(machine, effects).find((name) => !steps.has(name));
  return unknown === undefined ? undefined : `it names ${JSON.stringify(unknown)}, which is no step of the plan`;
}

function namedSteps(machine: MachinePart, effects: readonly EffectKind[]): readonly string[] {
  const outbox = machine.outbox.flatMap((entry) => kindOf(effects, entry).stepOf(entry) ?? []);
  const { executions, timers, parked = [] } = machine;
  return [...[...executions, ...timers, ...parked].map(({ step }) => step), ...outbox];
}
