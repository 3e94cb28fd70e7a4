/** Explains why a run does not move, in sentences for people. */
import { isWorkflowError } from "../errors.ts";
import { summarize } from "../host/error-data.ts";
import { getTask } from "../queue/submit.ts";
import { millisOf, type QueueContext, type TaskRecord } from "../queue/task.ts";
import { attemptsOfText } from "../run/attempts-text.ts";
import type { Program } from "../programs/programs.ts";
import { checkFits } from "../run/record/check-fits.ts";
import { type Execution, isOver, type MachinePart, ownerOf, type RunRecord } from "../run/record/record.ts";
import { StoredPrograms } from "../programs/stored-programs.ts";
import { executionTaskId } from "../run/tasks.ts";
import { failedStepOf, openWaits, stepsOf, stoppingAs } from "../run/view.ts";
import { listAnnouncements } from "../programs/announcements.ts";
import { parseInstant } from "../wire/instant.ts";

/** Returns one sentence for each thing that the run waits for; empty when it is over. */
export async function explainRun(queue: QueueContext, record: RunRecord): Promise<readonly string[]> {
  if (isOver(record.status)) return [];
  const { store, host } = queue;
  const { machine } = record;
  if (machine === undefined)
    return ["another program rewrote its record; the next worker that looks at it makes it whole again"];
  const programs = new StoredPrograms(store, host, []);
  const served = await announcedPlans(queue, record, programs);
  const reasons = [...serving(record, served)];
  const program = await findProgram(programs, record, machine);
  if (typeof program === "string") return [...reasons, `no worker goes on with it: ${program}`];
  if (program === undefined) reasons.push(withoutPlan(machine.plan_hash, served));
  reasons.push(...stopped(record));
  if (record.status === "pending" && served.length > 0) {
    reasons.push("it has not begun; a worker has yet to take its start");
    reasons.push(...passedOver(queue, "its start", parseInstant(record.created_at)?.ms ?? Number.NaN));
  }
  for (const execution of machine.executions) {
    reasons.push(...(await explainExecution(queue, record, execution, served, program)));
  }
  for (const timer of machine.timers)
    reasons.push(`${timer.timer} of ${timer.step} is due at ${new Date(timer.dueAt).toISOString()}`);
  if (program !== undefined)
    for (const { step, signal } of openWaits(record, program)) reasons.push(`step ${step} waits for signal ${signal}`);
  reasons.push(...held(record));
  return reasons;
}

/** The program of a run; a sentence when it, or the run's machine, is damaged. */
async function findProgram(
  programs: StoredPrograms,
  record: RunRecord,
  machine: MachinePart,
): Promise<Program | string | undefined> {
  try {
    const program = await programs.byHash(machine.plan_hash);
    if (program !== undefined) checkFits(record, program);
    return program;
  } catch (error) {
    if (isWorkflowError(error, "data")) return error.message;
    throw error;
  }
}

interface AnnouncedPlan {
  readonly planHash: string;
  readonly definitionHash: string;
  readonly program: Program | undefined;
}

/** What the workers that were seen lately serve under the name of the run's workflow. */
async function announcedPlans(
  queue: QueueContext,
  record: RunRecord,
  programs: StoredPrograms,
): Promise<readonly AnnouncedPlan[]> {
  const { store } = queue;
  const workers = await listAnnouncements(store, store.time().latest);
  const same = workers.flatMap((worker) => worker.workflows).filter((workflow) => workflow.name === record.type);
  const hashes = new Map(same.map((workflow) => [workflow.plan_hash, workflow.definition_hash]));
  return Promise.all(
    [...hashes].map(async ([planHash, definitionHash]) => ({
      planHash,
      definitionHash,
      program: await readableProgram(programs, planHash),
    })),
  );
}

async function readableProgram(programs: StoredPrograms, planHash: string): Promise<Program | undefined> {
  try {
    return await programs.byHash(planHash);
  } catch (error) {
    if (isWorkflowError(error, "data")) return undefined;
    throw error;
  }
}

function* serving(record: RunRecord, served: readonly AnnouncedPlan[]): Generator<string> {
  if (served.length === 0) yield `no worker that was seen in the last minute serves ${record.type}`;
  else if (!served.some(({ definitionHash }) => definitionHash === record.definition_hash))
    yield `no worker that was seen in the last minute serves its definition ${record.definition_hash}`;
}

/** A worker that serves the plan does not need the stored one, and stores it again when it starts. */
function withoutPlan(planHash: string, served: readonly AnnouncedPlan[]): string {
  const missing = `the bucket has no plan ${planHash} any more`;
  return served.some((plan) => plan.planHash === planHash)
    ? `${missing}; a worker that was seen in the last minute serves it and goes on with the run`
    : `${missing}; start a worker that serves exactly this definition, which puts it back`;
}

function* stopped(record: RunRecord): Generator<string> {
  if (record.error?.type === "VersionMismatch") yield record.error.message;
  else if (record.status === "paused") {
    const why = record.error === undefined ? "" : ` (${record.error.message})`;
    yield `it is paused${why}; resume goes on`;
  }
  const end = stoppingAs(record);
  if (end === undefined) return;
  const failed = end === "failed" ? failedStepOf(record) : undefined;
  const why = failed === undefined ? "" : `, because step ${failed.step} failed: ${summarize(failed.failure)}`;
  yield `it is stopped, and will end ${end}${why}`;
}

async function explainExecution(
  queue: QueueContext,
  record: RunRecord,
  execution: Execution,
  served: readonly AnnouncedPlan[],
  own: Program | undefined,
): Promise<readonly string[]> {
  const what = execution.kind === "run" ? `step ${execution.step}` : `the undo of ${execution.step}`;
  const task = await getTask(queue, ownerOf(execution)?.task ?? executionTaskId(record.id, execution));
  const before = lastAttempt(record, execution, task);
  const reasons: string[] = [];
  if (task?.status === "running") {
    const until = String(task.lease_expires_at);
    const over = millisOf(until) < queue.store.time().earliest;
    const holder = task.worker_id ?? "somebody";
    return [
      over
        ? `${what} was leased by ${holder} until ${until}, and that is over; the next worker that looks takes it over${before}`
        : `${what} is leased by ${holder} until ${until}${before}`,
    ];
  }
  if (served.length > 0 && !served.some(({ program }) => program === undefined || hasHandler(program, execution))) {
    reasons.push(
      own?.activity({ kind: "run", step: execution.step })?.remote === true
        ? `${what} waits for a program on this bucket that is not ours: the step is remote`
        : `no worker that was seen in the last minute has a handler for ${what}`,
    );
  }
  if (task === undefined) reasons.push(`${what} has no task yet`);
  else if (task.status === "pending") {
    reasons.push(`${what} is pending on the queue, available at ${task.available_at}${before}`);
    if (reasons.length === 1 && served.length > 0)
      reasons.push(...passedOver(queue, what, millisOf(String(task.available_at))));
  } else {
    // The task was ended without the record, or an older record was restored by hand.
    reasons.push(`the task of ${what} is ${task.status}, but the record does not say so; ${nextLook(record)}`);
  }
  return reasons;
}

/**
 * The failure of the previous attempt, as the end of a sentence; empty when there was none. The task may know of attempts that the record
 * does not hold yet.
 */
function lastAttempt({ machine }: RunRecord, execution: Execution, task: TaskRecord | undefined): string {
  const { kind, step, generation } = execution;
  const told = machine?.failures?.findLast(
    (one) => one.kind === kind && one.step === step && one.generation === generation,
  );
  const own = ownerOf(execution) === undefined && task?.last_error != null;
  const last = (own ? attemptsOfText(task.last_error, { attempt: task.retry_count }).at(-1) : undefined) ?? told;
  return last === undefined ? "" : `; attempt ${last.attempt} failed: ${summarize(last.error)}`;
}

/** A ready task is claimed within one poll, five seconds by default. */
const PASSED_OVER_MS = 15_000;

/** Explains why ready work is not claimed: usually handlers take every place of the workers, some of them perhaps waiting for this run. */
function* passedOver(queue: QueueContext, what: string, readyAt: number): Generator<string> {
  const forMs = queue.store.time().earliest - readyAt;
  if (!(forMs >= PASSED_OVER_MS)) return;
  yield `${what} has been ready for ${Math.floor(forMs / 1_000)} s and no worker has taken it: every place of the workers that serve it may be taken (their concurrency), by handlers that take long or that wait for other runs inside of a handler, which keeps a place; start another worker, or raise the concurrency`;
}

/** When the run is compared with its tasks, and how to have that done now. */
function nextLook({ id, machine }: RunRecord): string {
  const at = machine?.next_check_at;
  const when =
    at === null || at === undefined ? "" : `it is compared with its tasks at ${new Date(at).toISOString()}; `;
  return `${when}to do that now: buquet-workflow sweeper --run ${id}`;
}

function hasHandler(program: Program, execution: Execution): boolean {
  const activity = program.activity(execution);
  return activity !== undefined && (execution.kind === "undo" || !activity.remote);
}

/** The steps about which an operator must decide, even when the plan is missing. */
function* held(record: RunRecord): Generator<string> {
  for (const [name, { status, failure }] of stepsOf(record)) {
    if (status !== "held") continue;
    const why = failure === undefined ? "" : ` (${summarize(failure)})`;
    yield `step ${name} failed and is held${why}; resume tries it again, skip goes on without it`;
  }
}
