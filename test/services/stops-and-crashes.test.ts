/** Runs that stop while their workers die: stories with one exact order of events. */
import { describe, expect, test } from "vitest";
import { PermanentError } from "../../src/errors.ts";
import type { AnyWorkflow } from "../../src/define/workflow.ts";
import { workflow } from "../../src/index.ts";
import { stateKey, taskKey } from "../../src/keys.ts";
import { handleOf } from "../../src/queue/handle.ts";
import { executionTaskId } from "../../src/run/tasks.ts";
import { startTick } from "../../src/run/wakeups/start.ts";
import { Worker } from "../../src/services/worker.ts";
import type { ObjectStore, PutCondition, PutOutcome } from "../../src/store/object-store.ts";
import type { Process } from "../simulation/world/index.ts";
import { createTestKit } from "../../src/testing/index.ts";
import { makeFleet } from "./fleet.ts";

const RUN = "run";
const STATE = stateKey(RUN);
const taskOf = (step: string): string => taskKey(executionTaskId(RUN, { kind: "run", step, generation: 1, wake: 0 }));

/** Called when a put was answered, before the process hears of it. */
type AfterPut = (key: string, outcome: PutOutcome, condition: PutCondition) => Promise<void>;

function watched(store: ObjectStore, afterPut: AfterPut): ObjectStore {
  return new Proxy(store, {
    get: (target, name) => {
      if (name === "put")
        return async (key: string, body: string, condition: PutCondition): Promise<PutOutcome> => {
          const outcome = await target.put(key, body, condition);
          await afterPut(key, outcome, condition);
          return outcome;
        };
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

describe("a fence that was answered by an owner who died is not lost", () => {
  test("also when the one who asked drops it after somebody else released the step, and that one dies too", async () => {
    const begun: string[] = [];
    const undone: unknown[] = [];
    const define = (process: Process): AnyWorkflow[] => {
      const fails = async (): Promise<never> => {
        throw new PermanentError("no");
      };
      return [
        workflow("stops")
          .step("x", {
            run: async () => {
              begun.push(process.name);
              await process.host.clock.sleep(600_000);
            },
            compensate: (_context, result) => void undone.push(result),
          })
          .step("bad", { run: fails })
          .step("bad too", { run: fails }),
      ];
    };
    const fleet = makeFleet(define);
    const { world } = fleet;
    const story: string[] = [];
    const begin = (name: string, afterPut: (process: Process) => AfterPut): Process => {
      const process = world.spawn(name);
      const handle = handleOf(watched(process.store, afterPut(process)), process.host);
      void new Worker(handle, { workflows: define(process), id: name, concurrency: 1, poll: "1s" }).start();
      return process;
    };
    const { client } = fleet.client();
    await fleet.play(() => client.start("stops", null, { id: RUN }));
    // The owner takes the tick of the start, and x with it; it has no place for the other branches.
    const owner = begin("owner", () => async () => {});
    await world.run({ until: () => begun.length === 1 });
    const ownerTask = taskKey(startTick.id(RUN, {}));
    const branches = [taskOf("bad"), taskOf("bad too")];
    let mine: string | undefined;
    begin("asks", (process) => async (key, outcome) => {
      if (outcome.kind !== "stored") return;
      if (branches.includes(key)) mine ??= key;
      if (key === ownerTask && story.length === 0) {
        story.push("asks tells the owner of x");
        owner.crash();
      }
      // The branch that has not begun is fenced at once; the answer takes long.
      if (branches.includes(key) && key !== mine) {
        await process.host.clock.sleep(70_000);
        story.push("asks hears of the other branch");
      }
      if (key === STATE && story.includes("asks hears of the other branch")) story.push("asks writes what it knows");
    });
    await world.run({ until: () => story.includes("asks tells the owner of x") });
    begin("releases", (process) => async (key, outcome) => {
      if (key !== STATE || outcome.kind !== "stored") return;
      story.push("releases sets x free");
      process.crash();
    });
    await world.run({ until: () => story.at(-1) === "asks writes what it knows", maxVirtualMs: 200_000 });
    expect(story).toEqual([
      "asks tells the owner of x",
      "releases sets x free",
      "asks hears of the other branch",
      "asks writes what it knows",
    ]);
    const { executions } = (await fleet.record(RUN)).machine ?? expect.fail("it has a machine");
    expect(executions).toMatchObject([{ kind: "run", step: "x", begun: true }]);
    expect(executions[0]?.owner).toBeUndefined();
    begin("last", () => async () => {});
    expect((await fleet.play(() => client.wait(RUN))).status).toBe("failed");
    // Whether it happened is not known.
    expect(undone).toEqual([undefined]);
    expect(begun).toEqual(["owner"]);
  });
});

test("a handler that comes to a wait while its run stops may have had effects: it is undone", async () => {
  const undone: unknown[] = [];
  await using kit = await createTestKit({
    workflows: [
      workflow("asks")
        .step("first", { run: () => kit.clock.sleep(20_000) })
        .step("asks", {
          run: async (ctx) => {
            await kit.clock.sleep(10_000);
            return ctx.waitForSignal("answer");
          },
          compensate: (_context, result) => void undone.push(result),
        }),
    ],
  });
  const run = await kit.client.start("asks", null);
  await kit.clock.advance("5s");
  await run.cancel();
  expect((await run.wait()).status).toBe("cancelled");
  expect(undone).toEqual([undefined]);
});
