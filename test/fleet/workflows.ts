/** What the fleets of the end-to-end tests and of the chaos run serve. Effects go to the ledger whose url LEDGER names. */
import { z } from "zod";
import { PermanentError, type StepContext, type UndoContext, workflow } from "../../src/index.ts";

/** Workers are killed more often than anybody's patience lasts; only what a test asks to fail fails. */
const PATIENT = { retries: 1_000_000, retryPolicy: { initialMs: 100, maxMs: 1_000 } };

async function ask(path: string, body: unknown, signal: AbortSignal): Promise<number> {
  const answer = await fetch(`${process.env["LEDGER"]}/${path}`, {
    signal,
    ...(body === undefined ? {} : { method: "POST", body: JSON.stringify(body) }),
  });
  await answer.text();
  return answer.status;
}

type Context = StepContext<unknown, Readonly<Record<string, unknown>>, Record<string, unknown>>;

/** Does the step's effect. The result differs from attempt to attempt, so that a second one would be seen. */
async function act(ctx: Pick<Context, "idempotencyKey" | "runId" | "step" | "results" | "signal" | "attempt">) {
  const { idempotencyKey: key, runId: run, step, results: saw } = ctx;
  const status = await ask("effect", { what: "do", key, run, step, saw }, ctx.signal);
  if (status === 409) throw new PermanentError("it was undone before it was done");
  if (status !== 200) throw new Error(`the ledger answered ${status}`);
  return { by: `${process.pid}-${ctx.attempt}-${process.hrtime.bigint()}` };
}

async function undo(
  ctx: Pick<UndoContext<unknown, unknown, Record<string, unknown>>, "idempotencyKey" | "runId" | "step" | "signal">,
): Promise<void> {
  const { idempotencyKey: key, runId: run, step } = ctx;
  const status = await ask("effect", { what: "undo", key, run, step }, ctx.signal);
  if (status !== 200) throw new Error(`the ledger answered ${status}`);
}

/** Five steps in a row. */
export const line = workflow("line")
  .step("a", { ...PATIENT, run: act })
  .step("b", { ...PATIENT, dependsOn: ["a"], run: act })
  .step("c", { ...PATIENT, dependsOn: ["b"], run: act })
  .step("d", { ...PATIENT, dependsOn: ["c"], delay: "200ms", run: act })
  .step("e", { ...PATIENT, dependsOn: ["d"], run: act });

/** Four steps side by side between two others; any program may change its runs. */
export const wide = workflow("wide", { foreign: true })
  .step("split", { ...PATIENT, run: act })
  .step("w", { ...PATIENT, dependsOn: ["split"], run: act })
  .step("x", { ...PATIENT, dependsOn: ["split"], run: act })
  .step("y", { ...PATIENT, dependsOn: ["split"], run: act })
  .step("z", { ...PATIENT, dependsOn: ["split"], run: act })
  .step("join", { ...PATIENT, dependsOn: ["w", "x", "y", "z"], run: act });

/** Each step has an undo; the last one fails where the input says so. */
export const saga = workflow("saga", { input: z.object({ fails: z.boolean() }) })
  .step("reserve", { ...PATIENT, run: act, compensate: undo })
  .step("charge", { ...PATIENT, dependsOn: ["reserve"], run: act, compensate: undo })
  .step("notify", { ...PATIENT, dependsOn: ["reserve"], run: act, compensate: undo })
  .step("ship", {
    ...PATIENT,
    dependsOn: ["charge", "notify"],
    run: async (ctx) => {
      if (ctx.input.fails) throw new PermanentError("no carrier takes it");
      return act(ctx);
    },
    compensate: undo,
  });

/** Two signals: one waited for by a handler, one that is a step of its own. */
export const asking = workflow("asking", { signals: { answer: z.object({ yes: z.boolean() }) } })
  .step("prepare", { ...PATIENT, run: act, compensate: undo })
  .step("ask", {
    ...PATIENT,
    dependsOn: ["prepare"],
    run: async (ctx) => {
      const answer = await ctx.waitForSignal("answer");
      return { ...(await act(ctx)), yes: answer?.yes ?? false };
    },
    compensate: undo,
  })
  .signal("go", { dependsOn: ["ask"] })
  .step("finish", { ...PATIENT, dependsOn: ["go"], run: act, compensate: undo });

/** The step in the middle waits at a gate of the ledger. */
export const holding = workflow("holding")
  .step("first", { ...PATIENT, run: act, compensate: undo })
  .step("hold", {
    ...PATIENT,
    dependsOn: ["first"],
    run: async (ctx) => {
      await ask(`gate/${encodeURIComponent(ctx.runId)}`, undefined, ctx.signal);
      return act(ctx);
    },
    compensate: undo,
  })
  .step("last", { ...PATIENT, dependsOn: ["hold"], run: act, compensate: undo });

/** Fails until a person opens it again: the second generation works. */
export const stubborn = workflow("stubborn")
  .step("first", { ...PATIENT, run: act })
  .step("second", {
    ...PATIENT,
    dependsOn: ["first"],
    run: async (ctx) => {
      if (ctx.generation === 1) throw new PermanentError("not the first time");
      return act(ctx);
    },
  });
