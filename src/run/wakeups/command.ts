/** An operator gave a command. */
import { z } from "zod";
import { objectOf } from "../record/shape.ts";
import { computedId } from "../tasks.ts";
import { type TickKind, tickKind } from "./tick.ts";

/** What an operator asks of a run. */
export type RunCommand =
  | { readonly type: "pause"; readonly reason?: string }
  | { readonly type: "resume" }
  | { readonly type: "cancel"; readonly compensate: boolean; readonly reason?: string }
  | { readonly type: "terminate"; readonly reason?: string }
  | { readonly type: "skip"; readonly step: string }
  /** Opens a failed run again. `nth` counts its retries from 1, so that one that is given twice for one failure counts once; absent: not known. */
  | { readonly type: "retry"; readonly nth?: number };

const reason = z.string().optional();
type Of<T extends RunCommand["type"]> = Extract<RunCommand, { type: T }>;

const runCommand: z.ZodType<RunCommand> = z.union([
  objectOf<Of<"pause">>({ type: z.literal("pause"), reason }),
  objectOf<Of<"resume">>({ type: z.literal("resume") }),
  objectOf<Of<"cancel">>({ type: z.literal("cancel"), compensate: z.boolean(), reason }),
  objectOf<Of<"terminate">>({ type: z.literal("terminate"), reason }),
  objectOf<Of<"skip">>({ type: z.literal("skip"), step: z.string() }),
  objectOf<Of<"retry">>({ type: z.literal("retry"), nth: z.number().int().optional() }),
]);

/** What the tick says of the command. */
export interface CommandCause {
  /** The id of the command, by which the record names it once it is applied. */
  readonly id: string;
  readonly command: RunCommand;
  /** When it was given, in milliseconds since 1970, so that a pause that arrives after a later resume is void. */
  readonly at: number;
}

/** The tick of a command. */
export const commandTick: TickKind<CommandCause> = tickKind<CommandCause>({
  kind: "command",
  shape: { id: z.string(), command: runCommand, at: z.number() },
  id: (runId, { id }) => computedId(runId, "command", id, 0, 0),
  known: ({ id, command, at }) => ({ facts: [{ fact: "command", id, command, at }], listens: false }),
});
