/** Why a run does not move, in sentences for people. */
import { project } from "../../machines/advance.ts";
import { getTask } from "../queue/submit.ts";
import { isOver, type RunRecord } from "../run/record.ts";
import { StoredPrograms } from "../run/stored-programs.ts";
import { flightTaskId } from "../run/tasks.ts";
import { listServing } from "../services/serving.ts";
import type { QueueHandle } from "./connect.ts";

/** One sentence for each thing that the run waits for; empty when it is over. */
export async function explainRun(handle: QueueHandle, record: RunRecord): Promise<readonly string[]> {
  if (isOver(record.status)) return [];
  const { store } = handle.context;
  const reasons: string[] = [];
  const { machine } = record;
  if (machine === undefined)
    return ["a foreign writer dropped the machine part of its record; this version cannot go on with it"];
  const serving = (await listServing(store, store.time().latest)).flatMap((worker) => worker.workflows);
  const same = serving.filter((workflow) => workflow.name === record.type);
  if (same.length === 0) reasons.push(`no worker that was seen in the last minute serves ${record.type}`);
  else if (!same.some((workflow) => workflow.definition_hash === record.definition_hash)) {
    reasons.push(`no worker that was seen in the last minute serves its definition ${record.definition_hash}`);
  }
  if (record.error?.type === "VersionMismatch") reasons.push(record.error.message);
  else if (record.status === "paused") reasons.push("it is paused; resume goes on");
  for (const flight of machine.flights) {
    const id = flight.owner?.task ?? flightTaskId(record.id, flight);
    const task = await getTask(handle.context, id);
    const what = flight.kind === "run" ? `step ${flight.step}` : `the undo of ${flight.step}`;
    if (task === undefined) reasons.push(`${what} has no task yet`);
    else if (task.status === "running")
      reasons.push(`${what} is leased by ${task.worker_id ?? "somebody"} until ${String(task.lease_expires_at)}`);
    else reasons.push(`${what} is ${task.status} on the queue, available at ${task.available_at}`);
  }
  for (const timer of machine.timers)
    reasons.push(`${timer.timer} of ${timer.step} is due at ${new Date(timer.dueAt).toISOString()}`);
  const program = await new StoredPrograms(store, handle.context.host, []).byHash(machine.plan_hash);
  if (program !== undefined) {
    for (const wait of project(program.machine, machine.snapshot).waits)
      reasons.push(`step ${wait.step} waits for signal ${wait.signal}`);
  }
  return reasons;
}
