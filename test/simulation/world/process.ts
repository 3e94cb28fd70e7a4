import type { Host } from "../../../src/host/host.ts";
import type { ObjectStore } from "../../../src/store/object-store.ts";
import type { LogLine } from "../../../src/testing/time/process.ts";

/** A simulated process: what its code may touch, and the ways to hurt it. */
export interface Process {
  readonly name: string;
  /** How often the name was spawned before. */
  readonly restarts: number;
  readonly host: Host;
  /** Its faulty view of the one store of the world. */
  readonly store: ObjectStore;
  /** What it logged; `at` counts from the beginning of the world. */
  readonly log: readonly LogLine[];
  readonly alive: boolean;
  readonly frozen: boolean;
  /** Store calls of this name so far, counted over restarts. */
  readonly calls: number;
  /** Kills it: nothing it waits for is ever answered. What is on its way to the store may arrive. Quiet when dead. */
  crash(): void;
  /** Stops its time: no answers, no timers. Its requests on the way still arrive. */
  freeze(): void;
  /** Lets it go on: everything held back comes now, in an order drawn by chance. */
  thaw(): void;
  /** Moves its wall clock (not the monotonic one) by so many milliseconds. */
  jumpClock(ms: number): void;
}
