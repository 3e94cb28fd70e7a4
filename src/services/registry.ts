/** What one worker serves: which tasks it takes, with which handlers, and which runs fit its definitions. */
import type { AnyWorkflow, ErasedHandlers } from "../define/workflow.ts";
import { stateKey } from "../keys.ts";
import type { QueueContext, TaskRecord } from "../queue/task.ts";
import type { ExecutionRef, RunRecord } from "../run/record/record.ts";
import { recordCodec } from "../run/record/codec.ts";
import { isServedElsewhere, type Announcement } from "../programs/announcements.ts";
import type { Unfit } from "./driver.ts";
import { readDocument } from "../store/document.ts";
import type { WakeUp, WakeUpKind } from "../run/wakeups/wake-up.ts";
import { wakeUpOf } from "../run/wakeups/wake-ups.ts";

/** What one worker runs. */
export class Registry {
  readonly #queue: QueueContext;
  readonly #worker: string;
  readonly #workflows: ReadonlyMap<string, AnyWorkflow>;
  readonly #wakeUps: readonly WakeUpKind[];
  readonly #saidOnce = new Set<string>();

  constructor(queue: QueueContext, worker: string, workflows: readonly AnyWorkflow[], wakeUps: readonly WakeUpKind[]) {
    this.#wakeUps = wakeUps;
    this.#queue = queue;
    this.#worker = worker;
    this.#workflows = new Map(workflows.map((workflow) => [workflow.name, workflow]));
  }

  /** Names of the workflows. */
  get names(): ReadonlySet<string> {
    return new Set(this.#workflows.keys());
  }

  /** Whether programs that do not know us may change runs of one of them. */
  get isForeign(): boolean {
    return [...this.#workflows.values()].some(({ plan }) => plan.foreign);
  }

  /** What this worker says of itself in the bucket. */
  announcement(): Announcement["workflows"] {
    return [...this.#workflows.values()].map((workflow) => ({
      name: workflow.name,
      definition_hash: workflow.definitionHash,
      plan_hash: workflow.planHash,
    }));
  }

  /** Why a task is there; undefined: it is for others. */
  wakeUpOf(task: TaskRecord): WakeUp | undefined {
    const wakeUp = wakeUpOf(task, this.#wakeUps);
    if (wakeUp?.workflow === undefined) return wakeUp;
    const { workflow, activity } = wakeUp;
    const isOurs =
      activity === undefined ? this.#workflows.has(workflow) : this.handlerOf(workflow, activity) !== undefined;
    return isOurs ? wakeUp : undefined;
  }

  /**
   * Whether a task can be run here. A tick that buquet put names no workflow: the record of its run says whether it is one of ours, or
   * one that buquet's own workers drive (W-3, W-4).
   */
  async canRun(task: TaskRecord): Promise<boolean> {
    const wakeUp = this.wakeUpOf(task);
    if (wakeUp === undefined) return false;
    return wakeUp.workflow !== undefined || this.#serves(wakeUp.runId);
  }

  /** Whether a ready task is taken. A step of a workflow that is served without a handler for it is left to others, and said once. */
  async accepts(task: TaskRecord): Promise<boolean> {
    if (await this.canRun(task)) return true;
    const { workflow, activity } = wakeUpOf(task, this.#wakeUps) ?? {};
    if (activity?.kind !== "run" || workflow === undefined || !this.#workflows.has(workflow)) return false;
    if (this.#saidOnce.has(task.task_type)) return false;
    this.#saidOnce.add(task.task_type);
    this.#queue.host.logger.warn("no handler here for a ready step; left for others", {
      worker: this.#worker,
      type: task.task_type,
      step: activity.step,
    });
    return false;
  }

  async #serves(runId: string): Promise<boolean> {
    const read = await readDocument(this.#queue.store, stateKey(runId), recordCodec);
    return read.kind === "found" && this.#workflows.has(read.value.type);
  }

  /** The handler of a step or its undo; undefined: none here. */
  handlerOf(
    workflow: string,
    ref: Pick<ExecutionRef, "kind" | "step">,
  ): ErasedHandlers["run"] | ErasedHandlers["compensate"] {
    const handlers = this.#workflows.get(workflow)?.handlers.get(ref.step);
    return ref.kind === "run" ? handlers?.run : handlers?.compensate;
  }

  /** P76: a worker with another definition leaves the run to one that was seen lately and has the right one, else pauses it. */
  async checkVersion(record: RunRecord): Promise<Unfit | undefined> {
    const workflow = this.#workflows.get(record.type);
    if (workflow === undefined)
      return { kind: "leave", reason: `workflow ${JSON.stringify(record.type)} is not served here` };
    if (record.definition_hash === "" || record.definition_hash === workflow.definitionHash) return undefined;
    const { store } = this.#queue;
    if (await isServedElsewhere(store, record, Math.round(store.time().latest))) {
      const reason = `a worker with definition ${record.definition_hash} was seen in the last minute`;
      return { kind: "leave", reason };
    }
    const steps = workflow.plan.steps.map((step) => step.name).join(", ");
    const message = `Workflow definition changed. Expected ${record.definition_hash}, got ${workflow.definitionHash} (steps here: ${steps})`;
    return { kind: "mismatch", message };
  }
}
