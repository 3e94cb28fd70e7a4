/** Random tasks and records of runs, as far as our codecs write them. */
import * as fc from "fast-check";
import { stateKey, taskKey } from "../../src/keys.ts";
import type { RunRecord } from "../../src/run/record/record.ts";
import { decodeRecord, encodeRecord } from "../../src/run/record/codec.ts";
import { newTask, taskCodec, type TaskRecord, type TaskStatus, U32 } from "../../src/queue/task.ts";
import { formatInstant } from "../../src/wire/instant.ts";
import { MAX_DEPTH } from "../../src/wire/json.ts";
import { problemOf, stored } from "../stored.ts";
import { play } from "../simulation/play.ts";

/** One object and its key. */
export interface Written<T> {
  readonly key: string;
  readonly body: string;
  readonly value: T;
}

/** A value that is nested as deeply as is accepted. */
function deepest(leaf: unknown): unknown {
  let value = leaf;
  for (let depth = 0; depth <= MAX_DEPTH; depth += 1) value = depth % 2 === 0 ? [value] : { a: value };
  if (problemOf(value) !== undefined || problemOf([value]) === undefined) throw new Error("not the deepest");
  return value;
}

const text = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string({ unit: "grapheme" }),
  fc.constantFrom("", "\u0000\u001f\u007f", "\u2028\u2029", "\uffff😀", '"\\/\b\f\n\r\t', "__proto__", "null"),
);
const number = fc.oneof(
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(0, -0, 1e-7, 1e21, 5e-324, Number.MAX_VALUE, 2 ** 53, 2 ** 63, 2 ** 64, 1e16, -(2 ** 63)),
);
const json: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(null, true, false, [], {}),
    text,
    number,
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(text, tie("value"), { maxKeys: 4 }),
    fc.constant(deepest(1)),
  ),
})).value;
/** What handlers and clients may give: deep values only where they are not made deeper. */
const given = json.filter((value) => problemOf(value) === undefined);

/** An error's message may have been cut in the middle of a character. */
const message = fc.oneof(text, fc.constantFrom("cut \ud83d", "\udc00", "😀\ud800\ud800"));
const u32 = fc.oneof(fc.nat(), fc.constantFrom(0, 1, U32));
const instant = fc
  .oneof(
    fc.integer({ min: Date.UTC(1970, 0, 1), max: Date.UTC(2100, 0, 1) }),
    fc.constantFrom(-62_135_596_800_000, -1, 0, 253_402_300_799_999),
  )
  .map(formatInstant);
const STATUSES: readonly TaskStatus[] = [
  "pending",
  "running",
  "completed",
  "failed",
  "cancelled",
  "archived",
  "expired",
];

const taskArbitrary: fc.Arbitrary<TaskRecord> = fc
  .record({
    spec: fc.record(
      {
        id: fc.uuid(),
        taskType: fc.string({ unit: "grapheme", minLength: 1 }),
        input: given,
        timeoutMs: fc.oneof(fc.nat(), fc.constantFrom(1, Number.MAX_SAFE_INTEGER, Number.MAX_VALUE)),
        maxRetries: u32,
        retryCount: u32,
        retryPolicy: fc.record({
          initialMs: fc.oneof(u32, fc.constant(1.5e300)),
          maxMs: fc.oneof(u32, fc.constant(0.4)),
          multiplier: fc.oneof(fc.nat(), fc.double({ min: 0, noNaN: true, noDefaultInfinity: true })),
          jitter: fc.oneof(fc.nat(), fc.double({ min: 0, max: 1, noNaN: true })),
        }),
        availableAt: fc.integer({ min: 0, max: Date.UTC(9999, 0, 1) }),
        expiresAt: fc.integer({ min: 0, max: Date.UTC(9999, 0, 1) }),
        maxReschedules: u32,
      },
      { requiredKeys: ["id", "taskType", "input", "timeoutMs", "maxRetries"] },
    ),
    now: fc.integer({ min: 0, max: Date.UTC(2100, 0, 1) }),
    changes: fc.record(
      {
        status: fc.constantFrom(...STATUSES),
        output: given,
        available_at: instant,
        lease_expires_at: instant,
        lease_id: fc.uuid(),
        attempt: u32,
        updated_at: instant,
        completed_at: instant,
        worker_id: text,
        last_error: message,
        reschedule_count: u32,
        cancel_requested: fc.boolean(),
        cancelled_at: instant,
        cancelled_by: message,
        expires_at: instant,
        expired_at: instant,
      },
      { requiredKeys: [] },
    ),
    extra: fc.dictionary(
      fc.string({ unit: "grapheme" }).map((name) => `x_${name}`),
      given,
      { maxKeys: 1 },
    ),
  })
  .map(
    ({ spec, now, changes, extra }) =>
      ({ ...extra, ...newTask({ ...spec, input: stored(spec.input) }, now), ...changes }) as TaskRecord,
  );

/** Tasks in every status with every choice of members. */
export function randomTasks(count: number, seed: number): readonly Written<TaskRecord>[] {
  return fc.sample(taskArbitrary, { numRuns: count, seed }).map((value) => {
    const key = taskKey(value.id);
    return { key, body: taskCodec.encode(value), value };
  });
}

/** Failures, undos, holds, signals, timers, pauses, cancels and retries by hand. */
const PLAYED = ["twice", "saga", "gate", "hold", "cancel", "pause", "parked", "kept"];

/** Every record that the engine wrote in one history of some shapes of the simulation. */
async function playedRecords(seed: number): Promise<readonly RunRecord[]> {
  const key = stateKey("run");
  const bodies = new Set<string>();
  for (const shape of PLAYED) {
    const { world } = await play(`interop-${seed}-${shape}`, { shapes: [shape], outsiders: [] });
    for (const { versionId } of await world.store.versions(key)) {
      const read = await world.store.getVersion(key, versionId);
      if (read.kind === "found") bodies.add(read.object.body);
    }
  }
  return [...bodies].map((body) => decodeRecord(body, key));
}

/** Records as the engine writes them, with whatever people may put into them. */
export async function randomRecords(count: number, seed: number): Promise<readonly Written<RunRecord>[]> {
  const played = await playedRecords(seed);
  const fill = fc.record({ data: given, result: given, payload: given, error: message, reason: message });
  return fc.sample(fill, { numRuns: count, seed }).map((filled, index) => {
    const record = played[index % played.length] as RunRecord;
    const value: RunRecord = {
      ...record,
      id: `run-${index}`,
      // The first ones as they were written.
      ...(index < played.length ? {} : filledIn(record, filled)),
    };
    return { key: stateKey(value.id), body: encodeRecord(value), value };
  });
}

function filledIn(
  record: RunRecord,
  {
    data,
    result,
    payload,
    error,
    reason,
  }: Record<"data" | "result" | "payload", unknown> & Record<"error" | "reason", string>,
): Partial<RunRecord> {
  const { machine } = record;
  return {
    data: stored(data),
    steps: new Map(
      [...record.steps].map(([name, step]) => [
        name,
        {
          ...step,
          ...(step.result === undefined ? {} : { result: stored(result) }),
          ...(step.error === undefined ? {} : { error }),
        },
      ]),
    ),
    ...(record.error === undefined ? {} : { error: { ...record.error, message: reason } }),
    ...(machine === undefined
      ? {}
      : {
          machine: {
            ...machine,
            given: machine.given.map((entry) => ({
              ...entry,
              given: entry.given.map((signal) =>
                signal.id === null ? signal : { ...signal, payload: stored(payload) },
              ),
            })),
            outbox: machine.outbox.map((entry) => ("result" in entry ? { ...entry, result: stored(result) } : entry)),
          },
        }),
  };
}
