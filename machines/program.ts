/**
 * What the engine runs: a plan's statechart, or another machine, behind one interface. The engine asks a program what follows from an event,
 * what a snapshot says and how an activity is to be run; it knows nothing else of it.
 */
import type { MachineConfig, OnTaken } from "./chart.ts";
import type { Command } from "./commands.ts";
import type { RunEvent } from "./events.ts";
import type { PersistedSnapshot, Projection } from "./snapshot.ts";

/** What an advance decided. */
export interface Decision {
  /** The same object when nothing changed. */
  readonly snapshot: PersistedSnapshot;
  readonly commands: readonly Command[];
  readonly changed: boolean;
}

/** Names an activity: the handler of a step, or the step's undo. */
export interface ActivityRef {
  readonly kind: "run" | "undo";
  readonly step: string;
}

/** How long to wait before retry n: `min(initialMs · multiplier^(n - 1), maxMs)`, randomly longer or shorter by `jitter`. */
export interface RetryPolicy {
  /** The wait before the first retry, in milliseconds. */
  readonly initialMs: number;
  /** The longest wait before the jitter, in milliseconds. */
  readonly maxMs: number;
  /** The factor by which each wait is longer than the one before. */
  readonly multiplier: number;
  /** The part by which a wait is randomly longer or shorter: 0 to 1. */
  readonly jitter: number;
}

/** How an activity is run. */
export interface ActivityPolicy {
  /** Attempts after the first that an ordinary error may use up. */
  readonly retries: number;
  readonly retryPolicy: RetryPolicy;
  /** Longest that one attempt may run, in milliseconds. */
  readonly timeoutMs: number;
  /** Whether some other program on the bucket runs it. */
  readonly remote: boolean;
  /** Steps whose results it may read. */
  readonly dependsOn: readonly string[];
}

/** A step that a program declares. */
export interface ProgramStep {
  readonly name: string;
  /** `task`: it has a handler. `signal`: it waits for the signal of its name. */
  readonly kind: "task" | "signal";
  readonly dependsOn: readonly string[];
  /** Whether the run stops when the step has failed for good. */
  readonly stopsRun: boolean;
}

/** The hashes of a program, made by who may hash. */
export interface ProgramHashes {
  /** Of everything that decides; keys the stored program. */
  readonly planHash: string;
  /** buquet's, over names and dependencies; decides which workers may take a run. */
  readonly definitionHash: string;
}

/** What a run follows. */
export interface Program extends ProgramHashes {
  /** The name of the workflow. */
  readonly name: string;
  /** Whether writers that do not know us may change its runs. */
  readonly foreign: boolean;
  /** The steps that it declares, in the order in which they were written. */
  readonly steps: readonly ProgramStep[];
  /** Names of the signals that it declares; undefined: any name is accepted. */
  readonly signals: readonly string[] | undefined;
  /** The snapshot of a run that has not started. */
  initial(): PersistedSnapshot;
  /** Applies events in order. Late, repeated and unknown ones change nothing. `onTaken` is told of each transition on the way. */
  advance(snapshot: PersistedSnapshot, events: readonly RunEvent[], onTaken?: OnTaken): Decision;
  /** Opens a failed run again, and starts it; undefined: the run has not failed. `onTaken` is told of each transition on the way. */
  reopen(snapshot: PersistedSnapshot, onTaken?: OnTaken): Decision | undefined;
  /** What a snapshot says, in words that need no machine. */
  project(snapshot: PersistedSnapshot): Projection;
  /** Why no run of this program can be in a snapshot; undefined: one can. */
  problemOf(snapshot: PersistedSnapshot): string | undefined;
  /** How an activity is run; undefined: the program has no such activity. */
  activity(ref: ActivityRef): ActivityPolicy | undefined;
  /** Whether its runs take signals of this name at all. */
  takes(signal: string): boolean;
  /** Steps that may wait for a signal of this name, here: a node of that name, handlers that this side runs. */
  waiters(signal: string): readonly string[];
  /** The whole chart, to be drawn. */
  chart(): MachineConfig;
}
