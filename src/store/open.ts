/** Opens a store by its url. */
import { WorkflowError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import {
  type Check,
  type ChecksOf,
  flag,
  oneOf,
  processHost,
  readArgument,
  type ReadBy,
  readSettings,
} from "../settings.ts";
import { parseFolderUrl } from "./file-url.ts";
import { shown } from "../wire/duration.ts";
import { leashStore } from "./leash.ts";
import { MemoryStore } from "./memory.ts";
import type { ObjectStore } from "./object-store.ts";
import { isKnownSafe, refuseUnsafe } from "./probe.ts";
import type { S3StoreOptions } from "./s3-client.ts";
import { addressing, bucketName, checksums, regionName, serverUrl } from "./s3-settings.ts";

const named = new Map<string, MemoryStore>();
const S3_OPTIONS = { endpoint: serverUrl, region: regionName, addressing, checksums, unsafe: oneOf("allow") };
const FILE_OPTIONS = { permissions: oneOf("private", "umask") };

/** Options of `openStore`. */
export interface OpenOptions {
  /** Whether to open a store on which runs can be lost, as `unsafe=allow` in the url does. @defaultValue false */
  readonly allowUnsafe?: boolean;
  /** Whether the first write creates a folder that does not exist; with false, a missing folder is refused. @defaultValue true */
  readonly create?: boolean;
}

const CHECKS = { allowUnsafe: flag, create: flag } satisfies ChecksOf<OpenOptions>;

type S3Options = Pick<OpenOptions, "allowUnsafe"> &
  Pick<S3StoreOptions, "endpoint" | "region" | "forcePathStyle" | "checksums">;

/**
 * Opens a store by its url: `memory:` (a new one), `memory:name` (shared within the process), `file:folder` (the path as written) or
 * `file:///folder` (percent-encoded), `s3://bucket?endpoint=…&region=…`. `file:` accepts the option `permissions=private|umask`; `s3:`
 * accepts `addressing=path|virtual`, `checksums=always|required` and `unsafe=allow`. Opening a folder creates nothing; the first write
 * does.
 * @throws {WorkflowError} `invalid` for any other url or option, for a bucket that cannot be used as it is, and for a server that is known
 * to lose runs.
 * @throws {WorkflowError} `unavailable` when the server does not answer.
 *
 * @example
 * ```ts
 * await using store = await openStore("file:orders", nodeHost());
 * const page = await store.list("workflow/");
 * ```
 */
export async function openStore(url: string | URL, host: Host, options: OpenOptions = {}): Promise<ObjectStore> {
  readArgument("openStore", "host", processHost, host);
  const { allowUnsafe = false, create = true } = readSettings("a store", CHECKS, options);
  const text = typeof url === "string" ? url : String(url?.href);
  const scheme = /^[a-z0-9]+:/i.exec(text)?.[0];
  if (scheme === undefined) notAStore();
  const control = /\p{Cc}/u.exec(text)?.[0];
  if (control !== undefined)
    invalid(
      `the url holds the control character ${shown(control)}; leave it out, as the line end of a file that was read, or write it percent-encoded in file:///…`,
    );
  // Schemes have no case; what follows has.
  const lower = scheme.toLowerCase() + text.slice(scheme.length);
  if (lower.startsWith("memory:")) return openMemory(memoryName(lower), host);
  if (lower.startsWith("file:")) return openFolder(lower, host, create);
  if (lower.startsWith("s3:")) return openS3(lower, host, allowUnsafe);
  notAStore();
}

async function openFolder(url: string, host: Host, create: boolean): Promise<ObjectStore> {
  const { folder, options } = parseFolderUrl(url);
  const { permissions } = readQuery(options, "file:", FILE_OPTIONS, "; a ? in a path is written file:///…%3F…");
  const { FileStore } = await import("./file.ts");
  return FileStore.open(folder, { host, create, ...(permissions === undefined ? {} : { permissions }) });
}

async function openS3(url: string, host: Host, allowUnsafe: boolean): Promise<ObjectStore> {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || parsed.hostname === "" || parsed.username !== "" || parsed.password !== "") {
    notAStore();
  }
  const bucket = bucketName(parsed.hostname, "the bucket of the url", invalid);
  if (parsed.port !== "") invalid("the url names a port beside the bucket; a server is named by endpoint=");
  if (parsed.pathname !== "" && parsed.pathname !== "/") {
    invalid(`the url names a folder in the bucket ${bucket}; only a whole bucket can be used`);
  }
  if (parsed.hash !== "") invalid("the url has a part after #, which means nothing; escape it as %23");
  const { allowUnsafe: allowed, ...options } = optionsOf(parsed.searchParams);
  const { S3Store } = await import("./s3.ts");
  const store = await S3Store.open({ bucket, host, ...options });
  if (allowUnsafe || allowed === true || isKnownSafe(store.answerer)) return store;
  try {
    await refuseUnsafe(store, host, store.answerer);
    return store;
  } catch (error) {
    await store[Symbol.asyncDispose]();
    throw error;
  }
}

function optionsOf(given: URLSearchParams): S3Options {
  const hint = given.has("versions") ? "; whether versions are kept is a setting of the bucket" : "";
  const { endpoint, region, addressing, checksums, unsafe } = readQuery(given, "s3:", S3_OPTIONS, hint);
  return {
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(region === undefined ? {} : { region }),
    ...(addressing === undefined ? {} : { forcePathStyle: addressing === "path" }),
    ...(checksums === undefined ? {} : { checksums }),
    ...(unsafe === undefined ? {} : { allowUnsafe: true }),
  };
}

/** Reads what stands behind the question mark with the checks of its options. */
function readQuery<Checks extends Readonly<Record<string, Check<unknown>>>>(
  given: URLSearchParams,
  scheme: string,
  checks: Checks,
  hint: string,
): Partial<ReadBy<Checks>> {
  const read: Record<string, unknown> = {};
  for (const [name, value] of given) {
    const check = Object.hasOwn(checks, name) ? checks[name] : undefined;
    if (check === undefined)
      return invalid(
        `the url has an option ${JSON.stringify(name)}, which ${scheme} does not know (${Object.keys(checks).join(", ")})${hint}`,
      );
    if (name in read) invalid(`the url has the option ${name} twice`);
    read[name] = check(value, `the option ${name} of the url`, invalid);
  }
  return read as Partial<ReadBy<Checks>>;
}

function memoryName(url: string): string {
  const name = url.slice("memory:".length);
  if (name.includes("?")) invalid("memory: has no options; nothing may follow a question mark");
  if (name.startsWith("/")) invalid("memory: is followed by a name at once; write memory:name");
  return name;
}

function invalid(message: string): never {
  throw new WorkflowError("invalid", message);
}

/** The url is not repeated: it may hold credentials. */
function notAStore(): never {
  invalid("the url is not a store; use memory:, file:folder or s3://bucket?endpoint=…");
}

function openMemory(name: string, host: Host): ObjectStore {
  if (name === "") return new MemoryStore({ clock: host.clock });
  const known = named.get(name) ?? new MemoryStore({ clock: host.clock });
  named.set(name, known);
  // It is shared: who closes it closes only what they opened, and finds everything again.
  const closed = new AbortController();
  return {
    ...leashStore(known, closed.signal),
    [Symbol.asyncDispose]: async () =>
      closed.abort(new WorkflowError("closed", "this store is closed; open a new one")),
  };
}
