/** The lives of page servers: started, stopped and asked at random moments, with answers that never end. */
import { createServer } from "node:net";
import { once } from "node:events";
import { setImmediate } from "node:timers/promises";
import { expect, test } from "vitest";
import { PageServer } from "../../src/cli/serve.ts";
import { seededRandom } from "../../src/host/seeded.ts";
import type { WorkflowError } from "../../src/index.ts";
import type { Site } from "../../src/inspect/server.ts";

const never = (): Promise<never> => new Promise(() => {});

/** Its page answers, its timeline never does, its news never end. */
const site: Site = {
  html: async () => "page",
  timeline: never,
  follow: () => ({ [Symbol.asyncIterator]: () => ({ next: never }) }),
  nonce: () => "0",
};

const endOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "resolved",
    (error: unknown) => (error as WorkflowError).code,
  );

const SEEDS = 60;

test(`page servers keep the contract in ${SEEDS} lives`, async () => {
  for (let seed = 1; seed <= SEEDS; seed += 1)
    await live(seed).catch((error: unknown) => {
      throw new Error(`seed ${seed}: ${String(error)}`, { cause: error });
    });
});

async function live(seed: number): Promise<void> {
  const random = seededRandom(seed);
  const below = (most: number): number => Math.floor(random.next() * most);
  // Some find their port taken at first.
  const other = createServer((socket) => socket.destroy()).listen(0, "127.0.0.1");
  await once(other, "listening");
  const { port } = other.address() as { readonly port: number };
  const isTaken = below(3) === 0;
  const freed = new Promise((resolve) => other.once("close", resolve));
  if (!isTaken) other.close();
  const server = new PageServer(site, port);
  let isStopped = false;
  const act = async (): Promise<void> => {
    for (let turns = below(12); turns > 0; turns -= 1) await setImmediate();
    switch (below(5)) {
      case 0:
      case 1: {
        const wasStopped = isStopped;
        const end = await endOf(server.start());
        expect(wasStopped ? ["closed"] : ["resolved", "closed", "invalid"]).toContain(end);
        return;
      }
      case 2:
        isStopped = true;
        return expect(await endOf(server.stop())).toBe("resolved");
      case 3:
        other.close();
        return;
      default: {
        const path = ["", "timeline", "follow"][below(3)] ?? "";
        // Whatever becomes of it: it ends when the server does.
        await fetch(`http://127.0.0.1:${port}/${path}`)
          .then((response) => response.text())
          .catch(() => {});
      }
    }
  };
  const acts = Array.from({ length: 10 }, act);
  for (let turns = below(30); turns > 0; turns -= 1) await setImmediate();
  isStopped = true;
  await Promise.all([server.stop(), server.stop()]);
  other.close();
  await Promise.all([...acts, freed]);
  expect(await endOf(server.start())).toBe("closed");
  await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow();
}
