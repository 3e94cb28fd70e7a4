/** The earlier contents of a key. */
import type { ObjectStore, StoredObject } from "./object-store.ts";

/** Every content that a store with versions keeps of a key, oldest first; delete markers and versions that are gone are passed over. */
export async function* readVersions(store: ObjectStore, key: string): AsyncGenerator<StoredObject> {
  for (const { versionId } of (await store.versions(key)).toReversed()) {
    const read = await store.getVersion(key, versionId);
    if (read.kind === "found") yield read.object;
  }
}
