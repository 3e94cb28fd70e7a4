/** What must hold after every history, from the bucket and from what the handlers did. */
import { minuteOf, stateKey, stepResultKey } from "../../src/keys.ts";
import { decodeRecord, type RunRecord } from "../../src/run/record.ts";
import { stringifyJson } from "../../src/wire/json.ts";
import type { World } from "../../src/testing/simulation/simulation.ts";
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
    ...(await checkVersions(world, record)),
    ...(await checkIndexes(world, setting)),
  ];
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

/** P30: the handler always saw the same key, but for a new generation after a failure that vouched that nothing happened. */
function checkKeys(shape: Shape, executions: readonly Execution[]): string[] {
  const keys = new Map<string, Set<string>>();
  for (const { step, generation, key } of executions) {
    const id = shape.name === "hold" && step === "h" ? `${step} of generation ${generation}` : step;
    keys.set(id, (keys.get(id) ?? new Set()).add(key));
  }
  return [...keys]
    .filter(([, all]) => all.size > 1)
    .map(([step, all]) => `${step} saw the keys ${[...all].join(", ")}`);
}

/** No signal lost, skipped or used twice. */
function checkSignals(shape: Shape, record: RunRecord): string[] {
  const problems: string[] = [];
  for (const { name, ids } of record.machine?.consumed ?? [])
    if (new Set(ids).size !== ids.length) problems.push(`${record.id}: signal ${name} was used twice`);
  if (shape.name !== "twice" || record.status !== "completed") return problems;
  const got = JSON.stringify((record.steps.get("w")?.result as { got?: unknown } | undefined)?.got, plainNumber);
  if (got !== "[1,2]") problems.push(`${record.id}: the two signals arrived as ${got}`);
  return problems;
}

const plainNumber = (_key: string, value: unknown): unknown =>
  typeof value === "object" && value !== null && "value" in value ? Number((value as { value: unknown }).value) : value;

/** P60: undone exactly where it completed or may have happened, and never before. */
function checkUndos(shape: Shape, record: RunRecord, executions: readonly Execution[]): string[] {
  const problems: string[] = [];
  const givenUp = new Set(record.machine?.compensation_errors.map((error) => error.step));
  for (const step of shape.undoable) {
    const mine = executions.filter((execution) => execution.step === step);
    const undos = mine.filter((execution) => execution.kind === "undo");
    const runs = mine.filter((execution) => execution.kind === "run");
    const completed = record.steps.get(step)?.status === "completed";
    if (record.status === "completed") {
      if (undos.length > 0) problems.push(`${record.id}: ${step} was undone in a run that completed`);
      continue;
    }
    if ((completed || runs.length > 0) && undos.length === 0 && !givenUp.has(step))
      problems.push(`${record.id}: ${step} ${completed ? "completed" : "may have happened"} and was not undone`);
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
    if (status !== "completed") continue;
    const stored = await world.store.get(stepResultKey(record.id, name));
    if (stored.kind === "missing") problems.push(`${record.id}: no steps/${name}.json`);
    else if (stored.object.body !== stringifyJson(result ?? null))
      problems.push(`${record.id}: steps/${name}.json differs from the record`);
  }
  return problems;
}

/** One result per step, for ever. */
async function checkVersions(world: World, record: RunRecord): Promise<string[]> {
  const problems: string[] = [];
  const first = new Map<string, string>();
  const versions = await world.store.versions(stateKey(record.id));
  for (const { versionId } of versions.toReversed()) {
    const read = await world.store.getVersion(stateKey(record.id), versionId);
    if (read.kind === "missing") continue;
    const { steps } = decodeRecord(read.object.body, stateKey(record.id));
    for (const [name, { status, result }] of steps) {
      const text = stringifyJson(result ?? null);
      const known = first.get(name);
      if (known === undefined && status === "completed") first.set(name, text);
      else if (known !== undefined && (status !== "completed" || known !== text))
        problems.push(`${record.id}: the committed result of ${name} changed from ${known} to ${status} ${text}`);
    }
  }
  return [...new Set(problems)];
}

/** No stale index key stays for ever. */
async function checkIndexes(world: World, setting: Setting): Promise<string[]> {
  const problems: string[] = [];
  // Only a sweep finds an entry that a crash left in the active index.
  for (const prefix of ["ready/", "leases/", ...(setting.sweeper === false ? [] : ["x-workflow/active/"])]) {
    const page = await world.store.list(prefix);
    for (const { key } of page.objects) {
      const parts = key.split("/");
      const minute = parts.at(-2) ?? "";
      // An entry for a later look is deleted then; a lease key in its time is looked at when it runs out.
      if (minute <= minuteOf(world.store.time().latest - 120_000)) problems.push(`index key left behind: ${key}`);
    }
  }
  return problems;
}
