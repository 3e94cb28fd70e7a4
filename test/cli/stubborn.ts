/** A module as users write them: it holds a handle for ever, and its handlers do not listen to their signal. */
import { untypedWorkflow, workflow } from "../../src/index.ts";

setInterval(() => {}, 1_000);

const say = (line: string): void => void process.stderr.write(`${line}\n`);

/** Never ends. */
export const endless = workflow("endless").step("sit", async () => {
  say("the handler has begun");
  await new Promise(() => {});
});

/** Forgets a promise, which rejects; ends well the second time. */
export const forgetful = workflow("forgetful").step("forget", {
  retries: 1,
  retryPolicy: { initialMs: 1 },
  run: async (ctx) => {
    if (ctx.attempt > 1) return "remembered";
    void Promise.resolve().then(() => {
      throw new Error("nobody awaits this");
    });
    return new Promise<string>(() => {});
  },
});

/** Throws where nobody can catch it. */
export const explosive = workflow("explosive").step("throw", {
  retries: 0,
  run: () =>
    new Promise<string>(() => {
      setTimeout(() => {
        throw new Error("thrown from a timer");
      }, 1);
    }),
});

/** Its drawing fits into no pipe. */
export const long = Array.from({ length: 300 }, (_, index) => index).reduce(
  (made, index) =>
    made.step(`step-${index}`, { dependsOn: index === 0 ? [] : [`step-${index - 1}`], run: () => index }),
  untypedWorkflow("long"),
);
