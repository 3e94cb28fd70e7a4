/** How the record of a run is read and written, and how large it may become. */
import { z } from "zod";
import { brand, WorkflowError } from "../../errors.ts";
import { stateKey } from "../../keys.ts";
import { Codec } from "../../store/document.ts";
import { stringifyJson } from "../../wire/json.ts";
import type { EffectKind } from "../effects/effect.ts";
import { EFFECTS, outboxEntryOf } from "../effects/effects.ts";
import { machinePartOf, recordShapeOf, type RunRecord } from "./record.ts";
import { objectOf } from "./shape.ts";

/** The newest layout of `machine` that this version writes and understands. */
export const RECORD_LAYOUT = 1;

/** Largest record in UTF-16 units; a bigger one could not be read by everybody who has to. */
export const MAX_RECORD_LENGTH: number = 4 * 1024 * 1024;
/** So much of it is for what no step returned: failures, stops, undos. */
const KEPT_FREE = 256 * 1024;

/** A record written by a newer version of this package: the run is left alone. */
export class NewerLayoutError extends WorkflowError {
  static {
    brand(this, "NewerLayoutError");
  }

  constructor(key: string, layout: number) {
    super("data", `${key} has layout ${layout}, newer than ${RECORD_LAYOUT}; update this program to work on the run`);
  }
}

/** A record above `MAX_RECORD_LENGTH`: it is not written. */
export class RecordTooLargeError extends WorkflowError {
  static {
    brand(this, "RecordTooLargeError");
  }

  constructor(message: string) {
    super("data", message);
  }
}

/** The codecs of records whose outboxes hold effects of certain kinds. */
export interface RecordCodecs {
  /** The codec of `workflow/{id}/state.json`. It refuses to write more than 4 MB with a `RecordTooLargeError`. */
  readonly record: Codec<RunRecord>;
  /** The same for a write that brings results or payloads: there is always room left to fail, to stop and to undo. */
  readonly growing: Codec<RunRecord>;
}

const made = new WeakMap<readonly EffectKind[], RecordCodecs>();

/** The codecs for these kinds of effects, made once for each list. */
export function recordCodecsOf(effects: readonly EffectKind[]): RecordCodecs {
  const codecs = made.get(effects) ?? makeCodecs(effects);
  made.set(effects, codecs);
  return codecs;
}

function makeCodecs(effects: readonly EffectKind[]): RecordCodecs {
  const shape = recordShapeOf(machinePartOf(outboxEntryOf(effects)));
  const members = objectOf<Omit<RunRecord, "rest">>(shape);
  const codecOf = (limit: number): Codec<RunRecord> =>
    new Codec<RunRecord>({
      what: "a run record",
      read: (json, key) => {
        refuseNewerLayout(json, key);
        const known = members.parse(json);
        const rest = Object.entries(json as object).filter(([name]) => !Object.hasOwn(shape, name));
        return { ...known, rest: Object.fromEntries(rest) };
      },
      keyOf: ({ id }) => stateKey(id),
      write: (record) => encodeRecord(record, limit),
    });
  return { record: codecOf(MAX_RECORD_LENGTH), growing: codecOf(MAX_RECORD_LENGTH - KEPT_FREE) };
}

/** The codec of `workflow/{id}/state.json`. */
export const recordCodec: Codec<RunRecord> = recordCodecsOf(EFFECTS).record;

const layoutSchema = z.looseObject({ machine: z.looseObject({ layout: z.number() }) });

function refuseNewerLayout(json: unknown, key: string): void {
  const read = layoutSchema.safeParse(json);
  if (read.success && read.data.machine.layout > RECORD_LAYOUT)
    throw new NewerLayoutError(key, read.data.machine.layout);
}

/** Reads a record. @throws {WorkflowError} with code `data` that names the key. */
export function decodeRecord(body: string, key: string): RunRecord {
  return recordCodec.decode(body, key);
}

/** Writes a record with buquet's members first and in its order. @throws {RecordTooLargeError} above 4 MB. */
export function encodeRecord(record: RunRecord, limit: number = MAX_RECORD_LENGTH): string {
  const { steps, signals, rest, machine, error, orchestrator_task_id, created_at, updated_at, ...head } = record;
  const text = stringifyJson({
    ...head,
    steps: Object.fromEntries(steps),
    signals: Object.fromEntries(signals),
    ...(error === undefined ? {} : { error }),
    created_at,
    updated_at,
    ...(orchestrator_task_id === undefined ? {} : { orchestrator_task_id }),
    ...(machine === undefined ? {} : { machine }),
    ...rest,
  });
  if (text.length > limit) {
    throw new RecordTooLargeError(
      `the record of run ${record.id} would be ${text.length} characters, more than ${limit}; keep large results elsewhere and return a reference`,
    );
  }
  return text;
}
