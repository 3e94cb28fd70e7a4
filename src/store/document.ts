/**
 * Read, change, put if it matches: the only caller of a conditional put that changes something.
 *
 * A conditional put is sent once; after `conflict` or `unknown` the answer is to read and decide again (R8). A put-if-absent under a
 * computed id is repeated with the same bytes.
 */
import { WorkflowError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import type { ETag, ObjectStore, PutOutcome } from "./object-store.ts";

/** Turns a body into a value and back. `decode` throws a `WorkflowError` with code `data` that names the key. */
export interface Codec<T> {
  decode(body: string, key: string): T;
  encode(value: T): string;
}

export type ReadOutcome<T> =
  | { readonly kind: "found"; readonly value: T; readonly etag: ETag }
  | { readonly kind: "missing" };

/** Reads and decodes one object. */
export async function readDocument<T>(store: ObjectStore, key: string, codec: Codec<T>): Promise<ReadOutcome<T>> {
  const read = await store.get(key);
  if (read.kind === "missing") return read;
  return { kind: "found", value: codec.decode(read.object.body, key), etag: read.object.etag };
}

/** Puts a new value if the object still has this etag. Sent once. */
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
