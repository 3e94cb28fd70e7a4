/** Options and checks with which `explore` would pass without having looked. */
import { describe, expect, test } from "vitest";
import { WorkflowError, workflow } from "../../../src/index.ts";
import { explore, type ExploreOptions, replay } from "../../../src/testing/index.ts";

const order = workflow("order")
  .step("charge", { run: () => 1, compensate: () => {} })
  .step("ship", { dependsOn: ["charge"], run: () => 2 });

function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(WorkflowError);
    expect(error).toMatchObject({ code: "invalid" });
    return (error as WorkflowError).message;
  }
  throw new Error("nothing was refused");
}

describe("a check that returns a promise is refused, not passed", () => {
  const synchronous = "returned a promise; it must answer at once";

  test.each(["always", "finally"] as const)("%s, whether it would have said yes or no", (rule) => {
    for (const answer of [true, false, "a sentence"]) {
      const check = (async () => answer) as never;
      expect(refusal(() => explore(order, { [rule]: check }))).toContain(`the rule ${rule} ${synchronous}`);
    }
  });

  test("and a rejection ends no process", async () => {
    const heard: unknown[] = [];
    const hear = (reason: unknown): unknown => heard.push(reason);
    process.on("unhandledRejection", hear);
    try {
      const check = (async () => {
        throw new Error("too late");
      }) as never;
      expect(refusal(() => explore(order, { always: check }))).toContain(synchronous);
      // Rejections that nobody heard of are told after the microtasks of a turn.
      await new Promise((done) => setImmediate(done));
      expect(heard).toEqual([]);
    } finally {
      process.off("unhandledRejection", hear);
    }
  });

  test("when a path is played again, too", () => {
    const check = (async () => true) as never;
    expect(refusal(() => replay(order, [], { always: check }))).toContain(`the rule always ${synchronous}`);
  });

  test("by the compiler already", () => {
    // @ts-expect-error: checks are synchronous
    const options: ExploreOptions = { always: async () => true };
    expect(options).toBeDefined();
    const assertion: ExploreOptions<"charge" | "ship"> = { always: (run) => expect(run.status).toBeTypeOf("string") };
    expect(explore(order, { ...assertion, faults: 0 }).violations).toEqual([]);
  });
});

describe("options that no walk can mean are refused", () => {
  const count = (option: string, value: unknown, least: number): [object, string] => [
    { [option]: value },
    `${option} is ${String(value)}; it must be a whole number from ${least}, or Infinity`,
  ];

  test.each<[object, string]>([
    ...[0, -1, 1.5, Number.NaN].map((value) => count("violations", value, 1)),
    ...[0, -1, 1.5, Number.NaN].map((value) => count("limit", value, 1)),
    ...[-1, 0.5, Number.NaN].map((value) => count("faults", value, 0)),
    [{ faults: "2" }, 'faults is "2"; it must be a whole number'],
    [{ kinds: ["faliure"] }, 'kinds[0] is "faliure"; it must be failure or timeout or '],
    [{ kinds: "failure" }, 'kinds is "failure"; it must be a list'],
    [{ fianlly: () => false }, 'there is no option "fianlly"; there are faults, kinds, '],
    [{ fault: 1 }, 'there is no option "fault"'],
    [{ always: true }, "always is true; it must be a function"],
    [{ symmetry: "no" }, 'symmetry is "no"; it must be true or false'],
    [{ signals: { go: { form: "ship" } } }, 'signals.go: there is no option "form"; there are by, comes, deadline'],
    [{ signals: { go: "ship" } }, 'signals.go is "ship"; it must be an object'],
    [{ signals: { go: { comes: "never" } } }, 'signals.go.comes is "never"; it must be true or false'],
    [{ outputs: { charge: 7 } }, "outputs.charge is 7; it must be a list"],
    [[], "they are an object, not []"],
  ])("%o", (options, says) => {
    expect(refusal(() => explore(order, options as never))).toContain(says);
    expect(refusal(() => replay(order, [], options as never))).toContain(says);
  });

  test("no limit at all is none of them", () => {
    const none = Number.POSITIVE_INFINITY;
    expect(explore(order, { limit: none, violations: none, faults: 0 }).violations).toEqual([]);
  });
});
