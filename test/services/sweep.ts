/** One sweep, as tests need it. */
import type { QueueContext } from "../../src/queue/task.ts";
import { Sweeper, type SweeperOptions, type SweptRun } from "../../src/services/sweeper.ts";

/** Looks once at every run that is due for it, and tells what was done about each. */
export async function sweepOnce(
  queue: QueueContext,
  options: Omit<SweeperOptions, "onSwept"> = {},
): Promise<readonly SweptRun[]> {
  const swept: SweptRun[] = [];
  await new Sweeper(queue, { ...options, onSwept: (run) => swept.push(run) }).turn();
  return swept;
}
