import { expect, test } from "vitest";
import { registeredDefinition } from "../../src/define/registered.ts";
import { nodeHost } from "../../src/host/node.ts";
import { workflow } from "../../src/index.ts";
import type { Program } from "../../src/programs/programs.ts";
import { StoredPrograms } from "../../src/programs/stored-programs.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { meterStore } from "../../src/store/metered.ts";

const plansOf = (count: number) =>
  Array.from({ length: count }, (_, index) =>
    registeredDefinition(workflow(`workflow-${index}`).step("a", () => index)),
  );

test("what is served is compiled once, however many workflows there are and whatever else is looked up", async () => {
  const host = nodeHost();
  const store = new MemoryStore({ clock: host.clock });
  const others = Array.from({ length: 70 }, (_, index) =>
    registeredDefinition(workflow(`other-${index}`).step("b", () => index)),
  );
  await new StoredPrograms(store, host, others).publish();
  const served = plansOf(100);
  const programs = new StoredPrograms(store, host, served);
  // Each compilation makes a program of its own.
  const compiled = new Set<Program | undefined>();
  for (let round = 0; round < 3; round += 1) {
    for (const { name, planHash } of served) compiled.add(programs.current(name)).add(await programs.byHash(planHash));
    for (const { planHash } of others) await programs.byHash(planHash);
  }
  expect(compiled.size).toBe(100);
});

test("of plans that are not served here the ones that were used last are kept", async () => {
  const host = nodeHost();
  const store = meterStore(new MemoryStore({ clock: host.clock }));
  const plans = plansOf(65);
  await new StoredPrograms(store, host, plans).publish();
  const programs = new StoredPrograms(store, host, []);
  const [first, ...rest] = plans.map(({ planHash }) => planHash);
  const kept = await programs.byHash(first ?? "");
  for (const hash of rest) {
    await programs.byHash(hash);
    expect(await programs.byHash(first ?? "")).toBe(kept);
  }
});
