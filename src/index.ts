/** Durable workflows on object storage. */
export { connect, type ConnectOptions, handleOf, type QueueHandle } from "./client/connect.ts";
export {
  type CancelOptions,
  type ClientOptions,
  type CommandOptions,
  type ListRunsOptions,
  type Run,
  type RunView,
  type StartOptions,
  type WaitForRunOptions,
  WorkflowClient,
} from "./client/client.ts";
export { type AnyWorkflow, type InputOf, type OutputOf, untypedWorkflow, workflow } from "./define/workflow.ts";
export type { StepContext } from "./define/context.ts";
export {
  type ErrorCode,
  PermanentError,
  RescheduleError,
  RetryableError,
  RunNotFoundError,
  TimeoutError,
  WorkflowCancelledError,
  WorkflowError,
  WorkflowFailedError,
} from "./errors.ts";
export type { Clock, Host, Logger, Random } from "./host/host.ts";
export { nodeHost } from "./host/node.ts";
export { Worker, type WorkerOptions } from "./services/worker.ts";
export { sweepActive, type SweepOptions, type SweptRun } from "./services/sweeper.ts";
export type {
  ETag,
  GetOutcome,
  ListOptions,
  ListPage,
  ObjectStore,
  ObjectVersion,
  PutCondition,
  PutOutcome,
  StoreCapabilities,
  TimeBounds,
} from "./store/object-store.ts";
export { openStore } from "./store/open.ts";
