/** Opens a store by its url. */
import { checkBucket, checkEndpoint } from "../config.ts";
import { WorkflowError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { MemoryStore } from "./memory.ts";
import type { ObjectStore } from "./object-store.ts";
import { isKnownSafe, refuseUnsafe } from "./probe.ts";
import type { S3StoreOptions } from "./s3-client.ts";

const named = new Map<string, MemoryStore>();
const S3_OPTIONS = ["endpoint", "region", "addressing", "checksums", "unsafe"] as const;

/** How a store is opened. */
export interface OpenOptions {
  /** Whether one on which runs would be lost is opened all the same, as `unsafe=allow` in the url says. @defaultValue false */
  readonly allowUnsafe?: boolean;
}

type S3Options = OpenOptions & Pick<S3StoreOptions, "endpoint" | "region" | "forcePathStyle" | "checksums">;

/**
 * `memory:` (a new one), `memory:name` (shared in the process), `file:folder`, `s3://bucket?endpoint=…&region=…`; `s3:` also knows
 * `addressing=path|virtual`, `checksums=always|required` and `unsafe=allow`.
 * @throws {WorkflowError} `invalid` for any other url, an option that is not known, a bucket that cannot be used as it is, a server that
 * is known to lose runs;
 * `unavailable` when nobody answers.
 */
export async function openStore(url: string, host: Host, options: OpenOptions = {}): Promise<ObjectStore> {
  if (url.startsWith("memory:")) return openMemory(withoutOptions(url, "memory:"), host);
  if (url.startsWith("file:")) {
    const { FileStore } = await import("./file.ts");
    return FileStore.open(folderOf(url), { host });
  }
  if (url.startsWith("s3:")) return openS3(url, host, options);
  throw notAStore();
}

async function openS3(url: string, host: Host, { allowUnsafe = false }: OpenOptions): Promise<ObjectStore> {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || parsed.hostname === "" || parsed.username !== "" || parsed.password !== "") {
    throw notAStore();
  }
  const bucket = checkBucket(parsed.hostname, "the url");
  if (parsed.port !== "") throw invalid("the url names a port beside the bucket; a server is named by endpoint=");
  if (parsed.pathname !== "" && parsed.pathname !== "/") {
    throw invalid(`the url names a folder in the bucket ${bucket}; only a whole bucket can be used`);
  }
  if (parsed.hash !== "") throw invalid("the url has a part after #, which means nothing; escape it as %23");
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
  for (const name of given.keys()) {
    if (!S3_OPTIONS.some((known) => known === name)) {
      const hint = name === "versions" ? "; whether versions are kept is a setting of the bucket" : "";
      throw invalid(
        `the url has an option ${JSON.stringify(name)}, which s3: does not know (${S3_OPTIONS.join(", ")})${hint}`,
      );
    }
    if (given.getAll(name).length > 1) throw invalid(`the url has the option ${name} twice`);
  }
  const endpoint = checkEndpoint(given.get("endpoint") ?? undefined, "the option endpoint of the url");
  const region = given.get("region");
  if (region !== null && !/^[a-z0-9-]{1,40}$/i.test(region)) {
    throw invalid(`${JSON.stringify(region)} is not the name of a region, such as eu-central-1`);
  }
  const addressing = oneOf(given, "addressing", ["path", "virtual"]);
  const checksums = oneOf(given, "checksums", ["always", "required"]);
  const unsafe = oneOf(given, "unsafe", ["allow"]);
  return {
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(region === null ? {} : { region }),
    ...(addressing === undefined ? {} : { forcePathStyle: addressing === "path" }),
    ...(checksums === undefined ? {} : { checksums }),
    ...(unsafe === undefined ? {} : { allowUnsafe: true }),
  };
}

function oneOf<T extends string>(given: URLSearchParams, name: string, values: readonly T[]): T | undefined {
  const value = given.get(name);
  if (value === null) return undefined;
  const known = values.find((one) => one === value);
  if (known === undefined)
    throw invalid(`the option ${name} of the url is ${values.join(" or ")}, not ${JSON.stringify(value)}`);
  return known;
}

/** The folder of `file:folder`, `file:/folder` or `file:///folder`. */
function folderOf(url: string): string {
  const folder = withoutOptions(url, "file:");
  if (!folder.startsWith("//")) return folder;
  // Else file://data would be the folder /data, which nobody means who writes it.
  if (!folder.startsWith("///")) throw invalid("file:// needs a third slash; write file:folder or file:/folder");
  return folder.slice(2);
}

function withoutOptions(url: string, scheme: string): string {
  if (url.includes("?")) throw invalid(`${scheme} has no options; nothing may follow a question mark`);
  return url.slice(scheme.length);
}

function invalid(message: string): WorkflowError {
  return new WorkflowError("invalid", message);
}

/** The url is not repeated: it may hold credentials. */
function notAStore(): WorkflowError {
  return invalid("the url is not a store; use memory:, file:folder or s3://bucket?endpoint=…");
}

function openMemory(name: string, host: Host): ObjectStore {
  if (name === "") return new MemoryStore({ clock: host.clock });
  const known = named.get(name) ?? new MemoryStore({ clock: host.clock });
  named.set(name, known);
  return known;
}
