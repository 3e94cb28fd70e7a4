/** Whether the machine in a record can be that of a run which follows the program that it names. */
import { WorkflowError } from "../../errors.ts";
import { stateKey } from "../../keys.ts";
import type { Program } from "../../programs/programs.ts";
import type { MachinePart, RunRecord } from "./record.ts";

/**
 * Refuses a record whose machine is damaged, or is that of another plan. Every reader that asks the machine calls it once: what a machine
 * says afterwards, or decides, needs no further doubt.
 * @throws {WorkflowError} `data` that names the key.
 */
export function checkFits(record: RunRecord, program: Program): void {
  const problem = record.machine === undefined ? undefined : problemOf(record, record.machine, program);
  if (problem !== undefined)
    throw new WorkflowError(
      "data",
      `${stateKey(record.id)} holds a machine that does not fit its plan: ${problem}; put an earlier version of the object back`,
    );
}

function problemOf(record: RunRecord, machine: MachinePart, program: Program): string | undefined {
  if (program.name !== record.type)
    return `the plan is that of ${JSON.stringify(program.name)}, the run is a ${record.type}`;
  const problem = program.problemOf(machine.snapshot);
  if (problem !== undefined) return `snapshot: ${problem}`;
  const steps = new Set(program.steps.map(({ name }) => name));
  const unknown = namedSteps(machine).find((name) => !steps.has(name));
  return unknown === undefined ? undefined : `it names ${JSON.stringify(unknown)}, which is no step of the plan`;
}

function namedSteps(machine: MachinePart): readonly string[] {
  const outbox = machine.outbox.flatMap((entry) => {
    if (entry.do === "look") return [];
    if (entry.do === "timer") return [entry.timer.step];
    return [entry.do === "result" ? entry.step : entry.ref.step];
  });
  return [...machine.flights.map(({ step }) => step), ...machine.timers.map(({ step }) => step), ...outbox];
}
