/** A deterministic world for fleets of this package: virtual time, one shared store, seeded faults. */
export { Chance, mixSeed } from "./chance.ts";
export type { FaultKind, FaultPlan, FaultRates } from "./faults.ts";
export type { Latency, Outage, RunEnd, RunOptions, SpawnOptions, WorldOptions } from "./options.ts";
export type { Process } from "./process.ts";
export type { EtagStyle } from "./shared-objects.ts";
export { shrink } from "./shrink.ts";
export { formatTrace } from "./trace.ts";
export type { Counters, RequestKind, TraceEntry } from "./trace.ts";
export { World } from "./world.ts";
