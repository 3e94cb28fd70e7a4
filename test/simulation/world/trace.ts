import type { PutCondition } from "../../../src/store/object-store.ts";
import type { FaultKind } from "./faults.ts";

/** Requests of the object store. */
export type RequestKind = "get" | "put" | "delete" | "list" | "versions" | "getVersion";

/** One request, filled in while it goes its way. Instants are virtual milliseconds since the world began. */
export interface TraceEntry {
  /** Position in the trace, from 0; by sending. */
  readonly index: number;
  readonly process: string;
  /** The how-many-th call of that process name, from 1. */
  readonly call: number;
  readonly kind: RequestKind;
  /** The key, or the prefix of a list. */
  readonly key: string;
  /** Of a put only. */
  readonly condition?: PutCondition;
  readonly sentAt: number;
  /** Instants at which the store carried it out: none when it was lost, two when it was repeated. */
  readonly appliedAt: number[];
  answeredAt?: number;
  /** What the store did, such as `stored`, `conflict`, `found`, `3 keys`. Empty when it was never applied. */
  effect: string;
  /** What the caller was told: the effect, `unknown` or `unavailable`; empty when it was never answered. */
  outcome: string;
  fault?: FaultKind;
}

/** How many requests were sent. */
export interface Counters {
  total: number;
  readonly byKind: Record<RequestKind, number>;
  /** By process name, then kind. */
  readonly byProcess: Record<string, Record<RequestKind, number>>;
}

/** A set of counters at zero. */
export function zeroCounters(): Counters {
  return { total: 0, byKind: zeroKinds(), byProcess: Object.create(null) as Counters["byProcess"] };
}

/** Counts one request. */
export function countRequest(counters: Counters, process: string, kind: RequestKind): void {
  counters.total += 1;
  counters.byKind[kind] += 1;
  const own = (counters.byProcess[process] ??= zeroKinds());
  own[kind] += 1;
}

/** One line per request, in the order of sending: for people and for comparing two runs. */
export function formatTrace(trace: readonly TraceEntry[]): string {
  return trace.map(formatEntry).join("\n");
}

function formatEntry(entry: TraceEntry): string {
  const condition =
    entry.condition === undefined || entry.condition === "always" ? "" : ` if ${formatCondition(entry.condition)}`;
  const applied =
    entry.appliedAt.length === 0 ? "never applied" : `applied ${entry.appliedAt.map(formatMs).join(", ")}`;
  const answered = entry.answeredAt === undefined ? "never answered" : `answered ${formatMs(entry.answeredAt)}`;
  const told =
    entry.outcome === "" || entry.outcome === entry.effect
      ? entry.effect || "-"
      : `${entry.effect || "-"} told ${entry.outcome}`;
  const fault = entry.fault === undefined ? "" : ` !${entry.fault}`;
  const request = `${entry.process}#${entry.call} ${entry.kind} ${entry.key}${condition}`;
  return `${formatMs(entry.sentAt).padStart(12)} ${request} -> ${told} (${applied}; ${answered})${fault}`;
}

function formatCondition(condition: Exclude<PutCondition, "always">): string {
  return condition === "absent" ? "absent" : `match ${condition.match}`;
}

function formatMs(instant: number): string {
  return instant.toFixed(3);
}

function zeroKinds(): Record<RequestKind, number> {
  return { get: 0, put: 0, delete: 0, list: 0, versions: 0, getVersion: 0 };
}
