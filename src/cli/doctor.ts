/** `doctor`: tests whether a store keeps what everything else depends on. */
import { WorkflowError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { OWN_PREFIX } from "../keys.ts";
import { leashStore } from "../store/leash.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { listKeys } from "../store/paging.ts";
import { storeCases } from "../testing/store-cases.ts";
import type { ParsedArguments } from "./arguments.ts";
import { listenForStop } from "./process.ts";
import { coloured, print, printable, printJson, table } from "./output.ts";
import { examineFleet } from "./fleet-checkup.ts";
import { openSession } from "./session.ts";
import { reasonOf } from "../host/error-data.ts";

/** The result of `doctor`. */
export interface Checkup {
  readonly store: string;
  /** The name of the server; null when it gives none. */
  readonly server: string | null;
  /** When, by the clock of the store. */
  readonly at: string;
  /** Whether every check held that must hold. */
  readonly safe: boolean;
  /** Whether earlier contents can be read; nice to have, not a condition. */
  readonly versions: boolean;
  readonly results: readonly CheckupResult[];
}

/** How long objects of the checks are deleted after the process was asked to stop. */
const CLEARING_MS = 2_000;

/** The result of one case. */
export interface CheckupResult {
  readonly name: string;
  readonly ok: boolean;
  /** What was seen instead; empty when it held. */
  readonly reason: string;
  /** What goes wrong with runs, or why it does not matter; empty when it held. */
  readonly means: string;
  /** Whether the store may be used all the same. */
  readonly optional: boolean;
  readonly ms: number;
}

/**
 * Runs the conformance cases, races of many writers among them, under a prefix of their own, and clears up.
 * @throws {WorkflowError} when the store does not answer at all. The reason of `signal` when that aborts; it clears up for two seconds more.
 */
export async function examineStore(whole: ObjectStore, host: Host, signal?: AbortSignal): Promise<Checkup> {
  const store = signal === undefined ? whole : leashStore(whole, signal);
  // Denied, no such bucket, no connection: that is no finding about conditions.
  await store.get(`${OWN_PREFIX}doctor/hello`);
  const startedAt = Math.round(store.time().latest);
  const folder = `${OWN_PREFIX}doctor/${host.random.ulid(startedAt)}`;
  const results: CheckupResult[] = [];
  try {
    for (const [index, probe] of storeCases.entries()) {
      signal?.throwIfAborted();
      const began = host.clock.monotonic();
      const reason = await probe.run({ store, prefix: `${folder}-${index}/` }).then(
        () => undefined,
        (error: unknown) => reasonOf(error),
      );
      results.push({
        name: probe.name,
        ok: reason === undefined,
        reason: reason ?? "",
        means: reason === undefined ? "" : (probe.optional ?? probe.harm ?? ""),
        optional: probe.optional !== undefined,
        ms: Math.round(host.clock.monotonic() - began),
      });
    }
  } finally {
    // Also when it is told to stop, before or meanwhile, and then not for long.
    const [enough, cleared] = [new AbortController(), new AbortController()];
    const hurry = (): void =>
      void host.clock.sleep(CLEARING_MS, { signal: cleared.signal }).then(() => enough.abort(signal?.reason));
    if (signal?.aborted === true) hurry();
    else signal?.addEventListener("abort", hurry, { once: true, signal: cleared.signal });
    try {
      await clear(leashStore(whole, enough.signal), folder);
    } finally {
      cleared.abort();
    }
  }
  return {
    store: store.url,
    server: store.server ?? null,
    at: new Date(startedAt).toISOString(),
    safe: results.every((result) => result.ok || result.optional),
    versions: store.capabilities.versions,
    results,
  };
}

async function clear(store: ObjectStore, prefix: string): Promise<void> {
  for await (const key of listKeys(store, prefix)) await store.delete(key);
}

/** `doctor`: exit code 1 when the store must not be used. */
export async function runDoctor(args: ParsedArguments): Promise<number> {
  await using session = await openSession(args, { allowUnsafe: true, create: true });
  const { store, host } = session.handle.context;
  if (store.url.startsWith("memory:"))
    throw new WorkflowError("invalid", "a store in memory is gone with this process");
  using stop = listenForStop();
  const checkup = await examineStore(store, host, stop.signal);
  const fleet = await examineFleet(leashStore(store, stop.signal));
  if (args.has("json")) printJson({ ...checkup, fleet });
  else {
    showCheckup(checkup);
    for (const line of fleet) print(printable(line));
  }
  return checkup.safe ? 0 : 1;
}

function spell({ ok, optional, reason, means }: CheckupResult): string {
  if (ok) return coloured("completed", "ok");
  if (optional) return `not here, and not needed: ${means}`;
  return `${coloured("failed")} ${printable(reason)}${means === "" ? "" : `; ${means}`}`;
}

function showCheckup(checkup: Checkup): void {
  const rows = checkup.results.map((result) => [result.name, spell(result)]);
  print(table(["CHECK", "RESULT"], rows));
  print(
    checkup.versions
      ? "versions: kept"
      : "versions: not kept; history and time travel are not there, foreign writers cost certainty",
  );
  const failed = checkup.results.filter((result) => !result.ok && !result.optional).length;
  print(
    checkup.safe
      ? `${checkup.store} is safe to use`
      : `${checkup.store} is NOT safe: ${failed} ${failed === 1 ? "check" : "checks"} failed`,
  );
}
