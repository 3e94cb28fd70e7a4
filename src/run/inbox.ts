/** The inbox of a run: one immutable object for each signal, in the order of its keys. */
import { z } from "zod";
import type { OpenWait } from "../../machines/snapshot.ts";
import { WorkflowError } from "../errors.ts";
import { signalKey, signalsPrefix } from "../keys.ts";
import type { QueueContext } from "../queue/task.ts";
import { Codec } from "../store/document.ts";
import { listKeys } from "../store/paging.ts";
import { formatOpaque, parseInstant } from "../wire/instant.ts";
import { stringifyJson } from "../wire/json.ts";
import { StoredValue } from "../wire/value.ts";
import type { FoundSignal } from "./facts.ts";
import type { RunRecord } from "./record/record.ts";
import { reasonOf } from "../host/error-data.ts";

/** How far before a cursor of another program the inbox is looked through: the greatest skew between senders plus the longest put. */
const SIGNAL_WINDOW_MS = 15 * 60_000;

/** More consumed signals of one name than this are a mistake: the record would grow without end. */
export const MAX_CONSUMED = 10_000;

/** A signal as it stands in the bucket. */
interface StoredSignal {
  readonly id: string;
  readonly name: string;
  readonly payload: StoredValue;
  readonly created_at: string;
}

const signalSchema = z.object({ id: z.string(), name: z.string(), payload: z.unknown(), created_at: z.string() });

/** The codec of `workflow/{run}/signals/{name}/{instant}_{id}.json`. */
export const signalCodec: Codec<StoredSignal> = new Codec<StoredSignal>({
  what: "a signal",
  read: (json) => {
    const { payload = null, ...signal } = signalSchema.parse(json);
    return { ...signal, payload: StoredValue.parsed(payload) };
  },
  // Run and instant stand in the key.
  keyOf: ({ id, name }, key) => {
    const [, runId = "", , , segment = ""] = key.split("/");
    return signalKey(runId, name, `${segment.slice(0, segment.lastIndexOf("_"))}_${id}.json`);
  },
  write: (signal) => stringifyJson(signal),
});

/** The signals that the open waits of a record can be given now, oldest first. Sent only after the record that waits was acknowledged. */
export async function lookIntoInbox(
  queue: QueueContext,
  record: RunRecord,
  waits: readonly OpenWait[],
): Promise<readonly FoundSignal[]> {
  const wanted = new Map<string, number>();
  for (const wait of waits) wanted.set(wait.signal, (wanted.get(wait.signal) ?? 0) + 1);
  const found = await Promise.all([...wanted].map(([name, count]) => findSignals(queue, record, name, count)));
  return found.flat();
}

async function findSignals(
  queue: QueueContext,
  record: RunRecord,
  name: string,
  count: number,
): Promise<readonly FoundSignal[]> {
  const prefix = signalsPrefix(record.id, name);
  const known = record.machine?.consumed.find((entry) => entry.name === name);
  const consumed = new Set(known?.ids);
  if (consumed.size > MAX_CONSUMED) {
    throw new WorkflowError(
      "data",
      `run ${record.id} has consumed more than ${MAX_CONSUMED} signals named ${JSON.stringify(name)}`,
    );
  }
  const found: FoundSignal[] = [];
  const start = listStart(prefix, known === undefined ? record.signals.get(name)?.cursor : known.since);
  for await (const key of listKeys(queue.store, prefix, start)) {
    const segment = key.slice(prefix.length);
    if (consumed.has(segment) || segment.includes("/")) continue;
    const signal = await readSignal(queue, record.id, name, segment);
    if (signal !== undefined) found.push(signal);
    if (found.length === count) break;
  }
  return found;
}

/**
 * The whole inbox is looked through: a sender whose clock is behind puts its signal before those that were consumed. Only what another
 * program consumed is not known one by one; there the list starts a window before its cursor.
 */
function listStart(prefix: string, cursor: string | undefined): string | undefined {
  if (cursor === undefined) return undefined;
  const at = parseInstant(cursor.slice(0, cursor.lastIndexOf("_")));
  return at === undefined ? undefined : prefix + formatOpaque(at.ms - SIGNAL_WINDOW_MS);
}

/** One that cannot be read blocks nobody: it is passed over, with a line in the log each time. */
async function readSignal(
  queue: QueueContext,
  runId: string,
  name: string,
  segment: string,
): Promise<FoundSignal | undefined> {
  const key = signalKey(runId, name, segment);
  const read = await queue.store.get(key);
  if (read.kind === "missing") return undefined;
  try {
    const { id, payload } = signalCodec.decode(read.object.body, key);
    return { name, segment, id, payload };
  } catch (error) {
    const reason = reasonOf(error);
    queue.host.logger.warn("signal passed over", { run: runId, signal: name, key, reason });
    return undefined;
  }
}
