/** Opens a store by its url. */
import { WorkflowError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { MemoryStore } from "./memory.ts";
import type { ObjectStore } from "./object-store.ts";

const named = new Map<string, MemoryStore>();

/**
 * `memory:` (a new one), `memory:name` (shared in the process), `file:folder`, `s3://bucket?endpoint=…&region=…`.
 * @throws {WorkflowError} `invalid` for any other url.
 */
export async function openStore(url: string, host: Host): Promise<ObjectStore> {
  if (url.startsWith("memory:")) return openMemory(url.slice("memory:".length), host);
  if (url.startsWith("file:")) {
    const { FileStore } = await import("./file.ts");
    return FileStore.open(url.slice("file:".length), { host });
  }
  if (url.startsWith("s3://")) {
    const parsed = URL.canParse(url) ? new URL(url) : undefined;
    if (parsed === undefined || parsed.hostname === "" || parsed.username !== "") throw notAStore();
    const { S3Store } = await import("./s3.ts");
    const endpoint = parsed.searchParams.get("endpoint");
    const region = parsed.searchParams.get("region");
    return S3Store.open({
      bucket: parsed.hostname,
      host,
      ...(endpoint === null ? {} : { endpoint }),
      ...(region === null ? {} : { region }),
    });
  }
  throw notAStore();
}

/** The url is not repeated: it may hold credentials. */
function notAStore(): WorkflowError {
  return new WorkflowError("invalid", "the url is not a store; use memory:, file:folder or s3://bucket?endpoint=…");
}

function openMemory(name: string, host: Host): ObjectStore {
  if (name === "") return new MemoryStore({ clock: host.clock });
  const known = named.get(name) ?? new MemoryStore({ clock: host.clock });
  named.set(name, known);
  return known;
}
