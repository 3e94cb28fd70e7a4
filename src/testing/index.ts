/** What tests of users need: the conformance suite of stores, a store in memory, and a world in which a fleet is simulated. */
export { MemoryStore, type MemoryStoreOptions } from "../store/memory.ts";
export { seededRandom } from "../host/seeded.ts";
export { storeCases, type StoreCase } from "./store-cases.ts";
export * from "./simulation/simulation.ts";
