/**
 * A stored run as a timeline: one frame for each version of `workflow/{id}/state.json`.
 *
 * Only reads. Nothing that another program or a newer version left there stops it: a version that cannot be read is a frame that says
 * so. Costs one GET, one list of versions for each thousand, one GET for each version and one for the plan; asking again costs one GET
 * while nothing was written, else a list more and one GET for each new version.
 */
import type { Plan, TaskStep } from "../../machines/plan/plan.ts";
import { planOf } from "../../machines/plan/program.ts";
import type { Timeline } from "../draw/timeline.ts";
import { isWorkflowError, RunNotFoundError } from "../errors.ts";
import { stateKey } from "../keys.ts";
import { checkRunId } from "../names.ts";
import type { Program } from "../programs/programs.ts";
import type { RunRecord } from "../run/record/record.ts";
import type { StoredPrograms } from "../programs/stored-programs.ts";
import type { GetOutcome, ObjectStore } from "../store/object-store.ts";
import { readBody, type Shown, showVersion, type Version } from "./frames.ts";

/** Versions that are asked for side by side. */
const AT_ONCE = 16;

/** Options of `readTimeline` and `followTimeline`. */
export interface TimelineOptions {
  /** Where the plan is found: among those that this process serves, else in the bucket. */
  readonly programs: Pick<StoredPrograms, "byHash" | "byName">;
}

/**
 * Every stored version of a run, oldest first.
 * @throws {RunNotFoundError} when the bucket has no version of it
 * @throws {WorkflowError} `unavailable` when the store does not answer, `invalid` for an id that cannot be
 */
export async function readTimeline(store: ObjectStore, id: string, options: TimelineOptions): Promise<Timeline> {
  return followTimeline(store, id, options)();
}

/**
 * A function that reads the run as it is now. A frame that it gave once stays in its place; when nothing was written since the last
 * call, it gives the same object. Calls that overlap share one reading.
 * @throws as `readTimeline` does
 */
export function followTimeline(store: ObjectStore, id: string, options: TimelineOptions): () => Promise<Timeline> {
  checkRunId(id);
  const programs = programFinder(options.programs);
  let state: Known = { shown: [], versions: new Set(), goneCount: 0 };
  const read = async (): Promise<Timeline> => {
    state = await readOn(store, id, programs, state);
    if (state.timeline === undefined) throw new RunNotFoundError(id);
    return state.timeline;
  };
  let reading: Promise<Timeline> | undefined;
  return () => {
    reading ??= read().finally(() => {
      reading = undefined;
    });
    return reading;
  };
}

/** What was read so far. Replaced whole: a reading that fails changes nothing. */
interface Known {
  readonly shown: readonly Shown[];
  /** Ids of the versions that need not be read any more. */
  readonly versions: ReadonlySet<string>;
  /** Versions that were listed and gone before they could be read. */
  readonly goneCount: number;
  /** The etag that the key had; null: it had none; undefined: nobody looked. */
  readonly etag?: string | null;
  readonly timeline?: Timeline;
}

async function readOn(store: ObjectStore, id: string, programs: FindProgram, known: Known): Promise<Known> {
  const current = await store.get(stateKey(id));
  const etag = current.kind === "found" ? current.object.etag : null;
  if (etag === known.etag) return known;
  const { fresh, listed } = store.capabilities.versions
    ? await readVersions(store, id, known.versions)
    : { fresh: onlyVersion(store, id, current, known), listed: [] };
  const shown = [...known.shown];
  for (const version of fresh) {
    const program = "problem" in version.content ? undefined : await programs(version.content);
    shown.push(showVersion(version, shown.at(-1), program));
  }
  const versions = new Set([...known.versions, ...listed]);
  const goneCount = known.goneCount + Math.max(0, listed.length - fresh.length);
  if (shown.length === 0) return known;
  if (shown.length === known.shown.length) return { ...known, versions, goneCount, etag };
  const plan = await newestPlan(shown, programs);
  const frames = shown.map(({ frame }) => frame);
  const notes = [...notesOf(store, shown, goneCount), ...(typeof plan === "string" ? [plan] : [])];
  const timeline: Timeline = { id, plan: typeof plan === "string" ? standIn(shown) : plan, frames, notes };
  return { shown, versions, goneCount, etag, timeline };
}

/** The versions that were not read before, oldest first. */
async function readVersions(
  store: ObjectStore,
  id: string,
  known: ReadonlySet<string>,
): Promise<{ readonly fresh: readonly Version[]; readonly listed: readonly string[] }> {
  const key = stateKey(id);
  const news = (await store.versions(key)).filter(({ versionId }) => !known.has(versionId)).toReversed();
  const fresh: Version[] = [];
  for (let from = 0; from < news.length; from += AT_ONCE) {
    const some = news.slice(from, from + AT_ONCE);
    const read = await Promise.all(
      some.map(async ({ versionId, modifiedAt, deleted }): Promise<readonly Version[]> => {
        if (deleted) return [{ versionId, modifiedAt, content: readBody(id, undefined) }];
        const got = await store.getVersion(key, versionId);
        return got.kind === "missing" ? [] : [{ versionId, modifiedAt, content: readBody(id, got.object.body) }];
      }),
    );
    fresh.push(...read.flat());
  }
  return { fresh, listed: news.map(({ versionId }) => versionId) };
}

/** Where no versions are kept, what is there now is all that there is. */
function onlyVersion(store: ObjectStore, id: string, current: GetOutcome, known: Known): readonly Version[] {
  if (current.kind === "missing" && known.shown.length === 0) return [];
  const body = current.kind === "missing" ? undefined : current.object.body;
  return [{ modifiedAt: store.time().latest, content: readBody(id, body) }];
}

/** Finds the program that a record follows; a sentence when there is none. */
type FindProgram = (record: RunRecord) => Promise<Program | string>;

function programFinder(programs: TimelineOptions["programs"]): FindProgram {
  const asked = new Map<string, Promise<Program | string>>();
  return ({ machine, type }) => {
    const what =
      machine === undefined ? `the bucket has no workflow ${type}` : `the bucket has no plan ${machine.plan_hash}`;
    const known = asked.get(what);
    if (known !== undefined) return known;
    const find = async (): Promise<Program | string> => {
      try {
        const found = await (machine === undefined ? programs.byName(type) : programs.byHash(machine.plan_hash));
        return found ?? what;
      } catch (error) {
        if (isWorkflowError(error, "data")) return error.message;
        asked.delete(what);
        throw error;
      }
    };
    const finding = find();
    asked.set(what, finding);
    return finding;
  };
}

/** The plan of the newest version that has one; a sentence when none has. */
async function newestPlan(shown: readonly Shown[], programs: FindProgram): Promise<Plan | string> {
  let problem = "no version of the run can be read";
  for (const { record } of shown.toReversed()) {
    if (record === undefined) continue;
    const program = await programs(record);
    if (typeof program !== "string") return planOf(program) ?? "its program is no plan";
    problem = `${program}; the steps are shown as far as the run names them, without their order`;
  }
  return problem;
}

/** The steps that the versions name, side by side: better than nothing to look at. */
function standIn(shown: readonly Shown[]): Plan {
  const records = shown.flatMap(({ record }) => record ?? []);
  const names = new Set(records.flatMap(({ steps }) => [...steps.keys()]));
  return {
    name: records.at(-1)?.type ?? "workflow",
    steps: [...names].map((name) => ({ ...UNKNOWN_STEP, name })),
    compensation: "mirror",
    foreign: true,
  };
}

const UNKNOWN_STEP: Omit<TaskStep, "name"> = {
  kind: "task",
  dependsOn: [],
  retries: 0,
  retryPolicy: { initialMs: 0, maxMs: 0, multiplier: 1, jitter: 0 },
  timeoutMs: 1,
  delayMs: 0,
  onFailure: "fail_workflow",
  compensate: false,
  remote: true,
};

function* notesOf(store: ObjectStore, shown: readonly Shown[], goneCount: number): Generator<string> {
  if (!store.capabilities.versions) {
    yield `${store.url} keeps no versions: there is only what the run was when somebody looked`;
    return;
  }
  const first = shown[0]?.record;
  if (first !== undefined && first.created_at !== first.updated_at)
    yield `the run began at ${first.created_at}, but ${store.url} keeps no versions of it from before ${first.updated_at}`;
  if (goneCount > 0) yield `${goneCount} more could not be read: the store removed them meanwhile`;
}
