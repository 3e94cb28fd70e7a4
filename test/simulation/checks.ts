/** What must hold after every history, from the bucket and from what the handlers did. */
import { ACTIVE_PREFIX, laterResultKey, minuteOf, stateKey, stepResultKey } from "../../src/keys.ts";
import type { RunRecord } from "../../src/run/record/record.ts";
import { decodeRecord } from "../../src/run/record/codec.ts";
import { readVersions } from "../../src/store/versions.ts";
import { isTaskOver, millisOf, taskCodec, type TaskRecord } from "../../src/queue/task.ts";
import { stringifyJson } from "../../src/wire/json.ts";
import type { World } from "./world/index.ts";
import type { Execution } from "./observer.ts";
import type { Setting } from "./play.ts";
import type { Shape } from "./shapes.ts";

/** Looks at the bucket when the history is over. */
export async function checkHistory(
  world: World,
  shape: Shape,
  setting: Setting,
  run: string,
  executions: readonly Execution[],
): Promise<string[]> {
  const found = await world.store.get(stateKey(run));
  if (found.kind === "missing") return [`${run}: no record`];
  const record = decodeRecord(found.object.body, stateKey(run));
  return [
    ...checkEnd(shape, setting, record),
    ...checkKeys(shape, executions),
    ...checkSignals(shape, record),
    ...checkUndos(shape, record, executions),
    ...(await checkResults(world, record)),
    ...(await checkVersions(world, record, executions)),
    ...(await checkTasks(world, run)),
    ...(await checkIndexes(world, setting)),
  ];
}

/** A task that is held is ended by its holder, and by nobody else while the lease lives. */
async function checkTasks(world: World, run: string): Promise<string[]> {
  const problems: string[] = [];
  const writers = new Map(
    world.trace.filter(({ kind }) => kind === "put").map(({ key, effect, process }) => [`${key} ${effect}`, process]),
  );
  const keys = new Set(world.trace.filter(({ key }) => key.startsWith("tasks/")).map(({ key }) => key));
  for (const key of keys) {
    let before: TaskRecord | undefined;
    for await (const { body, etag } of readVersions(world.store, key)) {
      const task = taskCodec.decode(body, key);
      const writer = writers.get(`${key} stored ${etag}`);
      const isHeld =
        before?.status === "running" && millisOf(before.lease_expires_at ?? "") > millisOf(task.updated_at);
      if (isHeld && isTaskOver(task) && writer?.startsWith("worker-") === true && writer !== before?.worker_id)
        problems.push(`${run}: ${writer} ended task ${task.id}, which ${before?.worker_id} held`);
      before = task;
    }
  }
  return problems;
}

/** Every run ends as the pure model says. */
function checkEnd(shape: Shape, setting: Setting, record: RunRecord): string[] {
  const outside = setting.outsiders ?? [];
  // Whoever fails tasks whose retries are used up makes a step fail; whoever cancels makes the run end as cancelled.
  const also = [
    ...(outside.includes("canceller") ? ["cancelled"] : []),
    ...(outside.includes("monitor") ? ["failed"] : []),
  ];
  const error = JSON.stringify(record.error);
  if (![...shape.ends, ...also].includes(record.status))
    return [`${record.id}: ended ${record.status}, not ${shape.ends.join(" or ")} (${error})`];
  if (record.status === "failed" && record.error === undefined) return [`${record.id}: failed without an error`];
  if (record.status === "completed" && record.error !== undefined) return [`${record.id}: completed with ${error}`];
  const open = [...record.steps].filter(([, { status }]) => status === "running" || status === "pending");
  return open.map(([step]) => `${record.id}: is over and ${step} is not`);
}

/** P30: the handler always saw the same key, but for a new generation after one that vouched that nothing happened or was undone. */
function checkKeys(shape: Shape, executions: readonly Execution[]): string[] {
  const keys = new Map<string, Set<string>>();
  const all = new Map<string, Execution[]>();
  for (const execution of executions) {
    const { step, key } = execution;
    const mine = executions.filter((other) => other.step === step && other.generation < execution.generation);
    const vouches = shape.vouching?.includes(step) === true || (shape.name === "hold" && step === "h");
    const isGone = (generation: number): boolean =>
      vouches || mine.some((other) => other.kind === "undo" && other.generation === generation);
    const gone = [...new Set(mine.map(({ generation }) => generation))].filter(isGone).length;
    const id = gone === 0 ? step : `${step} after ${gone} that did not happen`;
    keys.set(id, (keys.get(id) ?? new Set()).add(key));
    all.set(key, [...(all.get(key) ?? []), execution]);
  }
  const changed = [...keys]
    .filter(([, seen]) => seen.size > 1)
    .map(([id, seen]) => `${id} saw the keys ${[...seen].join(", ")}`);
  const ids = [...keys].flatMap(([id, seen]) => [...seen].map((key) => [key, id] as const));
  const shared = [...all.keys()].filter((key) => ids.filter(([other]) => other === key).length > 1);
  return [...changed, ...shared.map((key) => `what did not happen and what came after it had one key, ${key}`)];
}

/** No signal lost, skipped or used twice. */
function checkSignals(shape: Shape, record: RunRecord): string[] {
  const problems: string[] = [];
  for (const { name, ids } of record.machine?.consumed ?? [])
    if (new Set(ids).size !== ids.length) problems.push(`${record.id}: signal ${name} was used twice`);
  if (shape.name !== "twice" || record.status !== "completed") return problems;
  const result = JSON.parse(stringifyJson(record.steps.get("w")?.result ?? null)) as { got?: unknown } | null;
  const got = JSON.stringify(result?.got);
  if (got !== "[1,2]") problems.push(`${record.id}: the two signals arrived as ${got}`);
  return problems;
}

/** P60: undone exactly where it completed or may have happened, and never before; in each round of a run that was opened again. */
function checkUndos(shape: Shape, record: RunRecord, executions: readonly Execution[]): string[] {
  const problems: string[] = [];
  const givenUp = new Set(record.machine?.compensation_errors.map((error) => error.step));
  const last = record.machine?.reopened?.count ?? 0;
  for (const step of shape.undoable) {
    const mine = executions.filter((execution) => execution.step === step);
    for (let round = 0; round <= last; round += 1) {
      const undos = mine.filter((execution) => execution.kind === "undo" && execution.round === round);
      const gone = new Set(
        mine.filter((other) => other.kind === "undo" && other.round < round).map(({ generation }) => generation),
      );
      const runs = mine.filter((other) => other.kind === "run" && other.round <= round && !gone.has(other.generation));
      const isLast = round === last;
      const completed = isLast && record.steps.get(step)?.status === "completed";
      if (isLast && record.status === "completed") {
        if (undos.length > 0) problems.push(`${record.id}: ${step} was undone in a run that completed`);
      } else if ((completed || runs.length > 0) && undos.length === 0 && !givenUp.has(step))
        problems.push(`${record.id}: ${step} ${completed ? "completed" : "may have happened"} and was not undone`);
    }
  }
  for (const step of shape.vouching ?? []) {
    if (executions.some((execution) => execution.step === step && execution.kind === "undo"))
      problems.push(`${record.id}: ${step} vouched that nothing happened and was undone`);
  }
  return problems;
}

async function checkResults(world: World, record: RunRecord): Promise<string[]> {
  const problems: string[] = [];
  for (const [name, { status, result }] of record.steps) {
    if (status !== "completed" || record.machine?.replaced?.includes(name) === true) continue;
    problems.push(...(await checkFile(world, stepResultKey(record.id, name), stringifyJson(result ?? null))));
  }
  return problems;
}

async function checkFile(world: World, key: string, wanted: string): Promise<string[]> {
  const stored = await world.store.get(key);
  const file = key.replace(/^workflow\/[^/]*\//u, "");
  if (stored.kind === "missing") return [`no ${file}`];
  return stored.object.body === wanted ? [] : [`${file} differs from the record: ${stored.object.body}, not ${wanted}`];
}

/**
 * One result per step, for ever; where one was undone and the run opened again, one per generation, each in a file of its own. What
 * completed and was not undone does not run again.
 */
async function checkVersions(world: World, record: RunRecord, executions: readonly Execution[]): Promise<string[]> {
  const problems: string[] = [];
  const committed = new Map<string, string>();
  const first = new Map<string, string>();
  for await (const { body } of readVersions(world.store, stateKey(record.id))) {
    const { steps, machine } = decodeRecord(body, stateKey(record.id));
    const round = machine?.reopened?.count ?? 0;
    if (machine?.write.events.includes("retry") === true) {
      for (const name of committed.keys()) {
        const of = executions.filter((execution) => execution.step === name);
        const undone = of.some((execution) => execution.kind === "undo" && execution.round === round - 1);
        const stays = steps.get(name)?.status === "completed";
        if (stays === undone)
          problems.push(`${record.id}: ${name} was ${undone ? "" : "not "}undone and ${stays ? "stays" : "is gone"}`);
        if (stays && of.some((execution) => execution.kind === "run" && execution.round >= round))
          problems.push(`${record.id}: ${name} completed, was not undone, and ran again`);
        if (!stays) committed.delete(name);
      }
    }
    for (const [name, { status, result }] of steps) {
      const text = stringifyJson(result ?? null);
      const known = committed.get(name);
      if (known === undefined && status === "completed") committed.set(name, text);
      else if (known !== undefined && (status !== "completed" || known !== text))
        problems.push(`${record.id}: the committed result of ${name} changed from ${known} to ${status} ${text}`);
      if (status === "completed" && !first.has(name)) first.set(name, text);
    }
  }
  for (const name of record.machine?.replaced ?? []) {
    problems.push(...(await checkFile(world, stepResultKey(record.id, name), first.get(name) ?? "")));
    const now = committed.get(name);
    const run = executions.filter((execution) => execution.step === name && execution.kind === "run");
    const generation = Math.max(...run.map((execution) => execution.generation));
    if (now !== undefined) problems.push(...(await checkFile(world, laterResultKey(record.id, name, generation), now)));
  }
  return [...new Set(problems)];
}

/** No stale index key stays for ever. */
async function checkIndexes(world: World, setting: Setting): Promise<string[]> {
  const problems: string[] = [];
  // Only a sweep finds an entry that a crash left in the active index.
  for (const prefix of ["ready/", "leases/", ...(setting.sweeper === false ? [] : [ACTIVE_PREFIX])]) {
    const page = await world.store.list(prefix);
    for (const { key } of page.objects) {
      const parts = key.split("/");
      const minute = parts.at(-2) ?? "";
      // A lease key in its time is looked at when it runs out. A run that is over is not to be looked at any more; only where a request
      // was late or a worker died may an entry be left, and it is deleted when its minute comes.
      const isExcused = prefix !== ACTIVE_PREFIX || world.struck.length > 0;
      if (!isExcused || minute <= minuteOf(world.store.time().latest - 120_000))
        problems.push(`index key left behind: ${key}`);
    }
  }
  return problems;
}
