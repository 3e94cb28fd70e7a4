/** A workflow as a model for tests with XState: its events and states are finite. */
import type { AnyMachineSnapshot, AnyStateMachine } from "xstate";
import { createTestModel, type TestModel } from "xstate/graph";
import { buildMachine, project, type RunMachine } from "../../../machines/plan/advance.ts";
import type { RunEvent } from "../../../machines/events.ts";
import type { PersistedSnapshot, Projection } from "../../../machines/snapshot.ts";
import type { AnyWorkflow } from "../../define/workflow.ts";
import { sortedJson } from "../../wire/hash.ts";
import { type EventOptions, eventsFor } from "./events.ts";
import { checkModelOptions } from "./options.ts";

/** A state of a model, as `createActor(machine).getSnapshot()` returns it. */
export type ModelState = AnyMachineSnapshot;

/** A model with its own events. */
export type WorkflowModel = TestModel<ModelState, RunEvent, unknown>;

/** The options that `model` passes to `createTestModel`. */
export interface GivenTestModelOptions {
  /** The events that may follow a state. */
  readonly events: (state: ModelState) => readonly RunEvent[];
  /** Returns the same text for equal states. */
  readonly serializeState: (state: ModelState) => string;
}

/** `createTestModel` of `xstate/graph`, of `@xstate/graph`, or a function like them. */
export type CreateTestModel<M> = (machine: AnyStateMachine, options: GivenTestModelOptions) => M;

/**
 * The model of a workflow: `createTestModel` of `xstate/graph` with everything that it needs, so that `getShortestPaths()` and
 * `getSimplePaths()` come to an end and hold nothing that a run could not meet. Its events are those of `EventOptions`, with the
 * generation that they answer.
 * @throws {WorkflowError} `invalid` for options that are none, or that name a step or signal that is not there.
 *
 * @example
 * ```ts
 * for (const path of model(order).getShortestPaths()) console.log(path.description);
 * ```
 */
export function model(workflow: Pick<AnyWorkflow, "plan">, options?: EventOptions): WorkflowModel;
/** The same made by another `createTestModel`, for instance that of `@xstate/graph`. */
export function model<M extends { options: object }>(
  workflow: Pick<AnyWorkflow, "plan">,
  options: EventOptions & { readonly createTestModel: CreateTestModel<M> },
): M;
export function model(
  workflow: Pick<AnyWorkflow, "plan">,
  options: EventOptions & { readonly createTestModel?: CreateTestModel<{ options: object }> } = {},
): { options: object } {
  checkModelOptions(workflow.plan, options, "model");
  const machine = buildMachine(workflow.plan);
  const eventsOf = eventsFor(workflow.plan, options);
  const events = (state: ModelState): readonly RunEvent[] => eventsOf(projectState(machine, state));
  const create = options.createTestModel ?? (createTestModel as unknown as CreateTestModel<{ options: object }>);
  const made = create(machine.machine, { events, serializeState });
  // As an option `events` only fills in what events carry: every event of the chart, also those that it raises itself, is sent bare.
  Object.assign(made.options, { events });
  return made;
}

/** A state in words that need no machine. */
export function projectState(machine: RunMachine, state: ModelState): Projection {
  return project(machine, persistedOf(machine, state));
}

/** A state as a record would hold it. */
export function persistedOf(machine: RunMachine, state: ModelState): PersistedSnapshot {
  return machine.machine.getPersistedSnapshot(state) as unknown as PersistedSnapshot;
}

/** States that differ only in the order in which things were written down are one. */
function serializeState({ value, context }: ModelState): string {
  const { draining, ...rest } = context as { draining: readonly string[] };
  return sortedJson({ value, context: { ...rest, draining: draining.toSorted() } });
}
