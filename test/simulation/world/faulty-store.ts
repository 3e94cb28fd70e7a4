import { WorkflowError } from "../../../src/errors.ts";
import type {
  GetOutcome,
  ListOptions,
  ListPage,
  ObjectStore,
  ObjectVersion,
  PutCondition,
  PutOutcome,
  RequestOptions,
  StoreCapabilities,
  TimeBounds,
} from "../../../src/store/object-store.ts";
import type { SharedObjects } from "./shared-objects.ts";
import type { RequestKind } from "./trace.ts";

/** What a request asks for. */
export interface RequestHead {
  readonly kind: RequestKind;
  readonly key: string;
  readonly condition?: PutCondition;
  readonly signal?: AbortSignal | undefined;
}

/** One request as the network sees it. */
export interface Request<T> extends RequestHead {
  /** Carries it out, in one instant. */
  readonly apply: () => T;
  /** What the trace says about the answer. */
  readonly describe: (answer: T) => string;
  /** The answer to a conditional put of which nothing is known. Without it the caller gets an `unavailable` error. */
  readonly unknown?: (cause: unknown) => T;
}

/** Carries requests to the shared store and answers back, or does not. */
export type Send = <T>(request: Request<T>) => Promise<T>;

/** The store as one process sees it. */
export class FaultyStore implements ObjectStore {
  readonly url = "simulated:";
  readonly capabilities: StoreCapabilities;
  readonly #objects: SharedObjects;
  readonly #send: Send;
  readonly #time: () => TimeBounds;
  #closed = false;

  constructor(objects: SharedObjects, capabilities: StoreCapabilities, send: Send, time: () => TimeBounds) {
    this.#objects = objects;
    this.capabilities = capabilities;
    this.#send = send;
    this.#time = time;
  }

  async get(key: string, options: RequestOptions = {}): Promise<GetOutcome> {
    this.#assertOpen();
    const apply = (): GetOutcome => this.#objects.get(key);
    return this.#send({ kind: "get", key, signal: options.signal, apply, describe: (answer) => answer.kind });
  }

  async put(key: string, body: string, condition: PutCondition, options: RequestOptions = {}): Promise<PutOutcome> {
    this.#assertOpen();
    return this.#send<PutOutcome>({
      kind: "put",
      key,
      condition,
      signal: options.signal,
      apply: () => this.#objects.put(key, body, condition),
      describe: (answer) => (answer.kind === "stored" ? `stored ${answer.etag}` : answer.kind),
      ...(condition === "always" ? {} : { unknown: (cause: unknown): PutOutcome => ({ kind: "unknown", cause }) }),
    });
  }

  async delete(key: string, options: RequestOptions = {}): Promise<void> {
    this.#assertOpen();
    const apply = (): void => this.#objects.delete(key);
    return this.#send({ kind: "delete", key, signal: options.signal, apply, describe: () => "deleted" });
  }

  async list(prefix: string, options: ListOptions & RequestOptions = {}): Promise<ListPage> {
    this.#assertOpen();
    const apply = (): ListPage => this.#objects.list(prefix, options);
    const describe = (page: ListPage): string => `${page.objects.length} keys${page.truncated ? " and more" : ""}`;
    return this.#send({ kind: "list", key: prefix, signal: options.signal, apply, describe });
  }

  async versions(key: string, options: RequestOptions = {}): Promise<readonly ObjectVersion[]> {
    this.#assertOpen();
    const apply = (): readonly ObjectVersion[] => this.#objects.versions(key);
    return this.#send({
      kind: "versions",
      key,
      signal: options.signal,
      apply,
      describe: (all) => `${all.length} versions`,
    });
  }

  async getVersion(key: string, versionId: string, options: RequestOptions = {}): Promise<GetOutcome> {
    this.#assertOpen();
    const apply = (): GetOutcome => this.#objects.getVersion(key, versionId);
    return this.#send({ kind: "getVersion", key, signal: options.signal, apply, describe: (answer) => answer.kind });
  }

  time(): TimeBounds {
    return this.#time();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
  }

  #assertOpen(): void {
    if (this.#closed) throw new WorkflowError("closed", "the store is closed");
  }
}
