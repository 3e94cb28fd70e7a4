/** Lists that are longer than one page. */
import type { ObjectStore } from "./object-store.ts";

/**
 * Every key under a prefix behind `after`, in the order of keys. The next page is asked for when all of one were taken: whoever stops
 * early pays for no more.
 */
export async function* listKeys(store: ObjectStore, prefix: string, after?: string): AsyncGenerator<string> {
  for (let behind = after; ;) {
    const page = await store.list(prefix, behind === undefined ? {} : { after: behind });
    for (const { key } of page.objects) yield key;
    behind = page.objects.at(-1)?.key;
    if (!page.truncated || behind === undefined) return;
  }
}
