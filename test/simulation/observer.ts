/** What the handlers of a fleet did, seen from outside the bucket, and what must never be seen there. */
import { stateKey } from "../../src/keys.ts";
import { isOver } from "../../src/run/record/record.ts";
import { decodeRecord } from "../../src/run/record/codec.ts";
import type { Process, World } from "./world/index.ts";

/** One call of one handler. */
export interface Execution {
  readonly process: Process;
  readonly run: string;
  readonly step: string;
  readonly kind: "run" | "undo";
  readonly generation: number;
  /** How often the run had been opened again. */
  round: number;
  readonly attempt: number;
  readonly key: string;
  /** Virtual milliseconds. */
  readonly begunAt: number;
  readonly signal: AbortSignal;
  endedAt?: number;
}

/** The part of a handler's context that is watched. */
export interface Watched {
  readonly runId: string;
  readonly step: string;
  readonly generation: number;
  readonly attempt: number;
  readonly idempotencyKey: string;
  readonly signal: AbortSignal;
}

/** Watches handlers. */
export class Observer {
  readonly executions: Execution[] = [];
  readonly problems: string[] = [];
  /** A handler begins. Looks at the record in the same instant. */
  async begin(world: World, process: Process, kind: "run" | "undo", context: Watched): Promise<Execution> {
    const { runId: run, step, generation, attempt, idempotencyKey: key, signal } = context;
    const begunAt = world.nowMs;
    const execution: Execution = { process, run, step, kind, generation, round: 0, attempt, key, begunAt, signal };
    const twin = this.executions.find((other) => isSame(other, execution) && isLive(other) && !wasFrozen(world, other));
    if (twin !== undefined)
      this.#report(`${run}: ${kind} ${step} has two live holders, ${twin.process.name} and ${process.name}`);
    if (
      kind === "run" &&
      this.executions.some(
        (other) => other.run === run && other.step === step && other.kind === "undo" && other.generation >= generation,
      )
    )
      this.#report(`${run}: ${step} starts after its undo`);
    this.executions.push(execution);
    await this.#checkRecorded(world, execution);
    return execution;
  }

  async #checkRecorded(world: World, execution: Execution): Promise<void> {
    const { run, step, kind } = execution;
    const found = await world.store.get(stateKey(run));
    if (found.kind === "missing") return this.#report(`${run}: ${step} starts without a record`);
    const record = decodeRecord(found.object.body, stateKey(run));
    execution.round = record.machine?.reopened?.count ?? 0;
    const undoing =
      record.machine?.executions.some((execution) => execution.kind === "undo" && execution.step === step) === true;
    if (kind === "run" && undoing) this.#report(`${run}: ${step} starts after its undo was decided`);
    if (kind === "run" && !record.steps.has(step)) this.#report(`${run}: ${step} starts and is not recorded`);
    if (kind === "undo" && record.machine !== undefined && !undoing && !isOver(record.status)) {
      const done = record.status === "compensating" || record.status === "paused";
      if (!done) this.#report(`${run}: the undo of ${step} starts and is not recorded`);
    }
  }

  #report(problem: string): void {
    this.problems.push(problem);
  }
}

function isSame(a: Execution, b: Execution): boolean {
  return a.run === b.run && a.step === b.step && a.kind === b.kind;
}

function isLive(execution: Execution): boolean {
  const { process, signal, endedAt } = execution;
  return endedAt === undefined && process.alive && !process.frozen && !signal.aborted;
}

/** A handler whose process stood still may go on for a moment after its lease was taken over: no protocol stops that. */
function wasFrozen(world: World, { process, begunAt }: Execution): boolean {
  return world.struck.some((fault) => {
    if (fault.kind !== "freeze" || fault.process !== process.name) return false;
    const call = world.trace.find((entry) => entry.process === fault.process && entry.call === fault.call);
    return call !== undefined && call.sentAt + (fault.delayMs ?? 0) >= begunAt;
  });
}
