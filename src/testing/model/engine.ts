/** An engine in a kit that follows a path, one event at a time. Its clock hardly moves: timers are fired directly. */
import { buildMachine, project, type RunMachine } from "../../../machines/plan/advance.ts";
import type { RunEvent } from "../../../machines/events.ts";
import type { Projection } from "../../../machines/snapshot.ts";
import type { Run } from "../../client/client.ts";
import type { AnyWorkflow } from "../../define/workflow.ts";
import { WorkflowError } from "../../errors.ts";
import { createTask } from "../../queue/submit.ts";
import type { RunRecord } from "../../run/record/record.ts";
import { timerTick } from "../../run/wakeups/timer.ts";
import { createTestKit, type TestKit } from "../kit.ts";
import { type EventOptions, waitsOf } from "./events.ts";
import { type Answer, Answers, stubbed } from "./stubs.ts";

/** What stub handlers return and signals carry. */
export interface EngineOptions extends EventOptions {
  /** Input of the run; its schema is not asked, for no handler looks at it. @defaultValue null */
  readonly input?: unknown;
  /** What steps return, by name. @defaultValue null */
  readonly outputs?: Readonly<Record<string, unknown>>;
  /** What signals carry, by name; the schema of a signal is asked when its payload is given here. @defaultValue null */
  readonly signals?: Readonly<Record<string, unknown>>;
}

/** A run of the user's plan, with stubs for handlers. */
export interface Engine extends AsyncDisposable {
  /** Brings an event about and lets everything happen that follows from it. */
  bring(event: RunEvent): Promise<void>;
  /** The record as it is now. */
  record(): Promise<RunRecord>;
  /** What the machine in a record says. */
  view(record: RunRecord): Projection;
}

const RUN_ID = "path";
const NEXT_LOOK_MS = 1_000;

/** Makes an engine without a run; `start` starts it. */
export async function startEngine(workflow: AnyWorkflow, options: EngineOptions): Promise<Engine> {
  const answers = new Answers();
  const stub = stubbed(
    workflow,
    answers,
    (promise) => kit.hold(promise),
    (step) => waitsOf(options, step),
    new Set(Object.keys(options.signals ?? {})),
  );
  // Every handler may be held at once, and whoever tells the run something needs a place beside them.
  const concurrency = 2 * workflow.plan.steps.length + 2;
  const kit: TestKit = await createTestKit({ workflows: [stub], worker: { concurrency } });
  return new KitEngine(stub, kit, answers, options);
}

class KitEngine implements Engine {
  readonly #workflow: AnyWorkflow;
  readonly #machine: RunMachine;
  readonly #kit: TestKit;
  readonly #answers: Answers;
  readonly #options: EngineOptions;
  readonly #run: Run;

  constructor(workflow: AnyWorkflow, kit: TestKit, answers: Answers, options: EngineOptions) {
    this.#workflow = workflow;
    this.#machine = buildMachine(workflow.plan);
    this.#kit = kit;
    this.#answers = answers;
    this.#options = options;
    this.#run = kit.client.run(RUN_ID);
  }

  async bring(event: RunEvent): Promise<void> {
    await this.#bring(event);
    await this.#kit.idle();
    // A task is given back, past whoever asked it to stop at the same moment, and taken by the next check at the queue.
    if (event.type === "step.fenced") {
      await this.#kit.clock.advance(NEXT_LOOK_MS);
      await this.#kit.idle();
    }
  }

  async record(): Promise<RunRecord> {
    return (await this.#run.get()).record;
  }

  view(record: RunRecord): Projection {
    if (record.machine === undefined) throw new WorkflowError("internal", "the record has no machine");
    return project(this.#machine, record.machine.snapshot);
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.#kit[Symbol.asyncDispose]();
  }

  async #bring(event: RunEvent): Promise<void> {
    const { client } = this.#kit;
    switch (event.type) {
      case "start":
        await client.start(this.#workflow, this.#options.input ?? null, { id: RUN_ID });
        return;
      case "step.done":
        return this.#answer("run", event, { kind: "returns", value: given(this.#options.outputs, event.step) });
      case "step.failed":
        return this.#answer("run", event, { kind: event.outcome === "never" ? "fails" : "breaks" });
      case "step.waiting":
        return this.#answer("run", event, { kind: "waits" });
      case "step.fenced":
        return this.#answer("run", event, { kind: "leaves" });
      case "undo.done":
        return this.#answer("undo", event, { kind: "returns", value: null });
      case "undo.failed":
        return this.#answer("undo", event, { kind: "fails" });
      case "signal.received":
        return this.#signal(event.step);
      case "timer.due":
        return this.#fire(event);
      case "resume":
        return client.resume(RUN_ID);
      case "cancel":
        return client.cancel(RUN_ID, { compensate: event.compensate });
      case "skip":
        return client.skip(RUN_ID, event.step);
    }
  }

  async #answer(
    kind: "run" | "undo",
    event: { readonly step: string; readonly generation: number },
    answer: Answer,
  ): Promise<void> {
    const { step, generation } = event;
    const wake = kind === "undo" ? 0 : (this.view(await this.record()).steps.get(step)?.wake ?? 0);
    this.#answers.give({ kind, step, generation, wake }, answer);
  }

  async #signal(step: string): Promise<void> {
    const wait = this.view(await this.record()).waits.find((open) => open.step === step);
    if (wait === undefined) throw new WorkflowError("invalid", `step ${JSON.stringify(step)} waits for no signal`);
    await this.#kit.client.signal(RUN_ID, wait.signal, given(this.#options.signals, wait.signal));
  }

  /** The task of a timer is due when its time has come; one more of the same timer is due at once. */
  async #fire(event: Extract<RunEvent, { type: "timer.due" }>): Promise<void> {
    const { machine } = await this.record();
    const timer = machine?.timers.find(
      (open) => open.timer === event.timer && open.step === event.step && open.generation === event.generation,
    );
    if (timer === undefined)
      throw new WorkflowError("invalid", `no ${event.timer} of step ${JSON.stringify(event.step)} runs`);
    const { context, events } = this.#kit.queue;
    const { availableAt: _later, ...task } = timerTick.task({ id: RUN_ID, type: this.#workflow.name }, { timer });
    const id = context.host.random.uuid();
    await createTask(context, { ...task, id });
    events.ready(id, context.store.time().latest);
  }
}

/** A value that is given by name; names may be `__proto__`. */
function given(values: Readonly<Record<string, unknown>> | undefined, name: string): unknown {
  return values !== undefined && Object.hasOwn(values, name) ? values[name] : null;
}
