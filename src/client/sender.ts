/** Sends durable messages to runs. Each is a task; sending resolves once the task is stored (protocol 1.8, 1.13). */
import { signalKey, signalsPrefix } from "../keys.ts";
import { createTask } from "../queue/submit.ts";
import type { QueueContext, TaskSpec } from "../queue/task.ts";
import type { QueueHandle } from "../queue/handle.ts";
import { signalCodec } from "../run/inbox.ts";
import type { RunRecord } from "../run/record/record.ts";
import { commandTick, type RunCommand } from "../run/wakeups/command.ts";
import { signalTick } from "../run/wakeups/signal.ts";
import { createDocumentBytes } from "../store/document.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { listKeys } from "../store/paging.ts";
import { formatOpaque, parseInstant } from "../wire/instant.ts";
import type { StoredValue } from "../wire/value.ts";

/** Sends messages in the order of its calls. Each call passes the bucket whose requests end with the call. */
export class Sender {
  readonly #handle: QueueHandle;
  /** Kept apart: an inbox that was filled by a fast clock must not make commands appear newer than they are. */
  #lastCommandAt = 0;
  #lastSignalAt = 0;

  constructor(handle: QueueHandle) {
    this.#handle = handle;
  }

  /** Stores a command. Returns its id, which the record lists once the command is applied. */
  async command(queue: QueueContext, record: RunRecord, command: RunCommand): Promise<string> {
    const id = queue.host.random.uuid();
    this.#lastCommandAt = this.#instantAfter(this.#lastCommandAt, steeredAt(record));
    await this.#put(queue, commandTick.task(record, { id, command, at: this.#lastCommandAt }));
    return id;
  }

  /** Stores a signal in the inbox and a tick for it. Returns its id. */
  async signal(queue: QueueContext, record: RunRecord, name: string, payload: StoredValue): Promise<string> {
    const { host, store } = queue;
    const newest = await this.#newestSignalAt(queue.store, record, name);
    this.#lastSignalAt = this.#instantAfter(this.#lastSignalAt, newest);
    const createdAt = formatOpaque(this.#lastSignalAt);
    const id = host.random.uuid();
    const segment = `${createdAt}_${id}.json`;
    const body = signalCodec.encode({ id, name, payload, created_at: createdAt });
    await createDocumentBytes(store, host, signalKey(record.id, name, segment), body);
    await this.#put(queue, signalTick.task(record, { name, segment }));
    return id;
  }

  async #put(queue: QueueContext, task: TaskSpec): Promise<void> {
    await createTask(queue, task);
    this.#handle.events.ready(task.id, this.#handle.context.store.time().latest);
  }

  /**
   * The instant of the newest signal of a name that the run took; where processes have clocks of their own also of the newest one in the
   * inbox, which costs a LIST. A signal that is made older than these would be given before signals that were acknowledged before it.
   */
  async #newestSignalAt(store: ObjectStore, record: RunRecord, name: string): Promise<number> {
    const taken = instantOf(record.signals.get(name)?.cursor ?? "");
    if (store.capabilities.localClock !== true) return taken;
    const prefix = signalsPrefix(record.id, name);
    let newest = this.#instantAfter(this.#lastSignalAt, taken) - 1;
    for await (const key of listKeys(store, prefix, prefix + formatOpaque(newest)))
      newest = Math.max(newest, instantOf(key.slice(prefix.length)));
    return newest;
  }

  /**
   * Two messages of one sender never have the same time, and a later one never sorts before an earlier one, nor before what the sender
   * had seen.
   */
  #instantAfter(last: number, seen: number): number {
    return Math.max(Math.round(this.#handle.context.store.time().latest), last + 1, seen + 1);
  }
}

/** The instant with which a segment of the inbox begins, in whole milliseconds; 0 when it begins with none. */
function instantOf(segment: string): number {
  return parseInstant(segment.slice(0, segment.lastIndexOf("_")))?.ms ?? 0;
}

/**
 * The newest instant by which the record orders commands. Who gives a command to a run that is seen to be paused gives it after the pause,
 * though the clock of another process, which S3 tells to a second, was ahead.
 */
function steeredAt({ machine }: RunRecord): number {
  return Math.max(machine?.steered_at ?? 0, machine?.reopened?.at ?? 0);
}
