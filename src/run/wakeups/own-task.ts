/** The task of a step, or of its undo, is there to be run. Its claimer knows nothing that the record does not. */
import { z } from "zod";
import { readOwnTaskType } from "../tasks.ts";
import type { WakeUpKind } from "./wake-up.ts";

const inputSchema = z.looseObject({ workflow_id: z.string(), step: z.string() });

/** The own task of an activity. */
export const ownTask: WakeUpKind = {
  read: (task) => {
    const input = inputSchema.safeParse(task.input);
    if (!input.success) return undefined;
    const { workflow_id: runId, step } = input.data;
    const type = readOwnTaskType(task.task_type, step);
    if (type === undefined) return undefined;
    const { workflow, kind } = type;
    return { runId, workflow, activity: { kind, step }, facts: [], listens: false };
  },
};
