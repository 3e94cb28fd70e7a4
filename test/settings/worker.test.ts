/** The settings of a worker, crossed: every value that cannot be × every place where it can be given, and what they must fit together. */
import { expect, test } from "vitest";
import { commands } from "../../src/cli/commands.ts";
import { connect } from "../../src/client/connect.ts";
import { resolveStoreUrl } from "../../src/config.ts";
import { workflow } from "../../src/define/workflow.ts";
import { isWorkflowError } from "../../src/errors.ts";
import { nodeHost } from "../../src/host/node.ts";
import { WORKER_CHECKS } from "../../src/services/worker-options.ts";
import { Worker } from "../../src/services/worker.ts";
import { openStore } from "../../src/store/open.ts";
import { tell } from "../cli/run.ts";

const workflows = [workflow("w").step("a", () => 1)];

type Setting = keyof typeof WORKER_CHECKS;

/** The option of the command line that gives a setting; a sentence where none does. */
const FLAGS: Readonly<Record<Setting, { readonly flag: string } | { readonly none: string }>> = {
  workflows: { flag: "workflows" },
  concurrency: { flag: "concurrency" },
  poll: { flag: "poll" },
  lease: { flag: "lease" },
  shutdownGrace: { flag: "grace" },
  foreignPoll: { flag: "foreign-poll" },
  id: { none: "two processes would share it: each worker of the command line draws its own" },
  catchUnhandledRejections: { none: "the command line's worker always does" },
};

/** Options of `worker` that are no settings of a worker: where the bucket is, and what is printed. */
const OTHERS = new Set(["store", "json", "quiet", "verbose", "timeout", "skew-margin", "help"]);

/** Bad values: as a program gives it, as it is typed, and the reason, which is the same. */
const TABLE: readonly (readonly [setting: Setting, bad: unknown, typed: string | undefined, reason: string])[] = [
  ["concurrency", 0, "0", " is 0; it must be a whole number from 1 to 10000"],
  ["concurrency", 10_001, "10001", " is 10001; it must be a whole number from 1 to 10000"],
  ["concurrency", -1, "-1", " is -1; it must be a whole number from 1 to 10000"],
  ["concurrency", 1.5, undefined, " is 1.5; it must be a whole number from 1 to 10000"],
  ["concurrency", "many", "many", ' is "many"; it must be a whole number from 1 to 10000'],
  ["poll", "0s", "0s", ' is "0s"; it must be a duration from 1ms to 1d'],
  ["poll", "2d", "2d", ' is "2d"; it must be a duration from 1ms to 1d'],
  ["poll", "soon", "soon", ': "soon" is not a duration; write "250ms"'],
  ["poll", "5", "5", ': "5" is not a duration; write "250ms"'],
  ["poll", Number.NaN, undefined, " is not a duration"],
  ["lease", "999ms", "999ms", ' is "999ms"; it must be a duration from 1s to 1d'],
  ["lease", "25h", "25h", ' is "25h"; it must be a duration from 1s to 1d'],
  ["lease", "", "", ': "" is not a duration; write "250ms"'],
  ["lease", -1, undefined, " is not a duration"],
  [
    "lease",
    "5999ms",
    "5999ms",
    "with skewMarginMs 2000 it is at least three times as long; give a lease of 6s or more",
  ],
  ["shutdownGrace", "-1s", "-1s", ': "-1s" is not a duration; write "250ms"'],
  ["shutdownGrace", "3000w", "3000w", ': "3000w" is not a duration; write "250ms"'],
  ["foreignPoll", "0s", "0s", ' is "0s"; it must be a duration from 1ms to 1d'],
  ["foreignPoll", "25h", "25h", ' is "25h"; it must be a duration from 1ms to 1d'],
  ["id", "a/b", undefined, "id"],
  ["catchUnhandledRejections", "yes", undefined, ' is "yes"; it must be true or false'],
  ["workflows", [], undefined, "a worker needs at least one workflow"],
];

const worker = commands.find(({ name }) => name === "worker");

test("the table knows every setting, and every option of the command", () => {
  expect(Object.keys(FLAGS).toSorted()).toEqual(Object.keys(WORKER_CHECKS).toSorted());
  const flags = Object.values(FLAGS).flatMap((place) => ("flag" in place ? [place.flag] : []));
  expect(
    Object.keys(worker?.options ?? {})
      .filter((option) => !OTHERS.has(option))
      .toSorted(),
  ).toEqual(flags.toSorted());
  expect(new Set(TABLE.map(([setting]) => setting))).toEqual(new Set(Object.keys(WORKER_CHECKS)));
});

test.each(TABLE)("%s %j is refused by the class", async (setting, bad, _typed, reason) => {
  await using queue = await connect("memory:");
  const given = { workflows, [setting]: bad } as never;
  expect(() => new Worker(queue, given)).toThrow(expect.objectContaining({ code: "invalid" }));
  expect(() => new Worker(queue, given)).toThrow(reason);
});

test.each(
  TABLE.flatMap(([setting, , typed, reason]) => (typed === undefined ? [] : [[setting, typed, reason] as const])),
)("%s %j is refused on the command line, by the name of its option", async (setting, typed, reason) => {
  const place = FLAGS[setting];
  const option = "flag" in place ? place.flag : "";
  const words = ["worker", "--workflows", "test/cli/workflows.ts", "--store", "memory:", `--${option}=${typed}`];
  const { code, stdout, stderr } = await tell(...words);
  expect([code, stdout]).toEqual([2, ""]);
  expect(stderr).toContain(reason);
  // What settings must fit together names them; what one must be names where it was given.
  if (!reason.startsWith("with ")) expect(stderr).toContain(`error: --${option}${reason}`);
});

test.each(Object.keys(FLAGS))(
  "%s is no setting of a bucket: url, environment and file refuse or ignore it",
  async (setting) => {
    await expect(openStore(`s3://runs?${setting}=1`, nodeHost())).rejects.toThrow(setting);
    const toml = `[default]\nbucket = "runs"\n${setting} = 1\n`;
    const refusal = (): unknown =>
      resolveStoreUrl({ env: {}, readFile: (path) => (path === ".buquet.toml" ? toml : undefined) });
    expect(refusal).toThrow(setting);
    try {
      refusal();
    } catch (error) {
      expect(isWorkflowError(error, "invalid")).toBe(true);
    }
  },
);
