/** `doctor`: whether a live store keeps the promises that everything else rests on. */
import { WorkflowError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { OWN_PREFIX } from "../keys.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { listKeys } from "../store/paging.ts";
import { storeCases } from "../testing/store-cases.ts";
import type { Typed } from "./arguments.ts";
import { coloured, print, printJson, table } from "./output.ts";
import { examineFleet } from "./fleet-checkup.ts";
import { openSession } from "./session.ts";

/** What the doctor found. */
export interface Checkup {
  readonly store: string;
  /** Whether every check held. */
  readonly safe: boolean;
  /** Whether earlier contents can be read; nice to have, not a condition. */
  readonly versions: boolean;
  readonly results: readonly { readonly name: string; readonly ok: boolean; readonly reason: string }[];
}

/**
 * Runs the conformance cases, races of many writers among them, under a prefix of their own, and clears up.
 * @throws {WorkflowError} when the store does not answer at all.
 */
export async function examineStore(store: ObjectStore, host: Host): Promise<Checkup> {
  // Denied, no such bucket, no connection: that is no finding about conditions.
  await store.get(`${OWN_PREFIX}doctor/hello`);
  const folder = `${OWN_PREFIX}doctor/${host.random.ulid(Math.round(store.time().latest))}`;
  const results: { name: string; ok: boolean; reason: string }[] = [];
  try {
    for (const [index, probe] of storeCases.entries()) {
      try {
        await probe.run({ store, prefix: `${folder}-${index}/` });
        results.push({ name: probe.name, ok: true, reason: "" });
      } catch (error) {
        results.push({ name: probe.name, ok: false, reason: error instanceof Error ? error.message : String(error) });
      }
    }
  } finally {
    await clear(store, folder);
  }
  const { versions } = store.capabilities;
  return { store: store.url, safe: results.every((result) => result.ok), versions, results };
}

async function clear(store: ObjectStore, prefix: string): Promise<void> {
  for await (const key of listKeys(store, prefix)) await store.delete(key);
}

/** `doctor`: exit code 1 when the store must not be used. */
export async function runDoctor(typed: Typed): Promise<number> {
  await using session = await openSession(typed);
  const { store, host } = session.handle.context;
  if (store.url.startsWith("memory:"))
    throw new WorkflowError("invalid", "a store in memory is gone with this process");
  const checkup = await examineStore(store, host);
  const fleet = await examineFleet(store);
  if (typed.has("json")) printJson({ ...checkup, fleet });
  else {
    showCheckup(checkup);
    for (const line of fleet) print(line);
  }
  return checkup.safe ? 0 : 1;
}

function showCheckup(checkup: Checkup): void {
  const rows = checkup.results.map(({ name, ok, reason }) => [
    name,
    ok ? coloured("completed", "ok") : `${coloured("failed")} ${reason}`,
  ]);
  print(table(["CHECK", "RESULT"], rows));
  print(
    checkup.versions
      ? "versions: kept"
      : "versions: not kept; history and time travel are not there, foreign writers cost certainty",
  );
  const failed = checkup.results.filter((result) => !result.ok).length;
  print(checkup.safe ? `${checkup.store} is safe to use` : `${checkup.store} is NOT safe: ${failed} checks failed`);
}
