import type { Process } from "./world/index.ts";

/** The key that every toy client counts in. */
export const COUNTER_KEY = "counter";

interface Count {
  readonly total: number;
  readonly writes: readonly string[];
}

/** Adds one exactly once: reads, writes on the etag, and after an unknown answer looks for its own mark. */
export async function addOne(process: Process, mark: string): Promise<void> {
  for (;;) {
    try {
      const read = await process.store.get(COUNTER_KEY);
      const count: Count = read.kind === "found" ? (JSON.parse(read.object.body) as Count) : { total: 0, writes: [] };
      if (count.writes.includes(mark)) return;
      const next: Count = { total: count.total + 1, writes: [...count.writes, mark] };
      const condition = read.kind === "found" ? { match: read.object.etag } : "absent";
      const put = await process.store.put(COUNTER_KEY, JSON.stringify(next), condition);
      if (put.kind === "stored") return;
    } catch {
      // Unavailable: the same again, as after a conflict.
    }
    await process.host.clock.sleep(10 + process.host.random.next() * 90);
  }
}

/** The broken one: takes an unknown answer for a failure and never looks for its mark. */
export async function addOneCarelessly(process: Process): Promise<void> {
  for (;;) {
    const read = await process.store.get(COUNTER_KEY);
    const total = read.kind === "found" ? Number(read.object.body) : 0;
    const condition = read.kind === "found" ? { match: read.object.etag } : "absent";
    const put = await process.store.put(COUNTER_KEY, String(total + 1), condition);
    if (put.kind === "stored") return;
    await process.host.clock.sleep(10);
  }
}

/** The other broken one: writes without a condition, so that updates of two processes get lost. */
export async function addOneBlindly(process: Process): Promise<void> {
  const read = await process.store.get(COUNTER_KEY);
  await process.store.put(COUNTER_KEY, String((read.kind === "found" ? Number(read.object.body) : 0) + 1), "always");
}
