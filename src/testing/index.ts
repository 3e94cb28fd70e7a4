/**
 * What tests of users need: a kit with a virtual clock, a workflow as a model whose every path drives a real engine, a crash at every
 * request, the conformance suite of stores, a store in memory, and a world in which a fleet is simulated with faults.
 */
export {
  createTestKit,
  type TestClock,
  type TestKit,
  type TestKitOptions,
  type TestWorker,
  type WorkerRequest,
} from "./kit.ts";
export { crashEverywhere, type CrashFinding, type CrashOptions, type CrashReport } from "./crash-everywhere.ts";
export {
  type CreateTestModel,
  type GivenTestModelOptions,
  model,
  type ModelState,
  type WorkflowModel,
} from "./model/model.ts";
export type { EventOptions, HandlerWait } from "./model/events.ts";
export { paths, type PathsOptions, type WorkflowPath } from "./model/paths.ts";
export { coverage, type Coverage, type Covered } from "./model/coverage.ts";
export { type ServiceFact, TestSignals } from "../services/test-signals.ts";
export { MemoryStore, type MemoryStoreOptions } from "../store/memory.ts";
export { seededRandom } from "../host/seeded.ts";
export { storeCases, storeRaces, type RaceContext, type StoreCase, type StoreRace } from "./store-cases.ts";
export * from "./simulation/simulation.ts";
