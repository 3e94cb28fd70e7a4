import type { LogFields, Logger } from "../../host/host.ts";
import type { ScheduledCall, Scheduler } from "./scheduler.ts";

/** A line that a worker or a handler logged. */
export interface LogLine {
  /** When, in virtual milliseconds since 1970. */
  readonly at: number;
  /** Its level. */
  readonly level: "debug" | "info" | "warn" | "error";
  /** Its message. */
  readonly message: string;
  /** Its fields by name; absent: it has none. */
  readonly fields?: LogFields;
}

/** Whether a process lives, and the deliveries held back while it is frozen. */
export class Life {
  alive = true;
  frozen = false;
  readonly #scheduler: Scheduler;
  #held: (() => void)[] = [];

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  /** Plans something that happens *to the process*: never when it is dead, later when it is frozen. */
  deliver(delayMs: number, act: () => void): ScheduledCall {
    return this.#scheduler.schedule(delayMs, () => this.#arrive(act));
  }

  crash(): void {
    this.alive = false;
    this.#held = [];
  }

  thaw(): void {
    this.frozen = false;
    const held = this.#held;
    this.#held = [];
    for (const act of held) this.deliver(0, act);
  }

  #arrive(act: () => void): void {
    if (!this.alive) return;
    if (this.frozen) this.#held.push(act);
    else act();
  }
}

/** A logger that keeps its lines. */
export function collectLog(log: LogLine[], now: () => number): Logger {
  const write =
    (level: LogLine["level"]) =>
    (message: string, fields?: LogFields): void => {
      log.push(fields === undefined ? { at: now(), level, message } : { at: now(), level, message, fields });
    };
  return { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };
}
