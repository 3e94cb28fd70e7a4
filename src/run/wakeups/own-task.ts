/** The task of a step, or of its undo, is there to be run. Its claimer knows nothing that the record does not. */
import { z } from "zod";
import type { WakeUpKind } from "./wake-up.ts";

const inputSchema = z.looseObject({ workflow_id: z.string(), step: z.string() });

/** The own task of an activity. */
export const ownTask: WakeUpKind = {
  read: (task) => {
    const [, kind, rest = ""] = /^workflow\.(step|undo):(.*)$/su.exec(task.task_type) ?? [];
    const input = inputSchema.safeParse(task.input);
    // Names may have colons: the input says where the one of the workflow ends.
    if (kind === undefined || !input.success || !rest.endsWith(`:${input.data.step}`)) return undefined;
    const { workflow_id: runId, step } = input.data;
    const workflow = rest.slice(0, rest.length - step.length - 1);
    return { runId, workflow, activity: { kind: kind === "undo" ? "undo" : "run", step }, facts: [], listens: false };
  },
};
