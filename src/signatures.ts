/**
 * Types that occur in the signatures of the entries. A project that emits declarations must be able to name them; few are meant to be
 * written by hand.
 */
export type { OnFailure, Plan, PlanStep, SignalStep, TaskStep } from "../machines/plan/plan.ts";
export type { RetryPolicy } from "../machines/program.ts";
export type { PersistedSnapshot, RunStatus } from "../machines/snapshot.ts";
export type {
  DeclaredBy,
  Definitions,
  EventGiven,
  EventTo,
  EventTyped,
  InputArguments,
  Meant,
  NameOf,
  PayloadIn,
  PayloadNamed,
  PayloadTo,
  SignalNameOf,
  WorkflowNamed,
} from "./client/typed.ts";
export type {
  JsonElement,
  JsonMember,
  JsonResult,
  Kept,
  KeptMembers,
  Lossless,
  LosslessMember,
  MayBeMissing,
  SignalName,
  SignalPayload,
  StepQueue,
  Stored,
} from "./define/context.ts";
export type { SchemaIssue, SchemaResult } from "./define/schema.ts";
export type {
  AfterFailure,
  BadMember,
  CommonStepOptions,
  EventNamed,
  EventsOf,
  Fresh,
  LastResults,
  None,
  NotJson,
  OuterTypes,
  OuterTypesOf,
  PayloadOf,
  Received,
  RemoteStep,
  Returning,
  Seen,
  SentTo,
  Settled,
  SignalOptions,
  SignalSchemas,
  StepNeedsRun,
  StepOptions,
  UntypedOptions,
  UntypedStepOptions,
  Visible,
  WorkflowTypes,
} from "./define/workflow.ts";
export type { WorkflowErrorOptions } from "./errors.ts";
export type { ErrorData, PlainJson } from "./host/error-data.ts";
export type { LogFields, WaitOptions } from "./host/host.ts";
export type { NodeHostOptions } from "./host/node.ts";
export type { WaitLimits } from "./client/limit.ts";
export type { CommandName } from "./run/next.ts";
export type { FailedAttempt } from "./run/record/record.ts";
export type { Service } from "./services/service.ts";
export type { FilePermissions } from "./store/file-modes.ts";
export type { ListedObject, RequestOptions, StoredObject } from "./store/object-store.ts";
export type { OpenOptions } from "./store/open.ts";
export type { StepStatus } from "./run/view.ts";
