/** What is said of a path is what a worker and a client ask for that play it in a simulated fleet. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { PlanProgram } from "../../machines/plan/program.ts";
import { WorkflowClient } from "../../src/client/client.ts";
import { cost } from "../../src/cost/index.ts";
import type { HandlerBehaviour, ScheduledCommand } from "../../src/cost/path.ts";
import type { Requests } from "../../src/cost/requests.ts";
import { isWorkflowError, PermanentError } from "../../src/errors.ts";
import { ACTIVE_PREFIX, DUE_PREFIX, LEASES_PREFIX, READY_PREFIX, stateKey, WORKFLOW_PREFIX } from "../../src/keys.ts";
import { handleOf } from "../../src/queue/handle.ts";
import { isOver, type RunRecord } from "../../src/run/record/record.ts";
import { decodeRecord } from "../../src/run/record/codec.ts";
import { openWaits } from "../../src/run/view.ts";
import { Worker } from "../../src/services/worker.ts";
import { World } from "../simulation/world/index.ts";
import { type Case, CASES, countByKey, type HandlerContext } from "./cases.ts";

const PAGE = readFileSync("docs/costs.md", "utf8");
const RUN = "run";
const POLL_MS = 5_000;
/** What `cost` assumes. Drawn latencies order what several branches ask for at once in other ways, a request more or less. */
const REQUEST_MS = 20;
const STRIDE_MS = 250;
const STRIDES_A_LOOK = 40;
const LONGEST_MS = 2 * 3_600_000;

/** One case in a world of its own. Of `src/cost` it knows the words for a path and nothing else. */
class Play {
  readonly #case: Case;
  readonly #world: World;
  readonly #client: WorkflowClient;
  readonly #worker: Worker;
  readonly #program: PlanProgram;
  readonly #calls = new Map<string, number>();
  readonly #answered = new Set<string>();

  constructor(played: Case) {
    this.#case = played;
    this.#world = new World(played.path.name, { versions: false, latency: REQUEST_MS });
    const worker = this.#world.spawn("worker");
    const client = this.#world.spawn("client");
    const workflow = played.define((what, context) => this.#act(what, context, (ms) => worker.host.clock.sleep(ms)));
    const workflows = [workflow];
    this.#program = new PlanProgram(workflow.plan, workflow);
    this.#worker = new Worker(handleOf(worker.store, worker.host), { workflows, id: "worker" });
    this.#client = new WorkflowClient(handleOf(client.store, client.host), { workflows });
  }

  async toEnd(): Promise<{ readonly requests: Requests; readonly status: string }> {
    const { commands = [] } = this.#case.path;
    void this.#worker.start();
    await this.#world.advance(80_000);
    void this.#client.start("counted", null, { id: RUN });
    for (const scheduled of commands) if (scheduled.after.step === undefined) this.#plan(scheduled);
    while (this.#world.nowMs < LONGEST_MS) {
      for (let stride = 0; stride < STRIDES_A_LOOK; stride += 1) {
        await this.#world.advance(STRIDE_MS);
        await this.#answer();
      }
      const record = await this.#record();
      if (record !== undefined && isOver(record.status) && (await this.#isQuiet()))
        return { requests: this.#count(), status: record.status };
    }
    throw new Error("it does not end");
  }

  async #act(what: string, context: HandlerContext, sleep: (ms: number) => Promise<void>): Promise<null> {
    const { path } = this.#case;
    const undone = what.startsWith("undo.") ? what.slice("undo.".length) : undefined;
    const behaviour: HandlerBehaviour = (undone === undefined ? path.steps?.get(what) : path.undos?.get(undone)) ?? {};
    const call = (this.#calls.get(what) ?? 0) + 1;
    this.#calls.set(what, call);
    if (call === 1)
      for (const scheduled of path.commands ?? []) if (scheduled.after.step === what) this.#plan(scheduled);
    await sleep(behaviour.durationMs ?? 100);
    if (call <= (behaviour.failures ?? 0)) throw new Error("not yet");
    for (const { signal, timeoutMs } of behaviour.waits ?? [])
      await context.waitForSignal(signal, timeoutMs === undefined ? {} : { timeout: timeoutMs });
    if (behaviour.ends === "fails") throw new PermanentError("never");
    return null;
  }

  #plan({ command, after }: ScheduledCommand): void {
    this.#world.after(after.ms, () => {
      if (command.type === "skip") this.#ask(this.#client.skip(RUN, command.step));
      else if (command.type === "cancel") this.#ask(this.#client.cancel(RUN, { compensate: command.compensate }));
      else this.#ask(this.#client[command.type](RUN));
    });
  }

  #ask(asked: Promise<unknown>): void {
    asked.catch((error: unknown) => {
      if (!isWorkflowError(error, "invalid")) throw error;
    });
  }

  async #answer(): Promise<void> {
    const record = await this.#record();
    for (const { signal } of record === undefined ? [] : openWaits(record, this.#program)) {
      const afterMs = this.#case.path.answers?.get(signal);
      if (afterMs === undefined || this.#answered.has(signal)) continue;
      this.#answered.add(signal);
      this.#world.after(afterMs, () => this.#ask(this.#client.signal(RUN, signal, null)));
    }
  }

  async #record(): Promise<RunRecord | undefined> {
    const read = await this.#world.store.get(stateKey(RUN));
    return read.kind === "found" ? decodeRecord(read.object.body, stateKey(RUN)) : undefined;
  }

  async #isQuiet(): Promise<boolean> {
    const indexes = [READY_PREFIX, LEASES_PREFIX, DUE_PREFIX, ACTIVE_PREFIX];
    const pages = await Promise.all(indexes.map((prefix) => this.#world.store.list(prefix)));
    return pages.every(({ objects }) => objects.length === 0);
  }

  /** A list inside the run is its inbox; a poll that comes before its time follows one that found work of the run. */
  #count(): Requests {
    const sent = this.#world.trace.map(({ kind, key, sentAt }) => {
      if (kind === "versions" || kind === "getVersion") throw new Error("nobody looks at versions here");
      return { kind, key, sentAt };
    });
    const lists = sent.filter(({ kind }) => kind === "list");
    const inbox = lists.filter(({ key }) => key.startsWith(WORKFLOW_PREFIX));
    const polls = lists.filter(({ key }) => key.startsWith(READY_PREFIX));
    const sooner = polls.filter(({ sentAt }, index) => sentAt - (polls[index - 1]?.sentAt ?? -POLL_MS) < POLL_MS);
    return { ...countByKey(sent), list: inbox.length + sooner.length };
  }
}

test.each(CASES)("$path.name", async (played) => {
  const [said] = (await cost(played.define(), { paths: [played.path] })).paths;
  const counted = await new Play(played).toEnd();
  expect({ requests: said?.requests, status: said?.status }).toEqual(counted);
  const { put, get, list, delete: deleted } = counted.requests;
  expect(PAGE).toContain(`\n| ${played.path.name} | ${put} | ${get} | ${list} | ${deleted} |\n`);
});
