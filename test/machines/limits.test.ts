import { expect, test } from "vitest";
import type { PlanStep } from "../../machines/plan/plan.ts";
import { CANCEL, done, failed, planOf, RETRY, started, task, undone } from "./build.ts";

const many = (length: number, step: (index: number) => PlanStep): PlanStep[] =>
  Array.from({ length }, (_, index) => step(index));

test("P82: 1,000 steps in a row run to their end, and a retry passes 999 of them", () => {
  const run = started(
    planOf(many(1_000, (index) => task(`s${index}`, { dependsOn: index === 0 ? [] : [`s${index - 1}`] }))),
  );
  for (let index = 0; index < 999; index += 1) expect(run.send(done(`s${index}`))).toEqual([`start s${index + 1}`]);
  run.send(failed("s999"));
  expect(run.view.status).toBe("failed");
  expect(run.send(RETRY)).toEqual(["start s999#2"]);
  run.send(done("s999", 2));
  expect(run.view.status).toBe("completed");
});

test("P82: 1,000 steps side by side start and stop together", () => {
  const run = started(planOf(many(1_000, (index) => task(`s${index}`, { compensate: true }))));
  expect(run.view.currentSteps.length).toBe(1_000);
  run.send(done("s7"));
  expect(run.send(CANCEL).length).toBe(999);
  expect(run.view).toMatchObject({ status: "compensating" });
  expect(run.view.draining.length).toBe(999);
});

test("P82: 300 entangled steps run and are undone, each as soon as it may", () => {
  const before = (index: number): string[] =>
    [index - 2, ...(index % 2 === 0 ? [index - 3] : [])].filter((at) => at >= 0).map((at) => `s${at}`);
  const run = started(planOf(many(300, (index) => task(`s${index}`, { dependsOn: before(index), compensate: true }))));
  for (let index = 0; index < 299; index += 1) run.send(done(`s${index}`));
  expect(run.send(CANCEL)).toEqual(["fence s299"]);
  expect(run.send(done("s299"))).toEqual(["undo s298", "undo s299"]);
  for (let index = 299; index >= 0; index -= 1) run.send(undone(`s${index}`));
  expect(run.view.status).toBe("cancelled");
});
