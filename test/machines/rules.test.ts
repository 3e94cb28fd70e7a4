import { expect, test } from "vitest";
import { buildMachine } from "../../machines/plan/advance.ts";
import type { StateConfig } from "../../machines/chart.ts";
import { compilePlan, hasCompensation } from "../../machines/plan/compile.ts";
import {
  CANCEL,
  done,
  due,
  failed,
  fenced,
  fresh,
  PAUSE,
  planOf,
  received,
  RESUME,
  RETRY,
  signal,
  START,
  started,
  task,
  TERMINATE,
  undone,
  waits,
} from "./build.ts";

const order = planOf([
  task("validate"),
  task("reserve", { dependsOn: ["validate"], compensate: true, onFailure: "compensate" }),
  task("charge", { dependsOn: ["validate"], compensate: true, onFailure: "compensate" }),
  task("ship", { dependsOn: ["reserve", "charge"], compensate: true, onFailure: "compensate" }),
]);

test("steps start when everything that they depend on is over, and not before", () => {
  const run = fresh(order);
  expect(run.view).toMatchObject({ status: "pending", currentSteps: [], outcome: null, draining: [], paused: false });
  expect(run.send(START)).toEqual(["start validate"]);
  expect(run.send(done("validate"))).toEqual(["start reserve", "start charge"]);
  expect(run.send(done("charge"))).toEqual([]);
  expect(run.phases).toBe("validate completed, reserve running, charge completed, ship pending");
  expect(run.send(done("reserve"))).toEqual(["start ship"]);
  expect(run.view).toMatchObject({ status: "running", currentSteps: ["ship"] });
  expect(run.send(done("ship"))).toEqual([]);
  expect(run.view).toMatchObject({ status: "completed", currentSteps: [], outcome: null });
});

test("a completion of another generation, a second one and one of an unknown step change nothing", () => {
  const run = started(order);
  const before = run.snapshot;
  run.send(done("validate", 2), done("ship"), done("nobody"), undone("validate"), fenced("validate"), START);
  expect(run.snapshot).toBe(before);
  run.send(done("validate"));
  const after = run.snapshot;
  run.send(done("validate"), failed("validate"));
  expect(run.snapshot).toBe(after);
});

test("P59 fail_workflow: what runs is fenced and awaited, nothing is undone, the run fails", () => {
  const run = started(planOf([task("a", { compensate: true }), task("b"), task("c", { dependsOn: ["a"] })]));
  run.send(done("a"));
  expect(run.send(failed("b"))).toEqual(["fence c"]);
  expect(run.view).toMatchObject({ status: "running", draining: ["c"], currentSteps: ["c"], outcome: "failed" });
  expect(run.send(fenced("c"))).toEqual([]);
  expect(run.view.status).toBe("failed");
  expect(run.view.steps.get("a")?.undo).toBe("none");
});

test("P59 continue: dependents run although the step failed", () => {
  const run = started(planOf([task("a", { onFailure: "continue" }), task("b", { dependsOn: ["a"] })]));
  expect(run.send(failed("a", "unknown"))).toEqual(["start b"]);
  expect(run.view.steps.get("a")).toEqual({
    phase: "failed",
    generation: 1,
    wake: 0,
    outcome: "unknown",
    undo: "none",
  });
  run.send(done("b"));
  expect(run.view.status).toBe("completed");
});

test("P59 pause_workflow: the step is held until resume tries it again; the others go on", () => {
  const run = started(planOf([task("a", { onFailure: "pause_workflow", delayMs: 7 }), task("b")]));
  run.send(due("delay", "a"));
  expect(run.send(failed("a"))).toEqual([]);
  expect(run.phases).toBe("a held, b running");
  expect(run.view).toMatchObject({ status: "paused", paused: false });
  run.send(done("b"));
  expect(run.send(RESUME)).toEqual(["start a#2"]);
  expect(run.send(done("a"))).toEqual([]);
  expect(run.view.status).toBe("running");
  run.send(done("a", 2));
  expect(run.view.status).toBe("completed");
});

test("P59 pause_workflow: a skipped step counts as completed", () => {
  const run = started(planOf([task("a", { onFailure: "pause_workflow" }), task("b", { dependsOn: ["a"] }), task("c")]));
  run.send(failed("a"));
  expect(run.send({ type: "skip", step: "c" })).toEqual([]);
  expect(run.send({ type: "skip", step: "a" })).toEqual(["start b"]);
  expect(run.phases).toBe("a skipped, b running, c running");
});

test("a held signal node waits again as a new generation", () => {
  const run = started(planOf([signal("go", { timeoutMs: 9, onFailure: "pause_workflow" })]));
  expect(run.send(due("deadline", "go"))).toEqual([]);
  expect(run.view.steps.get("go")).toMatchObject({ phase: "held", outcome: "never" });
  expect(run.view.waits).toEqual([]);
  expect(run.send(RESUME)).toEqual(["deadline go#2 9", "await go by go#2"]);
  run.send(received("go"));
  expect(run.view.status).toBe("waiting_signal");
  run.send(received("go", 0, 2));
  expect(run.view.status).toBe("completed");
});

test("a signal node without a deadline waits for ever: no timer ends it, and the chart shows none", () => {
  const plan = planOf([signal("go")]);
  const run = started(plan);
  expect(run.send(due("deadline", "go"))).toEqual([]);
  expect(run.view).toMatchObject({ status: "waiting_signal", outcome: null });
  expect(JSON.stringify(compilePlan(plan))).not.toContain("timer.due");
  expect(JSON.stringify(compilePlan(planOf([signal("go", { timeoutMs: 9 })])))).toContain("timer.due");
});

test("P59 compensate: completed steps are undone, dependents first, independent ones side by side", () => {
  const run = started(order);
  run.send(done("validate"), done("reserve"), done("charge"));
  expect(run.send(failed("ship"))).toEqual(["undo reserve", "undo charge"]);
  expect(run.view).toMatchObject({ status: "compensating", currentSteps: ["reserve", "charge"] });
  run.send(undone("charge"), undone("charge", 2));
  expect(run.view.steps.get("charge")?.undo).toBe("done");
  expect(run.view.status).toBe("compensating");
  run.send(undone("reserve"));
  expect(run.view).toMatchObject({ status: "failed", outcome: "failed" });
});

test("P59 compensate without any undo in the plan fails like fail_workflow", () => {
  const plan = planOf([task("a", { onFailure: "compensate" }), task("b")]);
  const run = started(plan);
  expect(hasCompensation(plan)).toBe(false);
  expect(run.send(failed("a"))).toEqual(["fence b"]);
  run.send(done("b"));
  expect(run.phases).toBe("a failed, b completed");
  expect(run.view.status).toBe("failed");
});

test("P60: an unknown outcome is undone, a vouched failure is not", () => {
  const vouched = started(order);
  vouched.send(done("validate"), done("reserve"));
  expect(vouched.send(failed("charge", "never"))).toEqual(["undo reserve"]);
  const unknown = started(order);
  unknown.send(done("validate"), done("reserve"));
  expect(unknown.send(failed("charge", "unknown"))).toEqual(["undo reserve", "undo charge"]);
});

test("P60: a chain undoes strictly one after the other, in the written order backwards", () => {
  const steps = ["a", "b", "c"].map((name) => task(name, { compensate: true }));
  const run = started(planOf([...steps, task("d", { dependsOn: ["b"] })], { compensation: "chain" }));
  run.send(done("a"), done("b"), done("c"));
  expect(run.send(CANCEL)).toEqual(["fence d"]);
  expect(run.send(fenced("d"))).toEqual(["undo c"]);
  expect(run.send(undone("c"))).toEqual(["undo b"]);
  expect(run.send({ type: "undo.failed", step: "b", generation: 1 })).toEqual(["undo a"]);
  run.send(undone("a"));
  expect(run.view.status).toBe("failed");
});

test("P60: undos of entangled steps wait for their own dependents only, also through steps without an undo", () => {
  // a → c, b → c, b → d, and c → e without an undo → f.
  const run = started(
    planOf([
      task("a", { compensate: true }),
      task("b", { compensate: true }),
      task("c", { dependsOn: ["a", "b"], compensate: true }),
      task("d", { dependsOn: ["b"], compensate: true }),
      task("e", { dependsOn: ["c"] }),
      task("f", { dependsOn: ["e"], compensate: true }),
    ]),
  );
  run.send(done("a"), done("b"), done("c"), done("d"), done("e"));
  expect(run.send(CANCEL)).toEqual(["fence f"]);
  expect(run.send(done("f"))).toEqual(["undo d", "undo f"]);
  expect(run.send(undone("f"))).toEqual(["undo c"]);
  expect(run.send(undone("c"))).toEqual(["undo a"]);
  expect(run.send({ type: "undo.failed", step: "d", generation: 1 })).toEqual(["undo b"]);
  run.send(undone("a"), undone("b"));
  expect(run.view).toMatchObject({ status: "failed", outcome: "cancelled" });
});

test("P60: an undo that is not needed lets those behind it through", () => {
  const run = started(
    planOf([
      task("a", { compensate: true }),
      task("b", { compensate: true }),
      task("c", { dependsOn: ["a", "b"], compensate: true }),
      task("d", { dependsOn: ["b"], compensate: true }),
    ]),
  );
  run.send(done("a"), done("b"));
  expect(run.send(CANCEL).toSorted()).toEqual(["fence c", "fence d"]);
  expect(run.send(fenced("c"), fenced("d", "unknown")).toSorted()).toEqual(["undo a", "undo d"]);
  expect(run.send(undone("d"))).toEqual(["undo b"]);
  run.send(undone("a"), undone("b"));
  expect(run.view.status).toBe("cancelled");
});

test("P61: a failed undo is collected; the run fails, also when it was cancelled", () => {
  const run = started(order);
  run.send(done("validate"), done("reserve"), done("charge"), CANCEL, fenced("ship"));
  run.send({ type: "undo.failed", step: "charge", generation: 1 }, undone("reserve"));
  expect(run.view).toMatchObject({ status: "failed", outcome: "cancelled" });
  expect(run.view.steps.get("charge")?.undo).toBe("failed");
});

test("P63: cancel undoes and ends as cancelled, or only stops when told so; a second one is ignored", () => {
  const run = started(order);
  run.send(done("validate"), done("reserve"));
  expect(run.send(CANCEL)).toEqual(["fence charge"]);
  const before = run.snapshot;
  run.send({ type: "cancel", compensate: false });
  expect(run.snapshot).toBe(before);
  expect(run.send(done("charge"))).toEqual(["undo reserve", "undo charge"]);
  run.send(undone("reserve"), undone("charge"));
  expect(run.view).toMatchObject({ status: "cancelled", outcome: "cancelled" });
  expect(run.phases).toBe("validate completed, reserve completed, charge completed, ship cancelled");

  const stopped = started(order);
  stopped.send(done("validate"), done("reserve"));
  expect(stopped.send({ type: "cancel", compensate: false }, failed("charge", "unknown"))).toEqual(["fence charge"]);
  expect(stopped.view.status).toBe("cancelled");
  expect(stopped.view.steps.get("reserve")?.undo).toBe("none");
  expect(stopped.view.steps.get("charge")).toMatchObject({ phase: "failed", outcome: "unknown" });
});

test("cancel before the start ends the run at once, also a paused one", () => {
  const run = fresh(order);
  run.send(PAUSE, CANCEL);
  expect(run.view).toMatchObject({ status: "cancelled", outcome: "cancelled", paused: false });
  expect(run.view.steps.get("validate")).toEqual({
    phase: "cancelled",
    generation: 0,
    wake: 0,
    outcome: "never",
    undo: "none",
  });
});

test("P64: what may have happened before a fence stays unknown: an earlier generation, a wait, a wake", () => {
  const held = started(planOf([task("a", { onFailure: "pause_workflow", compensate: true })]));
  held.send(failed("a", "unknown"), RESUME);
  expect(held.send(CANCEL, fenced("a", "never", 2))).toEqual(["fence a#2", "undo a#2"]);

  const woken = started(planOf([task("a", { compensate: true })]));
  woken.send(waits("a", "go"), received("a"));
  expect(woken.send(CANCEL, fenced("a", "never"))).toEqual(["fence a@1", "undo a"]);

  const waiting = started(planOf([task("a", { compensate: true })]));
  waiting.send(waits("a", "go"));
  expect(waiting.send(CANCEL)).toEqual(["undo a"]);
  expect(waiting.view.steps.get("a")).toMatchObject({ phase: "cancelled", outcome: "unknown", undo: "running" });
  expect(waiting.view.waits).toEqual([]);

  const parked = started(planOf([task("a", { compensate: true })]));
  parked.send(waits("a", "go"), PAUSE, received("a"));
  expect(parked.phases).toBe("a parked");
  expect(parked.view.steps.get("a")?.generation).toBe(1);
  expect(parked.send(CANCEL)).toEqual(["undo a"]);
});

test("a step that was skipped after an unknown outcome is undone, one that certainly did nothing is not", () => {
  for (const [outcome, undos] of [
    ["unknown", ["undo a"]],
    ["never", []],
  ] as const) {
    const plan = planOf([
      task("a", { onFailure: "pause_workflow", compensate: true }),
      task("b", { dependsOn: ["a"] }),
    ]);
    const run = started(plan);
    run.send(failed("a", outcome), { type: "skip", step: "a" });
    expect(run.send(CANCEL, fenced("b"))).toEqual(["fence b", ...undos]);
  }
});

test("a step that was parked and never began is over at once and owes nothing", () => {
  const run = started(planOf([task("a"), task("b", { dependsOn: ["a"], compensate: true })]));
  run.send(PAUSE, done("a"));
  expect(run.phases).toBe("a completed, b parked");
  expect(run.view).toMatchObject({ status: "paused", currentSteps: [], paused: true });
  run.send(done("b"), failed("b"), waits("b", "go"));
  expect(run.phases).toBe("a completed, b parked");
  expect(run.send(CANCEL)).toEqual([]);
  expect(run.view).toMatchObject({ status: "cancelled", paused: false });
  expect(run.view.steps.get("b")).toEqual({
    phase: "cancelled",
    generation: 1,
    wake: 0,
    outcome: "never",
    undo: "none",
  });
});

test("P52: waiting for a signal shows only when nothing else is ready, running or delayed", () => {
  const run = started(planOf([signal("go"), task("a"), task("b", { dependsOn: ["a"], delayMs: 5 })]));
  expect(run.view.status).toBe("running");
  expect(run.send(done("a"))).toEqual(["delay b 5"]);
  expect(run.view.status).toBe("running");
  run.send(due("delay", "b"), done("b"));
  expect(run.view).toMatchObject({ status: "waiting_signal", currentSteps: ["go"] });
  run.send(received("go"));
  expect(run.view.status).toBe("completed");
});

test("P22: a handler that waits starts again with the next wake, by a signal or its deadline", () => {
  const run = started(planOf([task("a"), task("b")]));
  expect(run.send(waits("a", "go", 50))).toEqual(["deadline a 50", "await go by a"]);
  run.send(waits("b", "go"));
  expect(run.view.waits).toEqual([
    { signal: "go", step: "a", generation: 1, wake: 0 },
    { signal: "go", step: "b", generation: 1, wake: 0 },
  ]);
  expect(run.send(received("b", 1), done("b"), received("b"))).toEqual(["start b@1"]);
  expect(run.view.waits.map((wait) => wait.step)).toEqual(["a"]);
  expect(run.send(due("delay", "a"), due("deadline", "a"), due("deadline", "a"))).toEqual(["start a@1"]);
  expect(run.send(waits("a", "again", 0, 0))).toEqual([]);
  expect(run.send(waits("a", "again", 0, 1))).toEqual(["await again by a@1"]);
});

test("P66: a signal node that is late fails, or goes on when the plan says so", () => {
  const strict = started(
    planOf([signal("go", { timeoutMs: 5, onFailure: "compensate" }), task("a", { compensate: true })]),
  );
  strict.send(done("a"));
  expect(strict.send(due("deadline", "go"))).toEqual(["undo a"]);
  expect(strict.view.steps.get("go")).toEqual({
    phase: "failed",
    generation: 1,
    wake: 0,
    outcome: "never",
    undo: "none",
  });
  const patient = started(
    planOf([signal("go", { timeoutMs: 5, onTimeout: "continue" }), task("a", { dependsOn: ["go"] })]),
  );
  expect(patient.send(due("deadline", "go"))).toEqual(["start a"]);
  expect(patient.view.waits).toEqual([]);
});

test("a signal node that was waiting when the run stopped never began", () => {
  const run = started(planOf([signal("go"), task("a")]));
  run.send(failed("a"));
  expect(run.view.steps.get("go")).toEqual({
    phase: "cancelled",
    generation: 1,
    wake: 0,
    outcome: "never",
    undo: "none",
  });
  expect(run.view).toMatchObject({ status: "failed", waits: [] });
});

test("P67: a delay holds a step back; pause lets it run out and parks the start", () => {
  const run = started(planOf([task("a", { delayMs: 500 })]));
  expect(run.phases).toBe("a delaying");
  expect(run.view.currentSteps).toEqual([]);
  expect(run.send(done("a"), due("deadline", "a"), due("delay", "a", 0, 2), PAUSE, due("delay", "a"))).toEqual([]);
  expect(run.phases).toBe("a parked");
  expect(run.send(RESUME, RESUME)).toEqual(["start a"]);
});

test("pause parks what would start and records what ends; resume starts it once", () => {
  const run = started(order);
  run.send(PAUSE);
  const before = run.snapshot;
  run.send(PAUSE);
  expect(run.snapshot).toBe(before);
  expect(run.send(done("validate"))).toEqual([]);
  expect(run.phases).toBe("validate completed, reserve parked, charge parked, ship pending");
  expect(run.send(RESUME)).toEqual(["start reserve", "start charge"]);
  expect(run.view.status).toBe("running");
  expect(run.send(RESUME)).toEqual([]);
});

test("a run may be paused before it starts; it starts parked", () => {
  const run = fresh(order);
  run.send(PAUSE);
  expect(run.view).toMatchObject({ status: "pending", paused: true });
  expect(run.send(START)).toEqual([]);
  expect(run.view.status).toBe("paused");
  const before = run.snapshot;
  run.send(PAUSE);
  expect(run.snapshot).toBe(before);
  expect(run.send(RESUME)).toEqual(["start validate"]);
  expect(run.view.status).toBe("running");
  const back = fresh(order);
  back.send(RESUME, PAUSE, RESUME);
  expect(back.view).toMatchObject({ status: "pending", paused: false });
  expect(back.send(START)).toEqual(["start validate"]);
});

test("compensation can be paused: undos that would start are parked", () => {
  const run = started(order);
  run.send(done("validate"), done("reserve"), done("charge"), failed("ship"), PAUSE);
  expect(run.view.status).toBe("paused");
  run.send(undone("reserve"), undone("charge"));
  expect(run.view.status).toBe("failed");
  const draining = started(order);
  draining.send(done("validate"), done("reserve"), CANCEL, PAUSE);
  expect(draining.send(done("charge"))).toEqual([]);
  expect(draining.view).toMatchObject({ status: "paused", currentSteps: [] });
  draining.send(undone("charge"));
  expect(draining.view.steps.get("charge")?.undo).toBe("none");
  expect(draining.send(RESUME)).toEqual(["undo reserve", "undo charge"]);
  expect(draining.view.status).toBe("compensating");
});

test("a failure stops a paused run; the undo waits for resume", () => {
  const run = started(order);
  run.send(done("validate"), done("reserve"), PAUSE);
  expect(run.send(failed("charge"))).toEqual([]);
  expect(run.view.status).toBe("paused");
  expect(run.send(RESUME)).toEqual(["undo reserve"]);
});

test("terminate ends everything at once: nothing is fenced, awaited or undone", () => {
  const run = started(
    planOf([task("a", { compensate: true }), task("b"), signal("go"), task("d", { dependsOn: ["b"] })]),
  );
  run.send(done("a"));
  expect(run.send(TERMINATE)).toEqual([]);
  expect(run.view).toMatchObject({
    status: "cancelled",
    outcome: "cancelled",
    waits: [],
    draining: [],
    currentSteps: [],
  });
  expect(run.phases).toBe("a completed, b cancelled, go cancelled, d cancelled");
  expect(run.view.steps.get("b")?.outcome).toBe("unknown");
  expect(run.view.steps.get("d")?.generation).toBe(0);

  const draining = started(order);
  draining.send(done("validate"), CANCEL, PAUSE, TERMINATE);
  expect(draining.view).toMatchObject({ status: "cancelled", draining: [], paused: false });
  expect(draining.view.steps.get("charge")).toMatchObject({ phase: "cancelled", generation: 1, outcome: "unknown" });
});

test("nothing moves a run that is over, but a retry one that failed", () => {
  for (const end of [[CANCEL], [done("a")], [TERMINATE]]) {
    const run = started(planOf([task("a")]));
    run.send(...end, fenced("a"));
    const before = run.snapshot;
    expect(run.send(START, PAUSE, RESUME, CANCEL, TERMINATE, RETRY, done("a"), { type: "skip", step: "a" })).toEqual(
      [],
    );
    expect(run.snapshot).toBe(before);
  }
});

test("retry: completed steps stay, the others run again as new generations", () => {
  const run = started(planOf([task("a"), task("b", { dependsOn: ["a"] }), task("c", { dependsOn: ["b"] }), task("d")]));
  const before = run.snapshot;
  run.send(RETRY);
  expect(run.snapshot).toBe(before);
  run.send(done("a"), done("d"), failed("b", "unknown"));
  expect(run.view.status).toBe("failed");
  expect(run.send(RETRY)).toEqual(["start b#2"]);
  expect(run.view).toMatchObject({ status: "running", outcome: null });
  expect(run.phases).toBe("a completed, b running, c pending, d completed");
  expect(run.send(done("b"), done("b", 2), done("c"))).toEqual(["start c"]);
  expect(run.view.status).toBe("completed");
});

test("retry: what was undone runs again, and what completed behind it waits for it and is passed", () => {
  const run = started(
    planOf([
      task("a", { compensate: true }),
      task("b", { dependsOn: ["a"] }),
      signal("go", { dependsOn: ["b"] }),
      task("c", { dependsOn: ["go"], delayMs: 3 }),
      task("d", { dependsOn: ["c"], onFailure: "compensate" }),
    ]),
  );
  run.send(done("a"), done("b"), received("go"), due("delay", "c"), done("c"), failed("d"), undone("a"));
  expect(run.view.status).toBe("failed");
  expect(run.send(RETRY)).toEqual(["start a#2"]);
  expect(run.phases).toBe("a running, b completed, go completed, c completed, d pending");
  expect(run.send(done("a", 2))).toEqual(["start d#2"]);
});

test("retry: a step that never got beyond its delay gets a timer of its own", () => {
  const run = started(planOf([task("a", { delayMs: 5 }), task("b")]));
  run.send(failed("b"));
  expect(run.send(RETRY)).toEqual(["delay a#2 5", "start b#2"]);
  expect(run.send(due("delay", "a"), due("delay", "a", 0, 2))).toEqual(["start a#2"]);
});

test("retry: a step whose undo failed may stand, one that was undone does not", () => {
  const run = started(order);
  run.send(done("validate"), done("reserve"), done("charge"), failed("ship"), undone("reserve"));
  run.send({ type: "undo.failed", step: "charge", generation: 1 });
  expect(run.send(RETRY)).toEqual(["start reserve#2", "start charge#2"]);
  const owed = run.send(CANCEL, fenced("reserve", "never", 2), fenced("charge", "never", 2));
  expect(owed.toSorted()).toEqual(["fence charge#2", "fence reserve#2", "undo charge#2"]);
});

test("retry: what stays completed is undone when the run fails again", () => {
  const run = started(planOf([task("a", { compensate: true }), task("b", { dependsOn: ["a"] })]));
  run.send(done("a"), failed("b"), RETRY);
  expect(run.send(CANCEL, fenced("b", "never", 2))).toEqual(["fence b#2", "undo a"]);
});

/** The keys of a chart as a tree, without what is inside a step. */
function shape(state: StateConfig): unknown {
  if (state.meta !== undefined || state.states === undefined) return state.description ?? state.type ?? "state";
  return Object.fromEntries(Object.entries(state.states).map(([key, inner]) => [key, shape(inner)]));
}

test("the chart reads like the workflow, and the rollback is in it", () => {
  const config = compilePlan({ ...order, version: "2" });
  expect(config).toMatchObject({ id: "order", description: "order (2)", initial: "pending" });
  expect(compilePlan(order).description).toBe("order");
  expect(Object.keys(config.states ?? {})).toEqual([
    "pending",
    "active",
    "stopping",
    "compensating",
    "completed",
    "failed",
    "cancelled",
  ]);
  expect(shape(config.states?.["active"] ?? {})).toEqual({
    validate: "validate",
    reserve_and_charge: { reserve: "reserve", charge: "charge" },
    ship: "ship",
    done: "final",
  });
  expect(shape(config.states?.["compensating"]?.states?.["undo"] ?? {})).toEqual({
    ship: "undo ship",
    reserve_and_charge: { reserve: "undo reserve", charge: "undo charge" },
    done: "final",
  });
  expect(config.states?.["compensating"]?.description).toBe("undo in the reverse of the dependency order");
  expect(compilePlan({ ...order, compensation: "chain" }).states?.["compensating"]?.description).toBe(
    "undo strictly one after the other",
  );
  expect(JSON.parse(JSON.stringify(config))).toEqual(config);
  expect(compilePlan(planOf([task("a")])).states?.["compensating"]).toBeUndefined();
});

test("keys of states are unique, in order and readable, whatever the steps are called", () => {
  const flow = (...names: readonly string[]): readonly string[] =>
    Object.keys(compilePlan(planOf(names.map((name) => task(name)))).states?.["active"]?.states?.["all"]?.states ?? {});
  expect(flow("b", "1", "done", "__proto__", "a.b")).toEqual(["b", "n1~1", "n2~done", "n3~__proto__", "a~2e~b"]);
  const long = "x".repeat(80);
  expect(flow(`${long}1`, `${long}2`)).toEqual([long.slice(0, 60), `n1~${long.slice(0, 60)}`]);
  expect(compilePlan(planOf([task("a")], { name: "🦀" })).id).toBe("~1f980~");
  const knot = [task("a"), task("b"), task("c", { dependsOn: ["a", "b"] }), task("d", { dependsOn: ["b"] }), task("e")];
  const keys = Object.keys(compilePlan(planOf(knot)).states?.["active"]?.states?.["all"]?.states ?? {});
  expect(keys).toEqual(["a_and_b_and_c_and_d", "e"]);
  expect(buildMachine(planOf(knot)).machine.id).toBe("order");
});

test("several steps that are parked are all over when the run stops; resume starts each once", () => {
  const run = started(planOf([task("a"), task("b", { dependsOn: ["a"] }), task("c", { dependsOn: ["a"] })]));
  run.send(PAUSE, done("a"), PAUSE);
  const again = started(planOf([task("a"), task("b", { dependsOn: ["a"] }), task("c", { dependsOn: ["a"] })]));
  again.send(PAUSE, done("a"));
  expect(again.send(RESUME, PAUSE, RESUME)).toEqual(["start b", "start c"]);
  expect(run.send(CANCEL)).toEqual([]);
  expect(run.phases).toBe("a completed, b cancelled, c cancelled");
  const woken = started(planOf([task("a")]));
  woken.send(waits("a", "go"), PAUSE, received("a"), CANCEL);
  expect(woken.view.steps.get("a")).toEqual({
    phase: "cancelled",
    generation: 1,
    wake: 1,
    outcome: "unknown",
    undo: "none",
  });
});

test("a run that stops without undo shows as running, also while it is paused", () => {
  const run = started(planOf([task("a"), task("b")]));
  run.send(PAUSE, failed("a"));
  expect(run.view).toMatchObject({ status: "running", paused: true, draining: ["b"] });
});

test("entangled steps go on after a skip and after a failure that does not matter", () => {
  const run = started(
    planOf([
      task("a", { onFailure: "continue" }),
      task("b", { onFailure: "pause_workflow" }),
      task("c", { dependsOn: ["a", "b"] }),
      task("d", { dependsOn: ["b"] }),
    ]),
  );
  expect(run.send(failed("a"), failed("b"))).toEqual([]);
  expect(run.send({ type: "skip", step: "b" }).toSorted()).toEqual(["start c", "start d"]);
});

test("an undo that had nothing to do shows as none, and its step was never asked for", () => {
  const knot = planOf([
    task("a", { compensate: true }),
    task("b", { compensate: true, onFailure: "compensate" }),
    task("c", { dependsOn: ["a", "b"], compensate: true }),
    task("d", { dependsOn: ["b"], compensate: true }),
  ]);
  const run = started(knot);
  run.send(done("a"), failed("b", "unknown"));
  expect(run.view.steps.get("c")).toEqual({
    phase: "cancelled",
    generation: 0,
    wake: 0,
    outcome: "never",
    undo: "none",
  });
  run.send(undone("a"), undone("b"));
  expect(run.send(RETRY)).toEqual(["start a#2", "start b#2"]);
  expect(run.view.steps.get("c")?.generation).toBe(0);
  // What was undone has not happened.
  expect(
    run.send(CANCEL, fenced("a", "never", 2), fenced("b", "never", 2)).filter((word) => word.startsWith("undo")),
  ).toEqual([]);
});

test("retry: a skipped step stays skipped, a completed one keeps its wake", () => {
  const run = started(
    planOf([task("a", { onFailure: "pause_workflow" }), task("b"), task("c", { dependsOn: ["a", "b"] })]),
  );
  run.send(failed("a"), { type: "skip", step: "a" }, waits("b", "go"), received("b"), done("b"), failed("c"));
  expect(run.send(RETRY)).toEqual(["start c#2"]);
  expect(run.phases).toBe("a skipped, b completed, c running");
  expect(run.view.steps.get("b")).toEqual({ phase: "completed", generation: 1, wake: 1, undo: "none" });
});
