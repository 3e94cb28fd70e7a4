/** The requests of a fork grow with its branches, however it ends: nobody dispatches again what another driver of the process did. */
import { describe, expect, test } from "vitest";
import { setting } from "../setting.ts";
import { countFork, type ForkCase } from "./forks.ts";

const FEW = 4;
const MORE = 12;
/** A thousand with `FORK=1000 npx vitest run test/services/forks`: minutes, until deciding is faster. */
const MANY = setting("FORK", 100);

/** A branch, its undo and the stop: a branch costs 7 PUT when all goes well, and so does an undo that is a task of its own. */
const PER_BRANCH = { put: 15, get: 8, delete: 5, list: 0 };
/** Two workers meet each other's writes, which costs each of them a read and another put now and then. */
const PER_BRANCH_OF_TWO = { put: 22, get: 16, delete: 5, list: 0 };

const CASES: readonly (readonly [string, ForkCase])[] = [
  ["all branches end well", { ends: "well" }],
  ["all branches end well, on two workers", { ends: "well", workers: 2 }],
  ["a branch fails", { ends: "branch fails" }],
  ["a branch fails, on two workers", { ends: "branch fails", workers: 2 }],
  ["a branch fails and the others are undone", { ends: "branch fails", undo: true, listens: true }],
  ["a branch fails and the others are undone, on two workers", { ends: "branch fails", undo: true, workers: 2 }],
  ["a branch fails, and most have not begun", { ends: "branch fails", concurrency: 3 }],
  ["a branch fails, and the others are to be tried again", { ends: "branch fails", listens: true, retries: true }],
  ["it is cancelled", { ends: "cancelled" }],
  ["it is cancelled and undone, on two workers", { ends: "cancelled", undo: true, workers: 2 }],
  ["it is cancelled before it starts", { ends: "cancelled before it starts" }],
  ["each branch forks again, and it is cancelled", { ends: "cancelled", nested: 2 }],
];

const KINDS = ["put", "get", "delete", "list"] as const;

describe("requests grow with the branches", () => {
  test.for(CASES)("%s", async ([, how]) => {
    const few = await countFork(FEW, how);
    const more = await countFork(MORE, how);
    expect(more.status).toBe(few.status);
    const branches = (MORE - FEW) * (1 + (how.nested ?? 0));
    const bound = how.workers === 2 ? PER_BRANCH_OF_TWO : PER_BRANCH;
    for (const kind of KINDS) expect((more[kind] - few[kind]) / branches, kind).toBeLessThanOrEqual(bound[kind]);
  });

  test(`a branch of ${MANY} fails while the others run`, { timeout: 1_800_000 }, async () => {
    const count = await countFork(MANY, { ends: "branch fails", listens: true });
    console.log(`a branch of ${MANY} fails: ${count.put} PUT, ${count.get} GET, ${count.delete} DELETE`);
    expect(count.put).toBeLessThanOrEqual(20 + 8 * MANY);
    expect(count.get).toBeLessThanOrEqual(10 + 3 * MANY);
    expect(count.delete).toBeLessThanOrEqual(10 + 3 * MANY);
  });
});
