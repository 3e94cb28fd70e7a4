import { WorkflowError } from "../../../src/errors.ts";
import type { Life } from "../../../src/testing/time/process.ts";
import type { Scheduler } from "../../../src/testing/time/scheduler.ts";
import type { Chance } from "./chance.ts";
import type { FaultKind } from "./faults.ts";
import type { Request, RequestHead } from "./faulty-store.ts";
import type { Latency } from "./options.ts";
import type { TraceEntry } from "./trace.ts";

/** One call on its way: everything about it that chance decided. */
export interface Journey {
  readonly entry: TraceEntry;
  readonly fault: FaultKind | undefined;
  /** Of `late`, `echo`, `freeze` and `slow`. */
  readonly delayMs: number;
  readonly latency: Latency;
  readonly timeoutMs: number;
  /** Whether it still arrives when its process dies on the way. */
  readonly arrivesAfterCrash: boolean;
  /** Draws for this call only. */
  readonly chance: Chance;
}

/** Who is at the other end of a journey. */
export interface Traveller {
  readonly life: Life;
  readonly crash: () => void;
  /** Stops it for so long. */
  readonly freezeFor: (ms: number) => void;
}

type Answer<T> = { readonly kind: "answer"; readonly value: T } | { readonly kind: "thrown"; readonly error: unknown };

/** Sends one request through the fault that was chosen for it. The promise stays pending when the process dies first. */
export function travel<T>(scheduler: Scheduler, who: Traveller, request: Request<T>, journey: Journey): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const { entry, fault, chance } = journey;
    const { arriveMs, answerMs } = drawTimes(journey.latency, chance);
    const lostMs = chance.chance(0.5) ? answerMs : Math.max(answerMs, journey.timeoutMs);
    let settled = false;

    const settle = (answer: Answer<T>, outcome: string): void => {
      if (settled || !who.life.alive) return;
      settled = true;
      request.signal?.removeEventListener("abort", abort);
      entry.answeredAt = scheduler.now;
      entry.outcome = outcome;
      if (answer.kind === "answer") resolve(answer.value);
      else reject(answer.error as Error);
    };
    const giveUp = (cause: unknown): void => {
      if (request.unknown !== undefined) settle({ kind: "answer", value: request.unknown(cause) }, "unknown");
      else settle({ kind: "thrown", error: toUnavailable(request, cause) }, "unavailable");
    };
    const abort = (): void => giveUp(request.signal?.reason);
    const apply = (): Answer<T> | undefined => (who.life.alive || journey.arrivesAfterCrash ? deliver() : undefined);
    const deliver = (): Answer<T> => {
      const answer = carryOut(request);
      entry.appliedAt.push(scheduler.now);
      if (entry.effect === "") entry.effect = answer.kind === "answer" ? request.describe(answer.value) : "refused";
      return answer;
    };
    const applyAndAnswer = (): void => {
      const answer = apply();
      if (fault === "crash-after") return who.crash();
      if (answer === undefined) return;
      if (fault === "echo") scheduler.schedule(journey.delayMs, () => void apply());
      if (fault === "reply-lost")
        who.life.deliver(lostMs - arriveMs, () => giveUp(new Error("simulated: the reply was lost")));
      else
        who.life.deliver(answerMs - arriveMs + (fault === "slow" ? journey.delayMs : 0), () =>
          settle(answer, entry.effect),
        );
    };

    if (fault === "freeze") who.freezeFor(journey.delayMs);
    if (fault === "unavailable") who.life.deliver(answerMs, () => giveUp(new Error("simulated: slow down")));
    else if (fault === "request-lost")
      who.life.deliver(lostMs, () => giveUp(new Error("simulated: the request was lost")));
    else if (fault === "late") {
      who.life.deliver(lostMs, () => giveUp(new Error("simulated: timed out")));
      if (isWrite(request)) scheduler.schedule(lostMs + journey.delayMs, () => void apply());
    } else if (fault === "crash-late") {
      if (isWrite(request)) scheduler.schedule(journey.delayMs, () => void deliver());
      who.crash();
    } else scheduler.schedule(arriveMs, applyAndAnswer);

    if (request.signal?.aborted === true) abort();
    else request.signal?.addEventListener("abort", abort, { once: true });
  });
}

function carryOut<T>(request: Request<T>): Answer<T> {
  try {
    return { kind: "answer", value: request.apply() };
  } catch (error) {
    return { kind: "thrown", error };
  }
}

function isWrite(request: RequestHead): boolean {
  return request.kind === "put" || request.kind === "delete";
}

/** When the request arrives and when its answer does, counted from the sending. */
function drawTimes(latency: Latency, chance: Chance): { readonly arriveMs: number; readonly answerMs: number } {
  if (typeof latency === "number") return { arriveMs: latency / 2, answerMs: latency };
  const answerMs = chance.between(latency.minMs, latency.maxMs);
  return { arriveMs: answerMs * chance.next(), answerMs };
}

function toUnavailable(request: RequestHead, cause: unknown): WorkflowError {
  return new WorkflowError("unavailable", `${request.kind} ${JSON.stringify(request.key)} got no answer`, { cause });
}
