/** A timeline as a file: what the explorer writes down, and what a run leaves behind. */
import { z } from "zod";
import { snapshotProblem } from "../../machines/plan/check-snapshot.ts";
import type { MachineConfig } from "../../machines/chart.ts";
import { compilePlan } from "../../machines/plan/compile.ts";
import type { Plan } from "../../machines/plan/plan.ts";
import { validatePlan } from "../../machines/plan/validate.ts";
import type { Frame, Timeline } from "../draw/timeline.ts";
import { WorkflowError } from "../errors.ts";
import { RUN_STATUSES } from "../run/record/record.ts";
import { MAX_READ_DEPTH, parsePlainJson } from "../wire/json.ts";
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

/** What a frame shows of a record stands a few levels deeper than in the record. */
const DEEPEST = MAX_READ_DEPTH + 16;

/** A frame whose snapshot its chart cannot be in is shown without it. */
function withoutDamage(plan: Plan, chart: MachineConfig, shown: Frame): Frame {
  const problem = shown.snapshot === null ? undefined : snapshotProblem(plan, chart, shown.snapshot);
  if (problem === undefined) return shown;
  return { ...shown, snapshot: null, note: shown.note ?? `its snapshot does not fit the plan: ${problem}` };
}

/** Reads a timeline from its JSON. `name`: what the text is called. @throws {WorkflowError} `invalid` with what is wrong. */
export function parseTimeline(text: string, name: string): Timeline {
  try {
    const parsed = timeline.parse(parsePlainJson(text, DEEPEST)) as unknown as Timeline & { readonly plan: Plan };
    const [problem] = validatePlan(parsed.plan);
    if (problem !== undefined) throw new Error(`its plan cannot work: ${problem.message}`);
    const chart = compilePlan(parsed.plan);
    return { ...parsed, frames: parsed.frames.map((shown) => withoutDamage(parsed.plan, chart, shown)) };
  } catch (error) {
    throw new WorkflowError("invalid", `${name} is not a timeline: ${unreadableReason(error)}`, { cause: error });
  }
}
