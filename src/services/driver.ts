/**
 * Drives a run under the claim of one task: apply, persist, carry out, and go on with the next step at once (hand-off). The first
 * task of the chain stays leased and is finished last; its lease key is the token of the whole chain.
 */
import type { Claim } from "../queue/claim.ts";
import { project } from "../../machines/advance.ts";
import { carryOut, type DispatchContext, isMine } from "../run/dispatch.ts";
import type { CommitOutcome, RunWriter } from "../run/commit.ts";
import type { Fact } from "../run/facts.ts";
import { lookIntoInbox } from "../run/inbox.ts";
import type { Program } from "../run/program.ts";
import { type Flight, type FlightRef, isOver, type OutboxEntry, type RunRecord } from "../run/record.ts";
import { flightTaskId } from "../run/tasks.ts";

/** How a handler execution ended. */
export type HandlerEnd =
  | { readonly kind: "facts"; readonly facts: readonly Fact[] }
  /** The task itself went back to the queue (own retry): the chain is over. */
  | { readonly kind: "requeued" }
  /** The lease is lost: nothing of it may be used. */
  | { readonly kind: "dropped" };

/** The lease under which a chain runs. */
export interface ChainLease {
  readonly claim: Claim;
  /** GATE: unexpired by our own clock, renewed if need be. */
  hold(): Promise<boolean>;
  readonly lost: AbortSignal;
}

/** What driving needs beside the claim. */
export interface DriveContext {
  readonly dispatch: DispatchContext;
  /** Whether this process runs the handler and wants to (not while it shuts down). */
  takes(program: Program | undefined, ref: FlightRef): boolean;
  run(flight: Flight, record: RunRecord, program: Program): Promise<HandlerEnd>;
  /** Lease id of a task that this chain holds beside its first one. */
  ownLeaseOf(taskId: string): string | undefined;
  readonly log: { warn(message: string, fields?: Readonly<Record<string, unknown>>): void };
}

/** Why a chain ended. Only after `finished` may its first task be completed. */
export type DriveEnd =
  | { readonly kind: "finished"; readonly record?: RunRecord }
  | { readonly kind: "requeued" }
  | { readonly kind: "dropped" }
  /** The run is left alone; the task is finished or left for others as the reason demands. */
  | { readonly kind: "left"; readonly reason: string };

/** The outbox entries that this chain has carried out or is carrying out. */
class Carrying {
  readonly #running = new Map<string, Promise<void>>();
  readonly #done = new Set<string>();
  #facts: Fact[] = [];
  #failed: unknown;

  start(entry: OutboxEntry, work: () => Promise<readonly Fact[]>): void {
    const key = JSON.stringify(entry);
    if (this.#running.has(key) || this.#done.has(key)) return;
    const running = work()
      .then((facts) => {
        this.#done.add(key);
        this.#facts.push(...facts);
      })
      .catch((error: unknown) => {
        this.#failed ??= error;
      })
      .finally(() => this.#running.delete(key));
    this.#running.set(key, running);
  }

  /** The entries of a record that were answered, as a fact; none when there are none. */
  confirmed(record: RunRecord): readonly Fact[] {
    const entries = (record.machine?.outbox ?? []).filter((entry) => this.#done.has(JSON.stringify(entry)));
    return entries.length === 0 ? [] : [{ fact: "confirm", entries: entries.map((entry) => entry.id) }];
  }

  /** What was learned so far. */
  takeFacts(): readonly Fact[] {
    const facts = this.#facts;
    this.#facts = [];
    return facts;
  }

  /** Waits until everything that was started is durable. @throws the first error: then the task must not be finished. */
  async settle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running.values());
    if (this.#failed !== undefined) throw this.#failed;
  }

  forget(): void {
    this.#done.clear();
  }
}

/** The flight that the holder of this claim runs: handed off to it, or the one whose own task it holds. */
export function ownFlight(record: RunRecord, claim: Claim): Flight | undefined {
  const { id, attempt } = claim.task;
  return record.machine?.flights.find((flight) =>
    flight.owner === undefined ? flightTaskId(record.id, flight) === id : flight.owner.task === id && flight.owner.attempt === attempt,
  );
}

/** Drives until nothing is left to do for this chain. */
export async function drive(
  context: DriveContext,
  writer: RunWriter,
  lease: ChainLease,
  first: readonly Fact[],
): Promise<DriveEnd> {
  const carrying = new Carrying();
  const { task } = lease.claim;
  const actor = { task: task.id, attempt: task.attempt };
  const recovered = task.attempt > 1;
  let touched = recovered;
  let program: Program | undefined;
  const commit = (facts: readonly Fact[], fresh: boolean): Promise<CommitOutcome> =>
    writer.commit({ actor, facts, fresh, gate: () => lease.hold(), takes: (ref) => context.takes(program, ref) });

  const releases: readonly Fact[] = recovered ? [{ fact: "release", task: task.id, before: task.attempt }, { fact: "fence" }] : [];
  let outcome = await commit([...releases, ...first], true);
  for (;;) {
    if (outcome.kind === "missing") return { kind: "finished" };
    if (outcome.kind !== "committed") return outcome;
    const { record } = outcome;
    program = outcome.program;
    touched ||= outcome.wrote;
    startCarrying(context, carrying, record, program, lease);
    const flight = ownFlight(record, lease.claim);
    if (flight !== undefined) {
      if (!(await lease.hold())) return { kind: "dropped" };
      const end = await context.run(flight, record, program);
      if (end.kind !== "facts") {
        if (end.kind === "requeued") await carrying.settle();
        return end;
      }
      outcome = await commit([...carrying.takeFacts(), ...end.facts, ...carrying.confirmed(record)], false);
      continue;
    }
    await carrying.settle();
    const learned = carrying.takeFacts();
    const news = learned.length > 0 ? learned : await signalsFor(context, record, program, touched);
    if (news.length === 0) return { kind: "finished", record };
    outcome = await commit([...news, ...carrying.confirmed(record)], learned.length > 0);
    if (outcome.kind === "committed" && !outcome.wrote && outcome.record === record) return { kind: "finished", record };
  }
}

function startCarrying(context: DriveContext, carrying: Carrying, record: RunRecord, program: Program, lease: ChainLease): void {
  const { task } = lease.claim;
  const carrier = { actor: { task: task.id, attempt: task.attempt }, ownLeaseOf: context.ownLeaseOf };
  for (const entry of record.machine?.outbox ?? []) {
    if (!isMine(entry, record)) continue;
    carrying.start(entry, () => carryOut(context.dispatch, record, program, entry, carrier));
  }
}

/** 1.7: only after the record that waits was acknowledged is the inbox listed. */
async function signalsFor(context: DriveContext, record: RunRecord, program: Program, touched: boolean): Promise<readonly Fact[]> {
  if (!touched || record.machine === undefined || isOver(record.status)) return [];
  const { waits } = project(program.machine, record.machine.snapshot);
  if (waits.length === 0) return [];
  const found = await lookIntoInbox(context.dispatch.queue.store, record, waits);
  return found.length === 0 ? [] : [{ fact: "signals", found }];
}
