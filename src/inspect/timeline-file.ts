/** A timeline as a file: what the explorer writes down, and what a run leaves behind. */
import { z } from "zod";
import type { Plan } from "../../machines/plan.ts";
import { validatePlan } from "../../machines/validate.ts";
import type { Timeline } from "../draw/timeline.ts";
import { WorkflowError } from "../errors.ts";
import { RUN_STATUSES } from "../run/record.ts";
import { unreadableReason } from "../wire/refusal.ts";

const event = z.looseObject({ type: z.string() });
const members = z.record(z.string(), z.unknown());
const frame = z.object({
  at: z.number().nullable(),
  events: z.array(z.string()),
  applied: z.array(event).optional(),
  status: z.enum(RUN_STATUSES),
  snapshot: members.nullable(),
  details: members,
  version: z.string().optional(),
  note: z.string().optional(),
});
const timeline = z.object({
  id: z.string(),
  plan: z.looseObject({ name: z.string(), steps: z.array(z.looseObject({ name: z.string() })) }),
  frames: z.array(frame).min(1),
  notes: z.array(z.string()).optional(),
});

/** Reads a timeline from its JSON. `name`: what the text is called. @throws {WorkflowError} `invalid` with what is wrong. */
export function parseTimeline(text: string, name: string): Timeline {
  try {
    const parsed = timeline.parse(JSON.parse(text)) as unknown as Timeline & { readonly plan: Plan };
    const [problem] = validatePlan(parsed.plan);
    if (problem !== undefined) throw new Error(`its plan cannot work: ${problem.message}`);
    return parsed;
  } catch (error) {
    throw new WorkflowError("invalid", `${name} is not a timeline: ${unreadableReason(error)}`, { cause: error });
  }
}
