/**
 * What tests of users need: a kit with a virtual clock, the conformance suite of stores, a store in memory, and a world in which a fleet
 * is simulated with faults.
 */
export { createTestKit, type TestClock, type TestKit, type TestKitOptions, type TestWorker } from "./kit.ts";
export { type ServiceFact, TestSignals } from "../services/test-signals.ts";
export { MemoryStore, type MemoryStoreOptions } from "../store/memory.ts";
export { seededRandom } from "../host/seeded.ts";
export { storeCases, storeRaces, type RaceContext, type StoreCase, type StoreRace } from "./store-cases.ts";
export * from "./simulation/simulation.ts";
