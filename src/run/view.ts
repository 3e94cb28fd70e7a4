/** What a record says, for those who only look: clients and services. */
import { project } from "../../machines/advance.ts";
import type { OpenWait, Projection } from "../../machines/snapshot.ts";
import type { Program } from "./program.ts";
import type { FlightRef, MachinePart, RunRecord } from "./record.ts";

/** The machine's own words for a record; undefined when another program dropped its machine. */
export function viewOf(record: RunRecord, program: Program): Projection | undefined {
  return record.machine === undefined ? undefined : project(program.machine, record.machine.snapshot);
}

/**
 * Whether the run stops and waits for the end of this flight: then it is not started any more, and its task is fenced, not created. Asked
 * of the machine, never of the outbox: entries leave.
 */
export function drains(machine: MachinePart, program: Program, ref: FlightRef): boolean {
  return ref.kind === "run" && project(program.machine, machine.snapshot).draining.includes(ref.step);
}

/** The waits that are open, in the order in which signals are given to them. */
export function openWaits(record: RunRecord, program: Program): readonly OpenWait[] {
  return viewOf(record, program)?.waits ?? [];
}
