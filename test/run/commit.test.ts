/** Whether a commit wrote: whoever is told dispatches what the write asked for, so a write without an answer counts as one that landed. */
import { expect, test } from "vitest";
import { PlanProgram } from "../../machines/plan/program.ts";
import type { Host } from "../../src/host/host.ts";
import { nodeHost } from "../../src/host/node.ts";
import { stateKey } from "../../src/keys.ts";
import { EFFECTS } from "../../src/run/effects/effects.ts";
import { type CommitOutcome, RunWriter } from "../../src/run/commit.ts";
import type { Fact } from "../../src/run/facts.ts";
import { recordCodec } from "../../src/run/record/codec.ts";
import { firstRecord } from "../../src/run/start.ts";
import { readDocument, replaceDocument } from "../../src/store/document.ts";
import { leashStore } from "../../src/store/leash.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import type { ObjectStore, PutOutcome } from "../../src/store/object-store.ts";
import { planOf, task } from "../machines/build.ts";
import { stored } from "../stored.ts";

const program = new PlanProgram(planOf([task("a")]), {
  planHash: "sha256:plan",
  definitionHash: "sha256:definition",
});
const real = nodeHost();
const host: Host = { ...real, clock: { ...real.clock, sleep: async () => {} } };
const key = stateKey("r");
const NOW = 1_767_225_600_000;

/** What becomes of the first put of a commit; every later one is answered. */
type FirstPut = (put: () => Promise<PutOutcome>, bucket: ObjectStore) => Promise<PutOutcome>;

/** Commits facts twice, the second time on what the first has left; `puts` counts what was sent. */
async function commitTwice(firstPut: FirstPut): Promise<{ first: CommitOutcome; second: CommitOutcome; puts: number }> {
  const bucket = new MemoryStore({ clock: host.clock });
  const record = firstRecord({ id: "r", program, data: stored(1) }, NOW, "w0");
  await bucket.put(key, recordCodec.encode(record), "absent");
  let puts = 0;
  const store: ObjectStore = {
    ...leashStore(bucket, new AbortController().signal),
    put: (at, body, condition) => {
      puts += 1;
      const put = (): Promise<PutOutcome> => bucket.put(at, body, condition);
      return puts === 1 ? firstPut(put, bucket) : put();
    },
  };
  const programs = { current: () => program, byHash: async () => program };
  const writer = new RunWriter({ store, host, programs, effects: EFFECTS }, "r");
  const actor = { task: "11111111-0000-4000-8000-000000000000", attempt: 1 };
  const facts: readonly Fact[] = [{ fact: "begin" }];
  const commit = (): Promise<CommitOutcome> =>
    writer.commit({ facts, actor, takes: () => true, fresh: false, gate: async () => true });
  return { first: await commit(), second: await commit(), puts };
}

const lost = async (): Promise<PutOutcome> => ({ kind: "unknown", cause: new Error("no answer") });

const CASES: readonly (readonly [what: string, puts: number, firstPut: FirstPut])[] = [
  ["was answered", 1, (put) => put()],
  ["landed without an answer", 1, (put) => put().then(lost)],
  ["never landed, and was sent again", 2, lost],
  [
    "landed without an answer, and somebody wrote over it",
    1,
    async (put, bucket) => {
      await put();
      const read = await readDocument(bucket, key, recordCodec);
      if (read.kind !== "found" || read.value.machine === undefined) throw new Error("it did not land");
      const { machine } = read.value;
      const over = { ...read.value, machine: { ...machine, write: { ...machine.write, id: "another" } } };
      await replaceDocument(bucket, key, recordCodec, read.etag, over);
      return lost();
    },
  ],
];

test.each(CASES)(
  "a commit whose put %s says that it wrote; one that finds nothing to do does not",
  async (...given) => {
    const [, puts, firstPut] = given;
    const told = await commitTwice(firstPut);
    expect(told.first).toMatchObject({ kind: "committed", wrote: true });
    expect(told.second).toMatchObject({ kind: "committed", wrote: false });
    expect(told.puts).toBe(puts);
  },
);
