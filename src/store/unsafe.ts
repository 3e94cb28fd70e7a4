/**
 * Refuses stores on which runs would be lost, when a bucket is opened. Two things show it at the price of a put: what a server calls
 * itself, for those that were found wanting, and whether it knows conditions at all. Whether conditions hold in a race is what `doctor` asks.
 */
import { WorkflowError } from "../errors.ts";
import { PROBE_KEY } from "../keys.ts";
import type { ObjectStore } from "./object-store.ts";

interface Known {
  readonly calls: RegExp;
  /** Whether this one is meant, of all that call themselves so. */
  readonly is: (match: RegExpExecArray, versions: boolean) => boolean;
  readonly reason: string;
}

/** Measured: docs/stores.md. */
const KNOWN: readonly Known[] = [
  {
    calls: /^SeaweedFS\b.*?(\d+)\.(\d+)$/u,
    is: ([, major = "", minor = ""]) => Number(major) < 4 || (Number(major) === 4 && Number(minor) <= 48),
    reason: "SeaweedFS up to 4.48 lists folder by folder, so that tasks and runs are passed over",
  },
  {
    calls: /^VERSITYGW$/u,
    is: (_, versions) => versions,
    reason:
      "versitygw judges conditions behind a delete marker by the version before it, so that what was deleted comes back; take a bucket without versions",
  },
];

/**
 * @throws {WorkflowError} `invalid` with the reason when the store is known to be unsafe or ignores conditions; `unavailable` when it
 * does not answer. Who may not put the probe is not asked.
 */
export async function refuseUnsafe(store: ObjectStore): Promise<void> {
  const { server = "", capabilities } = store;
  for (const { calls, is, reason } of KNOWN) {
    const match = calls.exec(server);
    if (match !== null && is(match, capabilities.versions)) throw unsafe(store, reason);
  }
  // The first put may be the first of all; the second is refused, wherever conditions count.
  if ((await createsProbe(store)) && (await createsProbe(store)))
    throw unsafe(
      store,
      "it ignores the condition of a put, so that two workers would run one step and results would be lost",
    );
}

async function createsProbe(store: ObjectStore): Promise<boolean> {
  try {
    return (await store.put(PROBE_KEY, "{}", "absent")).kind === "stored";
  } catch (error) {
    if (error instanceof WorkflowError && error.code === "invalid") return false;
    throw error;
  }
}

function unsafe(store: ObjectStore, reason: string): WorkflowError {
  return new WorkflowError(
    "invalid",
    `${store.url} must not be used: ${reason}. See what else is wrong with \`buquet-workflow doctor\`; unsafe=allow in the url opens it all the same`,
  );
}
