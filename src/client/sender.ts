/** Durable messages to runs: each is a task, and whoever sent it is told so only when it is there (protocol 1.8, 1.13). */
import { signalKey } from "../keys.ts";
import { createTask } from "../queue/submit.ts";
import type { QueueHandle } from "../run/handle.ts";
import { signalCodec } from "../run/inbox.ts";
import type { RunRecord } from "../run/record.ts";
import { type RunCommand, type TickCause, tickTask } from "../run/tasks.ts";
import { createDocumentBytes } from "../store/document.ts";
import { formatOpaque } from "../wire/instant.ts";

/** Sends messages in the order in which it was asked to. */
export class Sender {
  readonly #handle: QueueHandle;
  #lastSentAt = 0;

  constructor(handle: QueueHandle) {
    this.#handle = handle;
  }

  /** Puts a command. Returns its id, by which the record names it once it is applied. */
  async command(record: RunRecord, command: RunCommand): Promise<string> {
    const id = this.#handle.context.host.random.uuid();
    await this.#tick(record, { kind: "command", id, command, at: this.#nextInstant(seenAt(record)) });
    return id;
  }

  /** Puts a signal into the inbox, and a tick that names it. Returns its id. */
  async signal(record: RunRecord, name: string, payload: unknown): Promise<string> {
    const { host, store } = this.#handle.context;
    const createdAt = formatOpaque(this.#nextInstant());
    const id = host.random.uuid();
    const segment = `${createdAt}_${id}.json`;
    const body = signalCodec.encode({ id, name, payload, created_at: createdAt });
    await createDocumentBytes(store, host, signalKey(record.id, name, segment), body);
    await this.#tick(record, { kind: "signal", name, segment });
    return id;
  }

  async #tick(record: RunRecord, cause: TickCause): Promise<void> {
    const task = tickTask(record, cause);
    await createTask(this.#handle.context, task);
    this.#handle.events.ready(task.id, this.#handle.context.store.time().latest);
  }

  /**
   * Two messages of one sender never have the same time, and a later one never sorts before an earlier one, nor before what the sender
   * had seen.
   */
  #nextInstant(seen = 0): number {
    this.#lastSentAt = Math.max(Math.round(this.#handle.context.store.time().latest), this.#lastSentAt + 1, seen + 1);
    return this.#lastSentAt;
  }
}

/**
 * The newest instant by which the record orders commands. Who gives a command to a run that is seen to be paused gives it after the pause,
 * though the clock of another process, which S3 tells to a second, was ahead.
 */
function seenAt({ machine }: RunRecord): number {
  return Math.max(machine?.steered_at ?? 0, machine?.reopened?.at ?? 0);
}
