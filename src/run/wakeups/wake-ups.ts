/** The causes for which runs are woken. */
import type { TaskRecord } from "../../queue/task.ts";
import { commandTick } from "./command.ts";
import { foreignTick } from "./foreign-tick.ts";
import { ownTask } from "./own-task.ts";
import { reconcileTick } from "./reconcile.ts";
import { signalTick } from "./signal.ts";
import { startTick } from "./start.ts";
import { timerTick } from "./timer.ts";
import type { WakeUp, WakeUpKind } from "./wake-up.ts";

/** Every cause that this version knows. */
export const WAKE_UPS: readonly WakeUpKind[] = [
  startTick,
  signalTick,
  commandTick,
  timerTick,
  reconcileTick,
  ownTask,
  foreignTick,
];

/** Why a task is there; undefined: for no run, for no cause of these, or its input makes no sense. */
export function wakeUpOf(task: TaskRecord, kinds: readonly WakeUpKind[]): WakeUp | undefined {
  for (const kind of kinds) {
    const wakeUp = kind.read(task);
    if (wakeUp !== undefined) return wakeUp;
  }
  return undefined;
}
