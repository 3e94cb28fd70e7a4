/** The same path on the engine: one worker of the test kit, and every request counted. */
import { PlanProgram } from "../../machines/plan/program.ts";
import type { Course, CostPath } from "../../src/cost/path.ts";
import { REQUESTED_KINDS, type Requests } from "../../src/cost/requests.ts";
import { type Sent, walk, type Walked } from "../../src/cost/walk.ts";
import type { AnyWorkflow, UntypedWorkflow } from "../../src/define/workflow.ts";
import { meterStore, PermanentError, type StoreUsage, untypedWorkflow } from "../../src/index.ts";
import { DEFAULT_SKEW_MARGIN_MS } from "../../src/run/handle.ts";
import { DEFAULT_FOREIGN_POLL_MS } from "../../src/services/foreign-poll.ts";
import { DEFAULT_LEASE_MS } from "../../src/services/worker-options.ts";
import type { ObjectStore } from "../../src/store/object-store.ts";
import { createTestKit, type TestKit } from "../../src/testing/index.ts";

/** A step as a test writes it. */
export interface SpecStep {
  readonly name: string;
  readonly dependsOn: readonly string[];
  /** A node that waits for the signal of its name. */
  readonly signal?: { readonly timeout?: number; readonly onTimeout: "fail" | "continue" };
  readonly retries?: number;
  readonly initialMs?: number;
  readonly timeout?: number;
  readonly delay?: number;
  readonly onFailure?: "fail_workflow" | "pause_workflow" | "continue" | "compensate";
  readonly compensate?: boolean;
}

/** A workflow and one way that its run goes. */
export interface Case {
  readonly steps: readonly SpecStep[];
  readonly compensation: "mirror" | "chain";
  /** @defaultValue false */
  readonly foreign?: boolean;
  readonly path: CostPath;
  /** Milliseconds between the start of the worker and that of the run. */
  readonly offsetMs: number;
}

/** Clock and calls that handlers need. */
interface Stage {
  sleep(ms: number): Promise<void>;
}

interface HandlerContext {
  waitForSignal(name: string, options?: { timeout?: number }): Promise<unknown>;
}

/** The workflow of a case; its handlers do what the path says. */
export function workflowOf(
  { steps, compensation, path, foreign = false }: Case,
  stage: Stage = { sleep: async () => {} },
): AnyWorkflow {
  const calls = new Map<string, number>();
  const act =
    (kind: "run" | "undo", name: string) =>
    async (context: unknown): Promise<null> => {
      const course: Course = (kind === "run" ? path.steps : path.undos)?.get(name) ?? {};
      const called = (calls.get(`${kind} ${name}`) ?? 0) + 1;
      calls.set(`${kind} ${name}`, called);
      await stage.sleep(course.durationMs ?? 100);
      if (called <= (course.failures ?? 0)) throw new Error("not yet");
      for (const { signal, timeoutMs = 0 } of (kind === "run" ? course.waits : undefined) ?? [])
        await (context as HandlerContext).waitForSignal(signal, timeoutMs === 0 ? {} : { timeout: timeoutMs });
      if (course.ends === "fails") throw new PermanentError("never");
      return null;
    };
  let workflow: UntypedWorkflow = untypedWorkflow("counted", { compensation, foreign });
  for (const step of steps) {
    const { name, dependsOn, signal } = step;
    const onFailure = step.onFailure === undefined ? {} : { onFailure: step.onFailure };
    if (signal !== undefined) {
      workflow = workflow.signal(name, { dependsOn, ...signal, ...onFailure });
      continue;
    }
    workflow = workflow.step(name, {
      dependsOn,
      ...onFailure,
      retries: step.retries ?? 3,
      retryPolicy: { initialMs: step.initialMs ?? 1_000, maxMs: 60_000, multiplier: 2, jitter: 0 },
      ...(step.timeout === undefined ? {} : { timeout: step.timeout }),
      ...(step.delay === undefined ? {} : { delay: step.delay }),
      run: act("run", name),
      ...(step.compensate === true ? { compensate: act("undo", name) } : {}),
    });
  }
  return workflow;
}

/** What workers do whether there are runs or not: their rounds and what they say of themselves, and the plan, put once. */
const isUpkeep = (key: string): boolean => /^(workers\/|x-workflow\/(serving|types|plans)\/)/u.test(key);
const isRound = (prefix: string): boolean => !prefix.startsWith("workflow/");

/** Counts what the run itself asks of the kit's store. */
function meterRun(kit: TestKit): () => Requests {
  const { store } = kit;
  const real: ObjectStore = {
    url: store.url,
    capabilities: store.capabilities,
    get: store.get.bind(store),
    put: store.put.bind(store),
    delete: store.delete.bind(store),
    list: store.list.bind(store),
    versions: store.versions.bind(store),
    getVersion: store.getVersion.bind(store),
    time: store.time.bind(store),
    [Symbol.asyncDispose]: async () => {},
  };
  const metered = meterStore(real);
  const through = (key: string): ObjectStore => (isUpkeep(key) ? real : metered);
  store.get = (key) => through(key).get(key);
  store.put = (key, body, condition) => through(key).put(key, body, condition);
  store.delete = (key) => through(key).delete(key);
  store.list = (prefix, options) => (isRound(prefix) ? real : metered).list(prefix, options);
  return () => billed(metered.usage());
}

/** Counts as a bill sees them. */
function billed({ requests }: StoreUsage): Requests {
  return {
    put: requests.put + requests.create + requests.replace,
    get: requests.get + requests.getVersion,
    list: requests.list + requests.versions,
    delete: requests.delete,
    head: 0,
  };
}

/** Who meets a conflict waits for so long at most before it reads again. */
const JITTER_MS = 50;

const NEW_YEAR_2026 = 1_767_225_600_000;

/** A leap of the kit's clock would leave rounds out. */
const STRIDE_MS = 100_000;

/** What a case is predicted to cost. */
export function predict(priced: Case, workflow: AnyWorkflow = workflowOf(priced)): Walked {
  const program = new PlanProgram(workflow.plan, { planHash: "", definitionHash: "" });
  const workerAt = NEW_YEAR_2026;
  return walk(program, priced.path, {
    startAt: workerAt + priced.offsetMs,
    workerAt,
    leaseMs: DEFAULT_LEASE_MS,
    skewMarginMs: DEFAULT_SKEW_MARGIN_MS,
    foreignPollMs: DEFAULT_FOREIGN_POLL_MS,
    horizonMs: 86_400_000,
  });
}

/** Plays a case on the engine and counts. `sent` says when a client signals and steers, `lastMs` how long to watch. */
export async function count(
  played: Case,
  { sent, lastMs }: { readonly sent: readonly Sent[]; readonly lastMs: number },
): Promise<{ readonly requests: Requests; readonly status: string }> {
  const workflow = workflowOf(played, { sleep: (ms) => kit.clock.sleep(ms) });
  await using kit = await createTestKit({
    workflows: [workflow],
    worker: { concurrency: 1_000 },
    startAt: NEW_YEAR_2026,
  });
  const strideMs = played.foreign === true ? DEFAULT_FOREIGN_POLL_MS / 2 : STRIDE_MS;
  const stride = (on: TestKit, forMs: number): Promise<void> => strideBy(on, forMs, strideMs);
  await stride(kit, played.offsetMs);
  const counted = meterRun(kit);
  const startedAt = kit.clock.now();
  const run = await kit.client.start(workflow, null, { id: "priced" });
  const until = (ms: number): Promise<void> => stride(kit, startedAt + ms - kit.clock.now());
  for (const event of sent) {
    await until(event.ms);
    if ("signal" in event) await run.signal(event.signal, null).catch(() => {});
    else await command(kit, event.command);
  }
  await until(lastMs + JITTER_MS);
  const requests = counted();
  return { requests, status: (await run.get()).status };
}

async function command(kit: TestKit, asked: Extract<Sent, { command: unknown }>["command"]): Promise<void> {
  const { client } = kit;
  switch (asked.type) {
    case "cancel":
      return client.cancel("priced", { compensate: asked.compensate });
    case "pause":
      return client.pause("priced");
    case "resume":
      return client.resume("priced");
    case "terminate":
      return client.terminate("priced");
    case "skip":
      return client.skip("priced", asked.step);
    case "retry":
      throw new Error("no client sends it yet");
  }
}

async function strideBy(kit: TestKit, ms: number, strideMs: number): Promise<void> {
  for (let left = ms; left > 0; left -= strideMs) await kit.clock.advance(Math.min(left, strideMs));
  await kit.clock.advance(0);
}

/** Both in one line, for people. */
export const shown = (requests: Requests): string =>
  REQUESTED_KINDS.map((kind) => `${kind.toUpperCase()} ${requests[kind]}`).join(" ");
