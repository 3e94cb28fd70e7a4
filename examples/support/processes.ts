/** Child processes of the examples: started, replaced when they die, and gone when whoever started them is gone. */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";

/** A process that dies this often before it ever said that it is ready will not do better the next time. */
const FALSE_STARTS = 5;

/** What is to be kept running. */
export interface Kept {
  /** The program. */
  readonly script: URL;
  /** Its arguments; asked again for each replacement, with what the first one said. */
  args(first?: unknown): readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** Told when the process died, for instance by `kill -9`, and is started again. */
  onReplaced(why: string): void;
}

/** A process that is kept running. */
export interface KeptProcess {
  /** What it said when it was ready the first time. */
  readonly message: unknown;
  /** Asks it to end (SIGTERM) and resolves when it has. */
  stop(): Promise<void>;
}

/**
 * Starts a process and starts it again whenever it dies. Resolves once it has said that it is ready (`process.send`).
 * @throws {Error} when it dies again and again before that.
 */
export async function keepRunning(kept: Kept): Promise<KeptProcess> {
  let stopping = false;
  let child: ChildProcess;
  const start = async (first?: unknown): Promise<unknown> => {
    for (let falseStarts = 0; ; falseStarts += 1) {
      // Options of node (the loader of TypeScript) are handed on by fork itself.
      child = fork(fileURLToPath(kept.script), [...kept.args(first)], {
        env: { ...process.env, ...kept.env },
        stdio: "inherit",
      });
      const said = await firstWord(child);
      if (said.kind === "ready" || stopping) return said.kind === "ready" ? said.message : undefined;
      if (falseStarts === FALSE_STARTS) throw new Error(`${kept.script.href} does not start: ${said.why}`);
    }
  };
  const watch = (): void => {
    child.once("exit", (code, signal) => {
      if (stopping) return;
      kept.onReplaced(signal ?? `exit ${String(code)}`);
      start(message).then(watch, (error: unknown) => {
        throw error;
      });
    });
  };
  const message = await start();
  watch();
  return {
    message,
    stop: () => {
      stopping = true;
      if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
      const ended = new Promise<void>((done) => child.once("exit", () => done()));
      child.kill("SIGTERM");
      return ended;
    },
  };
}

function firstWord(
  child: ChildProcess,
): Promise<{ readonly kind: "ready"; readonly message: unknown } | { readonly kind: "dead"; readonly why: string }> {
  return new Promise((done) => {
    child.once("message", (message) => done({ kind: "ready", message }));
    child.once("exit", (code, signal) => done({ kind: "dead", why: signal ?? `exit ${String(code)}` }));
  });
}

/** Ends this process, as abruptly as it gets, when the one that started it is gone. Nothing when it was started by hand. */
export function endWithParent(): void {
  if (process.send === undefined) return;
  process.once("disconnect", () => process.exit(1));
  // Gone while we were still loading: then nobody tells us any more.
  if (!process.connected) process.exit(1);
}
