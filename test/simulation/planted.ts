/**
 * The mistakes that the protocol's counterexamples forced out (docs/protocol.md), planted again: each must be found by the simulator under
 * the setting that its row names. Texts are replaced in a copy of the sources and must be there exactly once.
 */
import type { Setting } from "./play.ts";

/** One change of one file of the copy. */
export interface Edit {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

/** A mistake, and where it must show. */
export interface Mistake {
  readonly number: number;
  readonly name: string;
  readonly edits: readonly Edit[];
  readonly setting: Setting;
  /** Shows once in hundreds of histories. */
  readonly rare?: boolean;
  /** What is seen. */
  readonly seen: RegExp;
}

const DRIVER = "src/services/driver.ts";
const CLAIMED = "src/services/claimed-task.ts";
const COMMIT = "src/run/commit.ts";
const DECIDE = "src/run/decide/decide.ts";
const EXECUTIONS = "src/run/decide/executions.ts";
const OUTBOX = "src/run/outbox.ts";
const CLAIM = "src/queue/claim.ts";

const LOST = /lost: not over/u;
const LIVE = /two live holders/u;

/** GATE taken out: the lease counts as held until somebody says otherwise. */
const NO_GATE: Edit = {
  file: "src/services/lease.ts",
  from: "    if (this.#isUnexpired()) return true;\n    return (await this.#renew()) && this.#isUnexpired();",
  to: "    return true;",
};
/** The fence write taken out: who takes a task over neither writes nor releases before it goes on. */
const NO_FENCE_WRITE: Edit = {
  file: DRIVER,
  from: "await this.#commit(isRecovered(claim) ? fenceFacts(claim) : [], { fresh: true });",
  to: "await this.#commit([], { fresh: true });",
};

export const MISTAKES: readonly Mistake[] = [
  {
    number: 1,
    name: "finish the own task before the record is written",
    edits: [
      {
        file: CLAIMED,
        from: "        this.#remember(execution, end);",
        to: "        await completeClaim(this.#context.queue, this.#lease.claim, null);",
      },
    ],
    setting: { shapes: ["two", "three"], crash: 1, sweeper: false },
    seen: LOST,
  },
  {
    number: 2,
    name: "drop the outbox",
    edits: [
      {
        file: DECIDE,
        from: "    machine: { ...draft.machine, write:",
        to: "    machine: { ...draft.machine, outbox: [], write:",
      },
    ],
    setting: { shapes: ["fork"], crash: 1 },
    seen: /lost: not over|no steps\//u,
  },
  {
    number: 3,
    name: "take an unknown reply for a refusal and finish the task",
    edits: [
      {
        file: COMMIT,
        from: "      // R8: the reply alone says nothing.",
        to: '      if (put.kind === "unknown" && members.length > 0) return settle(members, { kind: "missing" });',
      },
    ],
    setting: { shapes: ["two", "three"], unknown: 2, sweeper: false },
    seen: LOST,
  },
  {
    number: 4,
    name: "take an unknown reply for a success",
    edits: [
      {
        file: COMMIT,
        from: '      if (put.kind === "stored") {\n        this.#cached = { record: next, etag: put.etag,',
        to: '      if (put.kind !== "conflict" && members.length > 0) {\n        this.#cached = { record: next, etag: "etag" in put ? put.etag : etag,',
      },
    ],
    setting: { shapes: ["two", "three", "fork"], unknown: 2 },
    seen: /starts and is not recorded/u,
  },
  {
    number: 5,
    rare: true,
    name: "skip the fence",
    edits: [
      {
        file: "src/run/effects/fence.ts",
        from: "    const spec = executionTask(record, program, execution);\n    if (execution.owner !== undefined) {",
        to: `    const spec = executionTask(record, program, execution);
    if (Number(1) === 1) return [{ fact: "fenced", ref, outcome: "unknown" }];
    if (execution.owner !== undefined) {`,
      },
    ],
    setting: { shapes: ["race"], freeze: 1, long: false },
    seen: /starts after its undo/u,
  },
  {
    number: 6,
    name: "make ready again without looking at the lease",
    edits: [
      {
        file: "src/queue/monitor.ts",
        from: "  if (isLeaseOver(queue, task)) {\n    if (await options.canRun(task)) await options.onExpired(id, task);\n    else await",
        to: "  if (Number(1) === 1) {\n    await",
      },
      {
        file: "src/queue/monitor.ts",
        from: "current.lease_id === task.lease_id && isLeaseOver(queue, current)",
        to: "current.lease_id === task.lease_id",
      },
    ],
    setting: { shapes: ["two", "fork"] },
    seen: LIVE,
  },
  {
    number: 7,
    rare: true,
    name: "clear the outbox before it is carried out",
    edits: [
      {
        file: OUTBOX,
        from: "(record.machine?.outbox ?? []).map(entryKey).filter((key) => this.#done.has(key));",
        to: "(record.machine?.outbox ?? []).map(entryKey);",
      },
    ],
    setting: { shapes: ["two", "three"], crash: 1, long: false },
    seen: /lost: not over|no steps\//u,
  },
  {
    number: 8,
    name: "a parked run without an entry in the active index, and a sender that only puts the signal",
    edits: [
      {
        file: "src/run/decide/next-check.ts",
        from: "  const at = over ? null : nextCheck(draft, view, leaving);",
        to: "  const at = over || isParked(draft, view) ? null : nextCheck(draft, view, leaving);",
      },
    ],
    setting: { shapes: ["wait"], sends: false, outsiders: ["sender"] },
    seen: LOST,
  },
  {
    number: 9,
    name: "put the lease key after the claim, beside a real buquet sweeper",
    edits: [
      {
        file: CLAIM,
        from: '  await queue.store.put(leaseKey(task.id, expiresAt), "", "always");\n  const sentAt',
        to: "  const sentAt",
      },
      {
        file: CLAIM,
        from: '  if (put.kind === "stored") return new Claim(claimed, put.etag, leaseUntil, isTakenOver);',
        to: `  if (put.kind === "stored") {
    await queue.store.put(leaseKey(task.id, expiresAt), "", "always");
    return new Claim(claimed, put.etag, leaseUntil, isTakenOver);
  }`,
      },
    ],
    setting: { shapes: ["two"], crash: 1, sweeper: false, outsiders: ["sweeper"] },
    seen: LOST,
  },
  {
    number: 10,
    name: "the loser of a claim deletes the lease key",
    edits: [
      {
        file: CLAIM,
        from: '  if (put.kind === "conflict") return undefined;',
        to: `  if (put.kind === "conflict") {
    await queue.store.delete(leaseKey(task.id, expiresAt));
    return undefined;
  }`,
      },
    ],
    setting: { shapes: ["two", "three"], crash: 1, sweeper: false },
    seen: LOST,
  },
  {
    number: 11,
    name: "look into the inbox only before the wait is recorded",
    edits: [
      {
        file: DRIVER,
        from: "if (!this.#owesInbox || record.machine === undefined",
        to: "if (!this.#wakeUp.listens || record.machine === undefined",
      },
    ],
    setting: { shapes: ["parked", "twice"] },
    seen: LOST,
  },
  {
    number: 12,
    name: "the next writer drops entries that it did not carry out",
    edits: [
      {
        file: DECIDE,
        from: "    machine: record.machine,\n    program,",
        to: "    machine: { ...record.machine, outbox: [] },\n    program,",
      },
      {
        file: DECIDE,
        from: "  if (draft.record === record && draft.machine === record.machine && !draft.force) return record;",
        to: "  if (draft.applied.length === 0 && !draft.force && draft.fresh.length === 0) return record;",
      },
    ],
    setting: { shapes: ["fork"], crash: 1 },
    seen: /lost: not over|no steps\//u,
  },
  {
    number: 13,
    name: "others carry out the creation of an owned step",
    edits: [
      {
        file: DECIDE,
        from: "    free.splice(index, 1);",
        to: "    free.splice(index, 1);\n    addEntry(draft, createEntry(ref));",
      },
      {
        file: OUTBOX,
        from: "      if (kindOf(this.#context.effects, entry).isFree?.(entry, record) === false) continue;",
        to: '      if (entry.do === "create" && entry.by?.task === this.#context.task) continue;',
      },
    ],
    setting: { shapes: ["pause", "cancel"] },
    // The owner is asked before a handler starts, so there are not two; the needless task ends and takes the step with it.
    seen: /two live holders|lost: not over/u,
  },
  {
    number: 14,
    rare: true,
    name: "finish a task under somebody else's lease",
    edits: [
      {
        file: "src/queue/settle.ts",
        from: '(task.status === "pending" ? ended(task, end, now) : undefined)',
        to: '(task.status === "pending" || task.status === "running" ? ended(task, end, now) : undefined)',
      },
    ],
    // It takes somebody else to complete the step that the holder of its task runs.
    setting: { shapes: ["fork", "three"], outsiders: ["completer"], crash: 1, sweeper: false },
    seen: /ended task .*, which .* held/u,
  },
  {
    number: 15,
    rare: true,
    name: "a retry deletes the lease key, and a late delete takes the ready key (no sweeper)",
    edits: [
      {
        file: "src/queue/finish.ts",
        from: '    ended.task.status === "failed" ? deleteLeaseKey(queue, ended.held) : putWaitingKey(queue, ended.task, false),\n  );',
        to: `    ended.task.status === "failed" ? deleteLeaseKey(queue, ended.held) : putWaitingKey(queue, ended.task, false),
  );
  if (ended.task.status !== "failed") await deleteLeaseKey(queue, ended.held);`,
      },
    ],
    setting: {
      shapes: ["retry"],
      crash: 1,
      unknown: 1,
      aim: "delete ready/",
      strikes: ["echo"],
      workers: 1,
      sweeper: false,
      long: false,
    },
    seen: LOST,
  },
  {
    number: 16,
    name: "no fence write",
    edits: [NO_FENCE_WRITE],
    setting: { shapes: ["two", "three"], crash: 1, sweeper: false },
    seen: LOST,
  },
  {
    number: 17,
    // Either of the two keeps a run from being lost: each is the fence of the other's gaps. Mistake 18 takes out the gate alone.
    name: "no gate, and facts of a claim that does not hold its step any more",
    edits: [
      NO_GATE,
      {
        file: "src/run/decide/decide.ts",
        from: 'if ("claim" in fact && !isHeld(draft, fact.ref, fact.claim)) return;',
        to: 'if ("claim" in fact && fact.claim === undefined && !isHeld(draft, fact.ref, fact.claim)) return;',
      },
    ],
    setting: { shapes: ["two", "three"], freeze: 1, crash: 1, sweeper: false },
    seen: LOST,
  },
  {
    number: 18,
    name: "no gate, while a failed run is undone",
    edits: [NO_GATE],
    setting: { shapes: ["undone", "saga", "race"], freeze: 1 },
    seen: /starts after its undo/u,
  },
  {
    number: 19,
    rare: true,
    name: "release by a holder with an older attempt, without the gate",
    edits: [
      NO_GATE,
      {
        file: EXECUTIONS,
        from: "owner.task === task && owner.attempt < before",
        to: "owner.task === task",
      },
    ],
    setting: { shapes: ["two", "three"], freeze: 1, crash: 1 },
    seen: /two live holders|lost: not over/u,
  },
  {
    number: 20,
    name: "a later result overwrites, without the gate",
    edits: [
      NO_GATE,
      {
        file: EXECUTIONS,
        from: '  const execution = findExecution(draft, ref);\n  if (execution === undefined) return;\n  if (ref.kind === "undo") {\n    if (move(draft, { type: "undo.done"',
        to: '  const execution = findExecution(draft, ref);\n  if (execution === undefined) return ref.kind === "run" ? completeStep(draft, ref, result, attempt) : undefined;\n  if (ref.kind === "undo") {\n    if (move(draft, { type: "undo.done"',
      },
    ],
    setting: { shapes: ["two", "three"], freeze: 1 },
    seen: /the committed result of .* changed/u,
  },
  {
    number: 21,
    name: "the worker writes steps/x itself, before the record",
    edits: [
      {
        file: DRIVER,
        from: "    const outcome = await this.#commit([...this.#outbox.takeFacts(), ...facts,",
        to: `    for (const fact of end.facts) {
      if (fact.fact === "done" && fact.ref.kind === "run") {
        const key = \`workflow/\${record.id}/steps/\${fact.ref.step}.json\`;
        await this.#context.dispatch.queue.store.put(key, JSON.stringify(fact.result), "absent").catch(() => undefined);
      }
    }
    const outcome = await this.#commit([...this.#outbox.takeFacts(), ...facts,`,
      },
    ],
    setting: { shapes: ["two", "three"], crash: 1, unknown: 1 },
    seen: /differs from the record/u,
  },
  {
    number: 22,
    name: "an entry is confirmed by its id alone",
    edits: [
      {
        file: OUTBOX,
        from: "  const outbox = draft.machine.outbox.filter((entry) => !entries.has(entryKey(entry)));",
        to: `  const ids = new Set([...entries].map((key) => (JSON.parse(key) as { id: string }).id));
  const outbox = draft.machine.outbox.filter((entry) => !ids.has(entry.id) && entryKey(entry) !== "");`,
      },
    ],
    setting: {
      shapes: ["halts"],
      concurrency: 1,
      long: false,
      // Who asks for the fences hears late of the one of a branch that had not begun; then the owner dies, and whoever released its step.
      inTurn: [
        { kinds: ["slow"], aim: "delete ready/", delayMs: [45_000, 70_000] },
        { kinds: ["crash-before"], aim: "put workflow/run/state.json", other: true },
        { kinds: ["crash-after"], aim: "put workflow/run/state.json" },
      ],
    },
    seen: LOST,
  },
  {
    number: 23,
    name: "a release keeps the fence that its owner answered, with its old stamp",
    edits: [
      {
        file: EXECUTIONS,
        from: "  addEntry(draft, isDraining(draft, ref) ? fenceEntry(ref) : createEntry(ref));",
        to: `  if (draft.machine.outbox.some(({ id }) => id === entryId("fence", ref))) return;
  addEntry(draft, isDraining(draft, ref) ? fenceEntry(ref) : createEntry(ref));`,
      },
    ],
    setting: { shapes: ["halt"], concurrency: 1, long: false, crash: 1 },
    seen: LOST,
  },
  {
    number: 24,
    name: "a record that was written without an answer counts as not written",
    edits: [{ file: COMMIT, from: "        mayHaveWritten = true;\n", to: "" }],
    setting: {
      shapes: ["early"],
      long: false,
      strikes: ["reply-lost"],
      aim: "put workflow/run/state.json",
      unknown: 1,
    },
    seen: LOST,
  },
];
