/** A client of buquet put its own task for orchestrators, which names no workflow: after a start, a signal or a command of its own. */
import { z } from "zod";
import { FOREIGN_TICK_TYPE } from "../tasks.ts";
import type { WakeUpKind } from "./wake-up.ts";

const inputSchema = z.looseObject({ workflow_id: z.string() });

/** The tick of another program. */
export const foreignTick: WakeUpKind = {
  read: (task) => {
    const input = inputSchema.safeParse(task.input);
    if (task.task_type !== FOREIGN_TICK_TYPE || !input.success) return undefined;
    return { runId: input.data.workflow_id, facts: [{ fact: "begin" }], listens: true };
  },
};
