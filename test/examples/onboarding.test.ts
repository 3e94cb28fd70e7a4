/** Onboarding in virtual time, where three days take a second; then the program as it is run. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { onboarding } from "./workflows.ts";
import { handleOf, Worker, WorkflowClient } from "../../src/index.ts";
import { WHOLE } from "../setting.ts";
import { World } from "../simulation/world/index.ts";
import { firedOf, inFolder, plan, runProgram } from "./programs.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** A world with a worker that is slow to poll, a client, and the letters that were sent: their text, and after how many minutes. */
function setup(seed: string) {
  const world = new World(seed, { keepTrace: false, timeErrorMs: 0 });
  const sent: { readonly text: string; readonly atMs: number }[] = [];
  const keys = new Set<string>();
  const definition = onboarding(async ({ key, text }) => {
    if (keys.has(key)) return;
    keys.add(key);
    sent.push({ text, atMs: world.nowMs });
  });
  const startWorker = async (): Promise<{ crash(): void }> => {
    const process = world.spawn("worker");
    await new Worker(handleOf(process.store, process.host), { workflows: [definition], poll: "1m" }).start();
    return process;
  };
  const client = world.spawn("client");
  const remote = new WorkflowClient(handleOf(client.store, client.host), { workflows: [definition] });

  return { world, sent, startWorker, remote, definition };
}

/** Waits for something in virtual time. */
async function during<T>(world: World, work: Promise<T>): Promise<T> {
  let over = false;
  void work.finally(() => {
    over = true;
  });
  const end = await world.run({ until: () => over });
  expect(end.kind).toBe("done");
  return work;
}

test(
  "reminds after three days who has not finished, and asks everybody a week later",
  { timeout: 600_000 },
  async () => {
    const { world, sent, startWorker, remote, definition } = setup("reminds");
    await during(world, startWorker());
    for (const user of ["ada", "bob"])
      await during(world, remote.start(definition, { user, address: `${user}@example.com` }, { id: `user-${user}` }));
    await world.advance(3 * DAY_MS - HOUR_MS);
    await during(world, remote.signal("user-ada", "profile_finished", { photo: true }));
    await world.advance(8 * DAY_MS);

    const to = (user: string) => sent.filter(({ text }) => text.includes(user));
    expect(to("ada").map(({ text }) => text)).toEqual(["Welcome, ada!", "How is it going, ada?"]);
    const ada = await during(world, remote.get("user-ada"));
    expect(ada.status).toBe("completed");
    expect(ada.steps["profile"]?.result).toEqual({ finished: true, photo: true });

    expect(to("bob").map(({ text }) => text)).toEqual([
      "Welcome, bob!",
      "bob, your profile is not finished.",
      "How is it going, bob?",
    ]);
    const [welcome, reminder, question] = to("bob").map(({ atMs }) => atMs) as [number, number, number];
    expect(reminder - welcome).toBeGreaterThanOrEqual(3 * DAY_MS);
    expect(reminder - welcome).toBeLessThan(3 * DAY_MS + 2 * MINUTE_MS);
    expect(question - reminder).toBeGreaterThanOrEqual(7 * DAY_MS);
    expect(question - reminder).toBeLessThan(7 * DAY_MS + 2 * MINUTE_MS);
    expect((await during(world, remote.get("user-bob"))).status).toBe("completed");
  },
);

test("reminds late, and once, when no worker was there on the day", { timeout: 600_000 }, async () => {
  const { world, sent, startWorker, remote, definition } = setup("nobody there");
  const first = await during(world, startWorker());
  await during(world, remote.start(definition, { user: "bob", address: "bob@example.com" }, { id: "user-bob" }));
  await world.advance(DAY_MS);
  first.crash();
  await world.advance(4 * DAY_MS);
  expect(sent.length).toBe(1);
  await during(world, startWorker());
  await world.advance(5 * MINUTE_MS);
  expect(sent.map(({ text }) => text)).toEqual(["Welcome, bob!", "bob, your profile is not finished."]);
});

test.runIf(WHOLE)(
  "the program sends each letter once, also when it is killed and started again",
  { timeout: 600_000 },
  async () => {
    await inFolder(async (home) => {
      const folder = join(home, "onboarding");
      const kills = [
        { program: "main", point: "write", match: "/letters/user-ada-welcome", when: "after", nth: 1 },
        { program: "main", point: "write", match: "/letters/user-bob-remind", when: "after", nth: 1 },
      ] as const;
      const plans = await plan(home, kills);
      const ends = [await runProgram("examples/onboarding/main.ts", [folder], { plans })];
      while (ends.at(-1)?.signal === "SIGKILL")
        ends.push(await runProgram("examples/onboarding/main.ts", [folder], { plans }));
      const output = ends.map((end) => end.output).join("\n");
      expect(firedOf(plans, kills), output).not.toContain(undefined);
      expect(ends.length).toBe(3);
      expect(ends.at(-1)?.code, output).toBe(0);
      expect(output).toContain("ada  needed no reminder\nbob  was reminded");
      expect(readdirSync(join(folder, "letters")).toSorted()).toEqual([
        "user-ada-ask-1.txt",
        "user-ada-welcome-1.txt",
        "user-bob-ask-1.txt",
        "user-bob-remind-1.txt",
        "user-bob-welcome-1.txt",
      ]);
      expect(output.match(/to bob@example.com: bob, your profile/g)?.length).toBe(1);
    });
  },
);
