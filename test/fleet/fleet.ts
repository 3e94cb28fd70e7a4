/** Worker processes that are killed, stopped and started at will. */
import { type ChildProcess, fork } from "node:child_process";
import { type Compiled, compileFixture } from "../store/fixtures/compile.ts";

/** Compiles the worker's program, and with it the module of its workflows. */
export function compileWorker(): Compiled {
  return compileFixture("worker.ts", "test/fleet");
}

/** One worker process. */
export interface WorkerProcess {
  readonly pid: number;
  /** Sends a signal to it. */
  kill(signal: NodeJS.Signals): void;
  /** Resolves when it is gone. */
  readonly gone: Promise<void>;
}

/** Starts one and waits until it polls. What it prints is shown only when it ends before that. */
export async function startWorker(
  program: string,
  url: string,
  env: Readonly<Record<string, string>>,
): Promise<WorkerProcess> {
  const child: ChildProcess = fork(program, [url], {
    execArgv: [],
    env: { ...process.env, NODE_NO_WARNINGS: "1", ...env },
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4_000)));
  }
  const gone = new Promise<void>((done) => child.once("exit", () => done()));
  await new Promise<void>((done, fail) => {
    child.once("message", () => done());
    child.once("exit", () => fail(new Error(`a worker ended before it polled:\n${said}`)));
    child.once("error", fail);
  });
  return { pid: child.pid ?? 0, kill: (signal) => void child.kill(signal), gone };
}
