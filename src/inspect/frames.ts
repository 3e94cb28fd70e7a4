/** One stored version of a record as a frame. Pure; whatever cannot be read becomes a frame that says so. */
import type { RunStatus } from "../../machines/snapshot.ts";
import type { Frame } from "../draw/timeline.ts";
import { stateKey } from "../keys.ts";
import { projectRun, type RunProjection } from "../run/control.ts";
import type { Program } from "../programs/programs.ts";
import { type FailedAttempt, type MachinePart, RUN_STATUSES, type RunRecord } from "../run/record/record.ts";
import { decodeRecord } from "../run/record/codec.ts";
import { parseInstant } from "../wire/instant.ts";
import { readLabel, type ReadLabel } from "./applied.ts";
import { detailsOf } from "./details.ts";
import { shareParts } from "./share.ts";
import { reasonOf, summarize } from "../host/error-data.ts";

/** One version as the store gave it. */
export interface Version {
  /** Absent: the store keeps no versions. */
  readonly versionId?: string;
  /** Store time in milliseconds since 1970. */
  readonly modifiedAt: number;
  /** The record; or why there is none that can be shown, and the status that it has all the same. */
  readonly content: RunRecord | { readonly problem: string; readonly status?: RunStatus };
}

/** A frame with the record that it shows. */
export interface Shown {
  readonly frame: Frame;
  readonly record: RunRecord | undefined;
}

/** Reads the body of a version; undefined: the object was deleted. */
export function readBody(id: string, body: string | undefined): Version["content"] {
  if (body === undefined) return { problem: "deleted" };
  try {
    return decodeRecord(body, stateKey(id));
  } catch (error) {
    const status = statusIn(body);
    const problem = `cannot be read: ${reasonOf(error)}`;
    return { problem, ...(status === undefined ? {} : { status }) };
  }
}

function statusIn(body: string): RunStatus | undefined {
  try {
    const { status } = JSON.parse(body) as { status?: unknown };
    return RUN_STATUSES.find((known) => known === status);
  } catch {
    return undefined;
  }
}

/** The frame of a version. `before`: the one that it follows; `program`: what it runs, or why that is not known. */
export function showVersion(version: Version, before: Shown | undefined, program: Program | string | undefined): Shown {
  const { content, modifiedAt, versionId } = version;
  const base = versionId === undefined ? {} : { version: versionId };
  if ("problem" in content) {
    const { problem, status = before?.frame.status ?? "pending" } = content;
    const frame: Frame = {
      at: modifiedAt,
      events: [problem],
      status,
      snapshot: null,
      details: {},
      note: problem,
      ...base,
    };
    return { frame, record: undefined };
  }
  const { view, problem } = viewOf(content.machine, program);
  const labels = labelsOf(content, before);
  const frame: Frame = {
    at: parseInstant(content.updated_at)?.ms ?? modifiedAt,
    events: [...newFailures(content, before?.record), ...labels.map(({ words }) => words)],
    applied: labels.map(({ event }) => event),
    status: content.status,
    snapshot:
      view === undefined || content.machine === undefined
        ? null
        : shareParts(before?.frame.snapshot, content.machine.snapshot),
    details: shareParts(before?.frame.details, detailsOf(content, view)),
    ...base,
    ...(problem === undefined ? {} : { note: problem }),
  };
  return { frame, record: content };
}

interface View {
  readonly view?: RunProjection;
  readonly problem?: string;
}

function viewOf(machine: MachinePart | undefined, program: Program | string | undefined): View {
  if (machine === undefined)
    return {
      problem: "another program wrote it and dropped the machine; the next worker that looks at the run makes it whole",
    };
  if (program === undefined || typeof program === "string") return { problem: program ?? "its plan is not known" };
  try {
    // A copy: XState's snapshot of it must not live as long as the frame does.
    return { view: projectRun(program, { ...machine, snapshot: { ...machine.snapshot } }) };
  } catch (error) {
    return { problem: `its snapshot does not fit its plan: ${reasonOf(error)}` };
  }
}

function labelsOf(record: RunRecord, before: Shown | undefined): readonly ReadLabel[] {
  const write = record.machine?.write;
  const last = before?.record;
  // Who does not know the machine drops it, or leaves the write of the last one who does.
  if (write === undefined || (write.id !== "" && write.id === last?.machine?.write.id))
    return foreignLabels(record, last);
  if (write.events.length > 0) return write.events.map(readLabel);
  return [{ words: "a later attempt took over", event: { type: "fence" } }];
}

/** Attempts that failed since the last version, with why, in words. They are no events of the machine. */
function newFailures(record: RunRecord, last: RunRecord | undefined): readonly string[] {
  const keyOf = (one: FailedAttempt): string => JSON.stringify([one.kind, one.step, one.generation, one.attempt]);
  const known = new Set(last?.machine?.failures?.map(keyOf));
  return (record.machine?.failures ?? []).flatMap((one) => {
    if (known.has(keyOf(one))) return [];
    const what = one.kind === "run" ? one.step : `the undo of ${one.step}`;
    return [`${what}, attempt ${one.attempt}: ${summarize(one.error)}`];
  });
}

/** What another program changed in the plain fields, as far as it can be said in a word. */
function foreignLabels(record: RunRecord, last: RunRecord | undefined): readonly ReadLabel[] {
  const say = (words: string): ReadLabel => ({ words: `another program: ${words}`, event: { type: "foreign", words } });
  const steps = [...record.steps].filter(([name, { status }]) => last?.steps.get(name)?.status !== status);
  const said = [
    ...(last !== undefined && last.status === record.status ? [] : [say(record.status)]),
    ...(last === undefined ? [] : steps.map(([name, { status }]) => say(`${name} ${status}`))),
  ];
  return said.length > 0 ? said : [say("wrote the record again")];
}
