/**
 * A timeline in the protocol of `@statelyai/inspect` 0.7.2, as its adapters would send it, but whole: they cut what is deeper than ten
 * levels, sort the members and forget all but the last 200 messages.
 *
 * One message introduces the run with the definition of its chart, in the order in which it is written; then each frame is its events
 * and the snapshot after them. Nothing is replayed: a snapshot is the one that was stored.
 */
import type { MachineConfig, StateConfig } from "../../machines/chart.ts";
import { compilePlan } from "../../machines/plan/compile.ts";
import type { PersistedSnapshot } from "../../machines/snapshot.ts";
import { liveStates, stateId, type StateValue } from "../draw/live.ts";
import type { AppliedEvent, Frame, Timeline } from "../draw/timeline.ts";

/** The version of the protocol, as its messages name it. */
const PROTOCOL = "0.7.2";

interface Message {
  readonly _version: string;
  readonly sessionId: string;
  readonly rootId: string;
  readonly id: null;
  /** Milliseconds since 1970, as text. */
  readonly createdAt: string;
}

/** A snapshot as XState tells an inspector: the persisted one and its tags. */
export type InspectedSnapshot = PersistedSnapshot & { readonly tags: readonly string[] };

/** One message of the protocol. */
export type StatelyEvent = Message &
  (
    | {
        readonly type: "@xstate.actor";
        readonly name: string;
        /** The chart as JSON text, for `createMachine(JSON.parse(…))`. */
        readonly definition: string;
        readonly snapshot: InspectedSnapshot | { readonly status: "active" };
      }
    | { readonly type: "@xstate.event"; readonly event: AppliedEvent }
    | { readonly type: "@xstate.snapshot"; readonly event: AppliedEvent; readonly snapshot: InspectedSnapshot }
  );

/** All messages for a timeline, in the order in which they are to be sent. A frame without a machine has only events. */
export function statelyEvents(timeline: Timeline): readonly StatelyEvent[] {
  const config = compilePlan(timeline.plan);
  const tags = tagsOf(config);
  const seen = (snapshot: PersistedSnapshot): InspectedSnapshot => ({
    ...snapshot,
    tags: [...new Set(liveStates(config, snapshot["value"] as StateValue).flatMap((id) => tags.get(id) ?? []))],
  });
  const [first] = timeline.frames;
  const base = (frame: Frame | undefined, position: number): Message => ({
    _version: PROTOCOL,
    sessionId: timeline.id,
    rootId: timeline.id,
    id: null,
    createdAt: String(frame?.at ?? position),
  });
  return [
    {
      ...base(first, 0),
      type: "@xstate.actor",
      name: config.id,
      definition: JSON.stringify(config),
      snapshot: first?.snapshot == null ? { status: "active" } : seen(first.snapshot),
    },
    ...timeline.frames.flatMap((frame, position): readonly StatelyEvent[] => {
      const message = base(frame, position);
      const events = frame.applied ?? frame.events.map((type) => ({ type }));
      const sent = events.map((event): StatelyEvent => ({ ...message, type: "@xstate.event", event }));
      const event = events.at(-1) ?? { type: "" };
      return frame.snapshot === null
        ? sent
        : [...sent, { ...message, type: "@xstate.snapshot", event, snapshot: seen(frame.snapshot) }];
    }),
  ];
}

/** The tags of each state, by its id. */
function tagsOf(config: MachineConfig): ReadonlyMap<string, readonly string[]> {
  const tags = new Map<string, readonly string[]>();
  const walk = (parent: StateConfig, path: readonly string[]): void => {
    for (const [key, state] of Object.entries(parent.states ?? {})) {
      const here = [...path, key];
      tags.set(stateId(config, here, state), state.tags ?? []);
      walk(state, here);
    }
  };
  walk(config, []);
  return tags;
}
