/** The form of a golden record file, and what stock XState makes of a record. */
import { readdirSync, readFileSync } from "node:fs";
import { createActor } from "xstate";
import { buildMachine } from "../../machines/plan/advance.ts";
import type { Plan } from "../../machines/plan/plan.ts";
import type { RunRecord } from "../../src/run/record/record.ts";

export const FOLDER = "test/golden/layouts";

/** What stock `createActor` says of the snapshot of a record (P43). */
export interface Loaded {
  readonly status: string;
  readonly value: unknown;
  readonly context: unknown;
  readonly tags: readonly string[];
}

/** One run, as a released version wrote it. */
export interface GoldenLayout {
  readonly layout: number;
  readonly plan: Plan;
  /** Each version of its record, oldest first, byte for byte. */
  readonly versions: readonly { readonly body: string; readonly loaded: Loaded }[];
  /** The whole bucket at some instants of the run, and how the run ended from there. */
  readonly buckets: readonly { readonly at: number; readonly objects: readonly (readonly [string, string])[] }[];
  readonly end: { readonly status: string; readonly steps: Readonly<Record<string, string>> };
}

/** Every golden run, by name. */
export function goldenLayouts(): readonly (readonly [string, GoldenLayout])[] {
  return readdirSync(FOLDER).map((name) => [
    name.replace(/\.json$/u, ""),
    JSON.parse(readFileSync(`${FOLDER}/${name}`, "utf8")) as GoldenLayout,
  ]);
}

/** Gives the snapshot of a record to stock XState, with the machine of its plan. */
export function load(plan: Plan, record: RunRecord): Loaded {
  const snapshot = JSON.parse(JSON.stringify(record.machine?.snapshot)) as never;
  const actor = createActor(buildMachine(plan).machine, { snapshot });
  const { status, value, context, tags } = actor.getSnapshot() as unknown as Loaded & { tags: ReadonlySet<string> };
  return JSON.parse(JSON.stringify({ status, value, context, tags: [...tags].toSorted() })) as Loaded;
}
