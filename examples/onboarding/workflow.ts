/**
 * A new user: a welcome at once; a reminder when the profile is not finished in time; a word from a person some days later, however it
 * went. Nothing waits in memory: the deadline and the delay are durable timers, and no worker is held by them.
 */
import { z } from "zod";
import { type Duration, workflow } from "buquet-workflow";

/** Sends one letter. Twice with the same key is the same as once. */
export type SendLetter = (letter: {
  readonly key: string;
  readonly to: string;
  readonly text: string;
}) => Promise<void>;

/** How long things take. Durations: `"3d"` or milliseconds. */
export interface OnboardingTimes {
  /** How long a user has for the profile before the reminder. @defaultValue "3d" */
  readonly finishWithin?: Duration;
  /** How long after that somebody asks how it goes. @defaultValue "7d" */
  readonly askAfter?: Duration;
}

const SIGNAL = "profile_finished";

/** The workflow, with somebody who carries letters. */
export const onboarding = (send: SendLetter, times: OnboardingTimes = {}) =>
  workflow("onboarding", {
    input: z.object({ user: z.string(), address: z.string() }),
    signals: { [SIGNAL]: z.object({ photo: z.boolean() }) },
  })
    .step("welcome", async (ctx) => {
      await send({ key: ctx.idempotencyKey, to: ctx.input.address, text: `Welcome, ${ctx.input.user}!` });
    })
    .step("profile", {
      dependsOn: ["welcome"],
      run: async (ctx) => {
        const finished = await ctx.waitForSignal(SIGNAL, { timeout: times.finishWithin ?? "3d" });
        return finished === undefined ? { finished: false } : { finished: true, photo: finished.photo };
      },
    })
    .step("remind", {
      dependsOn: ["profile"],
      run: async (ctx) => {
        if (ctx.results.profile.finished) return { reminded: false };
        const text = `${ctx.input.user}, your profile is not finished.`;
        await send({ key: ctx.idempotencyKey, to: ctx.input.address, text });
        return { reminded: true };
      },
    })
    .step("ask", {
      dependsOn: ["remind"],
      delay: times.askAfter ?? "7d",
      run: async (ctx) => {
        const text = `How is it going, ${ctx.input.user}?`;
        await send({ key: ctx.idempotencyKey, to: ctx.input.address, text });
        return ctx.results.remind;
      },
    });
