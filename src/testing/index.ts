/// <reference lib="esnext.disposable" preserve="true" />
/**
 * Tools for the tests of users: a kit with a virtual clock, a workflow as a model whose paths drive a real engine, a crash at every request,
 * every reachable state, the conformance suite of stores, a store in memory, and a bucket with the limits of R2 or S3 Express.
 */
export {
  createTestKit,
  type TestClock,
  type TestKit,
  type TestKitOptions,
  type TestWorker,
  type WorkerRequest,
} from "./kit.ts";
export type { RunOperation } from "../run/control.ts";
export type { LogLine } from "./time/process.ts";
export { crashEverywhere, type CrashFinding, type CrashOptions, type CrashReport } from "./crash-everywhere.ts";
export {
  type CreateTestModel,
  type GivenTestModelOptions,
  model,
  type ModelState,
  type WorkflowModel,
} from "./model/model.ts";
export type { EventOptions, HandlerWait } from "./model/events.ts";
export type { EngineOptions } from "./model/engine.ts";
export type { AppliedEvent, Frame, Timeline } from "../draw/timeline.ts";
export { paths, type PathsOptions, type WorkflowPath } from "./model/paths.ts";
export { coverage, type Coverage, type Covered } from "./model/coverage.ts";
export { MemoryStore, type MemoryStoreOptions } from "../store/memory.ts";
export { type BucketLimits, EXPRESS_LIMITS, LimitedBucket, R2_LIMITS } from "./limited-bucket.ts";
export { storeCases, storeRaces, type RaceContext, type StoreCase, type StoreRace } from "./store-cases.ts";
export {
  explore,
  type Exploration,
  type ExploreOptions,
  type ExploreProgress,
  type PathMove,
  replay,
  type StepNameOf,
} from "./explore/explore.ts";
export type { ExploredCoverage } from "./explore/coverage.ts";
export type { FaultKind, SignalBehaviour, WorldOptions } from "./oracle/setting.ts";
export type { PathStep, TestImports, Violation } from "./explore/violation.ts";
export type { Check, CheckAnswer, Effects, ExploredRun } from "./explore/view.ts";
export type { Outcome, RunEvent } from "../../machines/events.ts";
export type { StepPhase, StepView, UndoPhase } from "../../machines/snapshot.ts";
