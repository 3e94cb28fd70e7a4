/**
 * Tests when a bucket is opened whether its store keeps what runs depend on: conditions in a race, conditions after a delete, and the order
 * of lists. It takes 49 small requests; the verdict is cached in the bucket for a week. `doctor` tests far more.
 */
import { z } from "zod";
import { WorkflowError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { PROBE_PREFIX, verdictKey } from "../keys.ts";
import type { ETag, ObjectStore, PutCondition } from "./object-store.ts";
import { isDenied } from "./s3-errors.ts";

const ROUNDS = 2;
const RACERS = 8;
const WEEK_MS = 7 * 24 * 3_600_000;
/** In the order of bytes, which is not that of folders. */
const LISTED = ["a!", "a/1", "b"];

/** A verdict that a store is safe. `at`: milliseconds since 1970, by its clock. */
const verdictSchema = z.object({ server: z.string().nullable(), at: z.number() });

/** AWS, and R2, where a race would only be answered with 429, because it accepts one write of a key per second. */
export function isKnownSafe(answerer: string): boolean {
  return /\.(?:amazonaws\.com|amazonaws\.com\.cn|r2\.cloudflarestorage\.com)$/u.test(answerer);
}

/**
 * Passes a store that keeps its promises, or that these credentials may not ask.
 * @param answerer - The host that serves it. Whoever moves the bucket elsewhere takes the verdicts along, and they must not count there.
 * @throws {WorkflowError} `invalid` with the reason when runs would be lost on it, `unavailable` when it does not answer.
 */
export async function refuseUnsafe(store: ObjectStore, host: Host, answerer: string): Promise<void> {
  try {
    const key = verdictKey(answerer);
    if (await wasFoundSafe(store, key)) return;
    const folder = `${PROBE_PREFIX}${host.random.ulid(store.time().latest)}/`;
    const reason = (await whyConditionsFail(store, folder)) ?? (await whyListsFail(store, folder));
    if (reason !== undefined) throw unsafe(store, reason);
    const verdict: z.infer<typeof verdictSchema> = { server: store.server ?? null, at: store.time().latest };
    await store.put(key, JSON.stringify(verdict), "always");
  } catch (error) {
    if (!isDenied(error)) throw error;
    host.logger.debug("what the store keeps was not asked: the credentials may not", { store: store.url });
  }
}

async function wasFoundSafe(store: ObjectStore, key: string): Promise<boolean> {
  const read = await store.get(key);
  if (read.kind === "missing") return false;
  try {
    const { server, at } = verdictSchema.parse(JSON.parse(read.object.body));
    return server === (store.server ?? null) && store.time().latest - at < WEEK_MS;
  } catch {
    return false;
  }
}

/** A race whose replies are lost has no winner and shows nothing. */
async function whyConditionsFail(store: ObjectStore, folder: string): Promise<string | undefined> {
  for (let round = 0; round < ROUNDS; round += 1) {
    const key = `${folder}${round}`;
    const created = await race(store, key, "create", "absent");
    if (created.length > 1)
      return `${created.length} of ${RACERS} created one key, so that a run could be started twice`;
    const [first] = created;
    if (first === undefined) continue;
    const changed = await race(store, key, "change", { match: first });
    if (changed.length > 1)
      return `${changed.length} of ${RACERS} changed one state at once, so that two workers could both run a step`;
    const [last] = changed;
    if (last !== undefined && (await isStored(store, key, { match: first })))
      return "it takes a change of what was changed before, so that results would be lost";
    await store.delete(key);
    if (last !== undefined && (await isStored(store, key, { match: last })))
      return "it takes a change of what was deleted, so that work that is over could come back; where the bucket keeps versions, take one that does not";
  }
  return undefined;
}

async function race(store: ObjectStore, key: string, what: string, condition: PutCondition): Promise<readonly ETag[]> {
  const racers = Array.from({ length: RACERS }, (_, racer) => store.put(key, `"${what} ${racer}"`, condition));
  return (await Promise.all(racers)).flatMap((outcome) => (outcome.kind === "stored" ? [outcome.etag] : []));
}

async function isStored(store: ObjectStore, key: string, condition: PutCondition): Promise<boolean> {
  return (await store.put(key, '"late"', condition)).kind === "stored";
}

async function whyListsFail(store: ObjectStore, folder: string): Promise<string | undefined> {
  if (store.capabilities.orderedList === false) return undefined;
  const prefix = `${folder}list/`;
  await Promise.all(LISTED.map((name) => store.put(prefix + name, "", "always")));
  let after: string | undefined;
  const seen: string[] = [];
  for (const _name of LISTED) {
    const page = await store.list(prefix, { limit: 1, ...(after === undefined ? {} : { after }) });
    after = page.objects[0]?.key;
    if (after === undefined) break;
    seen.push(after.slice(prefix.length));
  }
  await Promise.all(LISTED.map((name) => store.delete(prefix + name)));
  return seen.join() === LISTED.join()
    ? undefined
    : `it does not list in the order of bytes (${seen.join(", ")}), so that runs and tasks could be passed over`;
}

function unsafe(store: ObjectStore, reason: string): WorkflowError {
  return new WorkflowError(
    "invalid",
    `${store.url} must not be used: ${reason}. buquet-workflow doctor says what else is wrong; unsafe=allow in the url, or allowUnsafe, opens it all the same`,
  );
}
