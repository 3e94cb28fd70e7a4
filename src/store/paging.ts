/** Lists with more than one page, and lists without order. */
import { WorkflowError } from "../errors.ts";
import type { ListOptions, ListPage, ObjectStore } from "./object-store.ts";
import { compareBytes } from "./order.ts";

/** What the page behind this one is asked for with; undefined when there is none. */
export function nextPage(page: ListPage): Pick<ListOptions, "after" | "cursor"> | undefined {
  if (!page.truncated) return undefined;
  if (page.cursor !== undefined) return { cursor: page.cursor };
  const after = page.objects.at(-1)?.key;
  return after === undefined ? undefined : { after };
}

/** Whether lists of this store are in order and may begin after a key. */
export function isOrdered(store: ObjectStore): boolean {
  return store.capabilities.orderedList !== false;
}

/** What a list without order can be asked for. @throws {WorkflowError} `invalid` */
export function checkFolder(prefix: string, options: ListOptions): void {
  if (prefix !== "" && !prefix.endsWith("/"))
    throw new WorkflowError(
      "invalid",
      `only folders of this store can be listed, not what begins with ${JSON.stringify(prefix)}`,
    );
  if (options.after !== undefined)
    throw new WorkflowError("invalid", "lists of this store have no order: they cannot begin after a key");
}

/**
 * Every key under a prefix behind `after`, in the order of keys. The next page is asked for when all of one were taken: whoever stops
 * early pays for no more. Where lists have no order all pages are read first.
 */
export async function* listKeys(store: ObjectStore, prefix: string, after?: string): AsyncGenerator<string> {
  if (!isOrdered(store)) return yield* await sortedKeys(store, prefix, after);
  for (let from: ListOptions | undefined = after === undefined ? {} : { after }; from !== undefined;) {
    const page: ListPage = await store.list(prefix, from);
    for (const { key } of page.objects) yield key;
    from = nextPage(page);
  }
}

/** A key that is put while pages are read may appear on two of them. */
async function sortedKeys(store: ObjectStore, prefix: string, after: string | undefined): Promise<readonly string[]> {
  const folder = prefix.slice(0, prefix.lastIndexOf("/") + 1);
  const keys = new Set<string>();
  for (let from: ListOptions | undefined = {}; from !== undefined;) {
    const page: ListPage = await store.list(folder, from);
    for (const { key } of page.objects) {
      if (key.startsWith(prefix) && (after === undefined || compareBytes(key, after) > 0)) keys.add(key);
    }
    from = nextPage(page);
  }
  return [...keys].toSorted(compareBytes);
}
