/**
 * Repairs a record after a writer that does not know `machine` (real buquet drops every member that it does not know).
 *
 * The plain fields are authoritative. Where the bucket keeps versions, the newest one with a machine is taken and what differs since
 * is applied as events; where it keeps none, the machine is made from the plain fields (protocol §7). A reader that finds a record
 * like that always writes.
 */
import { projectRun } from "../control.ts";
import { isWorkflowError } from "../../errors.ts";
import { stateKey } from "../../keys.ts";
import type { Codec } from "../../store/document.ts";
import type { ObjectStore } from "../../store/object-store.ts";
import { formatOpaque } from "../../wire/instant.ts";
import { wireStatus } from "../decide/steps.ts";
import type { EffectKind } from "../effects/effect.ts";
import type { Fact } from "../facts.ts";
import type { Program, Programs } from "../../programs/programs.ts";
import { checkFits } from "../record/check-fits.ts";
import { isOver, type MachinePart, type RunRecord } from "../record/record.ts";
import { recordCodecsOf, NewerLayoutError, RECORD_LAYOUT } from "../record/codec.ts";

/** A record with a machine, and what has to be applied to it before anything else. */
export interface Repaired {
  readonly record: RunRecord;
  readonly program: Program;
  /** Empty: nobody was here. */
  readonly facts: readonly Fact[];
}

/** Why a record cannot be repaired here. */
export interface Unrepairable {
  readonly reason: string;
}

/** What repairing needs. */
export interface RepairContext {
  readonly store: ObjectStore;
  readonly programs: Programs;
  /** The kinds of effects that outboxes may hold. */
  readonly effects: readonly EffectKind[];
}

/** Finds the machine of a record as it was read. @throws {WorkflowError} `data` when the machine, or its plan, is damaged. */
export async function repairRecord(context: RepairContext, record: RunRecord): Promise<Repaired | Unrepairable> {
  if (record.machine === undefined) {
    const older = await findIntact(context, record);
    return older === undefined ? rebuild(context.programs, record) : replay(context, older);
  }
  const program = await context.programs.byHash(record.machine.plan_hash);
  if (program === undefined) return { reason: `the bucket has no plan ${record.machine.plan_hash}` };
  checkFits(record, program, context.effects);
  const told = asTold(record, record.machine, program);
  if (agrees(told, record)) return { record, program, facts: [] };
  return { record: told, program, facts: [{ fact: "foreign", before: told, after: record }, { fact: "fence" }] };
}

/** The plain fields as the machine tells them. */
function asTold(record: RunRecord, machine: MachinePart, program: Program): RunRecord {
  const view = projectRun(program, machine);
  const steps = new Map(record.steps);
  for (const [name, { phase }] of view.steps) {
    const state = steps.get(name);
    const status = wireStatus(phase, isOver(view.status)) ?? "pending";
    if (state !== undefined && state.status !== status) steps.set(name, { ...state, status });
  }
  return { ...record, status: view.status, steps };
}

function agrees(told: RunRecord, record: RunRecord): boolean {
  if (told.status !== record.status) return false;
  for (const [name, { status }] of record.steps) if (told.steps.get(name)?.status !== status) return false;
  return true;
}

/** The newest version with a machine and the plain ones since, oldest first. The last of them is the record as it was read. */
async function findIntact(
  { store, effects }: RepairContext,
  record: RunRecord,
): Promise<readonly RunRecord[] | undefined> {
  if (!store.capabilities.versions) return undefined;
  const key = stateKey(record.id);
  const since: RunRecord[] = [record];
  const [, ...older] = (await store.versions(key)).filter((version) => !version.deleted);
  for (const { versionId } of older) {
    const read = await store.getVersion(key, versionId);
    if (read.kind === "missing") continue;
    const version = readVersion(recordCodecsOf(effects).record, read.object.body, key);
    if (version === undefined) continue;
    since.unshift(version);
    if (version.machine !== undefined) return since;
  }
  return undefined;
}

/** A version that cannot be read says nothing, and the one before it says more than none. */
function readVersion(codec: Codec<RunRecord>, body: string, key: string): RunRecord | undefined {
  try {
    return codec.decode(body, key);
  } catch (error) {
    if (isWorkflowError(error, "data") && !(error instanceof NewerLayoutError)) return undefined;
    throw error;
  }
}

async function replay(
  { programs, effects }: RepairContext,
  versions: readonly RunRecord[],
): Promise<Repaired | Unrepairable> {
  const [repaired] = versions;
  const hash = repaired?.machine?.plan_hash ?? "";
  const program = await programs.byHash(hash);
  if (repaired === undefined || program === undefined) return { reason: `the bucket has no plan ${hash}` };
  checkFits(repaired, program, effects);
  const facts = versions
    .slice(1)
    .map((after, index): Fact => ({ fact: "foreign", before: versions[index] ?? repaired, after }));
  return { record: repaired, program, facts: [...facts, { fact: "fence" }] };
}

function rebuild(programs: Programs, plain: RunRecord): Repaired | Unrepairable {
  const program = programs.current(plain.type);
  if (program === undefined) return { reason: `its record has no machine part, and ${plain.type} is not served here` };
  if (plain.definition_hash !== "" && plain.definition_hash !== program.definitionHash) {
    return { reason: `its record has no machine part, and its definition ${plain.definition_hash} is not served here` };
  }
  // Another program ended it. A cancelled run of ours still undoes; the others are over.
  if (isOver(plain.status) && plain.status !== "cancelled") return { record: plain, program, facts: [] };
  const machine: MachinePart = { ...emptyMachine(program), next_check_at: null };
  const { error: _kept, ...rest } = plain;
  const record: RunRecord = { ...rest, status: "pending", steps: new Map(), signals: new Map(), machine };
  return { record, program, facts: [{ fact: "restore", plain }, { fact: "fence" }] };
}

/** The machine part of a run that has not started. */
export function emptyMachine(program: Program): Omit<MachinePart, "next_check_at"> {
  return {
    layout: RECORD_LAYOUT,
    plan_hash: program.planHash,
    snapshot: program.initial(),
    executions: [],
    timers: [],
    outbox: [],
    given: [],
    consumed: [],
    applied: [],
    epochs: [],
    compensation_errors: [],
    write: { id: "", events: [] },
  };
}

/** Pauses a record that has no machine because no definition here fits it; undefined: it does not move anyway. */
export function pausePlain(record: RunRecord, message: string, nowMs: number): RunRecord | undefined {
  if (record.status === "paused" || isOver(record.status)) return undefined;
  const now = formatOpaque(nowMs);
  return { ...record, status: "paused", error: { type: "VersionMismatch", message, at: now }, updated_at: now };
}
