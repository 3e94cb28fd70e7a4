/** Workflows whose names and texts hold what a terminal obeys. */
import { PermanentError, workflow } from "../../src/index.ts";

export const RED = "\u001b[31m";
/** Control characters are refused in names; this turns the direction of writing. */
const TURN = "\u202e";
/** What colours in some terminals without an escape, and the end of a title. */
export const ODD = `${RED}odd\u009b32m\u0007${TURN}`;

export const declining = workflow(`declining${TURN}`)
  .step(`look${TURN}`, { run: () => ({ said: ODD }), compensate: () => {} })
  .step(`charge${TURN}`, {
    dependsOn: [`look${TURN}`],
    run: () => {
      throw new PermanentError(`card ${RED}declined\u0007`);
    },
  });
export const asking = workflow(`asking${TURN}`).step(`ask${TURN}`, async (ctx) => {
  await ctx.waitForSignal(`answer${TURN}`);
});
