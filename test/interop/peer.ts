/** A process that runs the real Python package, as async functions. What each does is said in `peer.py`. */
import { type ChildProcess, spawn } from "node:child_process";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { stringifyJson } from "../../src/wire/json.ts";
import { type Bucket, pythonProgram } from "./server.ts";

/** One instruction of a scripted handler: see `peer.py`. */
export type Instruction =
  | { readonly return: unknown }
  | { readonly echo: true }
  | { readonly raise: string; readonly message?: string }
  | { readonly reschedule: number }
  | { readonly sleep: number }
  | { readonly gate: string }
  | { readonly extend: number }
  | { readonly refresh: true }
  | { readonly tell_cancellation: true }
  | { readonly wait_signal: string; readonly timeout?: number; readonly as?: string }
  | { readonly kill: true };

/** The attempts of a handler; the last one is for all later ones. */
export type Script = readonly (readonly Instruction[])[];

/** A workflow that is defined in Python. */
export interface PeerWorkflow {
  readonly name: string;
  readonly steps: readonly {
    readonly name: string;
    readonly depends_on?: readonly string[];
    readonly retries?: number;
    readonly timeout?: number;
    readonly on_failure?: "fail_workflow" | "pause_workflow" | "continue" | "compensate";
    readonly script?: Script;
  }[];
}

/** A worker in the Python process. */
export interface PeerWorker {
  readonly worker_id: string;
  readonly shards?: readonly string[];
  /** Tasks by type; they stand in for what the workflows say of the same type. */
  readonly handlers?: Readonly<Record<string, Script>>;
  /** Names of defined workflows that are registered whole, orchestration too. */
  readonly workflows?: readonly string[];
  /** Names of defined workflows whose ticks it runs, without their steps. */
  readonly orchestrates?: readonly string[];
  /** Workflows (`name`) or single steps (`name:step`) whose tasks it runs, without the orchestration. */
  readonly steps_only?: readonly string[];
  /** Members of `WorkerRunOptions`. @defaultValue a poll every 50 ms and no monitor */
  readonly options?: Readonly<Record<string, unknown>>;
}

/** What the process tells: `begin`, `success`, `error`, `extended`, `cancellation`, `signal`, `started`. */
export interface PeerEvent {
  readonly event: string;
  readonly name?: string;
  readonly call?: number;
  readonly task_id?: string;
  readonly workflow_id?: string;
  readonly worker_id?: string;
  readonly input?: unknown;
  readonly payload?: unknown;
  readonly requested?: boolean;
  readonly error?: string;
}

/** An error that Python raised. */
export class PeerError extends Error {
  readonly type: string;

  constructor(type: string, message: string) {
    super(message);
    this.type = type;
  }
}

/** A task as Python's `to_dict` gives it. */
export interface PeerTask {
  readonly id: string;
  readonly status: string;
  readonly [member: string]: unknown;
}

type Target = "queue" | "storage" | "client" | "engine" | "state" | "workflow";

interface Waiter {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** One Python process on one bucket. */
export class Peer implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, Waiter>();
  readonly #watchers = new Set<{ check(): void; reject(error: Error): void }>();
  readonly #exited: Promise<void>;
  #end: Error | undefined;
  #next = 0;
  #errors = "";
  /** All that it told, in its order. */
  readonly events: PeerEvent[] = [];

  private constructor(bucket: Bucket, env: Readonly<Record<string, string>>) {
    this.#process = spawn(pythonProgram(), ["-u", resolve("test/interop/peer.py")], {
      env: { ...process.env, ...bucket.env, RUST_LOG: "off", ...env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    const { stdin, stdout, stderr } = this.#process;
    if (stdin === null || stdout === null || stderr === null) throw new Error("the process has no pipes");
    stdin.on("error", () => {});
    stderr.on("data", (chunk: Buffer) => (this.#errors = `${this.#errors}${String(chunk)}`.slice(-4_000)));
    createInterface({ input: stdout }).on("line", (line) => this.#hear(line));
    this.#exited = new Promise((done) =>
      this.#process.on("close", (code, signal) => {
        this.#end = new Error(`the Python process ended (${signal ?? code}): ${this.#errors.trim()}`);
        for (const waiter of [...this.#waiting.values(), ...this.#watchers]) waiter.reject(this.#end);
        done();
      }),
    );
  }

  /** Starts a process and waits until it is connected. `env` is added to its environment. */
  static async start(bucket: Bucket, env: Readonly<Record<string, string>> = {}): Promise<Peer> {
    const peer = new Peer(bucket, env);
    const ready = await peer.event(({ event }) => event === "ready" || event === "failed");
    if (ready.event === "failed") throw new Error(`Python cannot connect: ${JSON.stringify(ready)}`);
    return peer;
  }

  #hear(line: string): void {
    const message = JSON.parse(line) as PeerEvent & {
      readonly id?: number;
      readonly result?: unknown;
      readonly error?: { readonly type: string; readonly message: string };
    };
    if (message.id === undefined) {
      this.events.push(message);
      for (const watcher of this.#watchers) watcher.check();
      return;
    }
    const waiter = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (message.error === undefined) waiter?.resolve(message.result);
    else waiter?.reject(new PeerError(message.error.type, message.error.message));
  }

  #ask<T>(op: string, members: Readonly<Record<string, unknown>>): Promise<T> {
    if (this.#end !== undefined) return Promise.reject(this.#end);
    this.#next += 1;
    const id = this.#next;
    const answer = new Promise<T>((resolve, reject) =>
      this.#waiting.set(id, { resolve: (value) => resolve(value as T), reject }),
    );
    // Kept numbers go out as they stand: 100.0 is a float for Python.
    this.#process.stdin?.write(`${stringifyJson({ id, op, ...members })}\n`);
    return answer;
  }

  /** The first event, past or to come, that is wanted. Rejects when the process ends. */
  event(wanted: (event: PeerEvent) => boolean): Promise<PeerEvent> {
    return new Promise((resolve, reject) => {
      const check = (): boolean => {
        const found = this.events.find(wanted);
        if (found !== undefined) resolve(found);
        return found !== undefined;
      };
      if (check()) return;
      if (this.#end !== undefined) return reject(this.#end);
      const watcher = { check: () => check() && this.#watchers.delete(watcher), reject };
      this.#watchers.add(watcher);
    });
  }

  /** Waits until a handler or step has begun so many times. */
  begun(name: string, call = 1): Promise<PeerEvent> {
    return this.event((told) => told.event === "begin" && told.name === name && told.call === call);
  }

  /** Any method. Arguments that JSON does not know are written `{ $datetime: … }` and the like. */
  call<T>(
    on: Target,
    method: string,
    kwargs: Readonly<Record<string, unknown>> = {},
    args: readonly unknown[] = [],
  ): Promise<T> {
    return this.#ask("call", { on, method, args, kwargs });
  }

  /** `Queue.submit` */
  submit(task_type: string, input: unknown, options: Readonly<Record<string, unknown>> = {}): Promise<PeerTask> {
    return this.call("queue", "submit", { task_type, input, ...options });
  }

  /** `Queue.get` */
  get(task_id: string): Promise<PeerTask | null> {
    return this.call("queue", "get", { task_id });
  }

  /** A method of `WorkflowClient`. */
  client<T>(method: string, args: readonly unknown[], kwargs: Readonly<Record<string, unknown>> = {}): Promise<T> {
    return this.call("client", method, kwargs, args);
  }

  /** Defines a workflow; gives its hash. Later calls name it `{ $workflow: name }`. */
  define(definition: PeerWorkflow): Promise<string> {
    return this.#ask("define", { definition });
  }

  /** Starts a worker and waits until it has registered. */
  async work(worker: PeerWorker): Promise<void> {
    await this.#ask("worker", { worker });
    await this.event(({ event, worker_id }) => event === "started" && worker_id === worker.worker_id);
  }

  /** Waits until a worker with `max_tasks` has run so many; gives their number. */
  worked(worker_id: string): Promise<number> {
    return this.#ask("worker_ended", { worker_id });
  }

  /** Lets handlers pass that stand at a gate. */
  open(gate: string): Promise<void> {
    return this.#ask("open_gate", { gate });
  }

  /** Kills the process, as a crash would. */
  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#exited;
  }

  /** Ends the process. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.stdin?.end();
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), 5_000);
    await this.#exited;
    clearTimeout(timer);
  }
}
