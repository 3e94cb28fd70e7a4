/** A kind of effect that the source does not know. A definition, here in this file, and a place in a list are all that it takes. */
import { expect, test } from "vitest";
import { z } from "zod";
import { PlanProgram } from "../../machines/plan/program.ts";
import { nodeHost } from "../../src/host/node.ts";
import { stateKey } from "../../src/keys.ts";
import { type CommitOutcome, RunWriter } from "../../src/run/commit.ts";
import type { DispatchContext, EffectKind } from "../../src/run/effects/effect.ts";
import { dispatchEntry, EFFECTS } from "../../src/run/effects/effects.ts";
import type { Fact } from "../../src/run/facts.ts";
import { Outbox } from "../../src/run/outbox.ts";
import { recordCodec, recordCodecsOf } from "../../src/run/record/codec.ts";
import type { EntryBase, MachinePart, RunRecord } from "../../src/run/record/record.ts";
import { firstRecord } from "../../src/run/start.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { planOf, task } from "../machines/build.ts";
import { stored } from "../stored.ts";

/** The effect that tells somebody outside of the bucket. */
interface TellEntry extends EntryBase {
  readonly do: "tell";
  readonly step: string;
  readonly text: string;
}

/** What was told. */
const told: string[] = [];

const tellEffect: EffectKind<TellEntry> = {
  do: "tell",
  shape: { step: z.string(), text: z.string() },
  outlivesTermination: true,
  stepOf: ({ step }) => step,
  dispatch: async ({ text }, { record }) => {
    told.push(`${record.id}: ${text}`);
    return [];
  },
};

const EFFECTS_HERE: readonly EffectKind[] = [...EFFECTS, tellEffect];
const NOW = 1_767_225_600_000;
const actor = { task: "11111111-0000-4000-8000-000000000000", attempt: 1 };
const program = new PlanProgram(planOf([task("a")]), {
  planHash: "sha256:plan",
  definitionHash: "sha256:definition",
});
const host = nodeHost();
const key = stateKey("r");

/** A run whose first record asks for the effect, and its writer. */
async function runThatTells(step = "a") {
  const store = new MemoryStore({ clock: host.clock });
  const first = firstRecord({ id: "r", program, data: stored(1) }, NOW, "w0");
  const entry: TellEntry = { id: "tell", by: actor, do: "tell", step, text: "it has begun" };
  const machine = { ...first.machine, outbox: [entry] } as unknown as MachinePart;
  const body = recordCodecsOf(EFFECTS_HERE).record.encode({ ...first, machine });
  await store.put(key, body, "always");
  const programs = { current: () => program, byHash: async () => program };
  const writer = new RunWriter({ store, host, programs, effects: EFFECTS_HERE }, "r");
  const commit = async (...facts: Fact[]): Promise<RunRecord> => {
    const outcome: CommitOutcome = await writer.commit({
      facts,
      actor,
      takes: () => true,
      fresh: false,
      gate: async () => true,
    });
    if (outcome.kind !== "committed") throw new Error(JSON.stringify(outcome));
    return outcome.record;
  };
  const context: DispatchContext = {
    queue: { store, host, skewMarginMs: 0 },
    effects: EFFECTS_HERE,
    onReady: () => {},
    requestCancel: () => false,
  };
  const outbox = new Outbox({
    shared: writer.dispatched,
    task: actor.task,
    effects: EFFECTS_HERE,
    dispatch: (asked, record) =>
      dispatchEntry(asked, {
        context,
        record,
        program,
        dispatcher: { actor, finishOwn: async () => false },
      }),
    isDriven: async () => false,
  });
  return { body, commit, outbox };
}

const kindsIn = ({ machine }: RunRecord): readonly string[] => (machine?.outbox ?? []).map((entry) => entry.do);

test("it is read, dispatched once and confirmed like any other", async () => {
  const { body, commit, outbox } = await runThatTells();
  expect(() => recordCodec.decode(body, key), "a program that does not know the kind leaves the run alone").toThrow(
    expect.objectContaining({ code: "data" }),
  );
  const begun = await commit({ fact: "begin" });
  expect(kindsIn(begun)).toContain("tell");
  outbox.dispatchAll(begun, program);
  outbox.dispatchAll(begun, program);
  await outbox.settle();
  expect(told.splice(0)).toEqual(["r: it has begun"]);
  const next = await commit({ fact: "fence" }, ...outbox.confirmed(begun));
  expect(kindsIn(next)).not.toContain("tell");
});

test("its own rules hold: one that tells of the past is left when the run is terminated", async () => {
  const { commit } = await runThatTells();
  const ended = await commit({ fact: "command", id: "c", command: { type: "terminate" }, at: NOW });
  expect(kindsIn(ended).toSorted()).toEqual(["index", "tell"]);
});

test("one about a step that the program does not have is refused as damage", async () => {
  const { commit } = await runThatTells("nowhere");
  await expect(commit({ fact: "begin" })).rejects.toThrow('names \\"nowhere\\", which is no step of the plan');
});
