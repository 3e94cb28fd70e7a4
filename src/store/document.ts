/**
 * Reads, changes and conditionally puts documents. This is the only caller of a conditional put that changes something.
 *
 * A conditional put is sent once. After `conflict` or `unknown`, the caller reads and decides again (R8). A put-if-absent under a computed
 * id is repeated with the same bytes.
 */
import { isWorkflowError, WorkflowError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { cutAt } from "../wire/cut.ts";
import { parseJson } from "../wire/json.ts";
import { unreadableReason } from "../wire/refusal.ts";
import { listKeys } from "./paging.ts";
import type { ETag, ObjectStore, PutOutcome } from "./object-store.ts";

/** A kind of object in the bucket: how it is read and written, and the key that its content names. */
export interface DocumentKind<T> {
  /** The kind with its article, for errors: `a run record`. */
  readonly what: string;
  /** Makes the value from parsed JSON. What it throws becomes a `data` error that names the key. */
  read(json: unknown, key: string): T;
  /** The key of an object that says this of itself; what it does not say is taken from `key`, the one that it was read at. */
  keyOf(value: T, key: string): string;
  write(value: T): string;
}

/**
 * Turns the body of an object into a value and back. A body is believed only at the key that it names itself: a copied or renamed object
 * would otherwise send every write to somebody else's.
 */
export class Codec<T> {
  readonly #kind: DocumentKind<T>;

  constructor(kind: DocumentKind<T>) {
    this.#kind = kind;
  }

  /** Reads a body. @throws {WorkflowError} `data` with the key, for what cannot be read or says that it is another object. */
  decode(body: string, key: string): T {
    const { what } = this.#kind;
    const value = this.#read(body, key);
    const own = this.#kind.keyOf(value, key);
    if (own === key) return value;
    throw new WorkflowError(
      "data",
      `${key} says that it is ${own}: ${what} that was copied or renamed is not used; put it back at its own key, or delete it`,
    );
  }

  encode(value: T): string {
    return this.#kind.write(value);
  }

  #read(body: string, key: string): T {
    try {
      return this.#kind.read(parseJson(body), key);
    } catch (error) {
      if (isWorkflowError(error)) throw error;
      const reason = cutAt(unreadableReason(error), LONGEST_REASON);
      throw new WorkflowError("data", `${key} is not ${this.#kind.what} that can be read: ${reason}`, { cause: error });
    }
  }
}

/** The most characters of a reason, because one mistake may occur in a million places. */
const LONGEST_REASON = 1_000;

export type ReadOutcome<T> =
  | { readonly kind: "found"; readonly value: T; readonly etag: ETag }
  | { readonly kind: "missing" };

/** Reads and decodes one object. */
export async function readDocument<T>(store: ObjectStore, key: string, codec: Codec<T>): Promise<ReadOutcome<T>> {
  const read = await store.get(key);
  if (read.kind === "missing") return read;
  return { kind: "found", value: codec.decode(read.object.body, key), etag: read.object.etag };
}

/** How many are read at a time. */
const READ_AT_ONCE = 32;

/**
 * Reads and decodes every object under a prefix: one LIST for each thousand, one GET each. `onUnreadable` is told of those that cannot
 * be read, and the others follow.
 */
export async function readDocuments<T>(
  store: ObjectStore,
  prefix: string,
  codec: Codec<T>,
  onUnreadable: (error: WorkflowError) => void = () => {},
): Promise<readonly T[]> {
  const values: T[] = [];
  let keys: string[] = [];
  const readAll = async (): Promise<void> => {
    for (const read of await Promise.all(keys.map((key) => readOrTell(store, key, codec, onUnreadable))))
      if (read?.kind === "found") values.push(read.value);
    keys = [];
  };
  for await (const key of listKeys(store, prefix)) if (keys.push(key) === READ_AT_ONCE) await readAll();
  await readAll();
  return values;
}

async function readOrTell<T>(
  store: ObjectStore,
  key: string,
  codec: Codec<T>,
  onUnreadable: (error: WorkflowError) => void,
): Promise<ReadOutcome<T> | undefined> {
  try {
    return await readDocument(store, key, codec);
  } catch (error) {
    if (!isWorkflowError(error, "data")) throw error;
    onUnreadable(error);
    return undefined;
  }
}

/** Replaces an object if it still has this etag. Sent once. */
export function replaceDocument<T>(
  store: ObjectStore,
  key: string,
  codec: Codec<T>,
  etag: ETag,
  value: T,
): Promise<PutOutcome> {
  return store.put(key, codec.encode(value), { match: etag });
}

const CREATE_TRIES = 8;
const FIRST_BACKOFF_MS = 20;
const LONGEST_BACKOFF_MS = 2_000;

export type CreateOutcome =
  | { readonly kind: "stored"; readonly etag: ETag }
  | { readonly kind: "exists"; readonly body: string; readonly etag: ETag };

/**
 * Puts an object if its key is free. An unknown reply is answered by sending the same bytes again; a conflict by reading who won: the
 * same bytes are ours.
 * @throws {WorkflowError} `unavailable` when the store does not answer.
 */
export async function createDocumentBytes(
  store: ObjectStore,
  host: Host,
  key: string,
  body: string,
): Promise<CreateOutcome> {
  let last: unknown;
  for (let tries = 0; tries < CREATE_TRIES; tries += 1) {
    const put = await store.put(key, body, "absent");
    if (put.kind === "stored") return put;
    if (put.kind === "conflict") {
      const read = await store.get(key);
      if (read.kind === "found") {
        const { body: theirs, etag } = read.object;
        return theirs === body ? { kind: "stored", etag } : { kind: "exists", body: theirs, etag };
      }
    } else last = put.cause;
    await pause(host, tries);
  }
  throw new WorkflowError("unavailable", `${key} could not be put: the store does not answer`, { cause: last });
}

export type UpdateOutcome<T> =
  | { readonly kind: "updated" | "unchanged"; readonly value: T; readonly etag: ETag }
  | { readonly kind: "missing" };

const UPDATE_TRIES = 30;

/**
 * Reads, decides, replaces; after a lost race or an unknown reply it reads and decides again. `decide` answers undefined for "nothing
 * to change" and must be pure. @throws {WorkflowError} `unavailable` after many tries.
 */
export async function updateDocument<T>(
  store: ObjectStore,
  host: Host,
  key: string,
  codec: Codec<T>,
  decide: (value: T) => T | undefined,
  known?: { readonly value: T; readonly etag: ETag },
): Promise<UpdateOutcome<T>> {
  let current: ReadOutcome<T> =
    known === undefined ? await readDocument(store, key, codec) : { kind: "found", ...known };
  for (let tries = 0; tries < UPDATE_TRIES; tries += 1) {
    if (current.kind === "missing") return current;
    const next = decide(current.value);
    if (next === undefined) return { kind: "unchanged", value: current.value, etag: current.etag };
    const put = await replaceDocument(store, key, codec, current.etag, next);
    if (put.kind === "stored") return { kind: "updated", value: next, etag: put.etag };
    await pause(host, tries);
    current = await readDocument(store, key, codec);
  }
  throw new WorkflowError(
    "unavailable",
    `${key} could not be changed: too many others change it, or the store does not answer`,
  );
}

/** Full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter"). */
function pause(host: Host, tries: number): Promise<void> {
  return host.clock.sleep(host.random.next() * Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** tries));
}
