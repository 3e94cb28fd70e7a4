/** What a kind of effect says of itself: what its entries in the outbox hold, under which rules they are, and how one is dispatched. */
import type { Program } from "../../programs/programs.ts";
import { millisOf, type QueueContext, type TaskRecord, type TaskSpec } from "../../queue/task.ts";
import { createTask } from "../../queue/submit.ts";
import type { TaskEnd } from "../../queue/settle.ts";
import type { StoredValue } from "../../wire/value.ts";
import type { Fact } from "../facts.ts";
import {
  type Actor,
  type EntryBase,
  type Execution,
  type ExecutionRef,
  type RunRecord,
  sameExecution,
} from "../record/record.ts";
import type { ShapeOf } from "../record/shape.ts";

/** What dispatching needs of its process. */
export interface DispatchContext {
  readonly queue: QueueContext;
  /** The kinds of effects that the outbox of a run may hold. */
  readonly effects: readonly EffectKind[];
  /** Told of tasks that this process made ready, so that it need not find them by polling. */
  readonly onReady: (taskId: string, availableAt: number) => void;
  /**
   * Tells the handler that runs under this task that it is not wanted any more, if it runs in this process. The answer says whether this
   * process holds the task under a lease that is not over: then nobody else does, and nothing has to be written.
   */
  readonly requestCancel: (taskId: string) => boolean;
}

/** Who dispatches. */
export interface Dispatcher {
  readonly actor: Actor;
  /** Ends a task that it holds itself beside its first one. False: it does not hold it. */
  finishOwn(taskId: string, end: TaskEnd): Promise<boolean>;
}

/** Where an entry is dispatched: the record that asks for it, and who does it. */
export interface DispatchSite {
  readonly context: DispatchContext;
  readonly record: RunRecord;
  readonly program: Program;
  readonly dispatcher: Dispatcher;
}

/**
 * A kind of effect. Each is idempotent: its object has a computed id and is put if absent (R4). A new kind is a file of its own and a
 * line in `effects.ts`.
 */
export interface EffectKind<E extends EntryBase = EntryBase> {
  /** The member `do` of its entries: its name in the bucket. */
  readonly do: E["do"];
  /** The schema of what its entries say beside their id, stamp and kind. */
  readonly shape: ShapeOf<Omit<E, keyof EntryBase>>;
  /** Whether it is still dispatched when the run was terminated: it tells of the past, and moves nothing. */
  readonly outlivesTermination: boolean;
  /** The step that an entry is about, which the program of the run must have; undefined: none. */
  stepOf(entry: E): string | undefined;
  /** Whether any driver may dispatch it, as the record stands. Absent: always. */
  isFree?(entry: E, record: RunRecord): boolean;
  /** The entry with the result of its step inside, if it is about that step's result: the step table forgets it. Absent: it never is. */
  withResult?(entry: E, step: string, result: StoredValue): E;
  /** Resolves once the effect is durable, with what was learned on the way. */
  dispatch(entry: E, site: DispatchSite): Promise<readonly Fact[]>;
}

/** The id of an entry about an execution: a later entry with the same id replaces it. */
export function entryId(kind: string, ref: ExecutionRef): string {
  return `${kind}:${ref.kind}:${ref.step}:${ref.generation}:${ref.wake}`;
}

/** The execution of this name, if it is in flight. */
export function executionIn(record: RunRecord, ref: ExecutionRef): Execution | undefined {
  return record.machine?.executions.find((execution) => sameExecution(execution, ref));
}

/** Makes sure that a task is there, and tells the process when it is due. Resolves to the task that was there before. */
export async function makeReady(context: DispatchContext, spec: TaskSpec): Promise<TaskRecord | undefined> {
  const made = await createTask(context.queue, spec);
  // One that stands already is due when it says: of a record made anew the timer would seem to begin now.
  const { latest } = context.queue.store.time();
  const dueAt = made.kind === "exists" ? millisOf(made.task.available_at) : (spec.availableAt ?? latest);
  context.onReady(spec.id, dueAt);
  return made.kind === "exists" ? made.task : undefined;
}
