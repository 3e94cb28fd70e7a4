/** The kinds of effects. */
import { z } from "zod";
import type { Fact } from "../facts.ts";
import { actor, type EntryBase } from "../record/record.ts";
import { type CreateEntry, createEffect } from "./create.ts";
import type { DispatchSite, EffectKind } from "./effect.ts";
import { type FenceEntry, fenceEffect } from "./fence.ts";
import { type IndexEntry, indexEffect } from "./index-entry.ts";
import { type ResultEntry, resultEffect } from "./result.ts";
import { type SettleEntry, settleEffect } from "./settle.ts";
import { type TimerEntry, timerEffect } from "./timer.ts";

/** Every kind that this version commits. */
export const EFFECTS: readonly EffectKind[] = [
  resultEffect,
  settleEffect,
  createEffect,
  timerEffect,
  fenceEffect,
  indexEffect,
];

/** An effect that was committed and is not known to be dispatched. */
export type OutboxEntry = ResultEntry | SettleEntry | CreateEntry | TimerEntry | FenceEntry | IndexEntry;

/** The schema of an entry of one of these kinds. */
export function outboxEntryOf(effects: readonly EffectKind[]): z.ZodType<OutboxEntry> {
  const [first, ...others] = effects.map((kind) =>
    z.object({ id: z.string(), by: actor.optional(), do: z.literal(kind.do), ...kind.shape }),
  );
  if (first === undefined) throw new Error("a run without kinds of effects does nothing");
  return z.discriminatedUnion("do", [first, ...others]) as unknown as z.ZodType<OutboxEntry>;
}

/** The kind of an entry. Its codec has refused every other. */
export function kindOf(effects: readonly EffectKind[], entry: EntryBase): EffectKind {
  const kind = effects.find((candidate) => candidate.do === entry.do);
  if (kind === undefined) throw new Error(`no effect is called ${JSON.stringify(entry.do)}`);
  return kind;
}

/** Dispatches one entry; resolves once its effect is durable, with what was learned on the way. */
export function dispatchEntry(entry: EntryBase, site: DispatchSite): Promise<readonly Fact[]> {
  return kindOf(site.context.effects, entry).dispatch(entry, site);
}
