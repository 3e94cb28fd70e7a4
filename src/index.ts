/// <reference lib="esnext.disposable" preserve="true" />
/** Durable workflows on object storage. */
export { connect, type ConnectOptions } from "./client/connect.ts";
export { handleOf, type HandleOptions, type QueueHandle } from "./queue/handle.ts";
export {
  type CancelOptions,
  type ClientOptions,
  type CommandOptions,
  type ReasonedCommandOptions,
  type Run,
  type RunOf,
  type StartOptions,
  type WatchOptions,
  WorkflowClient,
} from "./client/client.ts";
export type { BulkOptions, BulkResult } from "./client/bulk.ts";
export type { BulkCommand } from "./client/commands.ts";
export type { ListRunsOptions, RunListOptions } from "./client/runs.ts";
export type { RunNext } from "./client/next.ts";
export type { NextCommand, NextSignal, NextStep, NextTimer, Preview } from "./run/next.ts";
export type { RunStep, RunView } from "./client/view.ts";
export {
  type AnyEvent,
  type AnyWorkflow,
  type CompiledWorkflow,
  type EventOf,
  type InputOf,
  type OutputOf,
  type SignalsOf,
  untypedWorkflow,
  type UntypedWorkflow,
  type Workflow,
  workflow,
  type WorkflowOptions,
} from "./define/workflow.ts";
export type { JsonValue, StepContext, UndoContext, WaitForSignalOptions } from "./define/context.ts";
export type { Schema } from "./define/schema.ts";
export type { Duration } from "./wire/duration.ts";
export {
  type ErrorCode,
  type FailureReason,
  isWorkflowError,
  PermanentError,
  RescheduleError,
  RetryableError,
  RunNotFoundError,
  TimeoutError,
  WorkflowCancelledError,
  WorkflowError,
  WorkflowFailedError,
} from "./errors.ts";
export { type Idempotency, IdempotencyConflictError } from "./queue/idempotency.ts";
export type { CancelTaskOptions, CancelTaskOutcome } from "./queue/cancel.ts";
export type { RepairedTasks, RepairOptions } from "./queue/repair.ts";
export type { SubmitOptions } from "./queue/submit.ts";
export type { TaskRecord, TaskStatus } from "./queue/task.ts";
export type { Clock, Host, Logger, Random } from "./host/host.ts";
export { createLogger, nodeHost } from "./checked-host.ts";
export { type LoggerOptions, type LogLevel, silentLogger } from "./host/logger.ts";
export { Worker } from "./services/worker.ts";
export type { WorkerOptions } from "./services/worker-options.ts";
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
export { meterStore, type MeteredKind, type MeteredStore, type StoreUsage, usageSince } from "./store/metered.ts";
export { FileStore, type FileStoreOptions } from "./store/file.ts";
export { openStore } from "./store/open.ts";
export type * from "./signatures.ts";
