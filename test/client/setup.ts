/** What the tests of the client share. */
import { workflow } from "../../src/index.ts";

export const HOUR = 3_600_000;
export const START: number = Date.UTC(2026, 0, 1);

/** Resolves with the reasons of a rejection; fails when there is none. */
export async function errorOf(promise: Promise<unknown>): Promise<Error & { code?: string }> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error("it was not refused");
}

/** A workflow that waits for one signal and nothing else. */
export const waiter = workflow("waiter").step("wait", async (ctx) => ({ got: String(await ctx.waitForSignal("go")) }));
